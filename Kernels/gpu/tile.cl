// What products and convolutions of the GPU family share. A work-group makes a TILE_ROWS × TILE_COLUMNS block of a
// product of matrices, and each of its TILE_ITEMS work-items OWN_ROWS × OWN_COLUMNS of it, in registers. TILE_STEPS
// columns of A and rows of B at a time pass through local memory; while they are multiplied, the next ones are on their
// way to registers.
//
// The host chooses these numbers per device and shape (GPUTile.swift), and compiles a program for each choice and for
// each MODE of the epilogue. No sum depends on them: every element is one chain of multiply-adds over p, and losses are
// summed by strips of 16 elements, whatever the block.
//
// LOAD_WIDTH 4 reads global memory by 16 bytes, and takes far fewer instructions: the host asks for it where every row
// begins at a multiple of 4 elements. LOAD_WIDTH 1 takes anything.

#define TILE_ITEMS (TILE_ROWS * TILE_COLUMNS / (OWN_ROWS * OWN_COLUMNS))
#define GROUP_TILE __attribute__((reqd_work_group_size(TILE_ITEMS, 1, 1)))

// A sum of more than SUM_STEPS products is made of as many sums as that takes, each of which is added to what C holds:
// so a long one loses few digits.
#ifndef SUM_STEPS
#error "The host must define how many products a register sums."
#endif

#if TILE_ROWS % CELL || TILE_COLUMNS % CELL || CELL != 32 || SUM_STEPS % TILE_STEPS
#error "A block consists of cells of 32 × 32 elements, and a sum of whole steps."
#endif
#if OWN_ROWS % 4 || OWN_COLUMNS % 4 || TILE_ROWS % (4 * OWN_ROWS) || TILE_COLUMNS % (8 * OWN_COLUMNS)
#error "A warp's 4 × 8 lanes own 4-element runs of whole rows of blocks."
#endif
#if TILE_ROWS * TILE_STEPS % (LOAD_WIDTH * TILE_ITEMS) || TILE_COLUMNS * TILE_STEPS % (LOAD_WIDTH * TILE_ITEMS)
#error "Each work-item makes whole loads of both operands."
#endif

// Local memory: A as [TILE_STEPS][A_LINE] and B as [TILE_STEPS][B_LINE]. Lines are 4 floats longer than the block, which
// keeps them aligned for 16-byte reads and lets most stores down a column go to different banks. At the end the block
// passes through the same memory, STAGED_ROWS rows at a time, beside the sums of its losses.
#define A_LINE (TILE_ROWS + 4)
#define B_LINE (TILE_COLUMNS + 4)
#define STAGED_ROWS (TILE_ROWS / OWN_ROWS)
#define STAGED (STAGED_ROWS * B_LINE)
#define STRIPS (TILE_ROWS / 16 * TILE_COLUMNS)
#define STEP_FLOATS (TILE_STEPS * (A_LINE + B_LINE))
#define END_FLOATS (STAGED + (MODE == LOSS ? STRIPS : 0))
#define TILE_FLOATS (STEP_FLOATS > END_FLOATS ? STEP_FLOATS : END_FLOATS)

#define UNROLL _Pragma("unroll")
#define ROLLED _Pragma("unroll 1")
#define PRAGMA(text) _Pragma(#text)
#define UNROLL_BY(count) PRAGMA(unroll count)

// The first row and column of a work-item's own: it has runs of 4 rows 16 apart and runs of 4 columns 32 apart. Lanes of
// a warp are 8 across and 4 down, and the bits of their number are dealt out x y x x y. So lanes that differ in bit 0
// read the same rows and those that differ in bit 1 the same columns, and NVIDIA's hardware reads 16 bytes for a half of
// a warp in one wavefront instead of two.
typedef struct {
  int row, column;
} Place;

INLINE Place ownPlace(int item) {
  int lane = item % 32, warp = item / 32, across = TILE_COLUMNS / (8 * OWN_COLUMNS);
  int x = (lane & 1) | (lane >> 1 & 6), y = (lane >> 1 & 1) | (lane >> 3 & 2);
  Place own = {warp / across * (4 * OWN_ROWS) + 4 * y, warp % across * (8 * OWN_COLUMNS) + 4 * x};
  return own;
}

