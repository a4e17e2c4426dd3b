#include "convolutionJob.h"

// Which lanes do a convolution best. Measured, where it is not derived: Benchmarks/README.md.

/// Of a band that is pooled, which stays in the first-level cache until then.
enum { pooled_floats = 1 << 12 };

/// The widest kernels whose vectors the input channels fill, or NULL.
static const cinch_kernels *kernels_over_inputs(const cinch_device *device, int64_t inputs) {
  const cinch_kernels *kernels = device->kernels;
  if (inputs % kernels->width) kernels = cinch_kernels_for(device, 1);
  return inputs % kernels->width ? NULL : kernels;
}

static bool is_strided(const cinch_tiling *t) { return t->y.step > 1 || t->x.step > 1; }

/// Whether sums over input channels, whose lanes are added at their end, beat lanes over pixels. Measured, not derived:
/// planes are made of two outputs at a time; to add lanes takes enough inputs to repay.
static bool prefer_inputs(const cinch_device *device, const cinch_tiling *t) {
  if (t->outputs > 3 || !kernels_over_inputs(device, t->inputs)) return false;
  if (is_strided(t)) return true;
  const int64_t phases = t->y.phases * t->x.phases;
  return t->outputs == 3 || (t->outputs == 1 && (phases == 1 || cinch_taps(t) * t->inputs >= 64 * phases));
}

/// Whether a vector has room for the output channels of two samples.
static bool has_room(const cinch_device *device, const cinch_tiling *t) {
  return 2 * t->outputs <= device->kernels->width;
}

/// Chooses by how much of the lanes' work is used: over output channels, of which few leave half of a vector to a second
/// sample, and over pixels with what splitting costs.
static cinch_lanes choose_lanes(const cinch_device *device, const cinch_tiling *t, bool pairs) {
  if (prefer_inputs(device, t)) return over_inputs;
  // Planes of a source that is strided through would have to be made number by number.
  if (is_strided(t)) return over_outputs;
  const int64_t width = device->kernels->width;
  // More taps would not stay in the cache; with sixteen registers they repay where phases end at different pixels.
  if (cinch_takes_turns(t) && cinch_kernel_taps(t) <= 2 * t->inputs && (width == 16 || t->x.result % 2))
    return over_taps;
  // Of a whole image: bands depend on how many samples there are, and lanes must not.
  const int64_t rows = cinch_axis_results(&t->y, 0), columns = cinch_axis_results(&t->x, 0);
  const double planes = (double)(rows * columns) / (double)cinch_round_up((rows - 1) * t->columns + columns, width);
  // With sixteen registers two samples do not repay.
  const int64_t whole = pairs && width == 16 ? width / 2 : cinch_round_up(t->outputs, width);
  return planes * 0.75 > (double)t->outputs / (double)whole ? over_pixels : over_outputs;
}

static bool is_short(const cinch_tiling *t) { return cinch_taps(t) * t->inputs <= 32; }

/// Whether windows are squares of which each lies in the image. Sums that are pooled at once load a vector of weights for a
/// vector of sums each, which long ones do not repay with sixteen registers.
static bool can_pool_squares(
    const cinch_device *device, const cinch_tiling *t, const cinch_pooling *p, const cinch_epilogue *epilogue) {
  return cinch_pools_squares(p) && cinch_is_forward_ending(epilogue) && (device->kernels->width == 16 || is_short(t));
}

void cinch_choose_lanes(cinch_convolution_job *job, const cinch_epilogue *epilogue) {
  const cinch_device *device = job->device;
  cinch_tiling *t = &job->t;
  const bool squares = job->pooling && can_pool_squares(device, t, job->pooling, epilogue);
  // A sample alone goes the same way as in a batch where another would round differently.
  const bool pairs = has_room(device, t) && (squares || job->samples > 1);
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
  job->kernels = device->kernels;
  if (job->lanes == over_inputs) job->kernels = kernels_over_inputs(device, t->inputs);
  if (job->lanes == over_outputs && job->together == 1) job->kernels = cinch_kernels_for(device, t->outputs);
}
