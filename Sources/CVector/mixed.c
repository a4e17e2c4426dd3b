#include "internal.h"

enum { task_elements = 1 << 12 };

typedef struct {
  const cinch_mixed *mixed;
  void (*run)(const cinch_mixed *, int64_t, int64_t);
  int64_t rows;
} mixed_job;

static void mixed_task(void *context, int64_t task) {
  const mixed_job *job = context;
  const int64_t r0 = task * job->rows;
  job->run(job->mixed, r0, cinch_min(r0 + job->rows, job->mixed->rows));
}

static void run(
    cinch_device *device, const cinch_mixed *mixed, void (*kernel)(const cinch_mixed *, int64_t, int64_t)) {
  mixed_job job = {mixed, kernel, cinch_max(1, task_elements / cinch_max(1, mixed->width))};
  cinch_pool_run(device->pool, mixed_task, &job, cinch_blocks(mixed->rows, job.rows));
}

void cinch_mixed_output(cinch_device *device, const cinch_mixed *mixed) {
  run(device, mixed, device->kernels->mixed_output);
}

void cinch_mixed_loss(cinch_device *device, const cinch_mixed *mixed) {
  run(device, mixed, device->kernels->mixed_loss);
}
