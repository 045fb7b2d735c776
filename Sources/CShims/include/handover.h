// Descriptors that go from one process to another, and signals that come as one.
#pragma once

#include <stddef.h>

// Sends one message over a connected socket, with a descriptor unless that is negative.
long modelfs_send_message(int socket, const void *bytes, size_t count, int descriptor);

// Sends one datagram to the address of a service manager's socket: a path, or a name after '@'.
long modelfs_notify_service(
    const char *address, const void *bytes, size_t count, int descriptor);

// Receives one message. `descriptor` becomes what came with it, closed on exec, or -1.
// 0 when the other end has gone; -1 and EMSGSIZE when the message did not fit, -1 and EBADMSG when
// a descriptor did not, or more than one came. Nothing of such a message stays open.
long modelfs_receive_message(int socket, void *room, size_t count, int *descriptor);

// A file in memory, closed on exec; -1 and errno.
int modelfs_memory_file(void);

// Blocks the signals in the calling thread and gives a non-blocking descriptor that reads them.
int modelfs_signal_descriptor(const int *signals, int count);

// Has signals that reach other threads, which do not block them, sent on to the calling thread,
// which blocks them and waits. For libraries that start threads before the program begins.
void modelfs_forward_signals(const int *signals, int count);

// The next signal of such a descriptor; 0 when there is none.
int modelfs_next_signal(int descriptor);

// Gives the calling thread a table of descriptors of its own, with `kept` and those up to 2.
int modelfs_unshare_descriptors(int kept);

// Takes the program's own code out of this process's memory; what is needed again comes back from
// the page cache by itself.
void modelfs_release_program_pages(void);
