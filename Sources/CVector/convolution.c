#include <string.h>

#include "convolutionJob.h"

// A convolution, and its transpose, as correlations of tiles. A task copies a tile of the source with the zeros around
// it into its thread's work area, so that kernels need not test for borders, and writes each pixel of the result once.

static int64_t pixels_of(const cinch_axis *y, const cinch_axis *x) { return y->result * x->result; }

/// The most elements of a band.
static int64_t band_elements(const cinch_tiling *t) {
  return cinch_min(t->band * t->y.phases, t->y.result) * t->x.result * t->outputs;
}

// MARK: Tiles

/// Splits the tile that starts at this row into planes, which hold zeros where it has none.
static void fill_planes(const cinch_convolution_job *job, const float *image, int64_t row, int64_t rows, float *planes) {
  const cinch_tiling *t = &job->t;
  const int64_t column = t->x.low;
  const int64_t first = cinch_min(cinch_max(0, -column), t->columns);
  const int64_t last = cinch_max(first, cinch_min(t->columns, t->x.source - column));
  if (last == first) return;
  // Downwards: what lies past a row is written again or stays zero.
  for (int64_t i = cinch_max(0, -row); i < cinch_min(rows, t->y.source - row); i++)
    job->kernels->split_channels(
        image + ((row + i) * t->x.source + column + first) * t->inputs, last - first, t->inputs,
        planes + i * t->columns + first, job->plane);
}

/// Brings planes of every so many rows back to pixels, all of its phases at once where their channels fill vectors.
static void merge_rows(
    const cinch_convolution_job *job, const float *planes, int64_t rows, float *result, int64_t at, int64_t pitch) {
  const cinch_tiling *t = &job->t;
  const int64_t phases = t->x.phases, channels = t->outputs, together = phases * channels;
  const bool whole = together <= 16 && (together & (together - 1)) == 0;
  const int64_t groups = whole ? t->x.result / phases : 0;
  cinch_ending e = job->ending;
  for (int64_t i = 0; i < rows && groups > 0; i++) {
    const int64_t start = at + i * pitch;
    if (e.gate) e.gate = job->ending.gate + start;
    job->kernels->merge_channels(
        planes + i * t->columns, job->out_plane, groups, together, together, &e, result + start);
  }
  for (int64_t px = 0; px < phases; px++) {
    const int64_t left = cinch_axis_results(&t->x, px) - groups;
    const float *plane = planes + px * channels * job->out_plane + groups;
    for (int64_t i = 0; i < rows && left > 0; i++) {
      const int64_t start = at + i * pitch + (groups * phases + px) * channels;
      if (e.gate) e.gate = job->ending.gate + start;
      job->kernels->merge_channels(
          plane + i * t->columns, job->out_plane, left, channels, together, &e, result + start);
    }
  }
}

/// The largest values of the windows of rows a0 ..< end, which `maps` holds.
static void pool_band(const cinch_convolution_job *job, int64_t sample, int64_t a0, int64_t end, const float *maps) {
  cinch_pooling p = cinch_pooling_rows(job->pooling, sample, 1, a0, end);
  p.large = maps;
  cinch_kernels_for(job->device, p.channels)->pool(&p, 0, p.output_height);
}

/// Rows a0 ..< end of a sample, or of two, whose tile lies in the work area.
typedef struct {
  int64_t sample, a0, end;
  /// How far the second sample is from the first: 0 where that is alone, which then is its own second, and stored twice.
  int64_t second;
  float *area;
} band;

/// What makes the pixels of a pair of phases out of the band's tile.
static cinch_correlation correlation_of(const cinch_convolution_job *job, const band *b, int64_t py, int64_t px) {
  const cinch_tiling *t = &job->t;
  const int64_t *phase = job->phase_runs + 3 * (py * t->x.phases + px);
  return (cinch_correlation){
      .x = b->area,
      .x_row = t->y.step * t->columns * t->inputs * job->together,
      .x_pixel = t->x.step * t->inputs * job->together,
      .x_plane = job->plane,
      .rows = cinch_min(b->end, cinch_axis_results(&t->y, py)) - b->a0,
      .pixels = cinch_axis_results(&t->x, px),
      .run = job->runs + phase[0],
      .runs = phase[3] - phase[0],
      .depth = phase[2],
      .weights = job->weights + phase[1],
      .outputs = t->outputs,
      .ending = job->ending,
  };
}

static void correlate_squares(const cinch_convolution_job *job, const band *b) {
  const cinch_pooling p = cinch_pooling_rows(job->pooling, b->sample, 1, b->a0, b->end);
  cinch_correlation c = correlation_of(job, b, 0, 0);
  c.y = p.result;
  c.found = p.found;
  c.y_pixel = p.channels;
  c.y_row = p.output_width * p.channels;
  c.y_sample = b->second * job->pooling->output_height * c.y_row;
  (job->together == 2 ? job->kernels->correlate_pooled_pairs : job->kernels->correlate_pooled)(&c);
}

