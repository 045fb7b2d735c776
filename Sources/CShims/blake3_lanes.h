// One width of the inner loop of BLAKE3; included once for each width by blake3.c.
//
// Before inclusion: LANES (4, 8 or 16), NAME(x) for names, TARGET for the instruction set.
// A vector holds the same state or message word of every lane, so the function is that of the
// specification (section 2.2) written once with vectors in the place of words.

typedef uint32_t NAME(vector) __attribute__((vector_size(4 * LANES)));
typedef uint64_t NAME(wide) __attribute__((vector_size(4 * LANES)));

#if LANES == 16
#define ZIP32(a, b, s) __builtin_shufflevector(a, b, s, s + 16, s + 1, s + 17, s + 4, s + 20, \
    s + 5, s + 21, s + 8, s + 24, s + 9, s + 25, s + 12, s + 28, s + 13, s + 29)
#define ZIP64(a, b, s) (NAME(vector))__builtin_shufflevector((NAME(wide))(a), (NAME(wide))(b), \
    s, s + 8, s + 2, s + 10, s + 4, s + 12, s + 6, s + 14)
// Every other 128 bits of both, from the s-th word on.
#define QUADS(a, b, s) __builtin_shufflevector(a, b, s, s + 1, s + 2, s + 3, s + 8, s + 9, \
    s + 10, s + 11, s + 16, s + 17, s + 18, s + 19, s + 24, s + 25, s + 26, s + 27)
#define ROW_WORDS 16
#elif LANES == 8
#define ZIP32(a, b, s) __builtin_shufflevector(a, b, s, s + 8, s + 1, s + 9, s + 4, s + 12, \
    s + 5, s + 13)
#define ZIP64(a, b, s) (NAME(vector))__builtin_shufflevector((NAME(wide))(a), (NAME(wide))(b), \
    s, s + 4, s + 2, s + 6)
#define ROW_WORDS 8
#else
#define ZIP32(a, b, s) __builtin_shufflevector(a, b, s, s + 4, s + 1, s + 5)
#define ZIP64(a, b, s) (NAME(vector))__builtin_shufflevector((NAME(wide))(a), (NAME(wide))(b), \
    s, s + 2)
#define ROW_WORDS 4
#endif

// Reads ROW_WORDS words at `offset` of every lane, and gives them word by word.
TARGET static inline void NAME(transpose)(
    const uint8_t *const *inputs, size_t offset, NAME(vector) *words) {
    NAME(vector) quad[LANES];
    // Four lanes at a time: two rounds of interleaving leave column 4q + j of lanes i...i+3 in
    // the q-th 128 bits of quad[i + j].
    for (int i = 0; i < LANES; i += 4) {
        NAME(vector) row[4];
        for (int j = 0; j < 4; j++) memcpy(&row[j], inputs[i + j] + offset, sizeof(row[j]));
        NAME(vector) low01 = ZIP32(row[0], row[1], 0), high01 = ZIP32(row[0], row[1], 2);
        NAME(vector) low23 = ZIP32(row[2], row[3], 0), high23 = ZIP32(row[2], row[3], 2);
        quad[i] = ZIP64(low01, low23, 0);
        quad[i + 1] = ZIP64(low01, low23, 1);
        quad[i + 2] = ZIP64(high01, high23, 0);
        quad[i + 3] = ZIP64(high01, high23, 1);
    }
    for (int j = 0; j < 4; j++) {
#if LANES == 16
        NAME(vector) even_low = QUADS(quad[j], quad[4 + j], 0);
        NAME(vector) even_high = QUADS(quad[8 + j], quad[12 + j], 0);
        NAME(vector) odd_low = QUADS(quad[j], quad[4 + j], 4);
        NAME(vector) odd_high = QUADS(quad[8 + j], quad[12 + j], 4);
        words[j] = QUADS(even_low, even_high, 0);
        words[4 + j] = QUADS(odd_low, odd_high, 0);
        words[8 + j] = QUADS(even_low, even_high, 4);
        words[12 + j] = QUADS(odd_low, odd_high, 4);
#elif LANES == 8
        words[j] = __builtin_shufflevector(quad[j], quad[4 + j], 0, 1, 2, 3, 8, 9, 10, 11);
        words[4 + j] = __builtin_shufflevector(quad[j], quad[4 + j], 4, 5, 6, 7, 12, 13, 14, 15);
#else
        words[j] = quad[j];
#endif
    }
}

