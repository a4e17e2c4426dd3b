#include <string.h>

#include "imageEpilogue.h"
#include "tiling.h"

// The weight gradient of a convolution. Chunks of samples, whose number depends on the shape alone, each make sums of
// their own in memory that stays in the core's cache; then the chunks are added in order.

enum { most_chunks = 16, chunk_floats = 1 << 21, total_block = 1 << 11, map_block = 1 << 14, part_outputs = 64 };

typedef struct {
  const cinch_device *device;
  /// For the tiles.
  const cinch_kernels *kernels;
  const cinch_convolution *g;
  cinch_tiling t;
  const float *x, *y;
  /// What makes y, which then lies in the work area, `maps` floats on.
  const cinch_pooling *pooling;
  int64_t maps;
  /// Whether windows are squares that are read as they are, with no image between.
  bool squares;
  bool delta_large, accumulate;
  int64_t items, chunks, parts;
  /// Samples of a tile, where all bands of a sample are in it.
  int64_t together;
  /// Lanes over runs: the sums lie transposed, `[output][run][length]`.
  bool by_runs;
  cinch_run *runs;
  /// Rows of taps that have runs, and the taps of each row: those that meet the image.
  int64_t taps_down, taps_across;
  int64_t run_count, run_length, run_pitch;
  /// Where in its tiles the runs of each pixel of a task begin.
  int64_t *places;
  /// Channels of y as a tile holds them, and the channels of δ.
  int64_t padded, channels;
  /// A chunk's floats: the weight's sums, then the bias's, then what rounding takes from those.
  int64_t sums, bias, errors, chunk;
  float *partials, *totals, *areas;
  int64_t area;
  float *weight_gradient;
} gradient_job;

/// Adds the sums of `count` pixels' channels; `errors` are what rounding takes from these (Knuth's TwoSum). Rows of many
/// pixels leave no lane empty.
static void add_channels(
    const gradient_job *job, const float *x, int64_t count, float *sums, float *errors, float *memory) {
  const int64_t channels = job->channels, columns = cinch_repeat_columns(channels), rows = count * channels / columns;
  for (int64_t c = 0; c < columns; c++) memory[c] = 0;
  if (rows > 0) job->device->kernels->column_sums(x, rows, columns, 1, false, memory, 0, columns);
  x += rows * columns;
  for (int64_t c = 0; c < count * channels - rows * columns; c++) memory[c] += x[c];
  for (int64_t start = channels; start < columns; start += channels)
    for (int64_t c = 0; c < channels; c++) memory[c] += memory[start + c];
  for (int64_t c = 0; c < channels; c++) {
    const float sum = sums[c] + memory[c], added = sum - sums[c];
    errors[c] += (sums[c] - (sum - added)) + (memory[c] - added);
    sums[c] = sum;
  }
}

/// The band of a sample that an item is.
typedef struct {
  int64_t sample, index, i0, i1;
} gradient_band;

static gradient_band band_of(const cinch_tiling *t, int64_t item) {
  gradient_band b = {.sample = item / t->bands, .index = item % t->bands};
  b.i0 = b.index * t->band;
  b.i1 = cinch_min(b.i0 + t->band, t->y.result);
  return b;
}

