// What Swift cannot import from the C library itself. Libraries have their own shim.h.
#pragma once

#include "blake3.h"

// GNU extensions that Swift's Glibc module leaves out.
int modelfs_set_thread_name(const char *name);
// Gives the blocks of a range back to the disk; the file keeps its length. 0, or -1 and errno.
int modelfs_punch_hole(int descriptor, long long offset, long long count);
