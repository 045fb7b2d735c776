// Decision trees on blocks of 64 rows whose values lie column by column.
//
// Why this is C: comparing and choosing for 16 rows in one instruction needs vectors that a
// compiler uses only in functions meant for them. Inference/TreeForest.swift is the only caller;
// it builds what is declared here, and says how.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define MODELFS_BLOCK_ROWS 64

// A column of the block: which value of a row it holds, and what stands for a missing one.
typedef struct {
    uint32_t feature;
    float missing;
} modelfs_tree_column;

// Places of columns are told in floats from the block's beginning.

// A split between two leaves: a value below the threshold goes left.
typedef struct {
    uint32_t column;
    float threshold;
    float left;
    float right;
} modelfs_tree_pair;

// A split of what was found in two slots.
typedef struct {
    uint32_t column;
    float threshold;
    uint32_t left;
    uint32_t right;
} modelfs_tree_step;

// A node of a tree that is walked: the right child follows the left one. A leaf is its own left
// child, with a threshold that nothing reaches.
typedef struct {
    uint32_t column;
    float threshold;
    uint32_t left;
    float value;
} modelfs_tree_node;

// A split by a set of categories: 1 in `column` for those of the set, 0 for others, and `missing`
// where the source has -infinity.
typedef struct {
    uint32_t source;
    uint32_t column;
    uint32_t first_word;
    uint32_t word_count;
    float missing;
} modelfs_tree_check;

// Where a tree's parts begin, how many there are, and to which sum it adds. Slots are numbered
// over pairs, then single leaves, then steps; the last one is the root. A tree with nodes has
// neither.
typedef struct {
    uint32_t first_pair, pair_count;
    uint32_t first_leaf, leaf_count;
    uint32_t first_step, step_count;
    uint32_t first_node, node_count;
    uint32_t first_check, check_count;
    uint32_t group;
} modelfs_tree;

typedef struct {
    const modelfs_tree *trees;
    size_t tree_count;
    const modelfs_tree_pair *pairs;
    const float *leaves;
    const modelfs_tree_step *steps;
    const modelfs_tree_node *nodes;
    const modelfs_tree_check *checks;
    const uint32_t *words;
} modelfs_forest;

// The widest form of the functions that this processor has: 0 plain, 1 AVX2, 2 AVX-512.
int modelfs_tree_form(void);

// Puts up to 64 rows, `stride` floats apart, into the columns of a block; missing values are NaN.
void modelfs_tree_block(
    const float *rows, size_t row_count, size_t stride, const modelfs_tree_column *columns,
    size_t column_count, float *block);

// Adds every tree's leaf to the sums, 64 for each group. `slots` has 64 floats for each slot of
// the largest tree; all buffers begin at multiples of 64 bytes.
void modelfs_tree_sums(
    int form, const modelfs_forest *forest, float *block, float *slots, float *sums);
