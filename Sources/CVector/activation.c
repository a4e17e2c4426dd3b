#include "internal.h"

// Passes over a whole matrix, for where no product precedes them, cut into blocks of whole loss cells.

enum { block_columns = 2048, block_elements = 1 << 14 };

typedef struct {
  const cinch_device *device;
  const cinch_epilogue *epilogue;
  const float *source;
  float *destination;
  int64_t across, rows;
} apply_job;

static void apply_task(void *context, int64_t task) {
  const apply_job *job = context;
  const cinch_epilogue *e = job->epilogue;
  int64_t r0 = task / job->across * job->rows, c0 = task % job->across * block_columns;
  job->device->kernels->epilogue(
      e, job->source, job->destination, r0, cinch_min(r0 + job->rows, e->rows), c0,
      cinch_min(c0 + block_columns, e->columns));
}

void cinch_apply(cinch_device *device, const cinch_epilogue *epilogue, const float *source, float *destination) {
  cinch_epilogue flat = *epilogue;
  const bool by_element =
      (flat.kind == cinch_epilogue_forward && !flat.bias) ||
      (flat.kind == cinch_epilogue_backward && !flat.column && !flat.norms);
  if (by_element) {
    // Rows mean nothing here; one long row has no partial vectors inside.
    flat.columns *= flat.rows;
    flat.rows = flat.columns ? 1 : 0;
  }
  apply_job job = {device, &flat, source, destination, cinch_blocks(flat.columns, block_columns), 0};
  int64_t width = cinch_max(1, cinch_min(flat.columns, block_columns));
  job.rows = cinch_cell_rows * cinch_max(1, block_elements / (cinch_cell_rows * width));
  cinch_pool_run(device->pool, apply_task, &job, job.across * cinch_blocks(flat.rows, job.rows));
}
