// The loops over grouped bytes for one instruction set; included once for each by groups.c.
//
// Before inclusion: NAME(x) for names, TARGET for the instruction set. Bytes are written one by
// one, which the compiler turns into interleaved vectors.

TARGET static void NAME(group_by_2)(
    const uint8_t *restrict numbers, size_t count, uint8_t *restrict group0,
    uint8_t *restrict group1) {
    for (size_t i = 0; i < count; i++) {
        group0[i] = numbers[2 * i];
        group1[i] = numbers[2 * i + 1];
    }
}

TARGET static void NAME(group_by_4)(
    const uint8_t *restrict numbers, size_t count, uint8_t *restrict group0,
    uint8_t *restrict group1, uint8_t *restrict group2, uint8_t *restrict group3) {
    for (size_t i = 0; i < count; i++) {
        group0[i] = numbers[4 * i];
        group1[i] = numbers[4 * i + 1];
        group2[i] = numbers[4 * i + 2];
        group3[i] = numbers[4 * i + 3];
    }
}

TARGET static void NAME(ungroup_by_2)(
    const uint8_t *restrict group0, const uint8_t *restrict group1, size_t count,
    uint8_t *restrict numbers) {
    for (size_t i = 0; i < count; i++) {
        numbers[2 * i] = group0[i];
        numbers[2 * i + 1] = group1[i];
    }
}

TARGET static void NAME(ungroup_by_4)(
    const uint8_t *restrict group0, const uint8_t *restrict group1,
    const uint8_t *restrict group2, const uint8_t *restrict group3, size_t count,
    uint8_t *restrict numbers) {
    for (size_t i = 0; i < count; i++) {
        numbers[4 * i] = group0[i];
        numbers[4 * i + 1] = group1[i];
        numbers[4 * i + 2] = group2[i];
        numbers[4 * i + 3] = group3[i];
    }
}

#undef NAME
#undef TARGET
