// Top bytes with AVX2: 32 numbers at a time. Included by top_bytes.c.
//
// Each function stops where fewer are left than it can take without touching a byte beyond the
// buffers, and returns how many numbers it has done.
#pragma once

#include <immintrin.h>
#include <string.h>

#define WIDE __attribute__((target("avx2")))
#define STEP 32
// With three bytes a number the last of the 16-byte moves of a step reaches 4 bytes beyond it.
#define STEP_BY_4 (STEP + 2)

WIDE static inline __m256i load(const uint8_t *bytes) {
    return _mm256_loadu_si256((const __m256i *)bytes);
}

WIDE static inline __m128i load_half(const uint8_t *bytes) {
    return _mm_loadu_si128((const __m128i *)bytes);
}

// The top bytes of 32 numbers, from 16 bytes of codes.
WIDE static inline __m256i wide_tops(__m256i table, const uint8_t *codes) {
    __m256i pairs = _mm256_cvtepu8_epi16(load_half(codes));
    __m256i spread = _mm256_or_si256(pairs, _mm256_slli_epi16(pairs, 4));
    return _mm256_shuffle_epi8(table, _mm256_and_si256(spread, _mm256_set1_epi8(15)));
}

WIDE static size_t wide_widen_by_2(
    const uint8_t *table, const uint8_t *codes, const uint8_t *rest, size_t count,
    uint8_t *numbers) {
    __m256i values = _mm256_broadcastsi128_si256(load_half(table));
    size_t i = 0;
    for (; i + STEP <= count; i += STEP) {
        __m256i top = wide_tops(values, codes + i / 2), low = load(rest + i);
        __m256i even = _mm256_unpacklo_epi8(low, top), odd = _mm256_unpackhi_epi8(low, top);
        __m256i *out = (__m256i *)(numbers + 2 * i);
        _mm256_storeu_si256(out, _mm256_permute2x128_si256(even, odd, 0x20));
        _mm256_storeu_si256(out + 1, _mm256_permute2x128_si256(even, odd, 0x31));
    }
    return i;
}

WIDE static size_t wide_widen_by_4(
    const uint8_t *table, const uint8_t *codes, const uint8_t *rest, size_t count,
    uint8_t *numbers) {
    __m256i values = _mm256_broadcastsi128_si256(load_half(table));
    __m256i apart = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1));
    size_t i = 0;
    for (; i + STEP_BY_4 <= count; i += STEP) {
        uint8_t tops[STEP];
        _mm256_storeu_si256((__m256i *)tops, wide_tops(values, codes + i / 2));
        for (int part = 0; part < 4; part++) {
            const uint8_t *low = rest + 3 * i + 24 * part;
            __m256i both = _mm256_inserti128_si256(
                _mm256_castsi128_si256(load_half(low)), load_half(low + 12), 1);
            __m128i own = _mm_loadl_epi64((const __m128i *)(tops + 8 * part));
            __m256i top = _mm256_slli_epi32(_mm256_cvtepu8_epi32(own), 24);
            _mm256_storeu_si256(
                (__m256i *)(numbers + 4 * i + 32 * part),
                _mm256_or_si256(_mm256_shuffle_epi8(both, apart), top));
        }
    }
    return i;
}

// As by two, with two zeros before each.
WIDE static size_t wide_widen_2_in_4(
    const uint8_t *table, const uint8_t *codes, const uint8_t *rest, size_t count,
    uint8_t *numbers) {
    __m256i values = _mm256_broadcastsi128_si256(load_half(table));
    size_t i = 0;
    for (; i + STEP <= count; i += STEP) {
        // By 8 bytes, so that unpacking within halves leaves the order right.
        __m256i top = _mm256_permute4x64_epi64(wide_tops(values, codes + i / 2), 0xd8);
        __m256i low = _mm256_permute4x64_epi64(load(rest + i), 0xd8);
        __m256i words[2] = {_mm256_unpacklo_epi8(low, top), _mm256_unpackhi_epi8(low, top)};
        __m256i *out = (__m256i *)(numbers + 4 * i), zero = _mm256_setzero_si256();
        for (int half = 0; half < 2; half++) {
            __m256i apart = _mm256_permute4x64_epi64(words[half], 0xd8);
            _mm256_storeu_si256(out + 2 * half, _mm256_unpacklo_epi16(zero, apart));
            _mm256_storeu_si256(out + 2 * half + 1, _mm256_unpackhi_epi16(zero, apart));
        }
    }
    return i;
}

// A table from bytes to codes, cut into rows of 16 by the upper half of the byte; only rows that
// hold a code. Exponents of weights lie close together, so there are few: two for bf16 and fp32.
struct coder {
    int row_count;
    uint8_t upper[16];
    uint8_t rows[16][16];
};

#define NO_CODE 0x80

static struct coder make_coder(const uint8_t *code_of) {
    struct coder coder = {0};
    for (int upper = 0; upper < 16; upper++) {
        int has_code = 0;
        for (int i = 0; i < 16; i++) has_code |= code_of[16 * upper + i] != NO_CODE;
        if (!has_code) continue;
        coder.upper[coder.row_count] = (uint8_t)upper;
        memcpy(coder.rows[coder.row_count++], code_of + 16 * upper, 16);
    }
    return coder;
}

