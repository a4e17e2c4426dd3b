#include "imageEpilogue.h"

enum { pooled_elements = 1 << 14 };

typedef struct {
  const cinch_device *device;
  const cinch_pooling *pooling;
  cinch_image_epilogue below;
  /// Of the result.
  int64_t rows, rows_each, columns;
} pooling_job;

static void pooling_task(void *context, int64_t task) {
  const pooling_job *job = context;
  const int64_t r0 = task * job->rows_each, r1 = cinch_min(r0 + job->rows_each, job->rows);
  cinch_kernels_for(job->device, job->pooling->channels)->pool(job->pooling, r0, r1);
  cinch_finish(job->device, &job->below, job->pooling->result, r0 * job->columns, r1 * job->columns, NULL);
}

cinch_pooling cinch_pooling_rows(const cinch_pooling *p, int64_t sample, int64_t samples, int64_t r0, int64_t r1) {
  cinch_pooling rows = *p;
  const int64_t first = r0 / p->stride_height;
  const int64_t last = r1 == p->height ? p->output_height : cinch_min(r1 / p->stride_height, p->output_height);
  const int64_t at = (sample * p->output_height + first) * p->output_width * p->channels;
  rows.samples = samples;
  rows.height = r1 - r0;
  rows.output_height = cinch_max(last - first, 0);
  if (p->small) rows.small = p->small + at;
  if (p->switches) rows.switches = p->switches + at;
  if (p->found) rows.found = p->found + at;
  if (p->result) rows.result = p->result + at;
  return rows;
}

bool cinch_pool_images(cinch_device *device, const cinch_pooling *p, const cinch_epilogue *below) {
  const bool up = p->kind == cinch_unpool || p->kind == cinch_spread || p->kind == cinch_spread_mean;
  pooling_job job = {.device = device, .pooling = p};
  job.rows = p->samples * (up ? p->height : p->output_height);
  job.columns = (up ? p->width : p->output_width) * p->channels;
  // The same number of elements of the large image per task in both directions.
  const int64_t each = p->width * p->channels * (up ? 1 : p->stride_height);
  job.rows_each = cinch_max(1, pooled_elements / each);
  // Rows of windows stay whole.
  if (up) job.rows_each = cinch_round_up(job.rows_each, p->stride_height);
  float *memory = cinch_scratch(device, cinch_image_epilogue_floats(p->channels));
  if (!memory) return false;
  job.below = cinch_prepare_epilogue(below, p->channels, 0, memory);
  cinch_pool_run(device->pool, pooling_task, &job, cinch_blocks(job.rows, job.rows_each));
  return true;
}
