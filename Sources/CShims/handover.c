// The macros of control messages, signalfd(2) and unshare(2), which Swift does not import.
#define _GNU_SOURCE
#include "handover.h"
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

// Room for the one descriptor that a message may carry.
union control {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr alignment;
};

static ssize_t send_with(int socket, struct msghdr *message, int descriptor, int flags) {
    union control control;
    if (descriptor >= 0) {
        memset(&control, 0, sizeof control);
        message->msg_control = control.bytes;
        message->msg_controllen = sizeof control.bytes;
        struct cmsghdr *header = CMSG_FIRSTHDR(message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof descriptor);
        memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
    }
    return sendmsg(socket, message, MSG_NOSIGNAL | flags);
}

long modelfs_send_message(int socket, const void *bytes, size_t count, int descriptor) {
    struct iovec part = {(void *)bytes, count};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    return send_with(socket, &message, descriptor, MSG_DONTWAIT);
}

long modelfs_notify_service(
    const char *address, const void *bytes, size_t count, int descriptor) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    size_t length = strlen(address);
    if (length == 0 || length >= sizeof name.sun_path) {
        errno = EINVAL;
        return -1;
    }
    memcpy(name.sun_path, address, length);
    // An abstract name begins with a zero, and ends with its last byte.
    if (name.sun_path[0] == '@') name.sun_path[0] = 0;
    else length += 1;
    int number = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (number < 0) return -1;
    struct iovec part = {(void *)bytes, count};
    struct msghdr message = {
        .msg_name = &name,
        .msg_namelen = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length),
        .msg_iov = &part,
        .msg_iovlen = 1,
    };
    // A manager that is behind is waited for, one that is stuck is not.
    struct timeval limit = {.tv_sec = 2};
    (void)setsockopt(number, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    ssize_t sent = send_with(number, &message, descriptor, 0);
    int error = errno;
    close(number);
    errno = error;
    return sent;
}

long modelfs_receive_message(int socket, void *room, size_t count, int *descriptor) {
    union control control;
    struct iovec part = {room, count};
    struct msghdr message = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof control.bytes,
    };
    *descriptor = -1;
    ssize_t received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (received < 0) return -1;
    // The room is rounded up, so more than the one may have come; all are this process's now.
    size_t came = 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header != NULL;
         header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        const unsigned char *data = CMSG_DATA(header);
        for (size_t end = CMSG_LEN(sizeof(int)); end <= header->cmsg_len; end += sizeof(int)) {
            int number;
            memcpy(&number, data, sizeof number);
            data += sizeof number;
            if (came++ == 0) *descriptor = number;
            else close(number);
        }
    }
    int isCut = message.msg_flags & MSG_TRUNC;
    // Set also where this process had no room for the descriptor.
    if (isCut || message.msg_flags & MSG_CTRUNC || came > 1) {
        if (*descriptor >= 0) close(*descriptor);
        *descriptor = -1;
        errno = isCut ? EMSGSIZE : EBADMSG;
        return -1;
    }
    return received;
}

int modelfs_memory_file(void) {
    return memfd_create("modelfs", MFD_CLOEXEC);
}

int modelfs_signal_descriptor(const int *signals, int count) {
    sigset_t set;
    sigemptyset(&set);
    for (int index = 0; index < count; index++) sigaddset(&set, signals[index]);
    int error = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (error != 0) {
        errno = error;
        return -1;
    }
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

// The thread that waits for signals; written before any handler of ours is there.
static pthread_t waiting_thread;

static void forward_signal(int number) {
    int error = errno;
    (void)pthread_kill(waiting_thread, number);
    errno = error;
}

void modelfs_forward_signals(const int *signals, int count) {
    waiting_thread = pthread_self();
    struct sigaction action = {.sa_handler = forward_signal, .sa_flags = SA_RESTART};
    sigfillset(&action.sa_mask);
    for (int index = 0; index < count; index++) (void)sigaction(signals[index], &action, NULL);
}

int modelfs_next_signal(int descriptor) {
    struct signalfd_siginfo information;
    if (read(descriptor, &information, sizeof information) != sizeof information) return 0;
    return (int)information.ssi_signo;
}

int modelfs_unshare_descriptors(int kept) {
    if (unshare(CLONE_FILES) != 0) return -1;
    if (kept > 3 && close_range(3, (unsigned)kept - 1, 0) != 0) return -1;
    return close_range((unsigned)(kept > 2 ? kept + 1 : 3), ~0U, 0);
}

void modelfs_release_program_pages(void) {
    // Where the linker says that the code begins and ends.
    extern const char __executable_start[], etext[];
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t start = ((uintptr_t)__executable_start + page - 1) / page * page;
    uintptr_t end = (uintptr_t)etext / page * page;
    if (start < end) (void)madvise((void *)start, end - start, MADV_DONTNEED);
}
