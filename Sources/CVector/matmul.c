#include <stdlib.h>

#include "internal.h"

// A product is cut into pieces of C, each followed by its epilogue while it is still in the core's cache. With AVX2 and
// AVX-512 a piece is made by kernels of our own (kernels/product.h), whose sums do not depend on the cut; elsewhere it is a
// single-threaded sgemm. Either way there is one pool of threads, and no second pass over C.

// MARK: Our own kernels

enum {
  // Steps of k in a block: a panel of so many is streamed from the second-level cache.
  most_steps = 1024,
  // Operations that are not worth a second thread, and those of the smallest piece.
  smallest_work = 500000,
  smallest_piece = 200000,
  // A piece's rows: whole tiles, and whole vectors where it is turned.
  row_unit = 24,
  turned_unit = 48,
  // Rows that are worth packing their panel once more.
  worth_packing = 48,
  // Columns of a matrix that is turned, in a task.
  turn_columns = 2 * cinch_column_block,
  // Words of a cache line.
  line = 8,
};

typedef struct {
  cinch_device *device;
  /// As asked for, and as computed: the same, or its transpose.
  const cinch_product *asked, *product;
  const cinch_epilogue *epilogue;
  /// op(A), its rows in place.
  const float *a;
  /// Where A is turned, in so many blocks of columns; which are taken, and how many are done.
  float *turned;
  int64_t blocks;
  _Atomic int64_t *taken, done;
  /// Steps p0 ..< p1 of k are taken now.
  int64_t p0, p1;
  /// Columns of cells of losses, which no panel parts, and the panels that they are dealt out to.
  int64_t cells, panels;
  /// Pieces have a multiple of `unit` rows, and at least `least`.
  int64_t unit, least;
  /// Of each panel the first row that no thread has taken, a line apart.
  _Atomic int64_t *next;
  /// Room for a panel for each thread.
  float *rooms;
  int64_t room;
} product_job;

/// A block of columns of A becomes rows, and the same columns of A as asked for are summed.
static void turn_columns_of_block(const product_job *job, int64_t block) {
  const cinch_kernels *kernels = job->device->kernels;
  const cinch_product *p = job->product, *asked = job->asked;
  const int64_t c0 = block * turn_columns, c1 = cinch_min(c0 + turn_columns, p->m);
  if (c0 < c1) kernels->turn(p->a, p->k, p->m, c0, c1, job->turned + c0 * p->k, p->k);
  if (!asked->column_sums) return;
  for (int64_t s0 = c0; s0 < cinch_min(c0 + turn_columns, asked->m); s0 += cinch_column_block)
    kernels->column_sums(
        asked->a, asked->k, asked->m, asked->scale, asked->accumulate_sums, asked->column_sums, s0,
        cinch_min(s0 + cinch_column_block, asked->m));
}

/// Takes the next rows of a panel, fewer of them as fewer are left, so that all threads end at the same time: r0 ..< r1, or
/// false, if fewer than `worth` are left.
static bool take_rows(const product_job *job, int64_t panel, int64_t worth, int64_t *r0, int64_t *r1) {
  _Atomic int64_t *next = &job->next[panel * line];
  const int64_t m = job->product->m;
  int64_t r = atomic_load_explicit(next, memory_order_relaxed), rows;
  do {
    if (m - r < worth) return false;
    rows = cinch_max((m - r) / job->device->threads / job->unit * job->unit, job->least);
    rows = cinch_min(cinch_min(rows, cinch_product_rows), m - r);
  } while (!atomic_compare_exchange_weak_explicit(next, &r, r + rows, memory_order_relaxed, memory_order_relaxed));
  *r0 = r;
  *r1 = r + rows;
  return true;
}

/// The first column of a panel: all are nearly as wide as each other.
static int64_t panel_start(const product_job *job, int64_t panel) {
  return cinch_min(job->cells * panel / job->panels * cinch_cell_columns, job->product->n);
}

