// Notes of crashes, and the handler that writes them.
//
// The handler touches memory that is there already and nothing else: the thread's own two numbers,
// and the page of notes, whose fields are lock-free atomics, since two threads may crash at once.
#define _GNU_SOURCE
#include "crashes.h"
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

// "MFSCRSH1" as a number of the machine's own order: the page never leaves it.
#define MAGIC 0x4D46534352534831ULL

struct crash {
    // 0 for a place that was never used.
    _Atomic uint64_t connection;
    _Atomic uint64_t request;
    _Atomic uint32_t count;
    _Atomic uint32_t signal;
};

// When all places are taken the oldest gives way: its request was answered long ago.
#define PLACE_COUNT ((MODELFS_CRASHES_BYTE_COUNT - 16) / sizeof(struct crash))

struct notes {
    uint64_t magic;
    _Atomic uint32_t next;
    uint32_t unused;
    struct crash places[PLACE_COUNT];
};

_Static_assert(sizeof(struct notes) <= MODELFS_CRASHES_BYTE_COUNT, "they fit into their page");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "a signal handler may not take locks");

static const int crash_signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGABRT, SIGTRAP};
#define SIGNAL_COUNT ((int)(sizeof crash_signals / sizeof *crash_signals))

static struct sigaction earlier_actions[SIGNAL_COUNT];
static _Atomic(struct notes *) watched;

// In the program's own part of a thread's memory, which is there before the thread runs: a handler
// must not be the first to touch what would be allocated then.
static __thread volatile uint64_t work_connection __attribute__((tls_model("initial-exec")));
static __thread volatile uint64_t work_request __attribute__((tls_model("initial-exec")));

void modelfs_crashes_prepare(void *notes) {
    ((struct notes *)notes)->magic = MAGIC;
}

int modelfs_crashes_are_valid(const void *notes) {
    return ((const struct notes *)notes)->magic == MAGIC;
}

static struct crash *find(struct notes *notes, uint64_t connection, uint64_t request) {
    for (size_t index = 0; index < PLACE_COUNT; index++) {
        struct crash *crash = &notes->places[index];
        if (atomic_load(&crash->connection) == connection
            && atomic_load(&crash->request) == request)
            return crash;
    }
    return NULL;
}

void modelfs_crashes_note(void *page, uint64_t connection, uint64_t request, int signal) {
    struct notes *notes = page;
    struct crash *crash = find(notes, connection, request);
    if (crash == NULL) {
        crash = &notes->places[atomic_fetch_add(&notes->next, 1) % PLACE_COUNT];
        atomic_store(&crash->connection, 0);
        atomic_store(&crash->count, 0);
        atomic_store(&crash->request, request);
        atomic_store(&crash->connection, connection);
    }
    atomic_store(&crash->signal, (uint32_t)signal);
    atomic_fetch_add(&crash->count, 1);
}

uint32_t modelfs_crashes_count(const void *notes, uint64_t connection, uint64_t request) {
    struct crash *crash = find((struct notes *)notes, connection, request);
    return crash == NULL ? 0 : atomic_load(&crash->count);
}

int modelfs_crashes_signal(const void *notes, uint64_t connection, uint64_t request) {
    struct crash *crash = find((struct notes *)notes, connection, request);
    return crash == NULL ? 0 : (int)atomic_load(&crash->signal);
}

void modelfs_crashes_forget(void *page, uint64_t connection) {
    struct notes *notes = page;
    for (size_t index = 0; index < PLACE_COUNT; index++) {
        struct crash *crash = &notes->places[index];
        if (atomic_load(&crash->connection) == connection) atomic_store(&crash->connection, 0);
    }
}

void modelfs_crashes_work(uint64_t connection, uint64_t request) {
    // Never a request with another one's connection, whenever the signal comes.
    work_request = 0;
    work_connection = connection;
    work_request = request;
}

uint64_t modelfs_crashes_connection(void) {
    return work_connection;
}

uint64_t modelfs_crashes_request(void) {
    return work_request;
}

static void note_crash(int number, siginfo_t *information, void *context) {
    (void)context;
    int error = errno;
    struct notes *notes = atomic_load(&watched);
    uint64_t request = work_request;
    if (notes != NULL && request != 0)
        modelfs_crashes_note(notes, work_connection, request, number);
    // One note for one crash, whatever comes of it.
    work_request = 0;
    for (int index = 0; index < SIGNAL_COUNT; index++)
        if (crash_signals[index] == number)
            (void)sigaction(number, &earlier_actions[index], NULL);
    // The processor's fault comes again with its instruction; a signal that was sent does not.
    if (information->si_code <= 0) (void)raise(number);
    errno = error;
}

int modelfs_crashes_watch(void *notes) {
    if (atomic_exchange(&watched, notes) != NULL) return 0;
    struct sigaction action = {
        .sa_sigaction = note_crash, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (int index = 0; index < SIGNAL_COUNT; index++)
        if (sigaction(crash_signals[index], &action, &earlier_actions[index]) != 0) return errno;
    return 0;
}

void *modelfs_crashes_second_stack(void) {
    long count = sysconf(_SC_SIGSTKSZ);
    size_t size = count > SIGSTKSZ ? (size_t)count : SIGSTKSZ;
    stack_t stack = {.ss_sp = malloc(size), .ss_size = size};
    if (stack.ss_sp == NULL || sigaltstack(&stack, NULL) == 0) return stack.ss_sp;
    free(stack.ss_sp);
    return NULL;
}

void modelfs_crashes_free_stack(void *stack) {
    stack_t none = {.ss_flags = SS_DISABLE};
    (void)sigaltstack(&none, NULL);
    free(stack);
}
