// The widths of the inner loop of BLAKE3, and the choice between them.
#include "CShims.h"
#include <string.h>

static const uint32_t start_words[4] = {0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A};

#define LANES 4
#define NAME(x) narrow_##x
#define TARGET __attribute__((always_inline))
#include "blake3_lanes.h"

#if defined(__x86_64__)
#define LANES 8
#define NAME(x) avx2_##x
#define TARGET __attribute__((target("avx2")))
#include "blake3_lanes.h"

#define LANES 16
#define NAME(x) avx512_##x
#define TARGET __attribute__((target("avx512f")))
#include "blake3_lanes.h"
#endif

int modelfs_blake3_lane_count(void) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) return 16;
    if (__builtin_cpu_supports("avx2")) return 8;
#endif
    return 4;
}

void modelfs_blake3_lanes(
    int lanes, const uint8_t *const *inputs, size_t block_count, const uint32_t *key,
    uint64_t first_counter, uint64_t counter_step, uint32_t flags, uint32_t first_flags,
    uint32_t last_flags, uint32_t *chaining_values, size_t tail_lane, size_t tail_blocks,
    uint32_t *tail) {
#if defined(__x86_64__)
    if (lanes == 16)
        return avx512_lanes(inputs, block_count, key, first_counter, counter_step, flags,
            first_flags, last_flags, chaining_values, tail_lane, tail_blocks, tail);
    if (lanes == 8)
        return avx2_lanes(inputs, block_count, key, first_counter, counter_step, flags,
            first_flags, last_flags, chaining_values, tail_lane, tail_blocks, tail);
#endif
    (void)lanes;
    narrow_lanes(inputs, block_count, key, first_counter, counter_step, flags, first_flags,
        last_flags, chaining_values, tail_lane, tail_blocks, tail);
}