#define ROTATE(x, n) (((x) >> (n)) | ((x) << (32 - (n))))
#define MIX(a, b, c, d, x, y) do { \
    v[a] += v[b] + (x); v[d] ^= v[a]; v[d] = ROTATE(v[d], 16); \
    v[c] += v[d]; v[b] ^= v[c]; v[b] = ROTATE(v[b], 12); \
    v[a] += v[b] + (y); v[d] ^= v[a]; v[d] = ROTATE(v[d], 8); \
    v[c] += v[d]; v[b] ^= v[c]; v[b] = ROTATE(v[b], 7); } while (0)
#define ROUND(m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15) do { \
    MIX(0, 4, 8, 12, m[m0], m[m1]); MIX(1, 5, 9, 13, m[m2], m[m3]); \
    MIX(2, 6, 10, 14, m[m4], m[m5]); MIX(3, 7, 11, 15, m[m6], m[m7]); \
    MIX(0, 5, 10, 15, m[m8], m[m9]); MIX(1, 6, 11, 12, m[m10], m[m11]); \
    MIX(2, 7, 8, 13, m[m12], m[m13]); MIX(3, 4, 9, 14, m[m14], m[m15]); } while (0)

// Replaces the chaining values by those after one more block: compression, first half kept.
TARGET static inline void NAME(compress)(
    NAME(vector) *chain, const NAME(vector) *m, NAME(vector) counter_low,
    NAME(vector) counter_high, uint32_t flags) {
    NAME(vector) v[16];
    for (int i = 0; i < 8; i++) v[i] = chain[i];
    for (int i = 0; i < 4; i++) v[8 + i] = (NAME(vector)){} + start_words[i];
    v[12] = counter_low;
    v[13] = counter_high;
    v[14] = (NAME(vector)){} + 64;
    v[15] = (NAME(vector)){} + flags;
    // The permutation of the message words, applied once more for each row.
    ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    ROUND(2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8);
    ROUND(3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1);
    ROUND(10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6);
    ROUND(12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4);
    ROUND(9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7);
    ROUND(11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13);
    for (int i = 0; i < 8; i++) chain[i] = v[i] ^ v[i + 8];
}

TARGET static void NAME(lanes)(
    const uint8_t *const *inputs, size_t block_count, const uint32_t *key, uint64_t first_counter,
    uint64_t counter_step, uint32_t flags, uint32_t first_flags, uint32_t last_flags,
    uint32_t *chaining_values, size_t tail_lane, size_t tail_blocks, uint32_t *tail) {
    NAME(vector) chain[8], counter_low, counter_high, words[16];
    for (int i = 0; i < 8; i++) chain[i] = (NAME(vector)){} + key[i];
    for (int lane = 0; lane < LANES; lane++) {
        uint64_t counter = first_counter + (uint64_t)lane * counter_step;
        counter_low[lane] = (uint32_t)counter;
        counter_high[lane] = (uint32_t)(counter >> 32);
    }
    for (size_t block = 0; block < block_count; block++) {
        for (int part = 0; part < 16; part += ROW_WORDS)
            NAME(transpose)(inputs, block * 64 + (size_t)part * 4, words + part);
        uint32_t block_flags = flags | (block == 0 ? first_flags : 0)
            | (block + 1 == block_count ? last_flags : 0);
        NAME(compress)(chain, words, counter_low, counter_high, block_flags);
        if (block + 1 == tail_blocks)
            for (int i = 0; i < 8; i++) tail[i] = chain[i][tail_lane];
    }
    for (int lane = 0; lane < LANES; lane++)
        for (int i = 0; i < 8; i++) chaining_values[8 * lane + i] = chain[i][lane];
}

#undef ZIP32
#undef ZIP64
#undef QUADS
#undef ROW_WORDS
#undef ROTATE
#undef MIX
#undef ROUND
#undef LANES
#undef NAME
#undef TARGET
