// The steps between the matrix products of a neural network, on rows of floats.
//
// Why this is C: a loop over exponentials is fast only with vectors, and Swift has the wide ones
// of a processor only where all of the program is compiled for them. LinearAlgebra is the only
// caller. `is_wide` chooses the form; both agree to the last few bits.
#pragma once

#include <stddef.h>

#define MODELFS_GELU 0
#define MODELFS_GELU_TANH 1
#define MODELFS_RELU 2
#define MODELFS_SILU 3
#define MODELFS_TANH 4
#define MODELFS_SIGMOID 5
#define MODELFS_IDENTITY 6
#define MODELFS_ELU 7
#define MODELFS_SELU 8
#define MODELFS_SOFTPLUS 9
#define MODELFS_LEAKY_RELU 10
#define MODELFS_HARD_SIGMOID 11
#define MODELFS_EXPONENTIAL 12

// rows[r][i] = activation(rows[r][i] + bias[i]); `bias` may be NULL. `slope` is what ELU and the
// leaky ReLU take.
void modelfs_activate(
    int is_wide, int activation, float slope, float *rows, size_t row_count, size_t count,
    size_t stride, const float *bias);

// rows[r] = softmax(scale * rows[r] + bias[r]), of which `bias` may be NULL; consecutive rows of
// it begin `bias_step` apart, which may be negative.
void modelfs_softmax(
    int is_wide, float *rows, size_t row_count, size_t count, size_t stride, float scale,
    const float *bias, ptrdiff_t bias_step);

// rows[r] = normalized(rows[r] + bias + residual[r]) * weight + offset, with the mean 0 and the
// variance 1 over each row; `bias` and `residual` may be NULL.
void modelfs_layer_norm(
    int is_wide, float *rows, size_t row_count, size_t count, size_t stride, const float *bias,
    const float *residual, size_t residual_stride, const float *weight, const float *offset,
    float epsilon);

// sum[i] += scale * row[i].
void modelfs_add_scaled(int is_wide, const float *row, size_t count, float scale, float *sum);

// most[i] = max(most[i], row[i]).
void modelfs_maximum(int is_wide, const float *row, size_t count, float *most);

// The sum of a[i] * b[i].
float modelfs_dot(int is_wide, const float *a, const float *b, size_t count);
