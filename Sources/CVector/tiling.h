#pragma once

#include "internal.h"

// What the three modes of a convolution share: which taps make a pixel of the result, how an image is cut into
// tiles, and where tiles lie in memory.

/// One dimension. Results `phases` apart have the same taps: a convolution has one phase, a transposed
/// convolution as many as its stride, each a correlation of stride 1 with a part of the kernel.
typedef struct {
  bool transposed;
  int64_t phases, stride, dilation, before, kernel;
  /// How far the source moves from one result of a phase to the next.
  int64_t step;
  int64_t source, result;
  /// The taps that meet the source for some result, from `first` up to but not including `end`. The others see zeros
  /// alone, however far they reach.
  int64_t first, end;
  /// The first row of the source that result 0 of any phase reads, and how many rows after it the last one lies.
  int64_t low, span;
} cinch_axis;

/// A sample's results are cut into `bands` of `band` rows of each phase.
typedef struct {
  cinch_axis y, x;
  int64_t inputs, outputs;
  int64_t band, bands;
  /// Columns of a tile, and its floats.
  int64_t columns, tile;
} cinch_tiling;

// A tile of a result is read once per block of channels, for which the second-level cache is fast enough. A tile of a
// gradient is read once per few sums, so it should fit the first-level cache, but needs enough pixels to repay loading
// and storing the sums.
enum { cinch_tile_floats = 1 << 14, cinch_gradient_floats = 10 << 10, cinch_gradient_pixels = 96 };

/// `limit` is how many floats of the source and, `with_result`, of the result a tile should have at most.
cinch_tiling cinch_tile_convolution(
    const cinch_convolution *geometry, bool transposed, int64_t samples, int64_t limit, bool with_result);

/// Makes bands multiples of so many rows, but for the last one of a sample.
void cinch_align_bands(cinch_tiling *tiling, int64_t rows);

/// How many results a phase has; phase 0 has the most.
static inline int64_t cinch_axis_results(const cinch_axis *a, int64_t phase) {
  return a->result > phase ? (a->result - phase + a->phases - 1) / a->phases : 0;
}

/// Where tap `tap` lies in a tile for result 0 of `phase`; −1 where the tap has no part in it, or sees zeros alone.
static inline int64_t cinch_axis_place(const cinch_axis *a, int64_t phase, int64_t tap) {
  const int64_t distance = a->transposed ? phase + a->before - tap * a->dilation : tap * a->dilation - a->before;
  if (a->transposed && distance % a->stride) return -1;
  const int64_t place = (a->transposed ? distance / a->stride : distance) - a->low;
  return place < 0 || place > a->span ? -1 : place;
}

/// Rows of a tile for `results` rows of results.
static inline int64_t cinch_axis_rows(const cinch_axis *a, int64_t results) {
  return (results - 1) * a->step + a->span + 1;
}

/// Copies the tile that starts at this row of `image`, channels last, with zeros outside; that of two images, whose numbers
/// take turns, where `second` is not NULL.
void cinch_fill_tile(
    const cinch_kernels *kernels, const cinch_tiling *t, const float *image, const float *second, int64_t row,
    int64_t rows, float *tile);
