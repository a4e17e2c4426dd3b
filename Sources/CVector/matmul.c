#include <stdlib.h>

#include "internal.h"

// A product is cut into pieces of C, each followed by its epilogue while it is still in the core's cache. With AVX2 and
// AVX-512 a piece is made by kernels of our own (kernels/product.h), whose sums do not depend on the cut; elsewhere it is a
// single-threaded sgemm. Either way there is one pool of threads, and no second pass over C.

enum {
  // Steps of k in a block: a panel of so many is streamed from the second-level cache.
  most_steps = 1024,
  // Operations that are not worth a second thread.
  smallest_work = 500000,
  // Rows that a piece has a multiple of: whole tiles.
  row_unit = 24,
  // What packing a panel costs, in rows of its product.
  packing_rows = 10,
};

// MARK: Our own kernels

typedef struct {
  cinch_device *device;
  /// As asked for, and as computed: the same, or its transpose.
  const cinch_product *asked, *product;
  const cinch_epilogue *epilogue;
  /// op(A), its rows in place.
  const float *a;
  int64_t steps, rows, down, panels, sums;
  /// Room for a panel for each thread, and which are taken.
  float *areas;
  int64_t area;
  _Atomic uint64_t taken;
} product_job;

static void product_task(void *context, int64_t task) {
  product_job *job = context;
  const cinch_product *p = job->asked;
  const cinch_kernels *kernels = job->device->kernels;
  if (task < job->sums) {
    int64_t c0 = task * cinch_column_block, c1 = cinch_min(c0 + cinch_column_block, p->m);
    kernels->column_sums(p->a, p->k, p->m, p->scale, p->accumulate_sums, p->column_sums, c0, c1);
    return;
  }
  task -= job->sums;
  p = job->product;
  // The last panel, which may be narrow, comes last: the shortest piece evens out the load.
  const int64_t c0 = task / job->down * kernels->panel, c1 = cinch_min(c0 + kernels->panel, p->n);
  const int64_t r0 = task % job->down * job->rows, r1 = cinch_min(r0 + job->rows, p->m);
  const int area = cinch_claim(&job->taken);
  kernels->product(p, job->epilogue, job->a, job->steps, r0, r1, c0, c1, job->areas + area * job->area);
  cinch_release(&job->taken, area);
}

/// Cuts the rows so that all threads end at the same time, as far as may be: more pieces even out the load, and each
/// packs its panel anew. No sum depends on it.
static void cut_rows(product_job *job, int64_t unit) {
  const cinch_product *p = job->product;
  const int64_t threads = job->device->threads, panel = job->device->kernels->panel;
  // A panel of half the width takes little more than half the time.
  const bool narrow = p->n - (job->panels - 1) * panel <= panel / 2;
  double best = 0;
  for (int64_t down = 1; down <= 16 && (down - 1) * unit < p->m; down++) {
    const int64_t rows = cinch_round_up(cinch_blocks(p->m, down), unit), pieces = cinch_blocks(p->m, rows);
    const double work = ((double)job->panels - (narrow ? 0.45 : 0)) * ((double)p->m + (double)(pieces * packing_rows));
    const double each = (double)(rows + packing_rows);
    // Threads take pieces as they fall idle; those that find none wait for the last one.
    const int64_t idle = (threads - job->panels * pieces % threads) % threads;
    const double time = (work + each * (double)idle) / (double)threads;
    if (down == 1 || time < best) {
      best = time;
      job->rows = rows;
      job->down = pieces;
    }
  }
}

typedef struct {
  const cinch_device *device;
  const cinch_product *product;
  float *turned;
} turn_job;

enum { turn_columns = 64 };

static void turn_task(void *context, int64_t task) {
  const turn_job *job = context;
  const cinch_product *p = job->product;
  const int64_t c0 = task * turn_columns, c1 = cinch_min(c0 + turn_columns, p->m);
  job->device->kernels->turn(p->a, p->k, p->m, c0, c1, job->turned + c0 * p->k, p->k);
}

