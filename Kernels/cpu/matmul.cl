// C = epilogue(A·op(B)) on a CPU device, C [m,n] and A [m,k].
//
// A work-item makes `chunk` rows of one panel of PANEL columns, two vectors. It packs a block of B, KC × PANEL, into
// private memory, from which it streams through the second-level cache, and passes over its rows in tiles of MR with all
// sums in registers: per step of k, MR broadcasts of A are multiplied by 2 vectors of B. Columns beyond n are computed
// from copies of real ones and never stored. There is no local memory and no barrier: on a CPU local memory is ordinary
// memory, and barriers take time.
//
// MR is 12 for 16 lanes (24 sums, 2 of B, 1 broadcast of 32 registers), 6 for 8 lanes (of 16 registers).

#if PANEL != 2 * VW
#error "Tiles are two vectors wide, as a panel must be."
#endif

// A tile asks for the lines of C that its sums will go to, from `line` on, in six turns of its loop a little before it ends:
// nobody looks ahead for what is written. And for the rows of A that the next tile reads: they lie in another core's
// cache, and processors lose track at every page.
#define ASK_AHEAD 24

// Steps of k in a turn of a tile's loop. What a turn costs beside multiply-adds and loads, 16 of 36 instructions with one
// step, is little to a core that a thread has to itself, and nearly half of the time where another thread shares it.
#define TURN_STEPS 8

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
    for (; left >= TURN_STEPS; left -= TURN_STEPS) {                                                      \
      _Pragma("unroll") for (int i = 0; i < R * TURN_STEPS / 16; i++) PREFETCH_L2(ahead + 16 * i);        \
      ahead += R * TURN_STEPS;                                                                            \
      if ((uint)(left - ASK_AHEAD) < min(R, 6) * TURN_STEPS) {                                            \
        _Pragma("unroll") for (int r = 0; r < (R + 5) / 6; r++) {                                         \
          _Pragma("unroll") for (int w = 0; w < W; w++) PREFETCH(line + w * VW);                          \
          line += pitch;                                                                                  \
        }                                                                                                 \
      }                                                                                                   \
      _Pragma("unroll") for (int s = 0; s < TURN_STEPS; s++) STEP(R, W, s)                                \
      ADVANCE(R, TURN_STEPS)                                                                              \
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

// Whole vectors of a tile become C: `end` makes one of the sums `x`, `at` elements into the tile's part of C, in column j of
// the panel.
#define END_TILE(end)                                         \
  {                                                           \
    for (int r = 0; r < rows; r++)                            \
      for (int j = 0; j < PANEL; j += VW) {                   \
        size_t at = (size_t)r * e->n + j;                     \
        V x = LOAD(tile + r * PANEL + j);                     \
        STORE(end, c + at);                                   \
      }                                                       \
    return true;                                              \
  }

// The same, with a loss that is added up. All losses but BCE differ by their scales alone.
#define END_LOSS_TILE(loss, activation)                                                                   \
  {                                                                                                       \
    Losses own = *losses;                                                                                 \
    for (int r = 0; r < rows; r++)                                                                        \
      for (int j = 0; j < PANEL; j += VW) {                                                               \
        size_t at = (size_t)r * e->n + j;                                                                 \
        V a = LOAD(tile + r * PANEL + j) + LOAD(bias + j);                                                \
        STORE(                                                                                            \
          lossAt(                                                                                         \
            a, LOAD(target + at), loss, activation, e->gradientScale, e->lossScale, e->normaliser, VW, &own),\
          c + at);                                                                                        \
      }                                                                                                   \
    *losses = own;                                                                                        \
    return true;                                                                                          \
  }

// Ends the tile at row i of a whole panel, in the epilogues of most layers: they have loops of their own, which decide
// nothing per vector. Returns false, and does nothing, in another one.
OUTLINE bool endTile(const Epilogue *e, const float *tile, int i, int rows, int column, Losses *losses) {
  global float *c = e->c + (size_t)i * e->n + column;
  if (e->mode == DENSE_GRADIENT && !(e->flags & HAS_PULL)) {
    V scale = (V)e->productScale;
    END_TILE(x * scale)
  }
  if (e->mode == FORWARD && (e->flags & HAS_BIAS)) {
    const global float *bias = e->bias + column;
    if (e->activation == SIGMOID) END_TILE(activate(x + LOAD(bias + j), SIGMOID))
    if (e->activation == RELU) END_TILE(activate(x + LOAD(bias + j), RELU))
  }
  if (e->mode == BACKWARD && !(e->flags & (HAS_COLUMN | HAS_NORMS)) && e->l1 == 0.0f) {
    const global float *output = e->output + (size_t)i * e->n + column;
    if (e->activation == SIGMOID) END_TILE(x * slope(LOAD(output + at), SIGMOID))
    if (e->activation == RELU) END_TILE(x * slope(LOAD(output + at), RELU))
  }
  if (e->mode == LOSS && (e->flags & HAS_BIAS) && !(e->flags & HAS_WEIGHT)) {
    const global float *bias = e->bias + column, *target = e->target + (size_t)i * e->n + column;
    if (e->loss == BCE) END_LOSS_TILE(BCE, SIGMOID)
    if (e->activation == SIGMOID) END_LOSS_TILE(SSE, SIGMOID)
  }
  return false;
}

// Stores a tile of sums in C: adds the sums of earlier blocks of k, which lie there, and after the last block applies
// the epilogue.
INLINE void store(
  const Epilogue *e, const float *tile, int i, int rows, int column, bool add, bool ends, Losses *losses) {
  if (ends && !add && column + PANEL <= e->n && endTile(e, tile, i, rows, column, losses)) return;
  for (int r = 0; r < rows; r++)
    for (int j = column; j < min(column + PANEL, e->n); j += VW) {
      int count = e->n - j;
      global float *c = e->c + (size_t)(i + r) * e->n + j;
      V x = scaled(e, LOAD(tile + r * PANEL + (j - column)));
      if (add) x += loadPart(c, count, 0.0f);
      if (ends) x = finish(e, x, i + r, j, count, losses);
      storePart(x, c, count);
    }
}

// What the epilogue reads beside C, of C's shape, or nothing.
INLINE const global float *readByEpilogue(const Epilogue *e) {
  switch (e->mode) {
  case BACKWARD: return e->output;
  case LOSS: return e->target;
  case DENSE_GRADIENT: return e->flags & HAS_PULL ? e->weight : 0;
  default: return 0;
  }
}

INLINE void multiply(
  const global float *a, const global float *b, const Epilogue *e, int k, int kBlock, int start, int chunk, int panel,
  int transposeB, float *block) {
  float tile[MR * PANEL];
  int column = panel * PANEL;
  int end = min(start + chunk, e->m);
  int width = e->n - column > VW ? 2 : 1;
  Losses losses = {(V)0.0f, (V)0.0f};
  // One for every MR rows of a panel: with a loss, `chunk` is a multiple of MR.
  global float *partials = e->partials + (size_t)panel * ((e->m + MR - 1) / MR);

  const global float *read = readByEpilogue(e);

  for (int p0 = 0; p0 < k || p0 == 0; p0 += kBlock) {
    int kc = min(kBlock, k - p0);
    bool add = p0 > 0 || (e->flags & ADD_TO_C);
    bool ends = p0 + kc >= k;
    if (transposeB)
      packTransposed(b, k, e->n, p0, kc, column, width, block);
    else
      packRows(b, k, e->n, p0, kc, column, width, block);

    int i = start;
    while (i < end) {
      const global float *line = e->c + (size_t)i * e->n + column, *rows[THIRDS(MR)];
      int count = end - i >= MR ? MR : min(end - i, TAIL_ROWS);
#pragma unroll
      for (int r = 0; r < MR; r += 3) rows[r / 3] = a + (size_t)(i + min(r, count - 1)) * k + p0;
      // It comes to the second-level cache while the tile multiplies.
      if (read && ends)
        for (int r = 0; r < count; r++) {
          PREFETCH_L2(read + (size_t)(i + r) * e->n + column);
          PREFETCH_L2(read + (size_t)(i + r) * e->n + min(column + PANEL, e->n) - 1);
        }
      if (count == MR) {
        if (width == 2)
          tileWide(rows, k, block, kc, 0, tile, line, e->n);
        else
          tileNarrow(rows, k, block, kc, 0, tile, line, e->n);
      } else {
        if (width == 2)
          tileWideTail(rows, k, block, kc, count - 1, tile, line, e->n);
        else
          tileNarrowTail(rows, k, block, kc, count - 1, tile, line, e->n);
      }
      store(e, tile, i, count, column, add, ends, &losses);
      i += count;
      if (e->mode == LOSS && ends) {
        settle(&losses);
        if (i % MR == 0 || i == end) {
          partials[(i - 1) / MR] = sumLanes(losses.sum);
          losses.sum = (V)0.0f;
        }
      }
    }
  }
}

kernel GROUP_1D void matmul(
  const global float *a, ulong a0, const global float *b, ulong b0, global float *c, ulong c0, int m, int n, int k,
  int kBlock, int chunk, int transposeB, volatile global int *taken, ulong taken0, EPILOGUE_ARGUMENTS) {
  float block[KC * PANEL];
  Epilogue e = EPILOGUE(c + c0, m, n);
  int chunks = (m + chunk - 1) / chunk, panels = (n + PANEL - 1) / PANEL;
  // The narrow last panel comes first: its shorter work evens out the load.
  FOR_PIECES(piece, chunks * panels, taken + taken0)
  multiply(
    a + a0, b + b0, &e, k, kBlock, piece % chunks * chunk, chunk, panels - 1 - piece / chunks, transposeB, block);
  END_PIECES(taken + taken0)
}

// A [k,m] as [m,k], so that the numbers that follow one another in a sum lie so, too: worth more to a product than it
// takes. A work-item takes VW columns of A; with `DENSE_GRADIENT`, where A is δ [samples, out], it also sums them into the
// bias gradient, or adds them to it.
kernel GROUP_1D void turn(
  const global float *a, ulong a0, global float *turned, ulong turned0, int m, int k, EPILOGUE_ARGUMENTS) {
  Epilogue e = EPILOGUE(turned + turned0, m, k);
  int i = get_global_id(0) * VW, count = min(m - i, VW);
  const global float *from = a + a0 + i;
  Sum total = NO_SUM;
  for (int p = 0; p < k; p += VW) {
    V rows[VW];
    for (int r = 0; r < VW; r++) rows[r] = p + r < k ? loadPart(from + (size_t)(p + r) * m, count, 0.0f) : (V)0.0f;
    if (mode == DENSE_GRADIENT)
      for (int r = 0; r < VW; r++) addTo(&total, rows[r]);
    interleave(rows, VW);
    for (int l = 0; l < count; l++) storePart(rows[l], e.c + (size_t)(i + l) * k + p, k - p);
  }
  if (mode == DENSE_GRADIENT) {
    V sum = sumOf(&total) * e.productScale;
    if (flags & ADD_TO_SUMS) sum += loadPart(e.biasGradient + i, count, 0.0f);
    storePart(sum, e.biasGradient + i, count);
  }
}
