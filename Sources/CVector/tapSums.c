#include "internal.h"

typedef struct {
  const cinch_tap_sums *sums;
  int64_t blocks, tasks;
} tap_job;

/// Channels that a task takes of one tap of the result.
enum { tap_channels = 32 };

/// A tap's sum of the weight's matrices of channels, some of their rows.
static void tap_task(void *context, int64_t task) {
  const tap_job *job = context;
  const cinch_tap_sums *s = job->sums;
  const int64_t tap = task / job->blocks, c0 = task % job->blocks * tap_channels;
  const int64_t c1 = cinch_min(c0 + tap_channels, s->channels);
  const int64_t u = tap / s->result_columns, v = tap % s->result_columns;
  const int64_t u0 = cinch_max(u - s->top, 0), u1 = cinch_min(u - s->top + s->box_rows, s->rows);
  const int64_t v0 = cinch_max(v - s->left, 0), v1 = cinch_min(v - s->left + s->box_columns, s->columns);
  const int64_t count = s->channels * s->outputs, taps = s->result_rows * s->result_columns;
  float *to = s->result + (s->turned ? taps - 1 - tap : tap) * count;
  for (int64_t c = c0; c < c1; c++)
    for (int64_t k = 0; k < s->outputs; k++) {
      float sum = 0;
      for (int64_t row = u0; row < u1; row++)
        for (int64_t column = v0; column < v1; column++)
          sum += s->weight[(row * s->columns + column) * count + c * s->outputs + k];
      to[s->turned ? k * s->channels + c : c * s->outputs + k] = sum;
    }
}

static void every_tap_task(void *context, int64_t task) {
  (void)task;
  const tap_job *job = context;
  for (int64_t i = 0; i < job->tasks; i++) tap_task(context, i);
}

void cinch_sum_taps(cinch_device *device, const cinch_tap_sums *sums) {
  tap_job job = {.sums = sums, .blocks = cinch_blocks(sums->channels, tap_channels)};
  job.tasks = sums->result_rows * sums->result_columns * job.blocks;
  // Few numbers are summed sooner than threads wake.
  const bool alone = job.tasks * cinch_min(sums->channels, tap_channels) * sums->outputs < 1 << 14;
  cinch_pool_run(device->pool, alone ? every_tap_task : tap_task, &job, alone ? 1 : job.tasks);
}