// What global memory is read by.
#if LOAD_WIDTH == 4
typedef float4 Load;
#define READ(p) (*(const global float4 *)(p))
#else
typedef float Load;
#define READ(p) (*(p))
#endif

// A step's part of an operand that is `extent` rows or columns of the block, as its items copy it: each makes
// COPIES(extent) loads. Load t of an item has number s = item + TILE_ITEMS·t, which says its p and its row or column i.
// `along`: p runs along the rows in memory, so neighbouring items read neighbouring p, and an item's p is the same in
// each of its loads; else neighbours read neighbouring i.
#define COPIES(extent) ((extent) * TILE_STEPS / LOAD_WIDTH / TILE_ITEMS)
#define COPY_P(s, along, extent)                                                                          \
  ((along) ? (s) % (TILE_STEPS / LOAD_WIDTH) * LOAD_WIDTH : (s) / ((extent) / LOAD_WIDTH))
#define COPY_I(s, along, extent)                                                                          \
  ((along) ? (s) / (TILE_STEPS / LOAD_WIDTH) : (s) % ((extent) / LOAD_WIDTH) * LOAD_WIDTH)
#define FOR_COPIES(t, s, extent)                                                                          \
  for (int t = 0, s = item; t < COPIES(extent); t++, s += TILE_ITEMS)

// Where a matrix's loads begin; `line` elements lie between its rows. Rows and columns beyond its edge `limit` read the
// last one, whose sums are never stored.
INLINE void begin(
  const global float *x, int limit, int line, int i0, int p0, bool along, int extent, int item,
  const global float **at) {
  FOR_COPIES(t, s, extent) {
    int p = p0 + COPY_P(s, along, extent);
    int i = min(i0 + COPY_I(s, along, extent), along ? limit - 1 : limit - LOAD_WIDTH);
    at[t] = x + (along ? (size_t)i * line + p : (size_t)p * line + i);
  }
}

// Reads a step, of which `left` products are there, and moves on to the next.
INLINE void fetch(const global float **at, int line, int left, bool along, int extent, int item, Load *held) {
  FOR_COPIES(t, s, extent) {
    held[t] = COPY_P(s, along, extent) < left ? READ(at[t]) : (Load)0.0f;
    at[t] += along ? TILE_STEPS : TILE_STEPS * (size_t)line;
  }
}

// Brings what was read to local memory.
INLINE void put(local float *to, bool along, int extent, int item, const Load *held) {
  int line = extent + 4;
  FOR_COPIES(t, s, extent) {
    local float *at = to + COPY_P(s, along, extent) * line + COPY_I(s, along, extent);
#if LOAD_WIDTH == 4
    if (along) {
      at[0] = held[t].x;
      at[line] = held[t].y;
      at[2 * line] = held[t].z;
      at[3 * line] = held[t].w;
    } else {
      *(local float4 *)at = held[t];
    }
#else
    *at = held[t];
#endif
  }
}

typedef struct {
  float4 of[OWN_ROWS][OWN_COLUMNS / 4];
} Sums;

INLINE void clear(Sums *sums) {
  UNROLL for (int r = 0; r < OWN_ROWS; r++)
    UNROLL for (int s = 0; s < OWN_COLUMNS / 4; s++) sums->of[r][s] = (float4)(0.0f);
}

