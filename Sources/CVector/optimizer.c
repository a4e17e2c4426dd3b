#include <math.h>

#include "internal.h"

enum { step_block = 1 << 13 };

typedef struct {
  const cinch_device *device;
  const cinch_optimizer *step;
} step_job;

static void step_task(void *context, int64_t task) {
  const step_job *job = context;
  const cinch_optimizer *s = job->step;
  const int64_t start = task * step_block, end = cinch_min(start + step_block, s->count);
  const int64_t border = cinch_max(start, cinch_min(end, s->decay_count));
  if (start < border) job->device->kernels->optimizer(s, start, border, true);
  if (border < end) job->device->kernels->optimizer(s, border, end, false);
}

void cinch_optimizer_step(cinch_device *device, const cinch_optimizer *step) {
  step_job job = {device, step};
  cinch_pool_run(device->pool, step_task, &job, cinch_blocks(step->count, step_block));
}

typedef struct {
  const cinch_device *device;
  const float *parameters, *gradients;
  int64_t count, decay_count;
  float decay;
  float *partials;
} norm_job;

/// Two sums per block: of the part that decays and of the rest.
static void norm_task(void *context, int64_t task) {
  const norm_job *job = context;
  const cinch_kernels *kernels = job->device->kernels;
  const int64_t start = task * step_block, end = cinch_min(start + step_block, job->count);
  const int64_t border = cinch_max(start, cinch_min(end, job->decay_count));
  job->partials[2 * task] =
      kernels->sum_decayed_squares(job->gradients + start, job->parameters + start, job->decay, border - start);
  job->partials[2 * task + 1] = kernels->sum_squares(job->gradients + border, end - border);
}

bool cinch_clip_scale(
    cinch_device *device, double maximum, const float *parameters, const float *gradients, int64_t count,
    int64_t decay_count, float decay, float *scale) {
  const int64_t blocks = cinch_blocks(count, step_block);
  float *partials = cinch_scratch(device, 2 * blocks);
  if (!partials) return false;
  norm_job job = {device, parameters, gradients, count, decay == 0 ? 0 : decay_count, decay, partials};
  cinch_pool_run(device->pool, norm_task, &job, blocks);
  const double norm = sqrt(cinch_total(partials, 2 * blocks));
  // A NaN norm gives a NaN scale: a diverged model must show.
  *scale = norm <= maximum ? 1.0f : (float)(maximum / norm);
  return true;
}