/// The weight's sums over `count` samples, or one band of one. `y` are its pixels of y, or, with switches, its windows.
static void add_weights(
    const gradient_job *job, gradient_band b, int64_t count, int64_t part, const float *y, const float *switches,
    float *sums, float *area, float *copy) {
  const cinch_tiling *t = &job->t;
  const int64_t outputs = t->outputs, k0 = outputs * part / job->parts, k1 = outputs * (part + 1) / job->parts;
  if (b.i1 <= b.i0 || k1 <= k0 || job->run_count == 0) return;
  for (int64_t s = 0; s < count; s++) {
    const float *image = job->x + (b.sample + s) * t->y.source * t->x.source * t->inputs;
    cinch_fill_tile(
        job->device->kernels, t, image, NULL, b.i0 * t->y.step + t->y.low, cinch_axis_rows(&t->y, b.i1 - b.i0),
        area + s * t->tile);
  }
  cinch_gradient_tile tile = {
      .x = area,
      .y = y + k0,
      .y_pixel = outputs,
      .pixels = count * (b.i1 - b.i0) * t->x.result,
      .place = job->places,
      .run = job->runs,
      .runs = job->run_count,
      .length = job->run_length,
      .outputs = k1 - k0,
      .sums = sums + k0,
      .row_pitch = job->padded,
  };
  if (job->by_runs) {
    tile.row_pitch = job->run_pitch * job->run_count;
    tile.run_pitch = job->run_pitch;
    tile.sums = sums + k0 * tile.row_pitch;
    job->kernels->gradient_runs(&tile);
    return;
  }
  if (switches) {
    tile.pixels /= 4;
    tile.switches = switches + k0;
    tile.x_row = t->y.step * t->columns * t->inputs;
    tile.x_pixel = t->x.step * t->inputs;
    job->kernels->gradient_squares(&tile);
    return;
  }
  if (job->padded != outputs) {
    // Whole vectors of these kernels, so that none reaches past the last pixel.
    job->kernels->pad_rows(y, outputs, tile.pixels, 0, outputs, job->padded - outputs, copy);
    tile.y = copy + k0;
    tile.y_pixel = job->padded;
  }
  job->kernels->gradient_lanes(&tile);
}

/// `count` samples, or one band of one.
static void gradient_items(
    const gradient_job *job, int64_t item, int64_t count, int64_t part, float *sums, float *area) {
  const cinch_tiling *t = &job->t;
  const gradient_band b = band_of(t, item);
  const float *y = job->pooling ? area + job->maps
                                : job->y + (b.sample * t->y.result + b.i0) * t->x.result * t->outputs;
  // What the bias's gradient is the sum of: of pooled outputs δ as it came, of which each lies once in y.
  const float *delta = y, *switches = NULL;
  int64_t pixels = count * (b.i1 - b.i0) * t->x.result;
  float *memory = area + job->together * t->tile + 64, *copy = memory + cinch_repeat_columns(job->channels);

  if (job->pooling && b.i1 > b.i0) {
    cinch_pooling p = cinch_pooling_rows(job->pooling, b.sample, count, b.i0, b.i1);
    p.result = area + job->maps;
    if (job->squares)
      switches = p.switches;
    else
      cinch_kernels_for(job->device, p.channels)->pool(&p, 0, count * p.height);
    delta = p.small;
    pixels = count * p.output_height * p.output_width;
  }
  add_weights(job, b, count, part, job->squares ? delta : y, switches, sums, area, copy);
  if (part > 0) return;
  // Afterwards, as the weights' multiply-adds hide the misses of who reads δ first.
  float *bias = sums + job->bias, *errors = sums + job->errors;
  if (job->delta_large) {
    const int64_t rows = t->y.source, row = t->x.source * t->inputs;
    const int64_t r0 = rows * b.index / t->bands, r1 = rows * (b.index + 1) / t->bands;
    add_channels(
        job, job->x + (b.sample * rows + r0) * row, ((count - 1) * rows + r1 - r0) * t->x.source, bias, errors, memory);
  } else {
    add_channels(job, delta, pixels, bias, errors, memory);
  }
}

static void gradient_task(void *context, int64_t task) {
  const gradient_job *job = context;
  float *area = job->areas + cinch_pool_place() * job->area;
  const int64_t chunk = task / job->parts, part = task % job->parts;
  float *sums = job->partials + chunk * job->chunk;
  if (job->parts == 1)
    memset(sums, 0, (size_t)job->chunk * sizeof(float));
  const int64_t end = job->items * (chunk + 1) / job->chunks;
  for (int64_t item = job->items * chunk / job->chunks; item < end; item += job->together)
    gradient_items(job, item, cinch_min(job->together, end - item), part, sums, area);
}

static void clear_task(void *context, int64_t chunk) {
  const gradient_job *job = context;
  memset(job->partials + chunk * job->chunk, 0, (size_t)job->chunk * sizeof(float));
}

static void total_task(void *context, int64_t task) {
  const gradient_job *job = context;
  const int64_t c0 = task * total_block, c1 = cinch_min(c0 + total_block, job->chunk);
  job->device->kernels->column_sums(job->partials, job->chunks, job->chunk, 1, false, job->totals, c0, c1);
}

