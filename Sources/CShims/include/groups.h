// Sorting the bytes of numbers of two or four bytes into groups, and back.
//
// Why this is C: the loops are plain, but a compiler may use the wide vectors of a processor only
// in functions that are meant for them (50 to 80 GB/s in place of 16 to 50, in the cache).
// Compression/ByteGroups.swift is the only caller, and says what groups are.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Sorts `count` bytes of numbers of `width` bytes (2 or 4). Of count = width * q + r bytes, group k
// has q, and one more if k < r; the groups follow one another. The buffers are apart.
void modelfs_group(
    int is_wide, int width, const uint8_t *numbers, size_t count, uint8_t *groups);
void modelfs_ungroup(
    int is_wide, int width, const uint8_t *groups, size_t count, uint8_t *numbers);