/// Planes of every tap, behind the source's.
static void correlate_taps(const cinch_convolution_job *job, const band *b, int64_t rows) {
  const cinch_tiling *t = &job->t;
  const cinch_run all = {0, t->inputs};
  const cinch_correlation c = {
      .x = b->area,
      .x_plane = job->plane,
      .y = b->area + job->plane * t->inputs,
      .y_plane = job->plane,
      .pixels = rows * t->columns,
      .run = &all,
      .runs = 1,
      .depth = t->inputs,
      .weights = job->weights,
      .outputs = cinch_kernel_taps(t),
  };
  job->kernels->correlate_planes(&c);
}

/// Every `phases`th row, from `at` of the result on.
static void correlate_rows(const cinch_convolution_job *job, const band *b, int64_t py, float *result, int64_t at) {
  const cinch_tiling *t = &job->t;
  const cinch_kernels *kernels = job->kernels;
  const int64_t channels = t->outputs, pitch = t->y.phases * t->x.result * channels;
  // Of two phases that take turns, the first waits for the other.
  cinch_correlation c[2];
  for (int64_t px = 0; px < t->x.phases; px++) {
    cinch_correlation *now = &c[px % 2];
    *now = correlation_of(job, b, py, px);
    if (now->rows <= 0 || now->pixels <= 0) continue;
    now->y = result + at + px * channels;
    now->y_row = pitch;
    now->y_pixel = t->x.phases * channels;
    now->y_sample = b->second * pixels_of(&t->y, &t->x) * channels;
    if (now->ending.gate) now->ending.gate += at + px * channels;
    switch (job->lanes) {
      case over_outputs:
        (job->together == 2 ? kernels->correlate_pairs : kernels->correlate_lanes)(now);
        break;
      case over_inputs:
        if (!cinch_takes_turns(t))
          kernels->correlate_dots(now);
        else if (px == 1)
          kernels->correlate_dot_phases(&c[0], &c[1]);
        break;
      case over_pixels:
        now->y = b->area + job->plane * t->inputs + px * channels * job->out_plane;
        now->y_plane = job->out_plane;
        now->pixels += (now->rows - 1) * t->columns;
        kernels->correlate_planes(now);
        break;
      case over_taps:
        now->x += job->plane * t->inputs;
        now->x_row = t->columns;
        if (px == 1) kernels->add_taps(&c[0], &c[1]);
        break;
    }
  }
  if (job->lanes == over_pixels)
    merge_rows(job, b->area + job->plane * t->inputs, c[0].rows, result, at, pitch);
}

static bool has_planes(const cinch_convolution_job *job) { return job->lanes == over_pixels || job->lanes == over_taps; }

static void clear_planes(const cinch_convolution_job *job, float *area) {
  memset(area, 0, (size_t)(job->plane * job->t.inputs) * sizeof(float));
}

/// One band of one sample, or of two.
static void convolve_item(const cinch_convolution_job *job, int64_t item, float *area) {
  const cinch_tiling *t = &job->t;
  const int64_t results = pixels_of(&t->y, &t->x) * t->outputs, pixels = t->x.result * t->outputs;
  band b = {.sample = item / t->bands * job->together, .a0 = item % t->bands * t->band, .area = area};
  b.end = cinch_min(b.a0 + t->band, cinch_axis_results(&t->y, 0));
  b.second = b.sample + job->together <= job->samples ? 1 : 0;
  const int64_t row = b.a0 * t->y.step + t->y.low, rows = cinch_axis_rows(&t->y, b.end - b.a0);
  const int64_t features = t->y.source * t->x.source * t->inputs;
  const float *image = job->source + b.sample * features;
  if (has_planes(job)) {
    // What rows of whole images leave zero stays so.
    if (t->bands > 1) clear_planes(job, area);
    fill_planes(job, image, row, rows, area);
  } else {
    cinch_fill_tile(
        job->device->kernels, t, image, job->together == 2 ? image + b.second * features : NULL, row, rows, area);
  }
  if (job->squares) {
    correlate_squares(job, &b);
    return;
  }

  float *result = job->pooling ? area + job->maps : job->result;
  const int64_t start = job->pooling ? 0 : b.sample * results + b.a0 * t->y.phases * pixels;
  if (job->lanes == over_taps) correlate_taps(job, &b, rows);
  for (int64_t py = 0; py < t->y.phases; py++) correlate_rows(job, &b, py, result, start + py * pixels);
  const int64_t last = cinch_min(b.end * t->y.phases, t->y.result) - b.a0 * t->y.phases;
  float *partials = job->after.epilogue.partials;
  for (int64_t s = b.sample; s < cinch_min(b.sample + job->together, job->samples); s++) {
    const int64_t e0 = start + (s - b.sample) * results;
    cinch_finish(
        job->device, &job->after, result, e0, e0 + last * pixels,
        partials ? partials + (s * t->bands + item % t->bands) * job->after.partials : NULL);
  }
  if (job->pooling) pool_band(job, b.sample, b.a0, b.end, result);
}

static void convolve_task(void *context, int64_t task) {
  const cinch_convolution_job *job = context;
  float *area = job->areas + cinch_pool_place() * job->area;
  const int64_t end = cinch_min((task + 1) * job->items_each, job->items);
  if (has_planes(job) && job->t.bands == 1) clear_planes(job, area);
  for (int64_t item = task * job->items_each; item < end; item++)
    convolve_item(job, item, area);
}