// The codes of 32 bytes, NO_CODE where there is none.
WIDE static inline __m256i wide_codes(const struct coder *coder, __m256i bytes) {
    __m256i mask = _mm256_set1_epi8(15), lower = _mm256_and_si256(bytes, mask);
    __m256i upper = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), mask);
    __m256i codes = _mm256_set1_epi8((char)NO_CODE);
    for (int i = 0; i < coder->row_count; i++) {
        __m256i row = _mm256_broadcastsi128_si256(load_half(coder->rows[i]));
        __m256i is_own = _mm256_cmpeq_epi8(upper, _mm256_set1_epi8((char)coder->upper[i]));
        codes = _mm256_blendv_epi8(codes, _mm256_shuffle_epi8(row, lower), is_own);
    }
    return codes;
}

// Writes the codes of 32 numbers; returns a bit for each that has none, code 0 in its place.
WIDE static inline uint32_t wide_put_codes(__m256i codes, uint8_t *target) {
    uint32_t missing = (uint32_t)_mm256_movemask_epi8(codes);
    codes = _mm256_and_si256(codes, _mm256_set1_epi8(15));
    __m256i pairs = _mm256_maddubs_epi16(codes, _mm256_set1_epi16(0x1001));
    __m256i bytes = _mm256_permute4x64_epi64(_mm256_packus_epi16(pairs, pairs), 0xd8);
    _mm_storeu_si128((__m128i *)target, _mm256_castsi256_si128(bytes));
    return missing;
}

// Of 32 words in two vectors.
WIDE static inline uint32_t wide_narrow_words(
    const struct coder *coder, __m256i first, __m256i second, uint8_t *codes, uint8_t *rest) {
    __m256i mask = _mm256_set1_epi16(255);
    __m256i low = _mm256_packus_epi16(
        _mm256_and_si256(first, mask), _mm256_and_si256(second, mask));
    __m256i top = _mm256_packus_epi16(
        _mm256_srli_epi16(first, 8), _mm256_srli_epi16(second, 8));
    _mm256_storeu_si256((__m256i *)rest, _mm256_permute4x64_epi64(low, 0xd8));
    return wide_put_codes(
        wide_codes(coder, _mm256_permute4x64_epi64(top, 0xd8)), codes);
}

WIDE static inline uint32_t wide_narrow_by_2(
    const struct coder *coder, const uint8_t *numbers, uint8_t *codes, uint8_t *rest) {
    return wide_narrow_words(coder, load(numbers), load(numbers + 32), codes, rest);
}

// Adds to *wrong the bits of what has to be zero.
WIDE static inline uint32_t wide_narrow_2_in_4(
    const struct coder *coder, const uint8_t *numbers, uint8_t *codes, uint8_t *rest,
    __m256i *wrong) {
    __m256i upper[4], words[2];
    for (int part = 0; part < 4; part++) {
        __m256i eight = load(numbers + 32 * part);
        *wrong = _mm256_or_si256(*wrong, _mm256_slli_epi32(eight, 16));
        upper[part] = _mm256_srli_epi32(eight, 16);
    }
    for (int half = 0; half < 2; half++)
        words[half] = _mm256_permute4x64_epi64(
            _mm256_packus_epi32(upper[2 * half], upper[2 * half + 1]), 0xd8);
    return wide_narrow_words(coder, words[0], words[1], codes, rest);
}

WIDE static inline uint32_t wide_narrow_by_4(
    const struct coder *coder, const uint8_t *numbers, uint8_t *codes, uint8_t *rest) {
    __m256i together = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1));
    __m256i tops[4];
    for (int part = 0; part < 4; part++) {
        __m256i eight = load(numbers + 32 * part);
        __m256i low = _mm256_shuffle_epi8(eight, together);
        __m128i *target = (__m128i *)(rest + 24 * part);
        _mm_storeu_si128(target, _mm256_castsi256_si128(low));
        _mm_storeu_si128(
            (__m128i *)(rest + 24 * part + 12), _mm256_extracti128_si256(low, 1));
        tops[part] = _mm256_srli_epi32(eight, 24);
    }
    __m256i top = _mm256_packus_epi16(
        _mm256_packus_epi32(tops[0], tops[1]), _mm256_packus_epi32(tops[2], tops[3]));
    __m256i in_order = _mm256_permutevar8x32_epi32(
        top, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    return wide_put_codes(wide_codes(coder, in_order), codes);
}

// Narrows as many numbers as go in steps; adds to *exception_count; 0 if there are too many, or if
// a byte is not zero that has to be.
WIDE static size_t wide_narrow(
    int width, int zero_count, const uint8_t *code_of, const uint8_t *numbers, size_t count,
    uint8_t *codes, uint8_t *rest, uint8_t *exceptions, size_t exception_count_max,
    size_t *exception_count) {
    struct coder coder = make_coder(code_of);
    size_t i = 0, w = (size_t)width, kept = w - 1 - (size_t)zero_count, found = 0;
    size_t step = kept == 3 ? STEP_BY_4 : STEP;
    __m256i wrong = _mm256_setzero_si256();
    for (; i + step <= count; i += STEP) {
        const uint8_t *from = numbers + w * i;
        uint8_t *to = rest + kept * i;
        uint32_t missing = zero_count
            ? wide_narrow_2_in_4(&coder, from, codes + i / 2, to, &wrong)
            : width == 2 ? wide_narrow_by_2(&coder, from, codes + i / 2, to)
                         : wide_narrow_by_4(&coder, from, codes + i / 2, to);
        for (; missing; missing &= missing - 1) {
            size_t index = i + (size_t)__builtin_ctz(missing);
            if (found == exception_count_max) return 0;
            put_exception(exceptions, found++, index, numbers[(index + 1) * w - 1]);
        }
    }
    *exception_count = found;
    return _mm256_testz_si256(wrong, wrong) ? i : 0;
}
