// Writes of blocks that take their time, as those of a slow disk: preloaded before a daemon's own.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/uio.h>
#include <unistd.h>

enum { BLOCK = 64 << 10, PAUSE_MICROSECONDS = 5000 };

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t offset) {
    static ssize_t (*next)(int, const void *, size_t, off64_t);
    if (!next) next = (ssize_t (*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
    if (count >= BLOCK) usleep(PAUSE_MICROSECONDS);
    return next(file, bytes, count, offset);
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t offset) {
    return pwrite64(file, bytes, count, offset);
}

ssize_t pwritev64(int file, const struct iovec *parts, int count, off64_t offset) {
    static ssize_t (*next)(int, const struct iovec *, int, off64_t);
    if (!next) {
        next = (ssize_t (*)(int, const struct iovec *, int, off64_t))dlsym(RTLD_NEXT, "pwritev64");
    }
    size_t total = 0;
    for (int index = 0; index < count; index++) total += parts[index].iov_len;
    if (total >= BLOCK) usleep(PAUSE_MICROSECONDS);
    return next(file, parts, count, offset);
}

ssize_t pwritev(int file, const struct iovec *parts, int count, off_t offset) {
    return pwritev64(file, parts, count, offset);
}
