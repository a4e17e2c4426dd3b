#include <string.h>

#include "imageEpilogue.h"
#include "tiling.h"

// A convolution, and its transpose, as correlations of tiles. A task copies a tile of the source with the zeros around
// it into its thread's work area, so that kernels need not test for borders, and writes each pixel of the result once.

/// Of a band that is pooled, which stays in the first-level cache until then.
enum { pooled_floats = 1 << 12 };

/// What the lanes of a correlation's vectors are.
typedef enum { over_outputs, over_pixels, over_inputs } lanes;

typedef struct {
  const cinch_device *device;
  /// For the correlations.
  const cinch_kernels *kernels;
  cinch_tiling t;
  /// What is done while the result is stored, and what afterwards.
  cinch_ending ending;
  cinch_image_epilogue after;
  const float *source;
  float *result;
  /// What each band's windows go to, where the result itself is not kept: it lies in the work area, `maps` floats on.
  const cinch_pooling *pooling;
  int64_t maps;
  /// Whether windows are pooled as their sums are made, with no memory between the two.
  bool squares;
  /// 2 where a vector's lanes are the outputs of two samples, else 1.
  int64_t together;
  int64_t samples, items, items_each;
  lanes lanes;
  /// With lanes over pixels the source is split into planes, each so far from the next; and so are the results'.
  int64_t plane, out_plane;
  /// Runs and weights of every pair of phases.
  cinch_run *runs;
  int64_t *phase_runs;
  float *weights;
  int64_t padded;
  float *areas;
  int64_t area;
} convolution_job;

static int64_t pixels_of(const cinch_axis *y, const cinch_axis *x) { return y->result * x->result; }

/// The widest kernels whose vectors the input channels fill, or NULL.
static const cinch_kernels *kernels_over_inputs(const cinch_device *device, int64_t inputs) {
  const cinch_kernels *kernels = device->kernels;
  if (inputs % kernels->width) kernels = cinch_kernels_for(device, 1);
  return inputs % kernels->width ? NULL : kernels;
}

static bool is_strided(const cinch_tiling *t) { return t->y.step > 1 || t->x.step > 1; }
static int64_t taps_of(const cinch_tiling *t) { return (t->y.end - t->y.first) * (t->x.end - t->x.first); }

/// Whether sums over input channels, whose lanes are added at their end, beat lanes over pixels. Measured, not derived:
/// planes are made of two outputs at a time; to add lanes takes enough inputs to repay.
static bool prefer_inputs(const cinch_device *device, const cinch_tiling *t) {
  if (t->outputs > 3 || !kernels_over_inputs(device, t->inputs)) return false;
  if (is_strided(t)) return true;
  const int64_t phases = t->y.phases * t->x.phases;
  return t->outputs == 3 || (t->outputs == 1 && (phases == 1 || taps_of(t) * t->inputs >= 64 * phases));
}

/// Whether a vector has room for the output channels of two samples.
static bool has_room(const cinch_device *device, const cinch_tiling *t) {
  return 2 * t->outputs <= device->kernels->width;
}

/// Chooses by how much of the lanes' work is used: over output channels, of which few leave half of a vector to a second
/// sample, and over pixels with what splitting costs.
static lanes choose_lanes(const cinch_device *device, const cinch_tiling *t, bool pairs) {
  if (prefer_inputs(device, t)) return over_inputs;
  // Planes of a source that is strided through would have to be made number by number.
  if (is_strided(t)) return over_outputs;
  const int64_t width = device->kernels->width, rows = t->band, columns = cinch_axis_results(&t->x, 0);
  const double planes = (double)(rows * columns) / (double)cinch_round_up((rows - 1) * t->columns + columns, width);
  // With sixteen registers two samples do not repay.
  const int64_t whole = pairs && width == 16 ? width / 2 : cinch_round_up(t->outputs, width);
  return planes * 0.75 > (double)t->outputs / (double)whole ? over_pixels : over_outputs;
}

// MARK: Weights

/// Makes two of each of `count` numbers.
static void repeat_weights(float *packed, int64_t count) {
  for (int64_t i = count - 1; i >= 0; i--) packed[2 * i] = packed[2 * i + 1] = packed[i];
}

