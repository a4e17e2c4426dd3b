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
