// What Swift cannot import from the C library itself. Libraries have their own shim.h.
#pragma once

#include "blake3.h"
#include "confine.h"
#include "crashes.h"
#include "decompositions.h"
#include "events.h"
#include "floats.h"
#include "groups.h"
#include "handover.h"
#include "network.h"
#include "top_bytes.h"
#include "trees.h"
#include "vectors.h"
#include "xxh3.h"

// GNU extensions that Swift's Glibc module leaves out.
int modelfs_set_thread_name(const char *name);
// How many processors this process may use, 1 at least.
int modelfs_usable_processor_count(void);
// Gives the blocks of a range back to the disk; the file keeps its length. 0, or -1 and errno.
int modelfs_punch_hole(int descriptor, long long offset, long long count);
// Takes the blocks of a whole file from the disk. 0, or the errno; EOPNOTSUPP where the file system
// cannot.
int modelfs_reserve(int descriptor, long long count);
// copy_file_range, at the same offset of both files; by read and write where the two cannot share.
long long modelfs_copy_range(int source, int target, long long offset, long long count);
int modelfs_accept_nonblocking(int listener);
int modelfs_peer_user(int socket, unsigned int *user, int *process);
int modelfs_spawn_set_new_session_flag(void);

// The entry of that index in the process's environment, NULL after the last one: Swift refuses
// the mutable global `environ`.
const char *modelfs_environment_entry(int index);

// getxattr: sys/xattr.h is no part of Swift's Glibc module.
long modelfs_get_attribute(const char *path, const char *name, void *value, unsigned long size);

// Waits until all that was written to the file system of that descriptor is on its disk.
int modelfs_sync_filesystem(int descriptor);

// FUSE passthrough, which the system's <linux/fuse.h> does not have yet: registers an open file
// with the connection of a /dev/fuse descriptor. Its positive id, or -1 and errno.
// Another descriptor of a connection, whose closing ends the requests that were read from it;
// -1 and errno.
int modelfs_fuse_clone(int device);
int modelfs_fuse_backing_open(int device, int file);
int modelfs_fuse_backing_close(int device, unsigned int backing_id);