int64_t cinch_convolution_partial_count(const cinch_convolution *g, bool transposed, int64_t samples) {
  const cinch_tiling t = cinch_tile_convolution(g, transposed, samples, cinch_tile_floats, false);
  return samples * t.bands * cinch_image_partials(band_elements(&t), t.outputs);
}

/// Moves what can be done while the result is stored from the epilogue to the correlation's ending.
static void fuse(cinch_convolution_job *job) {
  cinch_epilogue *e = &job->after.epilogue;
  cinch_ending *ending = &job->ending;
  if (e->kind == cinch_epilogue_accumulate) {
    ending->accumulate = true;
  } else if (cinch_is_forward_ending(e)) {
    ending->bias = e->bias;
    ending->rectify = e->activation == cinch_relu;
  } else if (
      e->kind == cinch_epilogue_backward && e->activation == cinch_relu && !e->column && !e->norms && e->l1 == 0) {
    ending->gate = e->output;
  } else {
    return;
  }
  e->kind = cinch_epilogue_none;
}

static bool convolve(
    cinch_device *device, const cinch_convolution *g, bool transposed, int64_t samples, const float *source,
    const float *weight, float *result, const cinch_pooling *pooling, const cinch_epilogue *epilogue) {
  cinch_convolution_job job = {
      .device = device, .samples = samples, .source = source, .result = result, .pooling = pooling};
  cinch_tiling *t = &job.t;
  *t = cinch_tile_convolution(g, transposed, samples, cinch_tile_floats, false);
  cinch_choose_lanes(&job, epilogue);
  const int64_t width = job.kernels->width, taps = cinch_taps(t);
  const int64_t phases = t->y.phases * t->x.phases;
  job.items = cinch_blocks(samples, job.together) * t->bands;
  const double work = 2.0 * (double)(g->output_height * g->output_width * taps) *
                      (double)(g->channels * g->output_channels * job.together) / (double)t->bands;
  job.items_each = cinch_max(1, cinch_min((int64_t)(4e5 / cinch_max((int64_t)work, 1)), job.items / 32));
  job.padded = job.lanes == over_outputs ? cinch_round_up(t->outputs, width) : t->outputs;
  // Whole vectors are written past a tile's end and, over inputs, as many pixels read as a vector has lanes.
  job.area = t->tile * job.together + 64 + (job.lanes == over_inputs ? width * t->x.step * t->inputs : 0);
  if (has_planes(&job)) {
    // Whole vectors are read and written past the last row.
    job.plane = cinch_round_up(cinch_axis_rows(&t->y, t->band) * t->columns, 16) + 32;
    job.out_plane = cinch_round_up(t->band * t->columns, 16) + 32;
    job.area = job.plane * t->inputs + (job.lanes == over_taps ? job.plane * cinch_kernel_taps(t)
                                                               : job.out_plane * t->outputs * t->x.phases);
  }
  job.maps = cinch_round_up(job.area, 16);
  // Whole vectors are written past the last pixel.
  job.area = job.maps + (pooling ? cinch_round_up(t->band * t->x.result * t->outputs, 16) + 32 : 0);

  // Integers lie in the floats' memory, in the space of two floats each.
  const int64_t run_floats = 4 * taps, phase_floats = 2 * (3 * phases + 1);
  const int64_t weight_floats = (job.lanes == over_taps ? cinch_kernel_taps(t) : taps) * t->inputs * job.padded;
  const int64_t total = run_floats + phase_floats + weight_floats + cinch_image_epilogue_floats(t->outputs) + 4 * 16;
  float *memory = cinch_scratch(device, total + job.area * device->threads);
  if (!memory) return false;
  job.runs = (cinch_run *)(void *)cinch_take(&memory, run_floats);
  job.phase_runs = (int64_t *)(void *)cinch_take(&memory, phase_floats);
  job.weights = cinch_take(&memory, weight_floats);
  job.after = cinch_prepare_epilogue(epilogue, t->outputs, pixels_of(&t->y, &t->x) * t->outputs, memory);
  job.after.partials = cinch_image_partials(band_elements(t), t->outputs);
  memory += cinch_image_epilogue_floats(t->outputs);
  fuse(&job);
  job.areas = memory;
  cinch_plan_runs(&job, g, transposed, weight);

  cinch_pool_run(device->pool, convolve_task, &job, cinch_blocks(job.items, job.items_each));
  return true;
}

bool cinch_convolve(
    cinch_device *device, const cinch_convolution *g, bool transposed, int64_t samples, const float *source,
    const float *weight, float *result, const cinch_epilogue *epilogue) {
  return convolve(device, g, transposed, samples, source, weight, result, NULL, epilogue);
}

bool cinch_convolve_pooled(
    cinch_device *device, const cinch_convolution *g, int64_t samples, const float *source, const float *weight,
    const cinch_pooling *pooling, const cinch_epilogue *epilogue) {
  return convolve(device, g, false, samples, source, weight, NULL, pooling, epilogue);
}
