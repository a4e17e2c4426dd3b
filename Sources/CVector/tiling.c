#include <stdlib.h>
#include <string.h>

#include "convolution.h"

static cinch_axis make_axis(
    bool transposed, int64_t large, int64_t small, int64_t kernel, int64_t stride, int64_t dilation, int64_t before) {
  cinch_axis a = {.transposed = transposed, .stride = stride, .dilation = dilation, .before = before, .kernel = kernel};
  a.phases = transposed ? stride : 1;
  a.step = transposed ? 1 : stride;
  a.source = transposed ? small : large;
  a.result = transposed ? large : small;
  if (!transposed) {
    a.low = -before;
    a.span = (kernel - 1) * dilation;
    return a;
  }
  int64_t high = 0;
  bool found = false;
  for (int64_t phase = 0; phase < a.phases; phase++)
    for (int64_t tap = 0; tap < kernel; tap++) {
      const int64_t distance = phase + before - tap * dilation;
      if (distance % stride) continue;
      const int64_t place = distance / stride;
      if (!found || place < a.low) a.low = place;
      if (!found || place > high) high = place;
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

void cinch_fill_tile(
    const cinch_tiling *t, const float *image, int64_t row, int64_t rows, int64_t column, int64_t columns,
    float *tile) {
  const int64_t c = t->inputs, width = t->x.source;
  const int64_t first = cinch_min(cinch_max(0, -column), columns);
  const int64_t last = cinch_max(first, cinch_min(columns, width - column));
  for (int64_t r = row; r < row + rows; r++, tile += columns * c) {
    if (r < 0 || r >= t->y.source) {
      memset(tile, 0, (size_t)(columns * c) * sizeof(float));
      continue;
    }
    memset(tile, 0, (size_t)(first * c) * sizeof(float));
    if (last > first)
      memcpy(
          tile + first * c, image + (r * width + column + first) * c, (size_t)((last - first) * c) * sizeof(float));
    memset(tile + last * c, 0, (size_t)((columns - last) * c) * sizeof(float));
  }
}

float *cinch_scratch(cinch_device *device, int64_t count) {
  if (device->scratch_count < count) {
    free(device->scratch);
    device->scratch_count = 0;
    device->scratch = cinch_allocate(count);
    if (!device->scratch) return NULL;
    device->scratch_count = count;
  }
  return device->scratch;
}

// MARK: Epilogues of images

int64_t cinch_image_partials(int64_t elements, int64_t channels) {
  const int64_t columns = cinch_repeat_columns(channels), across = cinch_blocks(columns, cinch_cell_columns);
  return cinch_blocks(elements / columns, cinch_cell_rows) * across + across;
}

static const float *repeated(const float *row, int64_t columns, int64_t channels, float *memory) {
  if (!row) return NULL;
  for (int64_t c = 0; c < columns; c++) memory[c] = c < channels ? row[c] : memory[c - channels];
  return memory;
}

cinch_image_epilogue cinch_prepare_epilogue(
    const cinch_epilogue *epilogue, int64_t channels, int64_t features, float *memory) {
  cinch_image_epilogue image = {.epilogue = *epilogue, .columns = cinch_repeat_columns(channels), .share = 1};
  cinch_epilogue *e = &image.epilogue;
  e->row = repeated(e->row, image.columns, channels, cinch_take(&memory, image.columns));
  e->norms = repeated(e->norms, image.columns, channels, memory);
  // A mean is over the sample, not over a row as seen here.
  if (e->kind == cinch_epilogue_loss && e->loss == cinch_mse) {
    image.share = 2.0f / (float)features;
    e->loss = cinch_sse;
    e->gradient_scale *= image.share;
  }
  return image;
}

void cinch_finish(
    const cinch_device *device, const cinch_image_epilogue *image, float *result, int64_t e0, int64_t e1,
    float *partials) {
  cinch_epilogue e = image->epilogue;
  if (e.kind == cinch_epilogue_none || e.kind == cinch_epilogue_accumulate) return;
  const int64_t whole = (e1 - e0) / image->columns;
  int64_t used = 0;
  for (int part = 0; part < 2; part++) {
    const int64_t start = part == 0 ? e0 : e0 + whole * image->columns;
    e.rows = part == 0 ? whole : 1;
    e.columns = part == 0 ? image->columns : e1 - start;
    if (e.rows == 0 || e.columns == 0) continue;
    if (e.other) e.other = image->epilogue.other + start;
    if (e.weights) e.weights = image->epilogue.weights + start;
    if (partials) e.partials = partials + used;
    used += cinch_blocks(e.rows, cinch_cell_rows) * cinch_blocks(e.columns, cinch_cell_columns);
    device->kernels->epilogue(&e, result + start, result + start, 0, e.rows, 0, e.columns);
  }
  if (e.kind != cinch_epilogue_loss) return;
  for (int64_t i = 0; i < used; i++) partials[i] *= image->share;
  for (int64_t i = used; i < image->partials; i++) partials[i] = 0;
}