/// A thread's part: blocks to turn, then panels; of either its own share, then what others have not finished.
static void product_task(void *context, int64_t task) {
  product_job *job = context;
  const cinch_kernels *kernels = job->device->kernels;
  const cinch_product *p = job->product;
  const int64_t threads = job->device->threads;
  float *room = job->rooms + task * job->room;
  for (int64_t i = 0; i < threads; i++) {
    const int64_t share = (task + i) % threads;
    for (int64_t block = job->blocks * share / threads; block < job->blocks * (share + 1) / threads; block++) {
      if (atomic_exchange_explicit(&job->taken[block], 1, memory_order_relaxed)) continue;
      turn_columns_of_block(job, block);
      atomic_fetch_add_explicit(&job->done, 1, memory_order_release);
    }
  }
  cinch_ahead ahead = {.rows_unread = true};
  for (int64_t i = 0; i < threads; i++) {
    const int64_t share = (task + i) % threads, end = job->panels * (share + 1) / threads;
    for (int64_t panel = job->panels * share / threads; panel < end; panel++) {
      const bool untouched = atomic_load_explicit(&job->next[panel * line], memory_order_relaxed) == 0;
      int64_t r0, r1;
      if (!take_rows(job, panel, untouched ? 1 : worth_packing, &r0, &r1)) continue;
      const int64_t c0 = panel_start(job, panel), c1 = panel_start(job, panel + 1);
      ahead.c0 = c1;
      ahead.c1 = panel + 1 < end ? panel_start(job, panel + 2) : c1;
      kernels->pack(p, job->p0, job->p1, c0, c1, room);
      cinch_wait_for(&job->done, job->blocks);
      do
        kernels->product(p, job->epilogue, job->a, &ahead, job->p0, job->p1, r0, r1, c0, c1, room);
      while (take_rows(job, panel, 1, &r0, &r1));
      ahead.rows_unread = false;
    }
  }
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

/// As few panels as there can be, or a few more so that threads have as many as each other, unless they became too narrow.
static int64_t panel_count(const cinch_device *device, int64_t cells) {
  const int64_t fewest = cinch_blocks(cells * cinch_cell_columns, device->kernels->panel);
  const int64_t even = cinch_round_up(fewest, device->threads);
  return cells >= 2 * even ? even : fewest;
}

static bool product_by_tiles(cinch_device *device, const cinch_product *asked, const cinch_epilogue *epilogue) {
  const cinch_product product = turns_result(asked, epilogue) ? turned_result(asked) : *asked, *p = &product;
  const int64_t parts = cinch_max(cinch_blocks(p->k, most_steps), 1);
  // Blocks of one length, so that the last is not a sliver.
  const int64_t steps = cinch_round_up(cinch_blocks(p->k, parts), 16);
  product_job job = {.device = device, .asked = asked, .product = p, .epilogue = epilogue};
  job.cells = cinch_blocks(p->n, cinch_cell_columns);
  job.panels = panel_count(device, job.cells);
  job.room = steps * device->kernels->panel;
  job.unit = epilogue->kind == cinch_epilogue_loss ? cinch_cell_rows : p->turned ? turned_unit : row_unit;
  const int64_t row_work = 2 * cinch_min(steps, p->k) * device->kernels->panel;
  job.least = cinch_round_up(cinch_blocks(smallest_piece, row_work), job.unit);
  // Numbers that are multiplied one after the other lie so, too: worth more than it takes.
  const int64_t turned = p->transpose_a ? p->m * p->k : 0;
  if (turned > 0) job.blocks = cinch_blocks(cinch_max(p->m, asked->column_sums ? asked->m : 0), turn_columns);

  const int64_t counters = job.blocks + line * job.panels, counter_floats = 2 * counters;
  float *memory =
      cinch_scratch(device, cinch_round_up(turned, 16) + cinch_round_up(device->threads * job.room, 16) + counter_floats);
  if (!memory) return false;
  job.turned = cinch_take(&memory, turned);
  job.a = turned > 0 ? job.turned : p->a;
  job.rooms = cinch_take(&memory, device->threads * job.room);
  job.next = (_Atomic int64_t *)memory;
  job.taken = job.next + line * job.panels;
  for (int64_t block = 0; block < job.blocks; block++) atomic_init(&job.taken[block], 0);

  const bool alone = 2.0 * (double)p->m * (double)p->n * (double)p->k < smallest_work;
  for (job.p0 = 0; job.p0 < p->k; job.p0 = job.p1) {
    job.p1 = cinch_min(job.p0 + steps, p->k);
    for (int64_t panel = 0; panel < job.panels; panel++) atomic_init(&job.next[panel * line], 0);
    // One task runs on the caller's thread, and wakes none.
    cinch_pool_run(device->pool, product_task, &job, alone ? 1 : device->threads);
  }
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
