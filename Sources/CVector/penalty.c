#include "internal.h"

typedef struct {
  const cinch_device *device;
  const cinch_kl *kl;
} kl_job;

static void kl_task(void *context, int64_t task) {
  const kl_job *job = context;
  int64_t c0 = task * cinch_column_block;
  job->device->kernels->kl(job->kl, c0, cinch_min(c0 + cinch_column_block, job->kl->units));
}

void cinch_kl_sparsity(cinch_device *device, const cinch_kl *kl) {
  kl_job job = {device, kl};
  cinch_pool_run(device->pool, kl_task, &job, cinch_blocks(kl->units, cinch_column_block));
}

typedef struct {
  const cinch_device *device;
  const float *h;
  int64_t rows, units;
  cinch_activation activation;
  const float *norms;
  float *slopes, *values;
} contractive_job;

static void contractive_task(void *context, int64_t task) {
  const contractive_job *job = context;
  int64_t c0 = task * cinch_column_block, c1 = cinch_min(c0 + cinch_column_block, job->units);
  job->device->kernels->contractive(
      job->h, job->rows, job->units, job->activation, job->norms, job->slopes, job->values, c0, c1);
}

void cinch_contractive(
    cinch_device *device, const float *h, int64_t rows, int64_t units, cinch_activation activation, const float *norms,
    float *slopes, float *values) {
  contractive_job job = {device, h, rows, units, activation, norms, slopes, values};
  cinch_pool_run(device->pool, contractive_task, &job, cinch_blocks(units, cinch_column_block));
}
