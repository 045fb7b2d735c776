// Requests that were in work on a thread when its process crashed, noted in memory that outlives
// the process, by a signal handler: nothing else could still tell.
#pragma once

#include <stddef.h>
#include <stdint.h>

// How much memory the notes take: a page.
enum { MODELFS_CRASHES_BYTE_COUNT = 4096 };

// Makes memory that is all zeros a list of notes.
void modelfs_crashes_prepare(void *notes);
// Whether it is one.
int modelfs_crashes_are_valid(const void *notes);

// From here on a thread of this process that gets SIGSEGV, SIGBUS, SIGILL, SIGABRT or SIGTRAP notes
// which request it had in work; then the signal does what it did before. 0, or the errno.
int modelfs_crashes_watch(void *notes);

// The calling thread works on a request of a connection; 0 and 0 for none.
void modelfs_crashes_work(uint64_t connection, uint64_t request);
// What it works on.
uint64_t modelfs_crashes_connection(void);
uint64_t modelfs_crashes_request(void);

// Gives the calling thread a second stack, for a handler where the first one is used up; NULL when
// there is no memory for one. To be given back by the same thread before it ends.
void *modelfs_crashes_second_stack(void);
void modelfs_crashes_free_stack(void *stack);

// Notes a crash. Safe in a signal handler.
void modelfs_crashes_note(void *notes, uint64_t connection, uint64_t request, int signal);
// How often a request was in work when a process crashed.
uint32_t modelfs_crashes_count(const void *notes, uint64_t connection, uint64_t request);
// The signal of the last of these crashes; 0 for none.
int modelfs_crashes_signal(const void *notes, uint64_t connection, uint64_t request);
// Forgets the requests of a connection, whose numbers begin anew.
void modelfs_crashes_forget(void *notes, uint64_t connection);