/// Copies rows of the weight's gradient, one per tap and channel of x, from where the sums lie. Taps that never meet the
/// image have none.
static void map_task(void *context, int64_t task) {
  const gradient_job *job = context;
  const int64_t outputs = job->t.outputs, inputs = job->t.inputs, width = job->g->kernel_width;
  const int64_t rows = job->g->kernel_height * width * inputs;
  const int64_t each = cinch_max(1, map_block / outputs), end = cinch_min((task + 1) * each, rows);
  for (int64_t row = task * each; row < end; row++) {
    float *to = job->weight_gradient + row * outputs;
    const int64_t u = row / inputs / width - job->t.y.first, v = row / inputs % width - job->t.x.first;
    if (u < 0 || u >= job->taps_down || v < 0 || v >= job->taps_across) {
      if (!job->accumulate) memset(to, 0, (size_t)outputs * sizeof(float));
      continue;
    }
    const int64_t r = (u * job->taps_across + v) * inputs + row % inputs;
    const int64_t across = job->run_count * job->run_pitch;
    const float *from = job->by_runs
                            ? job->totals + r / job->run_length * job->run_pitch + r % job->run_length
                            : job->totals + r * job->padded;
    const int64_t step = job->by_runs ? across : 1;
    if (!job->accumulate && step == 1)
      memcpy(to, from, (size_t)outputs * sizeof(float));
    else if (job->accumulate)
      for (int64_t k = 0; k < outputs; k++) to[k] += from[k * step];
    else
      for (int64_t k = 0; k < outputs; k++) to[k] = from[k * step];
  }
}

