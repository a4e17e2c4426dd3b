// Register tiles of a product on a CPU device, and how a block of B is packed for them.
//
// MR is 12 for 16 lanes (24 sums, 2 of B, 1 broadcast of 32 registers), 6 for 8 lanes (12 sums of 16 registers) and 8 for 4,
// where sums that find no register go to the first-level cache.

#if PANEL != 2 * VW
#error "Tiles are two vectors wide, as a panel must be."
#endif

// A tile asks for the lines of C that its sums will go to, from `line` on, in six turns of its loop a little before it ends:
// nobody looks ahead for what is written. And for the rows of A that the next tile reads: they lie in another core's
// cache, and processors lose track at every page.
#define ASK_AHEAD 24

// Steps of k in a turn of a tile's loop. What a turn costs beside multiply-adds and loads, 16 of 36 instructions with one
// step, is little to a core that a thread has to itself, and nearly half of the time where another thread shares it.
#define PRODUCT_STEPS 8

// Step s of a turn: the next number of each row times the block's next vectors.
#define STEP(R, W, s)                                                                        \
  {                                                                                          \
    V b[W];                                                                                  \
    _Pragma("unroll") for (int w = 0; w < W; w++) b[w] = LOAD(block + (s) * PANEL + w * VW); \
    _Pragma("unroll") for (int r = 0; r < R; r++) {                                          \
      int row = R == MR ? r : min(r, last);                                                  \
      int beyond = row - (R == MR ? r / 3 * 3 : min(r / 3 * 3, last));                       \
      V x = (V)third[r / 3][beyond * lda + (s)];                                             \
      _Pragma("unroll") for (int w = 0; w < W; w++) sum[r][w] = fma(x, b[w], sum[r][w]);     \
    }                                                                                        \
  }

#define ADVANCE(R, steps)   \
  block += (steps) * PANEL; \
  _Pragma("unroll") for (int i = 0; i < THIRDS(R); i++) third[i] += (steps);

// R rows × W vectors of A·B over kc steps into `tile`, one row per PANEL floats. R and W are constants at each call. A
// tail tile (R < MR) has `last`+1 real rows and reads the last one again for the others. `rows` points to every third row;
// the compiler reaches the two after it by the processor's addressing, or has a pointer of its own for each. That the
// pointers come by memory keeps it from making one of the other by an addition a row and step.
#define THIRDS(R) (((R) + 2) / 3)
#define TILE(NAME, R, W)                                                                                  \
  OUTLINE void NAME(                                                                                      \
    const global float *const *rows, size_t lda, const float *block, int kc, int last, float *tile,       \
    const global float *line, size_t pitch) {                                                             \
    V sum[R][W];                                                                                          \
    const global float *third[THIRDS(R)];                                                                 \
    _Pragma("unroll") for (int r = 0; r < R; r++)                                                         \
      _Pragma("unroll") for (int w = 0; w < W; w++) sum[r][w] = (V)0.0f;                                  \
    _Pragma("unroll") for (int i = 0; i < THIRDS(R); i++) third[i] = rows[i];                             \
    const global float *ahead = third[0] + (size_t)R * lda;                                               \
    int left = kc;                                                                                        \
    for (; left >= PRODUCT_STEPS; left -= PRODUCT_STEPS) {                                                      \
      _Pragma("unroll") for (int i = 0; i < R * PRODUCT_STEPS / 16; i++) PREFETCH_L2(ahead + 16 * i);        \
      ahead += R * PRODUCT_STEPS;                                                                            \
      if ((uint)(left - ASK_AHEAD) < min(R, 6) * PRODUCT_STEPS) {                                            \
        _Pragma("unroll") for (int r = 0; r < (R + 5) / 6; r++) {                                         \
          _Pragma("unroll") for (int w = 0; w < W; w++) PREFETCH(line + w * VW);                          \
          line += pitch;                                                                                  \
        }                                                                                                 \
      }                                                                                                   \
      _Pragma("unroll") for (int s = 0; s < PRODUCT_STEPS; s++) STEP(R, W, s)                                \
      ADVANCE(R, PRODUCT_STEPS)                                                                              \
    }                                                                                                     \
    for (; left > 0; left--) {                                                                            \
      STEP(R, W, 0)                                                                                       \
      ADVANCE(R, 1)                                                                                       \
    }                                                                                                     \
    _Pragma("unroll") for (int r = 0; r < R; r++)                                                         \
      _Pragma("unroll") for (int w = 0; w < W; w++) STORE(sum[r][w], tile + r * PANEL + w * VW);          \
  }

TILE(tileWide, MR, 2)
TILE(tileWideTail, TAIL_ROWS, 2)
TILE(tileNarrow, MR, 1)
TILE(tileNarrowTail, TAIL_ROWS, 1)

// Packs B[p0 ..< p0+kc, column ..< column+width·VW] of a [k,n] matrix. A vector may read on into the next
// row, whose numbers are never stored, but not past the matrix.
OUTLINE void packRows(const global float *b, int k, int n, int p0, int kc, int column, int width, float *block) {
  int p = 0;
  // Whole panels without a branch, so that the misses of several rows, which lie pages apart, are waited for at once.
  if (column + PANEL <= n)
    for (const global float *row = b + (size_t)p0 * n + column; p + 8 <= kc; p += 8, row += (size_t)8 * n) {
      V x[8][2];
#pragma unroll
      for (int q = 0; q < 8; q++) {
        PREFETCH(row + (size_t)(q + 16) * n);
        PREFETCH(row + (size_t)(q + 16) * n + VW);
        x[q][0] = LOAD(row + (size_t)q * n);
        x[q][1] = LOAD(row + (size_t)q * n + VW);
      }
#pragma unroll
      for (int q = 0; q < 8; q++) {
        STORE(x[q][0], block + (p + q) * PANEL);
        STORE(x[q][1], block + (p + q) * PANEL + VW);
      }
    }
  for (; p < kc; p++)
    for (int w = 0; w < width; w++) {
      long start = (long)(p0 + p) * n + column + w * VW;
      STORE(loadPart(b + start, (int)min((long)VW, (long)k * n - start), 0.0f), block + p * PANEL + w * VW);
    }
}

// The same block of a [n,k] matrix, whose rows run along k: VW × VW floats at a time through registers.
OUTLINE void packTransposed(
  const global float *b, int k, int n, int p0, int kc, int column, int width, float *block) {
  for (int w = 0; w < width; w++) {
    int first = column + w * VW;
    int p = 0;
    while (p < kc && kc >= VW) {
      // The last block steps back to end where k ends, and packs some steps twice.
      p = min(p, kc - VW);
      V rows[VW];
#pragma unroll
      for (int r = 0; r < VW; r++) {
        const global float *row = b + (size_t)min(first + r, n - 1) * k + p0 + p;
        PREFETCH(row + 4 * VW);
        rows[r] = LOAD(row);
      }
      interleave(rows, VW);
#pragma unroll
      for (int r = 0; r < VW; r++) STORE(rows[r], block + (p + r) * PANEL + w * VW);
      p += VW;
    }
    for (; p < kc; p++)
      for (int l = 0; l < VW; l++) block[p * PANEL + w * VW + l] = b[(size_t)min(first + l, n - 1) * k + p0 + p];
  }
}
