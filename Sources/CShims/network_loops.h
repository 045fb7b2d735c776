// The steps of networks for one instruction set; included once for each by network.c.
//
// Before inclusion: NAME(x) for names, TARGET for the instruction set. Vectors are the compiler's
// own type of 8 floats, which it makes of what the instruction set has.

#define INLINE TARGET static inline __attribute__((always_inline))

INLINE floats8 NAME(load)(const float *from) {
    floats8 value;
    memcpy(&value, from, sizeof value);
    return value;
}

INLINE void NAME(store)(float *to, floats8 value) { memcpy(to, &value, sizeof value); }

INLINE floats8 NAME(all)(float value) { return (floats8){0} + value; }

// One of the two by the bits of a comparison.
INLINE floats8 NAME(choose)(ints8 is_first, floats8 first, floats8 second) {
    return (floats8)(((ints8)first & is_first) | ((ints8)second & ~is_first));
}

INLINE floats8 NAME(max)(floats8 a, floats8 b) { return NAME(choose)(a > b, a, b); }

// NaN of `a` goes on, so that it is seen at the end.
INLINE floats8 NAME(min_or_nan)(floats8 a, floats8 b) { return NAME(choose)(a > b, b, a); }

INLINE float NAME(sum_of)(floats8 v) {
    return ((v[0] + v[4]) + (v[1] + v[5])) + ((v[2] + v[6]) + (v[3] + v[7]));
}

INLINE floats8 NAME(absolute)(floats8 v) {
    return (floats8)((ints8)v & 0x7fffffff);
}

// e^v, wrong by less than 2 units of the last place: 2^n times a polynomial for what is left,
// which lies within half of the logarithm of 2. Beyond what a float holds: the ends of its range.
INLINE floats8 NAME(exp)(floats8 v) {
    ints8 is_nan = v != v;
    floats8 clipped = NAME(min_or_nan)(NAME(max)(v, NAME(all)(-87.33654f)), NAME(all)(88.37f));
    // Adding this rounds to a whole number, which is in the lowest bits then.
    floats8 rounded = clipped * 1.44269504f + 12582912.0f;
    floats8 n = rounded - 12582912.0f;
    floats8 rest = clipped - n * 0.693359375f;
    rest = rest - n * -2.12194440e-4f;
    floats8 p = NAME(all)(1.9875691500e-4f);
    p = p * rest + 1.3981999507e-3f;
    p = p * rest + 8.3334519073e-3f;
    p = p * rest + 4.1665795894e-2f;
    p = p * rest + 1.6666665459e-1f;
    p = p * rest + 5.0000001201e-1f;
    p = p * rest * rest + rest + 1.0f;
    ints8 power = ((ints8)rounded << 23) + 0x3f800000;
    return NAME(choose)(is_nan, v, p * (floats8)power);
}

// The error function, wrong by less than 2e-7 (formula 7.1.26 of Abramowitz and Stegun).
INLINE floats8 NAME(erf)(floats8 v) {
    floats8 size = NAME(absolute)(v);
    floats8 t = 1.0f / (1.0f + 0.3275911f * size);
    floats8 p = NAME(all)(1.061405429f);
    p = p * t - 1.453152027f;
    p = p * t + 1.421413741f;
    p = p * t - 0.284496736f;
    p = p * t + 0.254829592f;
    floats8 value = 1.0f - p * t * NAME(exp)(-size * size);
    return (floats8)((ints8)value | ((ints8)v & (int)0x80000000));
}

// Beyond 9 the result is 1 in a float, and near 0 a series keeps all digits.
INLINE floats8 NAME(tanh)(floats8 v) {
    floats8 size = NAME(min_or_nan)(NAME(absolute)(v), NAME(all)(10.0f));
    floats8 twice = NAME(exp)(2.0f * size);
    floats8 far = 1.0f - 2.0f / (twice + 1.0f);
    floats8 square = size * size;
    floats8 near = NAME(all)(-5.70498872745e-3f);
    near = near * square + 2.06390887954e-2f;
    near = near * square - 5.37397155531e-2f;
    near = near * square + 1.33314422036e-1f;
    near = near * square - 3.33332819422e-1f;
    near = near * square * size + size;
    floats8 value = NAME(choose)(size < 0.625f, near, far);
    return (floats8)((ints8)value | ((ints8)v & (int)0x80000000));
}

INLINE floats8 NAME(sigmoid)(floats8 v) { return 1.0f / (1.0f + NAME(exp)(-v)); }

