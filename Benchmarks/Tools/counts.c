// Counts what a process does with memory and bytes; to be loaded before its libraries (LD_PRELOAD).
//
// The numbers are in the file $MODELFS_COUNTS.PID, as eight words of 64 bits: allocations, bytes
// allocated, bytes copied by memcpy and memmove, bytes read from files by pread, bytes written by
// write and writev, bytes received, calls of pread, calls of writev.
//
// What a compiler copies without a call, and what the kernel copies for others, is not seen. Calls
// within libc itself are not seen either.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { ALLOCATIONS, ALLOCATED, COPIED, READ, WRITTEN, RECEIVED, READS, WRITES, COUNT };

static _Atomic uint64_t before[COUNT];
static _Atomic uint64_t *numbers = before;

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static void add(int which, uint64_t value) {
    atomic_fetch_add_explicit(&numbers[which], value, memory_order_relaxed);
}

__attribute__((constructor)) static void begin(void) {
    const char *base = getenv("MODELFS_COUNTS");
    char path[4096];
    if (!base || snprintf(path, sizeof path, "%s.%d", base, (int)getpid()) >= (int)sizeof path)
        return;
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0 || ftruncate(file, 4096)) return;
    void *place = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (place != MAP_FAILED) numbers = place;
}

void *malloc(size_t size) {
    add(ALLOCATIONS, 1);
    add(ALLOCATED, size);
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    add(ALLOCATIONS, 1);
    add(ALLOCATED, count * size);
    return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size) {
    add(ALLOCATIONS, 1);
    add(ALLOCATED, size);
    return __libc_realloc(old, size);
}

int posix_memalign(void **place, size_t alignment, size_t size) {
    add(ALLOCATIONS, 1);
    add(ALLOCATED, size);
    *place = __libc_memalign(alignment, size);
    return *place ? 0 : 12;
}

void *aligned_alloc(size_t alignment, size_t size) {
    add(ALLOCATIONS, 1);
    add(ALLOCATED, size);
    return __libc_memalign(alignment, size);
}

// Volatile, so that the loops below do not become calls of what they stand for.
static void *copy(void *target, const void *source, size_t count) {
    void *result = target;
    __asm__ volatile("rep movsb" : "+D"(target), "+S"(source), "+c"(count) : : "memory");
    return result;
}

void *memcpy(void *restrict target, const void *restrict source, size_t count) {
    add(COPIED, count);
    return copy(target, source, count);
}

void *memmove(void *target, const void *source, size_t count) {
    add(COPIED, count);
    if ((uintptr_t)target - (uintptr_t)source >= count) return copy(target, source, count);
    for (volatile unsigned char *to = target; count-- > 0;)
        to[count] = ((const unsigned char *)source)[count];
    return target;
}

ssize_t pread(int file, void *buffer, size_t size, off_t place) {
    static ssize_t (*next)(int, void *, size_t, off_t);
    if (!next) next = (ssize_t(*)(int, void *, size_t, off_t))dlsym(RTLD_NEXT, "pread");
    ssize_t count = next(file, buffer, size, place);
    add(READS, 1);
    if (count > 0) add(READ, (uint64_t)count);
    return count;
}

ssize_t pread64(int file, void *buffer, size_t size, off_t place) {
    return pread(file, buffer, size, place);
}

ssize_t write(int file, const void *buffer, size_t size) {
    static ssize_t (*next)(int, const void *, size_t);
    if (!next) next = (ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    ssize_t count = next(file, buffer, size);
    add(WRITES, 1);
    if (count > 0) add(WRITTEN, (uint64_t)count);
    return count;
}

ssize_t writev(int file, const struct iovec *parts, int part_count) {
    static ssize_t (*next)(int, const struct iovec *, int);
    if (!next) next = (ssize_t(*)(int, const struct iovec *, int))dlsym(RTLD_NEXT, "writev");
    ssize_t count = next(file, parts, part_count);
    add(WRITES, 1);
    if (count > 0) add(WRITTEN, (uint64_t)count);
    return count;
}

ssize_t recv(int file, void *buffer, size_t size, int flags) {
    static ssize_t (*next)(int, void *, size_t, int);
    if (!next) next = (ssize_t(*)(int, void *, size_t, int))dlsym(RTLD_NEXT, "recv");
    ssize_t count = next(file, buffer, size, flags);
    if (count > 0) add(RECEIVED, (uint64_t)count);
    return count;
}