/// Copies the taps of one pair of phases, in the order of their places, as blocks of output channels.
static void pack_weights(
    const convolution_job *job, const cinch_convolution *g, bool transposed, const float *weight, int64_t py,
    int64_t px, int64_t taps, float *packed) {
  const cinch_tiling *t = &job->t;
  const int64_t inputs = t->inputs, outputs = t->outputs, vector = job->kernels->width;
  for (int64_t k0 = 0; k0 < outputs;) {
    int64_t width = 1;
    if (job->lanes == over_outputs) {
      width = job->together == 2 ? vector / 2 : outputs - k0 <= vector || job->squares ? vector : 2 * vector;
    } else if (job->lanes == over_pixels) {
      width = vector == 16 ? 8 : 4;
      while (width > outputs - k0) width /= 2;
    }
    const int64_t used = cinch_min(width, outputs - k0);
    int64_t tap = 0;
    // A transposed convolution reads its taps backwards.
    for (int64_t a = 0; a < g->kernel_height; a++) {
      const int64_t u = transposed ? g->kernel_height - 1 - a : a;
      if (cinch_axis_place(&t->y, py, u) < 0) continue;
      for (int64_t b = 0; b < g->kernel_width; b++) {
        const int64_t v = transposed ? g->kernel_width - 1 - b : b;
        if (cinch_axis_place(&t->x, px, v) < 0) continue;
        const float *from = weight + (u * g->kernel_width + v) * g->channels * g->output_channels;
        float *to = packed + taps * inputs * k0 + tap * inputs * width;
        if (transposed) {
          for (int64_t j = 0; j < used; j++)
            for (int64_t i = 0; i < inputs; i++) to[i * width + j] = from[(k0 + j) * inputs + i];
        } else {
          for (int64_t i = 0; i < inputs; i++)
            memcpy(to + i * width, from + i * outputs + k0, (size_t)used * sizeof(float));
        }
        if (used < width)
          for (int64_t i = 0; i < inputs; i++)
            memset(to + i * width + used, 0, (size_t)(width - used) * sizeof(float));
        tap++;
      }
    }
    k0 += width;
  }
  if (job->together == 2) repeat_weights(packed, taps * inputs * vector / 2);
}

/// Finds the runs and weights that make a pixel of each pair of phases.
static void plan_runs(convolution_job *job, const cinch_convolution *g, bool transposed, const float *weight) {
  const cinch_tiling *t = &job->t;
  int64_t count = 0, floats = 0;
  for (int64_t py = 0; py < t->y.phases; py++)
    for (int64_t px = 0; px < t->x.phases; px++) {
      int64_t taps = 0;
      const int64_t first = count, phase = py * t->x.phases + px;
      for (int64_t a = 0; a < g->kernel_height; a++) {
        const int64_t y = cinch_axis_place(&t->y, py, transposed ? g->kernel_height - 1 - a : a);
        for (int64_t b = 0; b < g->kernel_width && y >= 0; b++) {
          const int64_t x = cinch_axis_place(&t->x, px, transposed ? g->kernel_width - 1 - b : b);
          if (x < 0) continue;
          taps++;
          if (job->lanes == over_pixels) {
            job->runs[count++] = (cinch_run){y * t->columns + x, t->inputs};
            continue;
          }
          const int64_t offset = (y * t->columns + x) * t->inputs * job->together;
          cinch_run *last = count > first ? &job->runs[count - 1] : NULL;
          if (last && last->offset + last->length * job->together == offset)
            last->length += t->inputs;
          else
            job->runs[count++] = (cinch_run){offset, t->inputs};
        }
      }
      job->phase_runs[3 * phase] = first;
      job->phase_runs[3 * phase + 1] = floats;
      job->phase_runs[3 * phase + 2] = taps * t->inputs;
      pack_weights(job, g, transposed, weight, py, px, taps, job->weights + floats);
      floats += taps * t->inputs * job->padded;
    }
  job->phase_runs[3 * t->y.phases * t->x.phases] = count;
}

/// The most elements of a band.
static int64_t band_elements(const cinch_tiling *t) {
  return cinch_min(t->band * t->y.phases, t->y.result) * t->x.result * t->outputs;
}

