#pragma once

#include "imageEpilogue.h"
#include "tiling.h"

/// What the lanes of a correlation's vectors are.
typedef enum {
  /// Output channels, of one sample or of two.
  over_outputs,
  /// Pixels of an image that is split into planes.
  over_pixels,
  /// Input channels: lanes are added at the end.
  over_inputs,
  /// Pixels, of the image times each tap's weights; the taps of a pixel are added at the end.
  over_taps,
} cinch_lanes;

/// A convolution, or its transpose, as correlations of tiles.
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
  cinch_lanes lanes;
  /// With lanes over pixels the source is split into planes, each so far from the next; and so are what is made of them.
  int64_t plane, out_plane;
  /// Runs and weights of every pair of phases.
  cinch_run *runs;
  int64_t *phase_runs;
  float *weights;
  int64_t padded;
  float *areas;
  int64_t area;
} cinch_convolution_job;

/// Chooses lanes and kernels, and bands that are pooled.
void cinch_choose_lanes(cinch_convolution_job *job, const cinch_epilogue *epilogue);
/// Finds the runs and weights that make a pixel of each pair of phases.
void cinch_plan_runs(cinch_convolution_job *job, const cinch_convolution *g, bool transposed, const float *weight);

/// Whether a forward pass does nothing to a sum that costs anything while it is stored.
static inline bool cinch_is_forward_ending(const cinch_epilogue *e) {
  return e->kind == cinch_epilogue_forward && (e->activation == cinch_linear || e->activation == cinch_relu);
}

/// The taps that meet the source for some result, and all.
static inline int64_t cinch_taps(const cinch_tiling *t) {
  return (t->y.end - t->y.first) * (t->x.end - t->x.first);
}
static inline int64_t cinch_kernel_taps(const cinch_tiling *t) { return t->y.kernel * t->x.kernel; }

/// Whether rows are one channel's of two phases, which are stored together.
static inline bool cinch_takes_turns(const cinch_tiling *t) {
  return t->x.phases == 2 && t->x.result > 1 && t->outputs == 1;
}
