// Grouped bytes: the instruction sets, and the choice between them.
#include "CShims.h"

#define NAME(x) narrow_##x
#define TARGET
#include "groups_loops.h"

#if defined(__x86_64__)
#define NAME(x) wide_##x
#define TARGET __attribute__((target("avx2")))
#include "groups_loops.h"
#endif

// Where a group begins among `count` bytes.
static size_t group_start(size_t group, size_t width, size_t count) {
    size_t rest = count % width;
    return group * (count / width) + (group < rest ? group : rest);
}

void modelfs_group(
    int is_wide, int width, const uint8_t *numbers, size_t count, uint8_t *groups) {
    size_t w = (size_t)width, whole = count / w;
    uint8_t *group[4];
    for (size_t k = 0; k < w; k++) group[k] = groups + group_start(k, w, count);
    for (size_t k = 0; k < count % w; k++) group[k][whole] = numbers[whole * w + k];
#if defined(__x86_64__)
    if (is_wide && width == 2) return wide_group_by_2(numbers, whole, group[0], group[1]);
    if (is_wide)
        return wide_group_by_4(numbers, whole, group[0], group[1], group[2], group[3]);
#endif
    (void)is_wide;
    if (width == 2) return narrow_group_by_2(numbers, whole, group[0], group[1]);
    narrow_group_by_4(numbers, whole, group[0], group[1], group[2], group[3]);
}

void modelfs_ungroup(
    int is_wide, int width, const uint8_t *groups, size_t count, uint8_t *numbers) {
    size_t w = (size_t)width, whole = count / w;
    const uint8_t *group[4];
    for (size_t k = 0; k < w; k++) group[k] = groups + group_start(k, w, count);
    for (size_t k = 0; k < count % w; k++) numbers[whole * w + k] = group[k][whole];
#if defined(__x86_64__)
    if (is_wide && width == 2) return wide_ungroup_by_2(group[0], group[1], whole, numbers);
    if (is_wide)
        return wide_ungroup_by_4(group[0], group[1], group[2], group[3], whole, numbers);
#endif
    (void)is_wide;
    if (width == 2) return narrow_ungroup_by_2(group[0], group[1], whole, numbers);
    narrow_ungroup_by_4(group[0], group[1], group[2], group[3], whole, numbers);
}
