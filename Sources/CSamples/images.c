#include "CSamples.h"

#include <math.h>

// The same bits on every processor: no product may be fused with a sum.
#pragma STDC FP_CONTRACT OFF

void cinch_over_white(const uint8_t *from, int64_t pixels, int64_t channels, uint8_t *to) {
  for (int64_t i = 0; i < pixels; i++, from += channels + 1, to += channels) {
    const int alpha = from[channels];
    for (int64_t c = 0; c < channels; c++) to[c] = (uint8_t)((alpha * from[c] + (255 - alpha) * 255 + 127) / 255);
  }
}

void cinch_grey(const uint8_t *from, int64_t pixels, uint8_t *to) {
  for (int64_t i = 0; i < pixels; i++, from += 3)
    to[i] = (uint8_t)((299 * from[0] + 587 * from[1] + 114 * from[2] + 500) / 1000);
}

/// Which places along an axis of `from` a place of `to` is made of: those that it covers, or, where it is smaller than
/// they are, the two whose centres its own lies between.
typedef struct {
  int64_t first, last;
  double low, high, step;
  bool shrinks;
} span;

static span span_of(int64_t place, int64_t from, int64_t to) {
  span result;
  result.step = (double)from / (double)to;
  result.shrinks = from >= to;
  if (result.shrinks) {
    result.low = (double)(place * from) / (double)to;
    result.high = (double)((place + 1) * from) / (double)to;
    result.first = place * from / to;
    result.last = ((place + 1) * from + to - 1) / to - 1;
  } else {
    double centre = ((double)place + 0.5) * result.step - 0.5;
    centre = centre < 0 ? 0 : centre > (double)(from - 1) ? (double)(from - 1) : centre;
    result.low = result.high = centre;
    result.first = (int64_t)centre;
    result.last = result.first + 1 < from ? result.first + 1 : result.first;
  }
  return result;
}

/// Weights of a span add up to 1.
static double weight(const span *all, int64_t place) {
  if (all->shrinks) {
    const double from = all->low > (double)place ? all->low : (double)place;
    const double to = all->high < (double)(place + 1) ? all->high : (double)(place + 1);
    return to > from ? (to - from) / all->step : 0;
  }
  const double right = all->low - (double)all->first;
  return place == all->first ? (all->last == all->first ? 1 : 1 - right) : right;
}

void cinch_resize(
    const uint8_t *from, int64_t height, int64_t width, int64_t channels, int64_t to_height, int64_t to_width,
    double *sums, uint8_t *to) {
  const int64_t row = to_width * channels;
  for (int64_t y = 0; y < to_height; y++, to += row) {
    for (int64_t i = 0; i < row; i++) sums[i] = 0;
    const span rows = span_of(y, height, to_height);
    for (int64_t r = rows.first; r <= rows.last; r++) {
      const double factor = weight(&rows, r);
      const uint8_t *const source = from + r * width * channels;
      for (int64_t x = 0; x < to_width; x++) {
        const span columns = span_of(x, width, to_width);
        for (int64_t k = columns.first; k <= columns.last; k++) {
          const double share = factor * weight(&columns, k);
          for (int64_t c = 0; c < channels; c++) sums[x * channels + c] += share * source[k * channels + c];
        }
      }
    }
    for (int64_t i = 0; i < row; i++) {
      const double level = floor(sums[i] + 0.5);
      to[i] = (uint8_t)(level < 0 ? 0 : level > 255 ? 255 : level);
    }
  }
}

void cinch_orient(
    const uint8_t *from, int64_t height, int64_t width, int64_t channels, int32_t orientation, uint8_t *to) {
  // 2 to 4 mirror and turn; 5 to 8 do so to the transposed image.
  const bool turns = orientation >= 5;
  const bool flips_rows = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
  const bool flips_columns = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
  const int64_t rows = turns ? width : height, columns = turns ? height : width;
  for (int64_t y = 0; y < rows; y++) {
    const int64_t row = flips_rows ? rows - 1 - y : y;
    for (int64_t x = 0; x < columns; x++) {
      const int64_t column = flips_columns ? columns - 1 - x : x;
      const uint8_t *pixel = from + (turns ? column * width + row : row * width + column) * channels;
      for (int64_t c = 0; c < channels; c++) *to++ = pixel[c];
    }
  }
}

void cinch_add_tile(
    const float *tile, cinch_window window, const double *row_weights, const double *column_weights, float *target) {
  for (int64_t p = 0; p < window.planes; p++) {
    for (int64_t y = 0; y < window.rows; y++) {
      float *row = target + p * window.plane_stride + y * window.row_stride;
      for (int64_t x = 0; x < window.length; x++)
        row[x] = (float)((double)row[x] + row_weights[y] * column_weights[x] * (double)*tile++);
    }
  }
}

void cinch_diffuse(float *plane, const bool *missing, int64_t height, int64_t width, int64_t sweeps) {
  const double relaxation = 1.9;
  for (int64_t sweep = 0; sweep < sweeps; sweep++) {
    for (int64_t y = 0; y < height; y++) {
      for (int64_t x = 0; x < width; x++) {
        float *pixel = plane + y * width + x;
        if (!missing[y * width + x]) continue;
        double sum = 0, count = 0;
        if (y > 0) sum += (double)pixel[-width], count++;
        if (y + 1 < height) sum += (double)pixel[width], count++;
        if (x > 0) sum += (double)pixel[-1], count++;
        if (x + 1 < width) sum += (double)pixel[1], count++;
        if (count > 0) *pixel = (float)((double)*pixel + relaxation * (sum / count - (double)*pixel));
      }
    }
  }
}
