// What products and convolutions of the GPU family share: a TILE × TILE block of the result, made by TILE_GROUP ×
// TILE_GROUP work-items.

#define SIDE (TILE / TILE_GROUP)
#define GROUP_TILE __attribute__((reqd_work_group_size(TILE_GROUP, TILE_GROUP, 1)))

#if TILE_GROUP * TILE_GROUP != LINE_GROUP
#error "The sums of a block's losses meet in the tree of LINE_GROUP items."
#endif

// A sum of more than SUM_STEPS products is made of as many sums as that takes, each of which is added to what C or a
// slice holds: so a long one loses few digits.
#ifndef SUM_STEPS
#error "The host must define how many products a register sums."
#endif

// The sums of a work-item.
#define FOR_OWN(r, s)                                                                                     \
  _Pragma("unroll") for (int r = 0; r < SIDE; r++) _Pragma("unroll") for (int s = 0; s < SIDE; s++)

// Losses are summed by cells of CELL × CELL elements, whatever the size of a block. A work-item has OWN × OWN elements
// of each.
#define CELLS (TILE / CELL)
#define OWN (CELL / TILE_GROUP)

#if TILE % CELL || CELL % TILE_GROUP || CELLS * CELLS * LINE_GROUP > 2 * TILE_STEPS * (TILE + 1)
#error "A block must consist of cells, whose sums meet in its local memory."
#endif

// Stores a work-item's sums, added to what `out` holds where `adds`; those that end a product go through its epilogue.
// A cell's losses go to `scratch`, local memory that nobody else uses then.
//
// The epilogue is long, so it is compiled for one cell alone, the first: the sums move up from cell to cell. With one
// for each cell of a large tile, PoCL compiles for minutes.
INLINE void storeTile(
  float sum[SIDE][SIDE], const Epilogue *e, global float *out, bool adds, bool slices, bool ends, int i0, int j0,
  local float *scratch) {
  int x = get_local_id(0), y = get_local_id(1), item = y * TILE_GROUP + x;
  for (int cell = 0; cell < CELLS * CELLS; cell++) {
    Losses losses = {0.0f, 0.0f};
#pragma unroll
    for (int r = 0; r < OWN; r++)
#pragma unroll
      for (int s = 0; s < OWN; s++) {
        int i = i0 + cell / CELLS * CELL + y + TILE_GROUP * r, j = j0 + cell % CELLS * CELL + x + TILE_GROUP * s;
        if (i >= e->m || j >= e->n) continue;
        size_t at = (size_t)i * e->n + j;
        float value = slices ? sum[r][s] : scaled(e, sum[r][s]);
        if (adds) value += out[at];
        out[at] = ends && !slices ? finish(e, value, i, j, 1, &losses) : value;
      }
    if (ends && e->mode == LOSS) {
      settle(&losses);
      scratch[cell * LINE_GROUP + item] = losses.sum;
    }
    FOR_OWN(r, s) {
      int right = s + OWN, below = r + OWN;
      if (right < SIDE) sum[r][s] = sum[r][right];
      else if (below < SIDE) sum[r][s] = sum[below][right - SIDE];
    }
  }
}

// Adds up each cell's losses. Every item must call it after `storeTile`.
INLINE void sumCells(const Epilogue *e, local float *scratch) {
  int item = get_local_id(1) * TILE_GROUP + get_local_id(0);
  barrier(CLK_LOCAL_MEM_FENCE);
  for (int step = LINE_GROUP / 2; step > 0; step /= 2) {
    if (item < step)
      for (int cell = 0; cell < CELLS * CELLS; cell++)
        scratch[cell * LINE_GROUP + item] += scratch[cell * LINE_GROUP + item + step];
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  int down = get_group_id(1) * CELLS + item / CELLS, across = get_group_id(0) * CELLS + item % CELLS;
  if (item < CELLS * CELLS && down * CELL < e->m && across * CELL < e->n)
    e->partials[(size_t)down * ((e->n + CELL - 1) / CELL) + across] = scratch[item * LINE_GROUP];
}
