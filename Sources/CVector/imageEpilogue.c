#include "imageEpilogue.h"

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
  // A kind has a bias or a column, so one piece of memory does for both.
  float *row = cinch_take(&memory, image.columns);
  if (e->kind == cinch_epilogue_backward)
    e->column = repeated(e->column, image.columns, channels, row);
  else
    e->bias = repeated(e->bias, image.columns, channels, row);
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
    if (e.output) e.output = image->epilogue.output + start;
    if (e.target) e.target = image->epilogue.target + start;
    if (e.weight) e.weight = image->epilogue.weight + start;
    if (partials) e.partials = partials + used;
    used += cinch_blocks(e.rows, cinch_cell_rows) * cinch_blocks(e.columns, cinch_cell_columns);
    device->kernels->epilogue(&e, result + start, result + start, 0, e.rows, 0, e.columns);
  }
  if (e.kind != cinch_epilogue_loss) return;
  for (int64_t i = 0; i < used; i++) partials[i] *= image->share;
  for (int64_t i = used; i < image->partials; i++) partials[i] = 0;
}