static bool gradient(
    cinch_device *device, const cinch_convolution *g, int64_t samples, const float *x, const float *y,
    const cinch_pooling *pooling, bool delta_large, bool accumulate, bool accumulate_bias, float *weight_gradient,
    float *bias_gradient) {
  gradient_job job = {.device = device, .g = g, .x = x, .y = y, .pooling = pooling, .delta_large = delta_large};
  job.accumulate = accumulate;
  job.weight_gradient = weight_gradient;
  job.t = cinch_tile_convolution(g, false, samples, cinch_gradient_floats, true);
  if (pooling) cinch_align_bands(&job.t, pooling->stride_height);
  const cinch_tiling *t = &job.t;
  const int64_t lanes = device->kernels->width, outputs = t->outputs;
  job.items = samples * t->bands;
  job.channels = delta_large ? t->inputs : outputs;

  // Without dilation a row of the kernel reads one piece of a row of the image.
  const bool whole = g->dilation_width == 1 || t->x.end - t->x.first == 1;
  job.taps_down = t->y.end - t->y.first;
  job.taps_across = job.taps_down > 0 ? t->x.end - t->x.first : 0;
  job.run_count = job.taps_across > 0 ? job.taps_down * (whole ? 1 : job.taps_across) : 0;
  job.run_length = (whole ? job.taps_across : 1) * t->inputs;
  job.run_pitch = cinch_round_up(job.run_length, lanes);
  job.padded = cinch_round_up(outputs, lanes);
  job.by_runs = (double)job.run_length / (double)job.run_pitch > (double)outputs / (double)job.padded;
  job.kernels = device->kernels;
  if (!job.by_runs) {
    job.kernels = cinch_kernels_for(device, outputs);
    job.padded = cinch_round_up(outputs, job.kernels->width);
  }
  // Without masks each pass over the windows has to make their pixels again, so they must not be many.
  job.squares = pooling && cinch_pools_squares(pooling) && !job.by_runs && outputs == job.padded &&
                (job.kernels->width == 16 || job.run_count * job.run_length <= 12);
  job.sums = job.by_runs ? outputs * job.run_count * job.run_pitch : job.run_count * job.run_length * job.padded;
  job.bias = cinch_round_up(job.sums, 16);
  job.errors = job.bias + cinch_round_up(job.channels, 16);
  job.chunk = job.errors + cinch_round_up(job.channels, 16);
  job.chunks = cinch_max(1, cinch_min(cinch_min(job.items, most_chunks), chunk_floats / job.chunk));
  job.parts = cinch_max(1, cinch_min(most_chunks / job.chunks, outputs / part_outputs));
  // Parts begin at whole vectors.
  while (job.parts > 1 && outputs % (job.parts * part_outputs)) job.parts--;

  const int64_t each = t->tile + t->band * t->x.result * outputs;
  if (t->bands == 1)
    job.together = cinch_min(
        cinch_blocks(job.items, job.chunks),
        cinch_max(cinch_gradient_floats / each, cinch_blocks(cinch_gradient_pixels, t->band * t->x.result)));
  job.together = cinch_max(1, job.together);
  const int64_t copied = job.by_runs || job.padded == outputs ? 0 : job.together * t->band * t->x.result * job.padded;
  job.maps = cinch_round_up(job.together * t->tile + 64 + cinch_repeat_columns(job.channels) + copied, 16);
  job.area = job.maps;
  // Whole vectors are read past the last pixel.
  if (pooling && !job.squares) job.area += cinch_round_up(job.together * t->band * t->x.result * outputs, 16) + 32;
  // Integers lie in the floats' memory, in the space of two floats each.
  const int64_t run_floats = 4 * job.run_count, place_floats = 2 * job.together * t->band * t->x.result;
  float *memory = cinch_scratch(
      device, run_floats + place_floats + job.chunk * (job.chunks + 1) + job.area * device->threads + 4 * 16);
  if (!memory) return false;
  job.runs = (cinch_run *)(void *)cinch_take(&memory, run_floats);
  job.places = (int64_t *)(void *)cinch_take(&memory, place_floats);
  job.totals = cinch_take(&memory, job.chunk);
  job.partials = cinch_take(&memory, job.chunk * job.chunks);
  job.areas = memory;
  for (int64_t r = 0; r < job.run_count; r++) {
    const int64_t u = whole ? r : r / job.taps_across, v = whole ? 0 : r % job.taps_across;
    const int64_t offset = (u * g->dilation_height * t->columns + v * g->dilation_width) * t->inputs;
    job.runs[r] = (cinch_run){offset, job.run_length};
  }
  const int64_t side = job.squares ? 2 : 1;
  for (int64_t s = 0, p = 0; s < job.together; s++)
    for (int64_t i = 0; i < t->band; i += side)
      for (int64_t j = 0; j < t->x.result; j += side)
        job.places[p++] = s * t->tile + (i * t->y.step * t->columns + j * t->x.step) * t->inputs;

  if (job.parts > 1 || job.items == 0) cinch_pool_run(device->pool, clear_task, &job, job.chunks);
  if (job.items > 0) cinch_pool_run(device->pool, gradient_task, &job, job.chunks * job.parts);
  cinch_pool_run(device->pool, total_task, &job, cinch_blocks(job.chunk, total_block));
  const int64_t rows = g->kernel_height * g->kernel_width * t->inputs, rows_each = cinch_max(1, map_block / outputs);
  cinch_pool_run(device->pool, map_task, &job, cinch_blocks(rows, rows_each));
  const float *bias = job.totals + job.bias, *errors = job.totals + job.errors;
  for (int64_t c = 0; c < job.channels; c++) {
    // Where the sum is infinite, the error is no number.
    const float sum = bias[c] + (errors[c] == errors[c] ? errors[c] : 0.0f);
    bias_gradient[c] = accumulate_bias ? bias_gradient[c] + sum : sum;
  }
  return true;
}

bool cinch_convolution_gradient(
    cinch_device *device, const cinch_convolution *g, int64_t samples, const float *x, const float *y,
    bool delta_large, bool accumulate, bool accumulate_bias, float *weight_gradient, float *bias_gradient) {
  return gradient(
      device, g, samples, x, y, NULL, delta_large, accumulate, accumulate_bias, weight_gradient, bias_gradient);
}

bool cinch_pooled_convolution_gradient(
    cinch_device *device, const cinch_convolution *g, int64_t samples, const float *x, const cinch_pooling *pooling,
    bool accumulate, bool accumulate_bias, float *weight_gradient, float *bias_gradient) {
  return gradient(
      device, g, samples, x, NULL, pooling, false, accumulate, accumulate_bias, weight_gradient, bias_gradient);
}
