#include "internal.h"

enum { row_elements = 1 << 14, sum_block = 1 << 13 };

typedef struct {
  const cinch_device *device;
  const float *x;
  int64_t rows, columns, rows_each, columns_each;
  float scale;
  bool squares, accumulate;
  float *sums;
} sum_job;

static void column_task(void *context, int64_t task) {
  const sum_job *job = context;
  int64_t c0 = task * job->columns_each, c1 = cinch_min(c0 + job->columns_each, job->columns);
  job->device->kernels->column_sums(job->x, job->rows, job->columns, job->scale, job->accumulate, job->sums, c0, c1);
}

void cinch_column_sums(
    cinch_device *device, const float *x, int64_t rows, int64_t columns, float scale, bool accumulate, float *sums) {
  sum_job job = {.device = device, .x = x, .rows = rows, .columns = columns, .scale = scale, .sums = sums};
  job.accumulate = accumulate;
  job.columns_each = cinch_column_block * cinch_max(1, row_elements / (cinch_column_block * cinch_max(1, rows)));
  cinch_pool_run(device->pool, column_task, &job, cinch_blocks(columns, job.columns_each));
}

static void row_task(void *context, int64_t task) {
  const sum_job *job = context;
  int64_t r0 = task * job->rows_each, r1 = cinch_min(r0 + job->rows_each, job->rows);
  job->device->kernels->row_squares(job->x, job->columns, job->sums, r0, r1);
}

void cinch_row_squares(cinch_device *device, const float *x, int64_t rows, int64_t columns, float *sums) {
  int64_t rows_each = cinch_max(1, row_elements / cinch_max(1, columns));
  sum_job job = {.device = device, .x = x, .rows = rows, .columns = columns, .rows_each = rows_each, .sums = sums};
  cinch_pool_run(device->pool, row_task, &job, cinch_blocks(rows, rows_each));
}

int64_t cinch_sum_partial_count(int64_t count) { return cinch_blocks(count, sum_block); }

static void sum_task(void *context, int64_t task) {
  const sum_job *job = context;
  int64_t start = task * sum_block, count = cinch_min(sum_block, job->columns - start);
  const cinch_kernels *kernels = job->device->kernels;
  job->sums[task] = (job->squares ? kernels->sum_squares : kernels->sum_magnitudes)(job->x + start, count);
}

void cinch_partial_sums(cinch_device *device, const float *x, int64_t count, bool squares, float *partials) {
  sum_job job = {.device = device, .x = x, .columns = count, .squares = squares, .sums = partials};
  cinch_pool_run(device->pool, sum_task, &job, cinch_sum_partial_count(count));
}

double cinch_total(const float *x, int64_t count) {
  double sums[8] = {0};
  int64_t i = 0;
  for (; i + 8 <= count; i += 8)
    for (int j = 0; j < 8; j++) sums[j] += (double)x[i + j];
  for (; i < count; i++) sums[i % 8] += (double)x[i];
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}
