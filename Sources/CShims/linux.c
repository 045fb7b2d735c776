// GNU extensions that Swift's Glibc module leaves out.
#define _GNU_SOURCE
#include "CShims.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdint.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/xattr.h>
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

long modelfs_get_attribute(
    const char *path, const char *name, void *value, unsigned long size) {
    return getxattr(path, name, value, size);
}

int modelfs_sync_filesystem(int descriptor) {
    return syncfs(descriptor);
}

// Source: FUSE_DEV_IOC_MAGIC, FUSE_DEV_IOC_BACKING_OPEN and _CLOSE in Linux 6.9's
// include/uapi/linux/fuse.h.
struct backing_map {
    int32_t file;
    uint32_t flags;
    uint64_t padding;
};

int modelfs_fuse_backing_open(int device, int file) {
    struct backing_map map = {.file = file};
    return ioctl(device, _IOW(229, 1, struct backing_map), &map);
}

int modelfs_fuse_backing_close(int device, unsigned int backing_id) {
    uint32_t number = backing_id;
    return ioctl(device, _IOW(229, 2, uint32_t), &number);
}

// Source: FUSE_DEV_IOC_CLONE in include/uapi/linux/fuse.h.
int modelfs_fuse_clone(int device) {
    int clone = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (clone < 0) return -1;
    uint32_t number = (uint32_t)device;
    if (ioctl(clone, _IOR(229, 0, uint32_t), &number) == 0) return clone;
    int error = errno;
    close(clone);
    errno = error;
    return -1;
}

int modelfs_usable_processor_count(void) {
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return count > 0 ? count : 1;
}
