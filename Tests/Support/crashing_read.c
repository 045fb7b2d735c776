// A daemon that crashes where a test wants it, preloaded: the folder MODELFS_TEST_CRASH has a file
// `what` with "SIGNAL THREADS NEEDLE", and a file for each crash that is left, `0` to `99`. When a
// thread with one of those names reads from a file with NEEDLE in its path, it takes one of them,
// and crashes as a program with a mistake does: with a real fault, trap or abort.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

static void use_up_stack(volatile char *above) {
    volatile char room[4096];
    room[0] = above ? above[0] : 0;
    use_up_stack(room);
    room[1] = room[0];
}

static void crash(const char *how) {
    if (!strcmp(how, "SEGV")) *(volatile int *)8 = 1;
    if (!strcmp(how, "STACK")) use_up_stack(NULL);
    if (!strcmp(how, "ILL")) __builtin_trap();
    if (!strcmp(how, "ABRT")) abort();
    if (!strcmp(how, "BUS")) {
        int file = memfd_create("empty", MFD_CLOEXEC);
        volatile char *page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0);
        (void)page[0];
    }
    if (!strcmp(how, "KILL")) raise(SIGKILL);
}

static void consider(int file) {
    const char *folder = getenv("MODELFS_TEST_CRASH");
    if (!folder) return;
    char path[4096], text[512] = {0}, target[4096] = {0}, name[16] = {0};
    char how[16], threads[64], needle[256];
    snprintf(path, sizeof path, "%s/what", folder);
    int what = open(path, O_RDONLY | O_CLOEXEC);
    if (what < 0) return;
    ssize_t count = read(what, text, sizeof text - 1);
    close(what);
    if (count <= 0 || sscanf(text, "%15s %63s %255s", how, threads, needle) != 3) return;
    pthread_getname_np(pthread_self(), name, sizeof name);
    if (!name[0] || !strstr(threads, name)) return;
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    if (readlink(path, target, sizeof target - 1) < 0 || !strstr(target, needle)) return;
    for (int number = 0; number < 100; number++) {
        snprintf(path, sizeof path, "%s/%d", folder, number);
        if (unlink(path) == 0) crash(how);
    }
}

ssize_t pread(int file, void *room, size_t count, off_t offset) {
    static ssize_t (*next)(int, void *, size_t, off_t);
    if (!next) next = (ssize_t(*)(int, void *, size_t, off_t))dlsym(RTLD_NEXT, "pread");
    consider(file);
    return next(file, room, count, offset);
}

ssize_t preadv(int file, const struct iovec *vectors, int count, off_t offset) {
    static ssize_t (*next)(int, const struct iovec *, int, off_t);
    if (!next) next = (ssize_t(*)(int, const struct iovec *, int, off_t))dlsym(RTLD_NEXT, "preadv");
    consider(file);
    return next(file, vectors, count, offset);
}