// log(1 + e^v) with logarithms by the C library: it is rare.
INLINE floats8 NAME(softplus)(floats8 v) {
    floats8 value;
    for (int i = 0; i < 8; i++) value[i] = v[i] > 20 ? v[i] : log1pf(expf(v[i]));
    return value;
}

INLINE floats8 NAME(elu)(floats8 v, float scale, float slope) {
    floats8 below;
    for (int i = 0; i < 8; i++) below[i] = v[i] < 0 ? expm1f(v[i]) : 0;
    return NAME(choose)(v < 0.0f, scale * slope * below, scale * v);
}

INLINE floats8 NAME(apply)(int activation, float slope, floats8 v) {
    switch (activation) {
    case MODELFS_GELU: return 0.5f * v * (1.0f + NAME(erf)(v * 0.70710678f));
    case MODELFS_GELU_TANH: {
        floats8 inner = 0.79788456f * (v + 0.044715f * v * v * v);
        return 0.5f * v * (1.0f + NAME(tanh)(inner));
    }
    case MODELFS_RELU: return NAME(choose)(v < 0.0f, NAME(all)(0), v);
    case MODELFS_SILU: return v * NAME(sigmoid)(v);
    case MODELFS_TANH: return NAME(tanh)(v);
    case MODELFS_SIGMOID: return NAME(sigmoid)(v);
    case MODELFS_ELU: return NAME(elu)(v, 1.0f, slope);
    case MODELFS_SELU: return NAME(elu)(v, 1.05070098f, 1.67326324f);
    case MODELFS_SOFTPLUS: return NAME(softplus)(v);
    case MODELFS_LEAKY_RELU: return NAME(choose)(v < 0.0f, slope * v, v);
    case MODELFS_HARD_SIGMOID:
        return NAME(max)(NAME(min_or_nan)(0.2f * v + 0.5f, NAME(all)(1)), NAME(all)(0));
    case MODELFS_EXPONENTIAL: return NAME(exp)(v);
    default: return v;
    }
}

// The vectors of a row, and what is left at its end in a vector filled up with `filling`.
#define FOR_EACH_VECTOR(i, count) for (size_t i = 0; i + 8 <= count; i += 8)

INLINE floats8 NAME(load_some)(const float *from, size_t count, float filling) {
    floats8 value = NAME(all)(filling);
    memcpy(&value, from, count * sizeof *from);
    return value;
}

INLINE void NAME(activate_row)(
    int activation, float slope, float *row, size_t count, const float *bias) {
    FOR_EACH_VECTOR(i, count) {
        floats8 v = NAME(load)(row + i);
        if (bias) v += NAME(load)(bias + i);
        NAME(store)(row + i, NAME(apply)(activation, slope, v));
    }
    size_t left = count % 8, done = count - left;
    if (left == 0) return;
    floats8 v = NAME(load_some)(row + done, left, 0);
    if (bias) v += NAME(load_some)(bias + done, left, 0);
    v = NAME(apply)(activation, slope, v);
    memcpy(row + done, &v, left * sizeof *row);
}

// The choice is outside of the loops, so that each becomes one without a branch.
#define ROWS(name)                                                              \
    case name:                                                                  \
        for (size_t r = 0; r < row_count; r++)                                  \
            NAME(activate_row)(name, slope, rows + r * stride, count, bias);    \
        return;

TARGET static void NAME(activate)(
    int activation, float slope, float *rows, size_t row_count, size_t count, size_t stride,
    const float *bias) {
    switch (activation) {
        ROWS(MODELFS_GELU)
        ROWS(MODELFS_GELU_TANH)
        ROWS(MODELFS_RELU)
        ROWS(MODELFS_SILU)
        ROWS(MODELFS_TANH)
        ROWS(MODELFS_SIGMOID)
        ROWS(MODELFS_IDENTITY)
        ROWS(MODELFS_ELU)
        ROWS(MODELFS_SELU)
        ROWS(MODELFS_SOFTPLUS)
        ROWS(MODELFS_LEAKY_RELU)
        ROWS(MODELFS_HARD_SIGMOID)
        ROWS(MODELFS_EXPONENTIAL)
    }
}
#undef ROWS

