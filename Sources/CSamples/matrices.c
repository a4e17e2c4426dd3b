#include "CSamples.h"
#include "clones.h"

#include <string.h>

#pragma STDC FP_CONTRACT OFF

enum { tile_rows = 4, tile_columns = 8, most_inner = 256 };

/// A tile's row: as many registers as it takes.
typedef double lanes __attribute__((vector_size(8 * tile_columns)));

/// One tile of out[r][c] += Σ_k a[k · step + r · stride] · b[k][c], in the order of k.
INLINE void tile(
    int64_t rows, int64_t width, const double *a, int64_t step, int64_t stride, int64_t inner, const lanes *b,
    int64_t columns, double *out) {
  lanes sums[tile_rows];
  for (int64_t r = 0; r < rows; r++) {
    sums[r] = (lanes){0};
    memcpy(&sums[r], out + r * columns, (size_t)width * 8);
  }
  for (int64_t k = 0; k < inner; k++, a += step) {
    for (int64_t r = 0; r < rows; r++) sums[r] += a[r * stride] * b[k];
  }
  for (int64_t r = 0; r < rows; r++) memcpy(out + r * columns, &sums[r], (size_t)width * 8);
}

/// out[r][c] += Σ_k a[k · step + r · stride] · b[k][c], in the order of k: all tiles, or, of a symmetric result, those that
/// reach its upper triangle. Columns of b are copied to lie side by side.
INLINE void products(
    int64_t rows, const double *a, int64_t step, int64_t stride, int64_t inner, const double *b, int64_t columns,
    bool is_symmetric, double *restrict out) {
  if (rows < tile_rows) {
    // Copies would not pay.
    for (int64_t r = 0; r < rows; r++) {
      for (int64_t k = 0; k < inner; k++) {
        const double factor = a[k * step + r * stride];
        for (int64_t c = 0; c < columns; c++) out[r * columns + c] += factor * b[k * columns + c];
      }
    }
    return;
  }
  lanes packed[most_inner];
  for (int64_t start = 0; start < inner; start += most_inner, a += most_inner * step, b += most_inner * columns) {
    const int64_t some = inner - start < most_inner ? inner - start : most_inner;
    for (int64_t c = 0; c < columns; c += tile_columns) {
      const int64_t width = columns - c < tile_columns ? columns - c : tile_columns;
      for (int64_t k = 0; k < some; k++) {
        packed[k] = (lanes){0};
        memcpy(&packed[k], b + k * columns + c, (size_t)width * 8);
      }
      const int64_t end = is_symmetric && c + width < rows ? c + width : rows;
      int64_t r = 0;
      for (; r + tile_rows <= end; r += tile_rows)
        tile(tile_rows, width, a + r * stride, step, stride, some, packed, columns, out + r * columns + c);
      for (; r < end; r++) tile(1, width, a + r * stride, step, stride, some, packed, columns, out + r * columns + c);
    }
  }
}

void cinch_center(
    const float *values, int64_t rows, int64_t columns, double raw, const double *mean, double *centered) {
  for (int64_t r = 0; r < rows; r++, values += columns, centered += columns) {
    if (mean) {
      for (int64_t c = 0; c < columns; c++) centered[c] = (double)values[c] * raw - mean[c];
    } else {
      for (int64_t c = 0; c < columns; c++) centered[c] = (double)values[c] * raw;
    }
  }
}

void cinch_add_rows(const double *centered, int64_t rows, int64_t columns, double *sums) {
  for (int64_t r = 0; r < rows; r++, centered += columns) {
    for (int64_t c = 0; c < columns; c++) sums[c] += centered[c];
  }
}

CLONES void cinch_add_gram(const double *a, int64_t rows, int64_t columns, double *sum) {
  products(columns, a, columns, 1, rows, a, columns, true, sum);
}

CLONES void cinch_linear_map(
    const float *values, int64_t rows, int64_t columns, double raw, const double *before, const double *matrix,
    const double *after, double *scratch, float *result) {
  double *out = scratch + rows * columns;
  cinch_center(values, rows, columns, raw, before, scratch);
  for (int64_t i = 0; i < rows * columns; i++) out[i] = 0;
  products(rows, scratch, 1, columns, columns, matrix, columns, false, out);
  for (int64_t r = 0; r < rows; r++, out += columns, result += columns) {
    for (int64_t c = 0; c < columns; c++) result[c] = (float)(after ? out[c] + after[c] : out[c]);
  }
}
