#include "CSamples.h"

#include <string.h>

// The same bits on every processor: no product may be fused with a sum.
#pragma STDC FP_CONTRACT OFF

static uint64_t reversed(uint64_t value, int size) { return __builtin_bswap64(value) >> (64 - 8 * size); }

/// One number, loaded bytewise because it may lie anywhere.
static float number(cinch_element type, bool swapped, const unsigned char *at, int size) {
  uint64_t bits = 0;
  memcpy(&bits, at, (size_t)size);
  if (swapped) bits = reversed(bits, size);
  float narrow;
  double wide;
  switch (type) {
  case cinch_uint8: return (float)(uint8_t)bits;
  case cinch_int8: return (float)(int8_t)bits;
  case cinch_int16: return (float)(int16_t)bits;
  case cinch_int32: return (float)(int32_t)bits;
  case cinch_int64: return (float)(int64_t)bits;
  case cinch_float32: memcpy(&narrow, &bits, 4); return narrow;
  default: memcpy(&wide, &bits, 8); return (float)wide;
  }
}

void cinch_widen(
    cinch_element type, bool swapped, const void *source, int64_t count, float divisor, float *values) {
  const unsigned char *from = source;
  if (type == cinch_uint8) {
    for (int64_t i = 0; i < count; i++) values[i] = (float)from[i] / divisor;
    return;
  }
  if (type == cinch_float32 && !swapped && divisor == 1) {
    memcpy(values, from, (size_t)count * 4);
    return;
  }
#define EACH(TYPE, SIZE) \
  for (int64_t i = 0; i < count; i++) values[i] = number(TYPE, swapped, from + i * (SIZE), SIZE) / divisor
  switch (type) {
  case cinch_int8: EACH(cinch_int8, 1); break;
  case cinch_int16: EACH(cinch_int16, 2); break;
  case cinch_int32: EACH(cinch_int32, 4); break;
  case cinch_int64: EACH(cinch_int64, 8); break;
  case cinch_float32: EACH(cinch_float32, 4); break;
  default: EACH(cinch_float64, 8);
  }
}

int64_t cinch_first_not_finite(const float *values, int64_t count) {
  // Without an early exit the compiler does many at a time; data are nearly always clean.
  enum { block = 4096 };
  for (int64_t start = 0; start < count; start += block) {
    const int64_t end = start + block < count ? start + block : count;
    uint32_t found = 0;
    for (int64_t i = start; i < end; i++) {
      uint32_t bits;
      memcpy(&bits, values + i, 4);
      found |= (bits & 0x7F800000u) == 0x7F800000u;
    }
    if (!found) continue;
    for (int64_t i = start; i < end; i++) {
      if (!__builtin_isfinite(values[i])) return i;
    }
  }
  return -1;
}

void cinch_extend_range(const float *values, int64_t count, float *low, float *high) {
  enum { lanes = 16 };
  float least[lanes], most[lanes];
  for (int lane = 0; lane < lanes; lane++) least[lane] = *low, most[lane] = *high;
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    for (int lane = 0; lane < lanes; lane++) {
      const float value = values[i + lane];
      least[lane] = value < least[lane] ? value : least[lane];
      most[lane] = value > most[lane] ? value : most[lane];
    }
  }
  for (; i < count; i++) {
    if (values[i] < least[0]) least[0] = values[i];
    if (values[i] > most[0]) most[0] = values[i];
  }
  for (int lane = 0; lane < lanes; lane++) {
    if (least[lane] < *low) *low = least[lane];
    if (most[lane] > *high) *high = most[lane];
  }
}

void cinch_rescale(
    float *values, int64_t rows, int64_t columns, const double *offset, const double *scale, double raw) {
  for (int64_t r = 0; r < rows; r++, values += columns) {
    for (int64_t c = 0; c < columns; c++)
      values[c] = scale[c] == 0 ? 0 : (float)(((double)values[c] * raw - offset[c]) / scale[c]);
  }
}

#define TRANSPOSE                                                                        \
  for (int64_t i = 0; i < count; i++, from += rows * columns, to += rows * columns) {    \
    for (int64_t c = 0; c < columns; c++) {                                              \
      for (int64_t r = 0; r < rows; r++) to[c * rows + r] = from[r * columns + c];       \
    }                                                                                    \
  }

void cinch_transpose(const float *from, int64_t count, int64_t rows, int64_t columns, float *to) { TRANSPOSE }

void cinch_transpose_bytes(const uint8_t *from, int64_t count, int64_t rows, int64_t columns, uint8_t *to) {
  TRANSPOSE
}

static int64_t size_of(cinch_element type) {
  switch (type) {
  case cinch_uint8:
  case cinch_int8: return 1;
  case cinch_int16: return 2;
  case cinch_int32:
  case cinch_float32: return 4;
  default: return 8;
  }
}

void cinch_widen_window(
    cinch_element type, bool swapped, const void *source, cinch_window window, float divisor, float *values) {
  const int64_t size = size_of(type);
  for (int64_t p = 0; p < window.planes; p++) {
    for (int64_t r = 0; r < window.rows; r++, values += window.length) {
      const int64_t at = p * window.plane_stride + r * window.row_stride;
      cinch_widen(type, swapped, (const unsigned char *)source + at * size, window.length, divisor, values);
    }
  }
}

void cinch_copy_window(const uint8_t *source, cinch_window window, uint8_t *bytes) {
  for (int64_t p = 0; p < window.planes; p++) {
    for (int64_t r = 0; r < window.rows; r++, bytes += window.length)
      memcpy(bytes, source + p * window.plane_stride + r * window.row_stride, (size_t)window.length);
  }
}
