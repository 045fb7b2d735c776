// Numbers of any common type as floats, and the search for values that are none.
//
// Why this is C: the loops are plain, but a compiler may use the wide vectors of a processor, and
// its conversion from half precision, only in functions that are meant for them.
// Weights/TensorView+Values.swift is the only caller.
#pragma once

#include <stddef.h>

#define MODELFS_FLOAT32 0
#define MODELFS_FLOAT16 1
#define MODELFS_BFLOAT16 2
#define MODELFS_FLOAT64 3
#define MODELFS_INT8 4
#define MODELFS_UINT8 5
#define MODELFS_INT16 6
#define MODELFS_UINT16 7
#define MODELFS_INT32 8
#define MODELFS_UINT32 9
#define MODELFS_INT64 10
#define MODELFS_UINT64 11

// Turns `count` values of that kind, the lowest byte first, at any address, into floats.
void modelfs_to_floats(
    int is_wide, int kind, const void *values, size_t count, float *floats);

// The index of the first value that is NaN or infinite; `count` when there is none.
size_t modelfs_first_not_finite(int is_wide, int kind, const void *values, size_t count);
