// How a block of sums ends: see tile.cl.

// The block passes through local memory, STAGED_ROWS rows at a time, beside the sums of its losses.
#define STAGED_ROWS (TILE_ROWS / OWN_ROWS)
#define STAGED (STAGED_ROWS * B_LINE)
#define STRIPS (TILE_ROWS / 16 * TILE_COLUMNS)
#define END_FLOATS (STAGED + (MODE == LOSS ? STRIPS : 0))
#define TILE_FLOATS (STEP_FLOATS > END_FLOATS ? STEP_FLOATS : END_FLOATS)

// 4, in a kernel whose argument is `mode`. Intel's compiler heeds no `unroll 1`, and would write the epilogue out as often
// as its loops go round, if it saw that no mode is negative.
#define FOUR (4 + (mode < 0))

// Stores a block whose first element is (i0, j0) and of which m rows and n columns are there: added to what C holds
// where `adds`; the last of a product's sums also go through its epilogue. Where `mapped`, `rows` holds for each row of
// the block the one of C that it is: local memory may begin at what a pointer calls null.
//
// The epilogue is long, so it is written once: row r of every work-item's own passes through local memory, and is ended
// there in turns of whole rows, so that C is written in order. An item ends four elements of a column at a time, which
// make a strip's sum with those of the next rounds. `turn` is 1 << r, which keeps compilers from seeing that r indexes
// the sums: they would then put these in memory.
INLINE void storeBlock(
  Sums *sums, const Epilogue *e, int four, bool adds, bool ends, int i0, int j0, int m, Place own, int item,
  bool mapped, const local int *rows, local float *tiles) {
  int to = (own.row / (4 * OWN_ROWS) * 4 + own.row % 16 / 4) * B_LINE + own.column;
  ROLLED for (int r = 0, turn = 1; r < OWN_ROWS / 4 * four; r++, turn <<= 1) {
    barrier(CLK_LOCAL_MEM_FENCE);
    UNROLL for (int q = 0; q < OWN_ROWS; q++)
      if (turn >> q & 1)
        UNROLL for (int s = 0; s < OWN_COLUMNS / 4; s++) *(local float4 *)(tiles + to + RUN * s) = sums->of[q][s];
    barrier(CLK_LOCAL_MEM_FENCE);
    ROLLED for (int s = item; s < STAGED_ROWS / 4 * TILE_COLUMNS; s += TILE_ITEMS) {
      int band = s / TILE_COLUMNS, column = s % TILE_COLUMNS, j = j0 + column;
      int strip = OWN_ROWS / 4 * band + r / 4, row = 16 * strip + r % 4;
      Losses losses = {0.0f, 0.0f};
      ROLLED for (int y = 0; y < four; y++) {
        int i = i0 + row + 4 * y;
        if (i >= m || j >= e->n) continue;
        if (mapped) i = rows[row + 4 * y];
        size_t at = (size_t)i * e->n + j;
        float value = scaled(e, tiles[(4 * band + y) * B_LINE + column]);
        if (adds) value += e->c[at];
        e->c[at] = ends ? finish(e, value, i, j, 1, &losses) : value;
      }
      if (MODE == LOSS && ends) {
        settle(&losses);
        local float *sum = tiles + STAGED + strip * TILE_COLUMNS + column;
        *sum = (r % 4 ? *sum : 0.0f) + losses.sum;
      }
    }
  }
  // Steps of a next sum pass through the same memory.
  barrier(CLK_LOCAL_MEM_FENCE);
}

// Adds up the strips of each cell, in a tree. Cells are numbered along rows, `cellRows` of them from `firstCell` on; rows
// of cells beyond m hold nothing, and get 0. Every item must call it after `storeBlock`.
INLINE void sumCells(const Epilogue *e, int i0, int j0, int cellRows, int firstCell, int item, local float *tiles) {
  local float *strips = tiles + STAGED;
  for (int step = CELL; step > 0; step /= 2) {
    // First the two strips of a column meet, then columns.
    for (int s = item; s < TILE_ROWS / CELL * (TILE_COLUMNS / CELL) * step; s += TILE_ITEMS) {
      int cell = s / step, down = cell / (TILE_COLUMNS / CELL), across = cell % (TILE_COLUMNS / CELL);
      local float *sum = strips + 2 * down * TILE_COLUMNS + across * CELL + s % step;
      *sum += sum[step == CELL ? TILE_COLUMNS : step];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  int columns = (e->n + CELL - 1) / CELL;
  int down = item / (TILE_COLUMNS / CELL), across = item % (TILE_COLUMNS / CELL);
  int cellRow = i0 / CELL + down, cellColumn = j0 / CELL + across;
  if (down < TILE_ROWS / CELL && cellRow < cellRows && cellColumn < columns)
    e->partials[(size_t)(firstCell + cellRow * columns + cellColumn)] =
      strips[2 * down * TILE_COLUMNS + across * CELL];
}
