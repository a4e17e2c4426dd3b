#include <stdatomic.h>
#include <stdlib.h>

#include "internal.h"

// A product is cut into pieces of C, each one single-threaded sgemm followed by its epilogue while the piece
// is still in the core's cache. That beats sgemm's own threads: one pool instead of two that compete for the
// cores, and no second pass over C. The cuts depend on the shape and on how many processors the machine is
// configured with, not on threads: sgemm may sum in another order at a piece's edges than inside.

enum {
  row_major = 101,
  plain = 111,
  transposed = 112,
  // Pieces end at whole vectors and cache lines; it is also a divisor of the loss cells' rows.
  unit = 16,
  most_pieces = 64,
  // Of square matrices, whose product takes a millisecond.
  warm_up_side = 256,
};

typedef struct {
  const cinch_device *device;
  const cinch_product *product;
  const cinch_epilogue *epilogue;
  int64_t row_unit, across, down, sums;
} matmul_job;

/// How many pieces a product is cut into, as a power of two: enough for every processor of the machine (not:
/// every thread of this device, which must not change the bits) as long as each is worth handing out, and more
/// where pieces would be so large that threads wait long for the last one.
static int64_t piece_count(const cinch_device *device, int64_t m, int64_t n, int64_t k) {
  const double work = 2.0 * (double)m * (double)n * (double)k, large = 52e6, small = 1e6;
  int64_t pieces = 1;
  while (pieces < most_pieces) {
    const bool worthwhile = pieces < device->processors && work > (double)(pieces * pieces) * small;
    if (!worthwhile && work <= (double)pieces * large) break;
    pieces *= 2;
  }
  return pieces;
}

/// Chooses how many pieces lie below and beside each other so that sgemm packs the least: it packs its left
/// factor once per column of pieces and its right factor once per row of pieces. An element of a right factor, or of a
/// transposed left one, costs some four times as much.
static void arrange(matmul_job *job, int64_t pieces) {
  const cinch_product *p = job->product;
  const double left = p->transpose_a ? 4 : 1, right = 4;
  double least = 0;
  for (int64_t down = 1; down <= pieces; down *= 2) {
    const int64_t across = pieces / down;
    const double cost = left * (double)(across * p->m) + right * (double)(down * p->n);
    if (down == 1 || cost < least) {
      least = cost;
      job->down = down;
      job->across = across;
    }
  }
  job->down = cinch_max(1, cinch_min(job->down, cinch_blocks(p->m, job->row_unit)));
  job->across = cinch_max(1, cinch_min(job->across, cinch_blocks(p->n, unit)));
}

/// Cuts `units` into `parts` nearly equal ones: where part `i` starts.
static int64_t cut(int64_t units, int64_t parts, int64_t i) { return units * i / parts; }

static void matmul_task(void *context, int64_t task) {
  const matmul_job *job = context;
  const cinch_product *p = job->product;
  if (task < job->sums) {
    int64_t c0 = task * cinch_column_block, c1 = cinch_min(c0 + cinch_column_block, p->m);
    job->device->kernels->column_sums(
        p->a, p->k, p->m, p->scale, p->accumulate_sums, p->column_sums, c0, c1);
    return;
  }
  task -= job->sums;
  const int64_t row_units = cinch_blocks(p->m, job->row_unit), column_units = cinch_blocks(p->n, unit);
  const int64_t i = task / job->across, j = task % job->across;
  const int64_t r0 = cut(row_units, job->down, i) * job->row_unit;
  const int64_t r1 = cinch_min(cut(row_units, job->down, i + 1) * job->row_unit, p->m);
  const int64_t c0 = cut(column_units, job->across, j) * unit;
  const int64_t c1 = cinch_min(cut(column_units, job->across, j + 1) * unit, p->n);
  if (r0 >= r1 || c0 >= c1) return;

  if (p->k > 0) {
    const int64_t lda = p->transpose_a ? p->m : p->k, ldb = p->transpose_b ? p->k : p->n;
    job->device->sgemm(
        row_major, p->transpose_a ? transposed : plain, p->transpose_b ? transposed : plain, (int)(r1 - r0),
        (int)(c1 - c0), (int)p->k, p->scale, p->a + (p->transpose_a ? r0 : r0 * lda), (int)lda,
        p->b + (p->transpose_b ? c0 * ldb : c0), (int)ldb, p->accumulate ? 1.0f : 0.0f, p->c + r0 * p->n + c0,
        (int)p->n);
  } else if (!p->accumulate) {
    for (int64_t r = r0; r < r1; r++)
      for (int64_t c = c0; c < c1; c++) p->c[r * p->n + c] = 0;
  }
  job->device->kernels->epilogue(job->epilogue, p->c, p->c, r0, r1, c0, c1);
}

typedef struct {
  const cinch_device *device;
  const float *operand;
  float *products;
  _Atomic int started;
  int threads;
} warm_up_job;

static void warm_up_task(void *context, int64_t task) {
  warm_up_job *job = context;
  // Together, for a work area that is not in use is given to the next who asks.
  atomic_fetch_add(&job->started, 1);
  for (int turn = 0; turn < 1 << 22 && atomic_load(&job->started) < job->threads; turn++) {
  }
  float *product = job->products + task * warm_up_side * warm_up_side;
  for (int turn = 0; turn < 4; turn++)
    job->device->sgemm(
        row_major, plain, plain, warm_up_side, warm_up_side, warm_up_side, 1.0f, job->operand, warm_up_side,
        job->operand, warm_up_side, 0.0f, product, warm_up_side);
}

void cinch_warm_up(cinch_device *device) {
  const int threads = device->threads;
  float *memory = cinch_allocate((int64_t)(threads + 1) * warm_up_side * warm_up_side);
  if (!memory) return;
  float *products = memory + warm_up_side * warm_up_side;
  warm_up_job job = {.device = device, .operand = memory, .products = products, .threads = threads};
  cinch_pool_run(device->pool, warm_up_task, &job, threads);
  free(memory);
}

void cinch_matmul(cinch_device *device, const cinch_product *product, const cinch_epilogue *epilogue) {
  matmul_job job = {.device = device, .product = product, .epilogue = epilogue};
  const bool loss = epilogue->kind == cinch_epilogue_loss;
  job.row_unit = loss ? cinch_cell_rows : unit;
  arrange(&job, piece_count(device, product->m, product->n, product->k));
  job.sums = product->column_sums ? cinch_blocks(product->m, cinch_column_block) : 0;
  cinch_pool_run(device->pool, matmul_task, &job, job.sums + job.down * job.across);
}
