#include "internal.h"

enum { task_elements = 1 << 12 };

typedef struct {
  const cinch_device *device;
  const cinch_sampling *sampling;
  void (*run)(const cinch_sampling *, int64_t, int64_t);
  int64_t rows;
} sampling_job;

static void sampling_task(void *context, int64_t task) {
  const sampling_job *job = context;
  const int64_t r0 = task * job->rows;
  job->run(job->sampling, r0, cinch_min(r0 + job->rows, job->sampling->rows));
}

/// Rows of a task: whole blocks of draws.
static int64_t rows_each(int64_t units) { return 4 * cinch_max(1, task_elements / (4 * cinch_max(1, units))); }

static void run(
    cinch_device *device, const cinch_sampling *sampling, void (*kernel)(const cinch_sampling *, int64_t, int64_t)) {
  sampling_job job = {device, sampling, kernel, rows_each(sampling->units)};
  cinch_pool_run(device->pool, sampling_task, &job, cinch_blocks(sampling->rows, job.rows));
}

void cinch_sample(cinch_device *device, const cinch_sampling *sampling) {
  run(device, sampling, device->kernels->sample);
}

void cinch_sample_gradient(cinch_device *device, const cinch_sampling *sampling) {
  run(device, sampling, device->kernels->sample_gradient);
}

typedef struct {
  const cinch_device *device;
  const float *ms;
  int64_t rows, units, rows_each;
  float *divergences;
} divergence_job;

static void divergence_task(void *context, int64_t task) {
  const divergence_job *job = context;
  const int64_t r0 = task * job->rows_each, r1 = cinch_min(r0 + job->rows_each, job->rows);
  job->device->kernels->prior_divergence(job->ms, job->units, job->divergences, r0, r1);
}

void cinch_prior_divergence(
    cinch_device *device, const float *ms, int64_t rows, int64_t units, float *divergences) {
  divergence_job job = {device, ms, rows, units, rows_each(units), divergences};
  cinch_pool_run(device->pool, divergence_task, &job, cinch_blocks(rows, job.rows_each));
}
