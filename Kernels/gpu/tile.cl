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

// The sums of a work-item, and the row and column of C of each.
#define FOR_OWN(r, s)                                                                                     \
  _Pragma("unroll") for (int r = 0; r < SIDE; r++) _Pragma("unroll") for (int s = 0; s < SIDE; s++)
#define ROW_OF(r) (i0 + y + TILE_GROUP * (r))
#define COLUMN_OF(s) (j0 + x + TILE_GROUP * (s))

// Losses are summed by cells of CELL × CELL elements, whatever the size of a block.
#define CELLS (TILE / CELL)
#define CELL_OF(r, s) ((r) / (SIDE / CELLS) * CELLS + (s) / (SIDE / CELLS))

#if TILE % CELL || CELL % TILE_GROUP || CELLS * CELLS * LINE_GROUP > 2 * TILE_STEPS * (TILE + 1)
#error "A block must consist of cells, whose sums meet in its local memory."
#endif

// Stores the sum of each cell's losses. Every item must call it; `scratch` is what held the tiles.
INLINE void cellSums(Losses *losses, local float *scratch, int item, int m, int n, global float *partials) {
#pragma unroll
  for (int cell = 0; cell < CELLS * CELLS; cell++) {
    settle(&losses[cell]);
    scratch[cell * LINE_GROUP + item] = losses[cell].sum;
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  for (int step = LINE_GROUP / 2; step > 0; step /= 2) {
    if (item < step)
      for (int cell = 0; cell < CELLS * CELLS; cell++)
        scratch[cell * LINE_GROUP + item] += scratch[cell * LINE_GROUP + item + step];
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  int down = get_group_id(1) * CELLS + item / CELLS, across = get_group_id(0) * CELLS + item % CELLS;
  if (item < CELLS * CELLS && down * CELL < m && across * CELL < n)
    partials[(size_t)down * ((n + CELL - 1) / CELL) + across] = scratch[item * LINE_GROUP];
}
