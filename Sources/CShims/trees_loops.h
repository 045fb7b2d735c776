// The loops over trees, compiled once for each form: NAME and TARGET are set by trees.c.

// The splits of a small tree, all of them, from the leaves to the root: no branch depends on a
// value, and each step is a comparison and a choice for 16 rows at once.
TARGET static void NAME(blend)(
    const modelfs_forest *forest, const modelfs_tree *tree, const float *restrict block,
    float *restrict slots, float *restrict sums) {
    const modelfs_tree_pair *pairs = forest->pairs + tree->first_pair;
    float *slot = slots;
    for (uint32_t i = 0; i < tree->pair_count; i++, slot += MODELFS_BLOCK_ROWS) {
        const lanes *column = (const lanes *)(block + pairs[i].column);
        lanes threshold = pairs[i].threshold - (lanes){0};
        lanes left = pairs[i].left - (lanes){0}, right = pairs[i].right - (lanes){0};
        for (int k = 0; k < PARTS; k++)
            ((lanes *)slot)[k] = column[k] < threshold ? left : right;
    }
    const float *leaves = forest->leaves + tree->first_leaf;
    for (uint32_t i = 0; i < tree->leaf_count; i++, slot += MODELFS_BLOCK_ROWS)
        for (int k = 0; k < PARTS; k++) ((lanes *)slot)[k] = leaves[i] - (lanes){0};
    const modelfs_tree_step *steps = forest->steps + tree->first_step;
    for (uint32_t i = 0; i < tree->step_count; i++, slot += MODELFS_BLOCK_ROWS) {
        const lanes *column = (const lanes *)(block + steps[i].column);
        const lanes *left = (const lanes *)(slots + steps[i].left);
        const lanes *right = (const lanes *)(slots + steps[i].right);
        lanes threshold = steps[i].threshold - (lanes){0};
        for (int k = 0; k < PARTS; k++)
            ((lanes *)slot)[k] = column[k] < threshold ? left[k] : right[k];
    }
    const lanes *root = (const lanes *)(slot - MODELFS_BLOCK_ROWS);
    for (int k = 0; k < PARTS; k++) ((lanes *)sums)[k] += root[k];
}

// A large tree, from the root to a leaf, for 8 rows side by side so that none waits for another.
TARGET static void NAME(walk)(
    const modelfs_tree_node *nodes, const float *block, float *sums) {
    for (int row = 0; row < MODELFS_BLOCK_ROWS; row += WALKERS) {
        uint32_t at[WALKERS] = {0}, moved;
        do {
            moved = 0;
            for (int k = 0; k < WALKERS; k++) {
                const modelfs_tree_node *node = nodes + at[k];
                float value = block[node->column + (uint32_t)(row + k)];
                uint32_t next = node->left + !(value < node->threshold);
                moved |= next ^ at[k];
                at[k] = next;
            }
        } while (moved);
        for (int k = 0; k < WALKERS; k++) sums[row + k] += nodes[at[k]].value;
    }
}

TARGET static void NAME(sums)(
    const modelfs_forest *forest, float *block, float *slots, float *sums) {
    for (size_t i = 0; i < forest->tree_count; i++) {
        const modelfs_tree *tree = forest->trees + i;
        float *sum = sums + (size_t)tree->group * MODELFS_BLOCK_ROWS;
        for (uint32_t k = 0; k < tree->check_count; k++)
            check_categories(forest->checks + tree->first_check + k, forest->words, block);
        if (tree->node_count)
            NAME(walk)(forest->nodes + tree->first_node, block, sum);
        else
            NAME(blend)(forest, tree, block, slots, sum);
    }
}

#undef NAME
#undef TARGET
