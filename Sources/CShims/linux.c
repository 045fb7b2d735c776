// GNU extensions that Swift's Glibc module leaves out.
#define _GNU_SOURCE
#include "CShims.h"
#include <pthread.h>
#include <unistd.h>

int modelfs_set_thread_name(const char *name) {
    return pthread_setname_np(pthread_self(), name);
}

const char *modelfs_environment_entry(int index) {
    return environ[index];
}

int modelfs_sync_filesystem(int descriptor) {
    return syncfs(descriptor);
}
