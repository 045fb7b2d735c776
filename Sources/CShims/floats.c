// Numbers as floats: the instruction sets, half precision, and the choice between them.
#include "CShims.h"
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define NAME(x) narrow_##x
#define TARGET
#include "floats_loops.h"

#if defined(__x86_64__)
#define NAME(x) wide_##x
#define TARGET __attribute__((target("avx2")))
#include "floats_loops.h"
#endif

// Half precision by integers alone: 1 bit of sign, 5 of exponent (bias 15), 10 of fraction.
static float float_from_half(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    uint32_t exponent = half >> 10 & 0x1f, fraction = half & 0x3ff, bits;
    if (exponent == 0) {
        // Zero, or a fraction without its leading one: exact as a product.
        float value = (float)fraction * 0x1p-24f;
        memcpy(&bits, &value, 4);
        bits |= sign;
    } else if (exponent == 0x1f) {
        // Infinite, or NaN, which is made a quiet one, as the processor's own instruction does.
        bits = sign | 0x7f800000 | fraction << 13 | (fraction ? 0x400000 : 0);
    } else {
        bits = sign | (exponent + 112) << 23 | fraction << 13;
    }
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

static void narrow_from_float16(
    const unsigned char *restrict values, size_t count, float *restrict floats) {
    for (size_t i = 0; i < count; i++) {
        uint16_t half;
        memcpy(&half, values + 2 * i, 2);
        floats[i] = float_from_half(half);
    }
}

#if defined(__x86_64__)
__attribute__((target("avx2,f16c"))) static void wide_from_float16(
    const unsigned char *restrict values, size_t count, float *restrict floats) {
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        __m128i halves = _mm_loadu_si128((const __m128i *)(values + 2 * i));
        _mm256_storeu_ps(floats + i, _mm256_cvtph_ps(halves));
    }
    narrow_from_float16(values + 2 * i, count - i, floats + i);
}

#define CHOOSE(x) (is_wide ? wide_##x : narrow_##x)
#else
#define CHOOSE(x) narrow_##x
#endif

void modelfs_to_floats(
    int is_wide, int kind, const void *values, size_t count, float *floats) {
    (void)is_wide;
    switch (kind) {
    case MODELFS_FLOAT32: memcpy(floats, values, count * sizeof(float)); return;
    case MODELFS_FLOAT16: CHOOSE(from_float16)(values, count, floats); return;
    case MODELFS_BFLOAT16: CHOOSE(from_bfloat16)(values, count, floats); return;
    case MODELFS_FLOAT64: CHOOSE(from_float64)(values, count, floats); return;
    case MODELFS_INT8: CHOOSE(from_int8)(values, count, floats); return;
    case MODELFS_UINT8: CHOOSE(from_uint8)(values, count, floats); return;
    case MODELFS_INT16: CHOOSE(from_int16)(values, count, floats); return;
    case MODELFS_UINT16: CHOOSE(from_uint16)(values, count, floats); return;
    case MODELFS_INT32: CHOOSE(from_int32)(values, count, floats); return;
    case MODELFS_UINT32: CHOOSE(from_uint32)(values, count, floats); return;
    case MODELFS_INT64: CHOOSE(from_int64)(values, count, floats); return;
    case MODELFS_UINT64: CHOOSE(from_uint64)(values, count, floats); return;
    }
}

size_t modelfs_first_not_finite(int is_wide, int kind, const void *values, size_t count) {
    (void)is_wide;
    switch (kind) {
    case MODELFS_FLOAT32: return CHOOSE(not_finite_32)(values, count);
    case MODELFS_FLOAT16: return CHOOSE(not_finite_16)(values, count);
    case MODELFS_BFLOAT16: return CHOOSE(not_finite_b16)(values, count);
    case MODELFS_FLOAT64: return CHOOSE(not_finite_64)(values, count);
    }
    return count;
}
