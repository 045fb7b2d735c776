// Top bytes as codes: number by number, and the choice between that and the wide form.
#include "CShims.h"
#include <string.h>

static inline void put_exception(uint8_t *exceptions, size_t place, size_t index, uint8_t byte) {
    uint8_t *exception = exceptions + MODELFS_EXCEPTION_BYTES * place;
    exception[0] = (uint8_t)index;
    exception[1] = (uint8_t)(index >> 8);
    exception[2] = byte;
}

#if defined(__x86_64__)
#include "top_bytes_wide.h"
#else
#define NO_CODE 0x80
#endif

int modelfs_narrow(
    int is_wide, int width, int zero_count, const uint8_t *table, const uint8_t *numbers,
    size_t count, uint8_t *codes, uint8_t *rest, uint8_t *exceptions,
    size_t exception_count_max) {
    uint8_t code_of[256];
    memset(code_of, NO_CODE, sizeof code_of);
    // The first code wins of two for one byte.
    for (int code = 15; code >= 0; code--) code_of[table[code]] = (uint8_t)code;
    size_t i = 0, found = 0, w = (size_t)width, zeros = (size_t)zero_count, kept = w - 1 - zeros;
#if defined(__x86_64__)
    if (is_wide && count >= STEP_BY_4) {
        i = wide_narrow(width, zero_count, code_of, numbers, count, codes, rest, exceptions,
            exception_count_max, &found);
        if (i == 0) return -1;
    }
#endif
    (void)is_wide;
    for (; i < count; i++) {
        const uint8_t *number = numbers + w * i;
        uint8_t top = number[w - 1], code = code_of[top];
        for (size_t k = 0; k < zeros; k++)
            if (number[k] != 0) return -1;
        memcpy(rest + kept * i, number + zeros, kept);
        if (code == NO_CODE) {
            if (found == exception_count_max) return -1;
            put_exception(exceptions, found++, i, top);
            code = 0;
        }
        if (i % 2 == 0)
            codes[i / 2] = code;
        else
            codes[i / 2] |= (uint8_t)(code << 4);
    }
    return (int)found;
}

int modelfs_widen(
    int is_wide, int width, int zero_count, const uint8_t *table, const uint8_t *codes,
    const uint8_t *rest, size_t count, const uint8_t *exceptions, size_t exception_count,
    uint8_t *numbers) {
    size_t i = 0, w = (size_t)width, zeros = (size_t)zero_count, kept = w - 1 - zeros;
#if defined(__x86_64__)
    if (is_wide && zero_count)
        i = wide_widen_2_in_4(table, codes, rest, count, numbers);
    else if (is_wide)
        i = width == 2 ? wide_widen_by_2(table, codes, rest, count, numbers)
                       : wide_widen_by_4(table, codes, rest, count, numbers);
#endif
    (void)is_wide;
    for (; i < count; i++) {
        uint8_t *number = numbers + w * i;
        memset(number, 0, zeros);
        memcpy(number + zeros, rest + kept * i, kept);
        number[w - 1] = table[codes[i / 2] >> (i % 2 * 4) & 15];
    }
    for (size_t place = 0; place < exception_count; place++) {
        const uint8_t *exception = exceptions + MODELFS_EXCEPTION_BYTES * place;
        size_t index = exception[0] | (size_t)exception[1] << 8;
        if (index >= count) return -1;
        numbers[w * index + w - 1] = exception[2];
    }
    return 0;
}
