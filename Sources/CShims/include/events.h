// epoll(7) and eventfd(2), which Swift does not import.
#pragma once

// What happened on a descriptor, and what is waited for on it.
enum { MODELFS_EVENT_READ = 1, MODELFS_EVENT_WRITE = 2, MODELFS_EVENT_FAILURE = 4 };

struct modelfs_event {
    int descriptor;
    int what;
};

// An epoll descriptor, closed on exec; -1 and errno.
int modelfs_events_open(void);

// Waits for something on a descriptor from now on, or for something else than before; -1 and errno.
int modelfs_events_await(int events, int descriptor, int what);

// Waits for a descriptor no more; nothing happens if it is not waited for.
void modelfs_events_forget(int events, int descriptor);

// Waits for the first events, at most `count` (1 to 64) of them. How many there are; -1 and errno.
int modelfs_events_wait(int events, struct modelfs_event *found, int count, int milliseconds);

// A descriptor that can be read from when it was rung, closed on exec; -1 and errno.
int modelfs_bell_open(void);
void modelfs_bell_ring(int bell);
void modelfs_bell_silence(int bell);