// sums += A·B of a step. TILE_UNROLL of its products are written out: more take fewer instructions and more registers.
INLINE void multiply(const local float *as, const local float *bs, Sums *sums) {
  UNROLL_BY(TILE_UNROLL)
  for (int p = 0; p < TILE_STEPS; p++) {
    float4 a[OWN_ROWS / 4], b[OWN_COLUMNS / 4];
    UNROLL for (int r = 0; r < OWN_ROWS / 4; r++) a[r] = *(const local float4 *)(as + p * A_LINE + 16 * r);
    UNROLL for (int s = 0; s < OWN_COLUMNS / 4; s++) b[s] = *(const local float4 *)(bs + p * B_LINE + 32 * s);
    UNROLL for (int r = 0; r < OWN_ROWS / 4; r++)
      UNROLL for (int s = 0; s < OWN_COLUMNS / 4; s++) {
        sums->of[4 * r][s] = fma((float4)a[r].x, b[s], sums->of[4 * r][s]);
        sums->of[4 * r + 1][s] = fma((float4)a[r].y, b[s], sums->of[4 * r + 1][s]);
        sums->of[4 * r + 2][s] = fma((float4)a[r].z, b[s], sums->of[4 * r + 2][s]);
        sums->of[4 * r + 3][s] = fma((float4)a[r].w, b[s], sums->of[4 * r + 3][s]);
      }
  }
}

// The product of p = first ..< last. FETCH reads a step of which so many products are left, PUT brings it to local
// memory at `tiles`. One copy in local memory, not two: a second one saves a barrier, and costs instructions, registers
// and groups that fit a multiprocessor.
#define PRODUCT(first, last, tiles, own, sums, FETCH, PUT)                                                \
  clear(sums);                                                                                            \
  FETCH((last) - (first))                                                                                 \
  ROLLED for (int next = (first) + TILE_STEPS; next < (last) + TILE_STEPS; next += TILE_STEPS) {          \
    PUT                                                                                                   \
    barrier(CLK_LOCAL_MEM_FENCE);                                                                         \
    if (next < (last)) { FETCH((last) - next) }                                                           \
    multiply((tiles) + (own).row, (tiles) + TILE_STEPS * A_LINE + (own).column, sums);                    \
    barrier(CLK_LOCAL_MEM_FENCE);                                                                         \
  }

// 4, in a kernel whose argument is `mode`. Intel's compiler heeds no `unroll 1`, and would write the epilogue out as often
// as its loops go round, if it saw that no mode is negative.
#define FOUR (4 + (mode < 0))

// Stores a block whose first element is (i0, j0) and of which m rows and n columns are there: added to what C holds
// where `adds`; the last of a product's sums also go through its epilogue. `rows`, where given, holds for each row of
// the block the one of C that it is.
//
// The epilogue is long, so it is written once: row r of every work-item's own passes through local memory, and is ended
// there in turns of whole rows, so that C is written in order. An item ends four elements of a column at a time, which
// make a strip's sum with those of the next rounds. `turn` is 1 << r, which keeps compilers from seeing that r indexes
// the sums: they would then put these in memory.
INLINE void storeBlock(
  Sums *sums, const Epilogue *e, int four, bool adds, bool ends, int i0, int j0, int m, Place own, int item,
  const local int *rows, local float *tiles) {
  int to = (own.row / (4 * OWN_ROWS) * 4 + own.row % 16 / 4) * B_LINE + own.column;
  ROLLED for (int r = 0, turn = 1; r < OWN_ROWS / 4 * four; r++, turn <<= 1) {
    barrier(CLK_LOCAL_MEM_FENCE);
    UNROLL for (int q = 0; q < OWN_ROWS; q++)
      if (turn >> q & 1)
        UNROLL for (int s = 0; s < OWN_COLUMNS / 4; s++) *(local float4 *)(tiles + to + 32 * s) = sums->of[q][s];
    barrier(CLK_LOCAL_MEM_FENCE);
    ROLLED for (int s = item; s < STAGED_ROWS / 4 * TILE_COLUMNS; s += TILE_ITEMS) {
      int band = s / TILE_COLUMNS, column = s % TILE_COLUMNS, j = j0 + column;
      int strip = OWN_ROWS / 4 * band + r / 4, row = 16 * strip + r % 4;
      Losses losses = {0.0f, 0.0f};
      ROLLED for (int y = 0; y < four; y++) {
        int i = i0 + row + 4 * y;
        if (i >= m || j >= e->n) continue;
        if (rows) i = rows[row + 4 * y];
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
