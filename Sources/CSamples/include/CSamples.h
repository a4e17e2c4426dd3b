/// Loops over the values of data sets, which come by the hundred million: quick in debug builds, too.
#pragma once

#include <stdbool.h>
#include <stdint.h>

/// The types that files hold numbers in.
typedef enum {
  cinch_uint8,
  cinch_int8,
  cinch_int16,
  cinch_int32,
  cinch_int64,
  cinch_float32,
  cinch_float64,
} cinch_element;

/// Numbers of any type and alignment as floats, divided by `divisor`. `swapped` ones have the other byte order.
void cinch_widen(
    cinch_element type, bool swapped, const void *source, int64_t count, float divisor, float *values);

/// The first value that is NaN or infinite; -1 where all are finite.
int64_t cinch_first_not_finite(const float *values, int64_t count);

/// Extends [low, high] so that it holds all values.
void cinch_extend_range(const float *values, int64_t count, float *low, float *high);

/// Rows in place: (value · raw − offset[c]) / scale[c], and 0 where scale[c] is 0; in double precision.
void cinch_rescale(
    float *values, int64_t rows, int64_t columns, const double *offset, const double *scale, double raw);

/// Each of `count` matrices [rows, columns] to [columns, rows].
void cinch_transpose(const float *from, int64_t count, int64_t rows, int64_t columns, float *to);
void cinch_transpose_bytes(const uint8_t *from, int64_t count, int64_t rows, int64_t columns, uint8_t *to);

/// Where a part of an image lies: `planes` planes of `rows` runs, each of `length` numbers that lie side by side. Strides
/// count numbers.
typedef struct {
  int64_t planes, rows, length, plane_stride, row_stride;
} cinch_window;

/// The numbers of a window that begins at `source`, as `cinch_widen` has them.
void cinch_widen_window(
    cinch_element type, bool swapped, const void *source, cinch_window window, float divisor, float *values);
void cinch_copy_window(const uint8_t *source, cinch_window window, uint8_t *bytes);

// Matrices of doubles, row by row. Sums have a fixed order, so the bits are the same on every processor.

/// centered[r][c] = values[r][c] · raw − mean[c]; no mean is one of 0.
void cinch_center(
    const float *values, int64_t rows, int64_t columns, double raw, const double *mean, double *centered);

/// Sums over r: sums[c] += centered[r][c].
void cinch_add_rows(const double *centered, int64_t rows, int64_t columns, double *sums);

/// The upper triangle of aᵀ a of [rows, columns] is added to `sum` [columns, columns].
void cinch_add_gram(const double *a, int64_t rows, int64_t columns, double *sum);

/// result[r][c] = Σ_k (values[r][k] · raw − before[k]) · matrix[k][c] + after[c], for a square matrix of `columns`.
/// What is added or taken away may be missing; `scratch` has room for 2 · rows · columns doubles, and the result may be
/// the values.
void cinch_linear_map(
    const float *values, int64_t rows, int64_t columns, double raw, const double *before, const double *matrix,
    const double *after, double *scratch, float *result);

/// a = Vᵀ diag(values) V of a symmetric matrix of order n, whose largest number is about 1: eigenvectors are the rows of
/// `vectors` [n, n], in no order. `a` is lost; `work` has room for 5 · n doubles.
///
/// False where the iteration does not come to an end, as with numbers that are not finite.
bool cinch_symmetric_eigen(double *a, int64_t n, double *values, double *vectors, double *work);

// Images of bytes with their channels side by side.

/// Pixels with alpha behind their channels, not multiplied by it, in front of white.
void cinch_over_white(const uint8_t *from, int64_t pixels, int64_t channels, uint8_t *to);

/// Luma of RGB, 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601).
void cinch_grey(const uint8_t *from, int64_t pixels, uint8_t *to);

/// Another size, each axis for itself: the mean of what a pixel covers where there will be fewer, bilinear where there will
/// be more. `sums` has room for to_width · channels doubles.
void cinch_resize(
    const uint8_t *from, int64_t height, int64_t width, int64_t channels, int64_t to_height, int64_t to_width,
    double *sums, uint8_t *to);

/// The image as EXIF's tag Orientation, 2 to 8, says that it is seen: `from` has `height` stored rows. Where it is 5 or
/// more, `to` has `width` rows.
void cinch_orient(
    const uint8_t *from, int64_t height, int64_t width, int64_t channels, int32_t orientation, uint8_t *to);

// Images of floats, channels first.

/// target[p][y][x] += row_weights[y] · column_weights[x] · tile[p][y][x], rounded once: the tile is a window of `target`.
void cinch_add_tile(
    const float *tile, cinch_window window, const double *row_weights, const double *column_weights, float *target);

/// What is missing of a plane of an image, filled by diffusion from around it: so many sweeps of over-relaxation towards the
/// mean of each missing pixel's neighbours, from the values that are there.
void cinch_diffuse(float *plane, const bool *missing, int64_t height, int64_t width, int64_t sweeps);
