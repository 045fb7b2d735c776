// XXH3 with AVX2: in a file of its own, since the library's header goes into a file only once.
#pragma once

#include <stddef.h>
#include <stdint.h>

uint64_t modelfs_xxh3_wide(const void *bytes, size_t count);
