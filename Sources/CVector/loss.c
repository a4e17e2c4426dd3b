#include "internal.h"

int64_t cinch_loss_partial_count(int64_t rows, int64_t columns) {
  return cinch_blocks(rows, cinch_cell_rows) * cinch_blocks(columns, cinch_cell_columns);
}

enum { softmax_elements = 4096, sample_elements = 1 << 14 };

typedef struct {
  const cinch_device *device;
  const cinch_epilogue *loss;
  int64_t channels, rows;
  const float *source;
  float *losses;
} sample_job;

static void sample_task(void *context, int64_t task) {
  const sample_job *job = context;
  const int64_t r0 = task * job->rows, r1 = cinch_min(r0 + job->rows, job->loss->rows);
  job->device->kernels->sample_losses(job->loss, job->channels, job->source, job->losses, r0, r1);
}

void cinch_sample_losses(
    cinch_device *device, const cinch_epilogue *loss, int64_t channels, const float *source, float *losses) {
  const int64_t rows = cinch_max(1, sample_elements / cinch_max(1, loss->columns));
  sample_job job = {device, loss, channels, rows, source, losses};
  cinch_pool_run(device->pool, sample_task, &job, cinch_blocks(loss->rows, rows));
}

typedef struct {
  const cinch_device *device;
  const float *logits, *labels;
  int64_t n, classes, rows;
  float gradient_scale;
  float *gradient, *losses, *errors;
} softmax_job;

static void softmax_task(void *context, int64_t task) {
  const softmax_job *job = context;
  int64_t r0 = task * job->rows, r1 = cinch_min(r0 + job->rows, job->n);
  job->device->kernels->softmax(
      job->logits, job->labels, r0, r1, job->classes, job->gradient_scale, job->gradient, job->losses, job->errors);
}

void cinch_softmax_loss(
    cinch_device *device, const float *logits, const float *labels, int64_t n, int64_t classes, float gradient_scale,
    float *gradient, float *losses, float *errors) {
  int64_t rows = cinch_max(1, softmax_elements / cinch_max(1, classes));
  softmax_job job = {device, logits, labels, n, classes, rows, gradient_scale, gradient, losses, errors};
  cinch_pool_run(device->pool, softmax_task, &job, cinch_blocks(n, rows));
}
