// The top bytes of numbers as codes of four bits, and back.
//
// Why this is C: it needs a shuffle of bytes by a table in a register, which Swift does not have.
// Compression/TopBytes.swift is the only caller, and says what the codes are for.
#pragma once

#include <stddef.h>
#include <stdint.h>

// A number whose top byte has no code: its index in 2 bytes (little-endian), its top byte.
#define MODELFS_EXCEPTION_BYTES 3

// Takes `count` numbers of `width` bytes apart, the lowest `zero_count` of which are zero: 2 and 0,
// 4 and 0, or 4 and 2. At most 65,536 numbers, so that indices fit.
//
// table: the bytes that codes stand for. codes: ceil(count / 2) bytes, a number with an even index
// in the lower half of its byte. rest: the bytes of each number between the zeros and the top.
// exceptions: room for exception_count_max of them.
// Returns the number of exceptions; -1 if there are more, or if a byte is not zero that has to be.
int modelfs_narrow(
    int is_wide, int width, int zero_count, const uint8_t *table, const uint8_t *numbers,
    size_t count, uint8_t *codes, uint8_t *rest, uint8_t *exceptions, size_t exception_count_max);

// Puts them together again; returns -1 if an exception is of no number.
int modelfs_widen(
    int is_wide, int width, int zero_count, const uint8_t *table, const uint8_t *codes,
    const uint8_t *rest, size_t count, const uint8_t *exceptions, size_t exception_count,
    uint8_t *numbers);