// MARK: Tiles

/// Splits the tile that starts at this row into planes.
static void fill_planes(const convolution_job *job, const float *image, int64_t row, int64_t rows, float *planes) {
  const cinch_tiling *t = &job->t;
  const int64_t column = t->x.low;
  const int64_t first = cinch_min(cinch_max(0, -column), t->columns);
  const int64_t last = cinch_max(first, cinch_min(t->columns, t->x.source - column));
  memset(planes, 0, (size_t)(job->plane * t->inputs) * sizeof(float));
  if (last == first) return;
  // Downwards: what lies past a row is written again or stays zero.
  for (int64_t i = cinch_max(0, -row); i < cinch_min(rows, t->y.source - row); i++)
    job->kernels->split_channels(
        image + ((row + i) * t->x.source + column + first) * t->inputs, last - first, t->inputs,
        planes + i * t->columns + first, job->plane);
}

/// Brings planes of one row of phases back to pixels, all of its phases at once where their channels fill vectors.
static void merge_row(
    const convolution_job *job, const float *planes, int64_t rows, float *result, int64_t at, int64_t pitch) {
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
static void pool_band(const convolution_job *job, int64_t sample, int64_t a0, int64_t end, const float *maps) {
  cinch_pooling p = cinch_pooling_rows(job->pooling, sample, 1, a0, end);
  p.large = maps;
  cinch_kernels_for(job->device, p.channels)->pool(&p, 0, p.output_height);
}

/// Rows a0 ..< end of a sample, or of two, whose tile lies in `area`, pooled.
static void correlate_squares(
    const convolution_job *job, int64_t sample, int64_t second, int64_t a0, int64_t end, const float *area) {
  const cinch_tiling *t = &job->t;
  const cinch_pooling p = cinch_pooling_rows(job->pooling, sample, 1, a0, end);
  const cinch_correlation c = {
      .x = area,
      .x_row = t->y.step * t->columns * t->inputs * job->together,
      .x_pixel = t->x.step * t->inputs * job->together,
      .y = p.result,
      .found = p.found,
      .y_row = p.output_width * t->outputs,
      .y_pixel = t->outputs,
      .y_sample = second * job->pooling->output_height * p.output_width * t->outputs,
      .rows = end - a0,
      .pixels = t->x.result,
      .run = job->runs,
      .runs = job->phase_runs[3],
      .depth = job->phase_runs[2],
      .weights = job->weights,
      .outputs = t->outputs,
      .ending = job->ending,
  };
  (job->together == 2 ? job->kernels->correlate_pooled_pairs : job->kernels->correlate_pooled)(&c);
}

/// One band of one sample, or of two.
static void convolve_item(const convolution_job *job, int64_t item, float *area) {
  const cinch_tiling *t = &job->t;
  const cinch_kernels *kernels = job->kernels;
  const int64_t sample = item / t->bands * job->together, a0 = item % t->bands * t->band;
  // Of an odd number the last sample is its own second, and stored twice.
  const int64_t second = sample + job->together <= job->samples ? 1 : 0;
  const int64_t width = t->x.result, channels = t->outputs;
  const int64_t end = cinch_min(a0 + t->band, cinch_axis_results(&t->y, 0));
  const float *image = job->source + sample * t->y.source * t->x.source * t->inputs;
  float *result = job->pooling ? area + job->maps : job->result;
  const int64_t start =
      job->pooling ? 0 : (sample * pixels_of(&t->y, &t->x) + a0 * t->y.phases * width) * channels;
  const int64_t row = a0 * t->y.step + t->y.low, rows = cinch_axis_rows(&t->y, end - a0);
  // Two phases of a row of one channel, which are stored together.
  const bool in_turns = t->x.phases == 2 && t->x.result > 1 && channels == 1;
  float *planes = area + job->plane * t->inputs;
  const float *other = job->together == 2 ? image + second * t->y.source * t->x.source * t->inputs : NULL;
  if (job->lanes == over_pixels)
    fill_planes(job, image, row, rows, area);
  else
    cinch_fill_tile(job->device->kernels, t, image, other, row, rows, area);
  if (job->squares) {
    correlate_squares(job, sample, second, a0, end, area);
    return;
  }

  for (int64_t py = 0; py < t->y.phases; py++) {
    const int64_t down = cinch_min(end, cinch_axis_results(&t->y, py)) - a0;
    const int64_t at = start + py * width * channels, pitch = t->y.phases * width * channels;
    if (down <= 0) continue;
    cinch_correlation even = {.x = area};
    for (int64_t px = 0; px < t->x.phases; px++) {
      const int64_t *phase = job->phase_runs + 3 * (py * t->x.phases + px);
      cinch_correlation c = {.x = area, .run = job->runs + phase[0], .runs = phase[3] - phase[0]};
      c.depth = phase[2];
      c.weights = job->weights + phase[1];
      c.outputs = channels;
      c.pixels = cinch_axis_results(&t->x, px);
      if (c.pixels <= 0) continue;
      if (job->lanes == over_pixels) {
        c.y = planes + px * channels * job->out_plane;
        c.y_plane = job->out_plane;
        c.x_plane = job->plane;
        c.pixels += (down - 1) * t->columns;
        kernels->correlate_planes(&c);
        continue;
      }
      c.rows = down;
      c.y = result + at + px * channels;
      c.y_row = pitch;
      c.y_pixel = t->x.phases * channels;
      c.y_sample = second * pixels_of(&t->y, &t->x) * channels;
      c.x_row = t->y.step * t->columns * t->inputs * job->together;
      c.x_pixel = t->x.step * t->inputs * job->together;
      c.ending = job->ending;
      if (c.ending.gate) c.ending.gate += at + px * channels;
      if (job->together == 2)
        kernels->correlate_pairs(&c);
      else if (job->lanes == over_outputs)
        kernels->correlate_lanes(&c);
      else if (!in_turns)
        kernels->correlate_dots(&c);
      else if (px == 0)
        even = c;
      else
        kernels->correlate_dot_phases(&even, &c);
    }
    if (job->lanes == over_pixels) merge_row(job, planes, down, result, at, pitch);
  }
  const int64_t last = cinch_min(end * t->y.phases, t->y.result) - a0 * t->y.phases;
  float *partials = job->after.epilogue.partials;
  for (int64_t s = sample; s < cinch_min(sample + job->together, job->samples); s++) {
    const int64_t e0 = start + (s - sample) * pixels_of(&t->y, &t->x) * channels;
    cinch_finish(
        job->device, &job->after, result, e0, e0 + last * width * channels,
        partials ? partials + (s * t->bands + item % t->bands) * job->after.partials : NULL);
  }
  if (job->pooling) pool_band(job, sample, a0, end, result);
}

static void convolve_task(void *context, int64_t task) {
  const convolution_job *job = context;
  float *area = job->areas + cinch_pool_place() * job->area;
  const int64_t end = cinch_min((task + 1) * job->items_each, job->items);
  for (int64_t item = task * job->items_each; item < end; item++)
    convolve_item(job, item, area);
}

int64_t cinch_convolution_partial_count(const cinch_convolution *g, bool transposed, int64_t samples) {
  const cinch_tiling t = cinch_tile_convolution(g, transposed, samples, cinch_tile_floats, false);
  return samples * t.bands * cinch_image_partials(band_elements(&t), t.outputs);
}

/// Whether a forward pass does nothing to a sum that costs anything while it is stored.
static bool is_forward_ending(const cinch_epilogue *e) {
  return e->kind == cinch_epilogue_forward && (e->activation == cinch_linear || e->activation == cinch_relu);
}

/// Moves what can be done while the result is stored from the epilogue to the correlation's ending.
static void fuse(convolution_job *job) {
  cinch_epilogue *e = &job->after.epilogue;
  cinch_ending *ending = &job->ending;
  if (e->kind == cinch_epilogue_accumulate) {
    ending->accumulate = true;
  } else if (is_forward_ending(e)) {
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

static bool is_short(const cinch_tiling *t) { return taps_of(t) * t->inputs <= 32; }

/// Whether windows are squares of which each lies in the image. Sums that are pooled at once load a vector of weights for a
/// vector of sums each, which long ones do not repay with sixteen registers.
static bool can_pool_squares(
    const cinch_device *device, const cinch_tiling *t, const cinch_pooling *p, const cinch_epilogue *epilogue) {
  return cinch_pools_squares(p) && is_forward_ending(epilogue) && (device->kernels->width == 16 || is_short(t));
}

/// Chooses lanes and kernels, and bands that are pooled.
static void choose(convolution_job *job, const cinch_epilogue *epilogue) {
  const cinch_device *device = job->device;
  cinch_tiling *t = &job->t;
  const bool pairs = has_room(device, t) && job->samples > 1;
  const bool squares = job->pooling && can_pool_squares(device, t, job->pooling, epilogue);
  job->lanes = choose_lanes(device, t, has_room(device, t));
  // What lanes over pixels make is pooled by parts of vectors, which costs more than short sums.
  if (squares && pairs && (t->outputs > 2 || is_short(t))) job->lanes = over_outputs;
  job->together = pairs ? 2 : 1;
  if (job->pooling) {
    const bool whole = pairs || t->outputs % cinch_kernels_for(device, t->outputs)->width == 0;
    job->squares = squares && whole && job->lanes == over_outputs;
    if (!job->squares) {
      // The band that is pooled is one sample's.
      t->band = cinch_max(1, cinch_min(t->band, pooled_floats / cinch_max(1, t->x.result * t->outputs)));
      job->lanes = choose_lanes(device, t, false);
      job->together = 1;
    }
    cinch_align_bands(t, job->pooling->stride_height);
  }
  if (job->lanes != over_outputs) job->together = 1;
  job->kernels = job->lanes == over_inputs    ? kernels_over_inputs(device, t->inputs)
                 : job->lanes == over_outputs && job->together == 1 ? cinch_kernels_for(device, t->outputs)
                                              : device->kernels;
}

static bool convolve(
    cinch_device *device, const cinch_convolution *g, bool transposed, int64_t samples, const float *source,
    const float *weight, float *result, const cinch_pooling *pooling, const cinch_epilogue *epilogue) {
  convolution_job job = {.device = device, .samples = samples, .source = source, .result = result, .pooling = pooling};
  cinch_tiling *t = &job.t;
  *t = cinch_tile_convolution(g, transposed, samples, cinch_tile_floats, false);
  choose(&job, epilogue);
  const int64_t width = job.kernels->width, taps = taps_of(t);
  const int64_t phases = t->y.phases * t->x.phases;
  job.items = cinch_blocks(samples, job.together) * t->bands;
  const double work = 2.0 * (double)(g->output_height * g->output_width * taps) *
                      (double)(g->channels * g->output_channels * job.together) / (double)t->bands;
  job.items_each = cinch_max(1, cinch_min((int64_t)(4e5 / cinch_max((int64_t)work, 1)), job.items / 32));
  job.padded = job.lanes == over_outputs ? cinch_round_up(t->outputs, width) : t->outputs;
  // Whole vectors are written past a tile's end and, over inputs, as many pixels read as a vector has lanes.
  job.area = t->tile * job.together + 64 + (job.lanes == over_inputs ? width * t->x.step * t->inputs : 0);
  if (job.lanes == over_pixels) {
    // Whole vectors are read and written past the last row.
    job.plane = cinch_round_up(cinch_axis_rows(&t->y, t->band) * t->columns, 16) + 32;
    job.out_plane = cinch_round_up(t->band * t->columns, 16) + 32;
    job.area = job.plane * t->inputs + job.out_plane * t->outputs * t->x.phases;
  }
  job.maps = cinch_round_up(job.area, 16);
  // Whole vectors are written past the last pixel.
  job.area = job.maps + (pooling ? cinch_round_up(t->band * t->x.result * t->outputs, 16) + 32 : 0);

  // Integers lie in the floats' memory, in the space of two floats each.
  const int64_t run_floats = 4 * taps, phase_floats = 2 * (3 * phases + 1);
  const int64_t weight_floats = taps * t->inputs * job.padded;
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
  plan_runs(&job, g, transposed, weight);

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
