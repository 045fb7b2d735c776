// The loops that turn numbers into floats, for one instruction set; included once for each by
// floats.c.
//
// Before inclusion: NAME(x) for names, TARGET for the instruction set. Values are copied out by
// memcpy, which becomes a load that needs no alignment.

#define LOOP(name, type)                                                        \
    TARGET static void NAME(name)(                                              \
        const unsigned char *restrict values, size_t count, float *restrict floats) { \
        for (size_t i = 0; i < count; i++) {                                    \
            type value;                                                         \
            memcpy(&value, values + i * sizeof value, sizeof value);            \
            floats[i] = (float)value;                                           \
        }                                                                       \
    }

LOOP(from_float64, double)
LOOP(from_int8, int8_t)
LOOP(from_uint8, uint8_t)
LOOP(from_int16, int16_t)
LOOP(from_uint16, uint16_t)
LOOP(from_int32, int32_t)
LOOP(from_uint32, uint32_t)
LOOP(from_int64, int64_t)
LOOP(from_uint64, uint64_t)
#undef LOOP

TARGET static void NAME(from_bfloat16)(
    const unsigned char *restrict values, size_t count, float *restrict floats) {
    for (size_t i = 0; i < count; i++) {
        uint16_t half;
        memcpy(&half, values + 2 * i, 2);
        uint32_t bits = (uint32_t)half << 16;
        memcpy(floats + i, &bits, 4);
    }
}

// Whether all bits of the exponent are set in one of the values: a whole block is looked at
// before anything is decided, so that the loop has no branch.
#define SEARCH(name, type, mask)                                                \
    TARGET static size_t NAME(name)(const unsigned char *values, size_t count) { \
        for (size_t start = 0; start < count; start += 4096) {                  \
            size_t end = count - start < 4096 ? count : start + 4096;           \
            int found = 0;                                                      \
            for (size_t i = start; i < end; i++) {                              \
                type bits;                                                      \
                memcpy(&bits, values + i * sizeof bits, sizeof bits);           \
                found |= (bits & mask) == mask;                                 \
            }                                                                   \
            for (size_t i = start; found && i < end; i++) {                     \
                type bits;                                                      \
                memcpy(&bits, values + i * sizeof bits, sizeof bits);           \
                if ((bits & mask) == mask) return i;                            \
            }                                                                   \
        }                                                                       \
        return count;                                                           \
    }

SEARCH(not_finite_32, uint32_t, UINT32_C(0x7f800000))
SEARCH(not_finite_16, uint16_t, UINT16_C(0x7c00))
SEARCH(not_finite_b16, uint16_t, UINT16_C(0x7f80))
SEARCH(not_finite_64, uint64_t, UINT64_C(0x7ff0000000000000))
#undef SEARCH

#undef NAME
#undef TARGET
