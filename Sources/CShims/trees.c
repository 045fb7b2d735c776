// Decision trees: the instruction sets, the choice between them, and what needs no vectors.
#include "CShims.h"
#include <math.h>

// Vectors of 16 floats; where registers are shorter, the compiler takes several.
typedef float lanes __attribute__((ext_vector_type(16)));
enum { PARTS = MODELFS_BLOCK_ROWS / 16, WALKERS = 8 };

// Larger categories cannot be told apart as floats, and are in no set.
#define CATEGORY_END 16777216.0f

static void check_categories(
    const modelfs_tree_check *check, const uint32_t *words, float *block) {
    const float *source = block + check->source;
    float *column = block + check->column;
    const uint32_t *set = words + check->first_word;
    for (int row = 0; row < MODELFS_BLOCK_ROWS; row++) {
        float value = source[row];
        float found = 0;
        if (value == -INFINITY) {
            found = check->missing;
        } else if (value >= 0 && value < CATEGORY_END) {
            uint32_t category = (uint32_t)value;
            if (category / 32 < check->word_count)
                found = (float)(set[category / 32] >> category % 32 & 1);
        }
        column[row] = found;
    }
}

#define NAME(x) plain_##x
#define TARGET
#include "trees_loops.h"

#if defined(__x86_64__)
#define NAME(x) wide_##x
#define TARGET __attribute__((target("avx2")))
#include "trees_loops.h"

#define NAME(x) widest_##x
#define TARGET __attribute__((target("avx512f,avx512vl,avx512dq"), min_vector_width(512)))
#include "trees_loops.h"
#endif

int modelfs_tree_form(void) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq"))
        return 2;
    return __builtin_cpu_supports("avx2") ? 1 : 0;
#else
    return 0;
#endif
}

void modelfs_tree_block(
    const float *rows, size_t row_count, size_t stride, const modelfs_tree_column *columns,
    size_t column_count, float *block) {
    for (size_t c = 0; c < column_count; c++, block += MODELFS_BLOCK_ROWS) {
        const float *value = rows + columns[c].feature;
        size_t row = 0;
        for (; row < row_count; row++, value += stride)
            block[row] = *value == *value ? *value : columns[c].missing;
        for (; row < MODELFS_BLOCK_ROWS; row++) block[row] = 0;
    }
}

void modelfs_tree_sums(
    int form, const modelfs_forest *forest, float *block, float *slots, float *sums) {
#if defined(__x86_64__)
    if (form == 2) return widest_sums(forest, block, slots, sums);
    if (form == 1) return wide_sums(forest, block, slots, sums);
#endif
    (void)form;
    plain_sums(forest, block, slots, sums);
}
