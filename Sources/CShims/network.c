// The steps of networks: the instruction sets, and the choice between them.
#include "CShims.h"
#include <math.h>
#include <stdint.h>
#include <string.h>

// Vectors as arguments have another form with and without AVX, which matters to no function here,
// since all that have such arguments are expanded where they are called.
#pragma GCC diagnostic ignored "-Wpsabi"

typedef float floats8 __attribute__((vector_size(32)));
typedef int32_t ints8 __attribute__((vector_size(32)));

#define NAME(x) narrow_##x
#define TARGET
#include "network_loops.h"

#if defined(__x86_64__)
#define NAME(x) wide_##x
#define TARGET __attribute__((target("avx2,fma")))
#include "network_loops.h"
#define CHOOSE(x) (is_wide ? wide_##x : narrow_##x)
#else
#define CHOOSE(x) narrow_##x
#endif

void modelfs_activate(
    int is_wide, int activation, float slope, float *rows, size_t row_count, size_t count,
    size_t stride, const float *bias) {
    (void)is_wide;
    CHOOSE(activate)(activation, slope, rows, row_count, count, stride, bias);
}

void modelfs_softmax(
    int is_wide, float *rows, size_t row_count, size_t count, size_t stride, float scale,
    const float *bias, ptrdiff_t bias_step) {
    (void)is_wide;
    CHOOSE(softmax)(rows, row_count, count, stride, scale, bias, bias_step);
}

void modelfs_layer_norm(
    int is_wide, float *rows, size_t row_count, size_t count, size_t stride, const float *bias,
    const float *residual, size_t residual_stride, const float *weight, const float *offset,
    float epsilon) {
    (void)is_wide;
    CHOOSE(layer_norm)(
        rows, row_count, count, stride, bias, residual, residual_stride, weight, offset, epsilon);
}

void modelfs_add_scaled(int is_wide, const float *row, size_t count, float scale, float *sum) {
    (void)is_wide;
    CHOOSE(add_scaled)(row, count, scale, sum);
}

void modelfs_maximum(int is_wide, const float *row, size_t count, float *most) {
    (void)is_wide;
    CHOOSE(maximum)(row, count, most);
}

float modelfs_dot(int is_wide, const float *a, const float *b, size_t count) {
    (void)is_wide;
    return CHOOSE(dot)(a, b, count);
}
