// GNU extensions that Swift's Glibc module leaves out.
#define _GNU_SOURCE
#include "CShims.h"
#include <fcntl.h>
#include <pthread.h>

int modelfs_set_thread_name(const char *name) {
    return pthread_setname_np(pthread_self(), name);
}

int modelfs_punch_hole(int descriptor, long long offset, long long count) {
    return fallocate(descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, count);
}
