// The inner loop of BLAKE3 on several inputs at once, as wide as the processor allows.
//
// Why this is C: Swift emits one instruction set for a whole program, and at the baseline of
// x86-64 it takes vector rotations apart into scalar ones (0.46 GB/s measured for SIMD4<UInt32>
// in Swift). C can compile one function for several instruction sets and choose at run time.
// The numbers are in Hashing/Blake3.swift, which is the only caller.
#pragma once

#include <stddef.h>
#include <stdint.h>

// The most inputs that one call of modelfs_blake3_lanes takes on this processor: 16, 8 or 4.
int modelfs_blake3_lane_count(void);

// Compresses `lanes` inputs (16, 8 or 4, and no more than the processor can), each of
// block_count blocks of 64 bytes.
//
// Lane i runs with the counter first_counter + i * counter_step, and writes its chaining value
// to chaining_values[8 * i ..< 8 * i + 8]. The first and the last block get further flags.
// If tail_blocks is not 0, what lane tail_lane had after that many blocks is written to `tail`:
// that is how a chunk that is not full goes along with full ones.
void modelfs_blake3_lanes(
    int lanes, const uint8_t *const *inputs, size_t block_count, const uint32_t *key,
    uint64_t first_counter, uint64_t counter_step, uint32_t flags, uint32_t first_flags,
    uint32_t last_flags, uint32_t *chaining_values, size_t tail_lane, size_t tail_blocks,
    uint32_t *tail);
