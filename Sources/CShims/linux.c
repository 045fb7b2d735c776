// GNU extensions that Swift's Glibc module leaves out.
#define _GNU_SOURCE
#include "CShims.h"
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <sys/socket.h>
#include <unistd.h>

int modelfs_set_thread_name(const char *name) {
    return pthread_setname_np(pthread_self(), name);
}

int modelfs_punch_hole(int descriptor, long long offset, long long count) {
    return fallocate(descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, count);
}

const char *modelfs_environment_entry(int index) {
    return environ[index];
}

int modelfs_accept_nonblocking(int listener) {
    return accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

int modelfs_peer_user(int socket, unsigned int *user, int *process) {
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return -1;
    *user = peer.uid;
    *process = peer.pid;
    return 0;
}

int modelfs_spawn_set_new_session_flag(void) {
    return POSIX_SPAWN_SETSID;
}

int modelfs_sync_filesystem(int descriptor) {
    return syncfs(descriptor);
}