/// Runs tasks on every thread, or on this one where they are soon done.
static void run_tasks(cinch_device *device, cinch_task task, void *context, int64_t count, bool alone) {
  if (alone)
    for (int64_t i = 0; i < count; i++) task(context, i);
  else
    cinch_pool_run(device->pool, task, context, count);
}

/// Whether Aᵀ·B is better made as the transpose of Bᵀ·A. Whole rows of tiles pass over few columns quickly, as do panels
/// over many, and the smaller factor is turned; but C is stored by blocks that are turned, too. Measured, not derived. A
/// loss is summed over cells of whole rows.
static bool turns_result(const cinch_product *p, const cinch_epilogue *epilogue) {
  return p->transpose_a && !p->transpose_b && p->m >= 2 * p->n && epilogue->kind != cinch_epilogue_loss;
}

static cinch_product turned_result(const cinch_product *p) {
  cinch_product turned = *p;
  turned.a = p->b;
  turned.b = p->a;
  turned.m = p->n;
  turned.n = p->m;
  turned.turned = true;
  return turned;
}

static bool product_by_tiles(cinch_device *device, const cinch_product *asked, const cinch_epilogue *epilogue) {
  const cinch_product product = turns_result(asked, epilogue) ? turned_result(asked) : *asked, *p = &product;
  const int64_t panel = device->kernels->panel, blocks = cinch_max(cinch_blocks(p->k, most_steps), 1);
  product_job job = {.device = device, .asked = asked, .product = p, .epilogue = epilogue, .a = p->a};
  // Blocks of one length, so that the last is not a sliver.
  job.steps = cinch_round_up(cinch_blocks(p->k, blocks), 16);
  job.panels = cinch_blocks(p->n, panel);
  job.area = job.steps * panel;
  const int64_t turned = p->transpose_a ? cinch_round_up(p->m * p->k, 16) : 0;
  float *scratch = cinch_scratch(device, turned + device->threads * job.area);
  if (!scratch) return false;
  job.areas = scratch + turned;
  const bool alone = 2.0 * (double)p->m * (double)p->n * (double)p->k < smallest_work;
  if (p->transpose_a) {
    // Numbers that are multiplied one after the other lie so, too: worth more than it takes.
    turn_job turn = {device, p, scratch};
    run_tasks(device, turn_task, &turn, cinch_blocks(p->m, turn_columns), alone);
    job.a = scratch;
  }
  cut_rows(&job, epilogue->kind == cinch_epilogue_loss ? cinch_cell_rows : row_unit);
  job.sums = p->column_sums ? cinch_blocks(asked->m, cinch_column_block) : 0;
  run_tasks(device, product_task, &job, job.sums + job.down * job.panels, alone);
  return true;
}

// MARK: OpenBLAS
//
// The cuts depend on the shape and on how many processors the machine is configured with, not on threads: sgemm may sum in
// another order at a piece's edges than inside.

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

static void product_by_sgemm(cinch_device *device, const cinch_product *product, const cinch_epilogue *epilogue) {
  matmul_job job = {.device = device, .product = product, .epilogue = epilogue};
  const bool loss = epilogue->kind == cinch_epilogue_loss;
  job.row_unit = loss ? cinch_cell_rows : unit;
  arrange(&job, piece_count(device, product->m, product->n, product->k));
  job.sums = product->column_sums ? cinch_blocks(product->m, cinch_column_block) : 0;
  cinch_pool_run(device->pool, matmul_task, &job, job.sums + job.down * job.across);
}

bool cinch_matmul(cinch_device *device, const cinch_product *p, const cinch_epilogue *epilogue) {
  // What has no elements, or sums of nothing, multiplies nothing.
  const bool empty = p->m == 0 || p->n == 0 || p->k == 0;
  if (device->kernels->panel && !empty) return product_by_tiles(device, p, epilogue);
  product_by_sgemm(device, p, epilogue);
  return true;
}
