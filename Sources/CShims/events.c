// epoll(7) and eventfd(2), which Swift does not import.
#include "events.h"
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

enum { COUNT_MAX = 64 };

int modelfs_events_open(void) { return epoll_create1(EPOLL_CLOEXEC); }

int modelfs_events_await(int events, int descriptor, int what) {
    struct epoll_event event = {
        .events = (what & MODELFS_EVENT_READ ? EPOLLIN : 0u)
            | (what & MODELFS_EVENT_WRITE ? EPOLLOUT : 0u),
        .data.fd = descriptor,
    };
    if (epoll_ctl(events, EPOLL_CTL_MOD, descriptor, &event) == 0) return 0;
    return errno == ENOENT ? epoll_ctl(events, EPOLL_CTL_ADD, descriptor, &event) : -1;
}

void modelfs_events_forget(int events, int descriptor) {
    struct epoll_event unused = {0};
    epoll_ctl(events, EPOLL_CTL_DEL, descriptor, &unused);
}

int modelfs_events_wait(int events, struct modelfs_event *found, int count, int milliseconds) {
    struct epoll_event happened[COUNT_MAX];
    if (count > COUNT_MAX) count = COUNT_MAX;
    int total = epoll_wait(events, happened, count, milliseconds);
    for (int index = 0; index < total; index++) {
        unsigned all = happened[index].events;
        found[index].descriptor = happened[index].data.fd;
        found[index].what = (all & (EPOLLIN | EPOLLHUP) ? MODELFS_EVENT_READ : 0)
            | (all & EPOLLOUT ? MODELFS_EVENT_WRITE : 0)
            | (all & (EPOLLERR | EPOLLHUP) ? MODELFS_EVENT_FAILURE : 0);
    }
    return total;
}

int modelfs_bell_open(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

// It is full only when it has been rung, which is as good.
void modelfs_bell_ring(int bell) { eventfd_write(bell, 1); }

void modelfs_bell_silence(int bell) {
    eventfd_t count;
    eventfd_read(bell, &count);
}
