// What Swift cannot import from the C library itself. Libraries have their own shim.h.
#pragma once

#include "blake3.h"

// GNU extensions that Swift's Glibc module leaves out.
int modelfs_set_thread_name(const char *name);