TARGET static void NAME(softmax_row)(
    float *row, size_t count, float scale, const float *bias) {
    floats8 most = NAME(all)(-INFINITY);
    size_t left = count % 8, done = count - left;
    FOR_EACH_VECTOR(i, count) {
        floats8 v = NAME(load)(row + i) * scale;
        if (bias) v += NAME(load)(bias + i);
        NAME(store)(row + i, v);
        most = NAME(max)(most, v);
    }
    floats8 last = NAME(all)(-INFINITY);
    if (left > 0) {
        last = NAME(load_some)(row + done, left, 0) * scale;
        if (bias) last += NAME(load_some)(bias + done, left, 0);
        for (size_t i = left; i < 8; i++) last[i] = -INFINITY;
        most = NAME(max)(most, last);
    }
    float peak = most[0];
    for (int i = 1; i < 8; i++) peak = most[i] > peak ? most[i] : peak;
    floats8 sums = NAME(all)(0);
    FOR_EACH_VECTOR(i, count) {
        floats8 v = NAME(exp)(NAME(load)(row + i) - peak);
        NAME(store)(row + i, v);
        sums += v;
    }
    if (left > 0) {
        last = NAME(exp)(last - peak);
        for (size_t i = left; i < 8; i++) last[i] = 0;
        sums += last;
    }
    float factor = 1.0f / NAME(sum_of)(sums);
    FOR_EACH_VECTOR(i, count) NAME(store)(row + i, NAME(load)(row + i) * factor);
    last *= factor;
    memcpy(row + done, &last, left * sizeof *row);
}

TARGET static void NAME(softmax)(
    float *rows, size_t row_count, size_t count, size_t stride, float scale, const float *bias,
    ptrdiff_t bias_step) {
    for (size_t r = 0; r < row_count; r++)
        NAME(softmax_row)(
            rows + r * stride, count, scale, bias ? bias + (ptrdiff_t)r * bias_step : NULL);
}

TARGET static void NAME(layer_norm_row)(
    float *row, size_t count, const float *bias, const float *residual, const float *weight,
    const float *offset, float epsilon) {
    floats8 sums = NAME(all)(0);
    float rest = 0;
    size_t left = count % 8, done = count - left;
    FOR_EACH_VECTOR(i, count) {
        floats8 v = NAME(load)(row + i);
        if (bias) v += NAME(load)(bias + i);
        if (residual) v += NAME(load)(residual + i);
        NAME(store)(row + i, v);
        sums += v;
    }
    for (size_t i = done; i < count; i++) {
        row[i] += (bias ? bias[i] : 0) + (residual ? residual[i] : 0);
        rest += row[i];
    }
    float mean = (NAME(sum_of)(sums) + rest) / (float)count;
    // The variance from the differences, which loses no digits where the mean is large.
    sums = NAME(all)(0);
    rest = 0;
    FOR_EACH_VECTOR(i, count) {
        floats8 v = NAME(load)(row + i) - mean;
        sums += v * v;
    }
    for (size_t i = done; i < count; i++) rest += (row[i] - mean) * (row[i] - mean);
    float variance = (NAME(sum_of)(sums) + rest) / (float)count;
    float factor = 1.0f / sqrtf(variance + epsilon);
    FOR_EACH_VECTOR(i, count) {
        floats8 v = (NAME(load)(row + i) - mean) * factor;
        NAME(store)(row + i, v * NAME(load)(weight + i) + NAME(load)(offset + i));
    }
    for (size_t i = done; i < count; i++)
        row[i] = (row[i] - mean) * factor * weight[i] + offset[i];
}

TARGET static void NAME(layer_norm)(
    float *rows, size_t row_count, size_t count, size_t stride, const float *bias,
    const float *residual, size_t residual_stride, const float *weight, const float *offset,
    float epsilon) {
    for (size_t r = 0; r < row_count; r++)
        NAME(layer_norm_row)(
            rows + r * stride, count, bias, residual ? residual + r * residual_stride : NULL,
            weight, offset, epsilon);
}

TARGET static void NAME(add_scaled)(
    const float *restrict row, size_t count, float scale, float *restrict sum) {
    for (size_t i = 0; i < count; i++) sum[i] += scale * row[i];
}

TARGET static void NAME(maximum)(
    const float *restrict row, size_t count, float *restrict most) {
    // NaN wins, so that it is seen at the end.
    for (size_t i = 0; i < count; i++) most[i] = row[i] <= most[i] ? most[i] : row[i];
}

TARGET static float NAME(dot)(const float *a, const float *b, size_t count) {
    floats8 sums[4] = {{0}};
    size_t i = 0;
    for (; i + 32 <= count; i += 32)
        for (int k = 0; k < 4; k++)
            sums[k] += NAME(load)(a + i + 8 * k) * NAME(load)(b + i + 8 * k);
    float rest = 0;
    for (; i < count; i++) rest += a[i] * b[i];
    return NAME(sum_of)((sums[0] + sums[1]) + (sums[2] + sums[3])) + rest;
}

#undef FOR_EACH_VECTOR
#undef INLINE
#undef NAME
#undef TARGET
