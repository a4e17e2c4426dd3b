#include <string.h>

#include "tiling.h"

static cinch_axis make_axis(
    bool transposed, int64_t large, int64_t small, int64_t kernel, int64_t stride, int64_t dilation, int64_t before) {
  cinch_axis a = {.transposed = transposed, .stride = stride, .dilation = dilation, .before = before, .kernel = kernel};
  a.source = transposed ? small : large;
  a.result = transposed ? large : small;
  // Where each phase has one result, no stride is taken, however large it is.
  a.phases = transposed ? cinch_min(stride, cinch_max(a.result, 1)) : 1;
  a.step = transposed || a.result <= 1 ? 1 : stride;
  const int64_t most = (cinch_axis_results(&a, 0) - 1) * a.step;
  int64_t high = 0;
  bool found = false;
  for (int64_t tap = 0; tap < kernel; tap++)
    for (int64_t phase = 0; phase < a.phases; phase++) {
      const int64_t distance = transposed ? phase + before - tap * dilation : tap * dilation - before;
      if (transposed && distance % stride) continue;
      const int64_t place = transposed ? distance / stride : distance;
      if (place >= a.source || place + most < 0) continue;
      if (!found) a.first = tap;
      if (!found || place < a.low) a.low = place;
      if (!found || place > high) high = place;
      a.end = tap + 1;
      found = true;
    }
  a.span = high - a.low;
  return a;
}

// Enough tiles for many processors, each large enough to be worth handing out.
enum { least_items = 16 };
static const double least_work = 2e5;

cinch_tiling cinch_tile_convolution(
    const cinch_convolution *g, bool transposed, int64_t samples, int64_t limit, bool with_result) {
  cinch_tiling t = {
      .y = make_axis(
          transposed, g->height, g->output_height, g->kernel_height, g->stride_height, g->dilation_height, g->top),
      .x = make_axis(
          transposed, g->width, g->output_width, g->kernel_width, g->stride_width, g->dilation_width, g->left),
      .inputs = transposed ? g->output_channels : g->channels,
      .outputs = transposed ? g->channels : g->output_channels,
  };
  const int64_t rows = cinch_axis_results(&t.y, 0);
  t.columns = cinch_axis_rows(&t.x, cinch_axis_results(&t.x, 0));
  const int64_t row = t.columns * t.inputs;
  const int64_t each = t.y.step * row + (with_result ? t.x.result * t.outputs : 0);
  const int64_t least = with_result ? cinch_blocks(cinch_gradient_pixels, t.x.result) : 1;
  t.band = cinch_max(1, cinch_min(rows, cinch_max(least, (limit - cinch_axis_rows(&t.y, 1) * row) / each + 1)));
  const double work = 2.0 * (double)(g->output_height * g->output_width * g->channels * g->output_channels) *
                      (double)(g->kernel_height * g->kernel_width);
  int64_t bands = cinch_blocks(rows, t.band);
  while (samples * bands < least_items && bands < rows && work / (double)(bands + 1) >= least_work) bands++;
  t.band = cinch_max(1, cinch_blocks(rows, cinch_max(1, bands)));
  t.bands = cinch_max(1, cinch_blocks(rows, t.band));
  t.tile = cinch_axis_rows(&t.y, t.band) * row;
  return t;
}

void cinch_align_bands(cinch_tiling *t, int64_t rows) {
  const int64_t all = cinch_axis_results(&t->y, 0);
  t->band = cinch_max(1, cinch_min(all, cinch_round_up(t->band, rows)));
  t->bands = cinch_max(1, cinch_blocks(all, t->band));
  t->tile = cinch_axis_rows(&t->y, t->band) * t->columns * t->inputs;
}

void cinch_fill_tile(
    const cinch_kernels *kernels, const cinch_tiling *t, const float *image, const float *second, int64_t row,
    int64_t rows, float *tile) {
  const int64_t column = t->x.low, columns = t->columns, c = t->inputs, width = t->x.source;
  const int64_t first = cinch_min(cinch_max(0, -column), columns);
  const int64_t last = cinch_max(first, cinch_min(columns, width - column));
  const int64_t above = cinch_min(rows, cinch_max(0, -row));
  const int64_t within = cinch_max(0, cinch_min(rows, t->y.source - row) - above);
  const int64_t below = rows - above - within, pitch = columns * c * (second ? 2 : 1);
  const int64_t start = ((row + above) * width + column + first) * c;
  memset(tile, 0, (size_t)(above * pitch) * sizeof(float));
  tile += above * pitch;
  const int64_t before = first * c, count = (last - first) * c, after = (columns - last) * c;
  if (within > 0 && second)
    kernels->pad_row_pairs(image + start, second + start, width * c, within, before, count, after, tile);
  else if (within > 0)
    kernels->pad_rows(image + start, width * c, within, before, count, after, tile);
  memset(tile + within * pitch, 0, (size_t)(below * pitch) * sizeof(float));
}
