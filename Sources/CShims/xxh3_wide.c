// XXH3 for processors with AVX2: the library's header, compiled with the attribute below.
#include "xxh3_wide.h"

#if defined(__x86_64__)
// Before the attribute below, which must not reach them.
#include <immintrin.h>
#include <stdlib.h>
#include <string.h>

#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#define XXH_INLINE_ALL
#define XXH_VECTOR XXH_AVX2
#include <xxhash.h>

uint64_t modelfs_xxh3_wide(const void *bytes, size_t count) {
    return XXH3_64bits(bytes, count);
}
#pragma clang attribute pop
#endif
