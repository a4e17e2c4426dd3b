// C = epilogue(A·op(B)) on a CPU device, C [m,n] and A [m,k].
//
// A work-item makes `chunk` rows of one panel of PANEL columns, two vectors. It packs a block of B, KC × PANEL, into
// private memory, from which it streams through the second-level cache, and passes over its rows in tiles of MR with all
// sums in registers: per step of k, MR broadcasts of A are multiplied by 2 vectors of B. Columns beyond n are computed
// from copies of real ones and never stored. There is no local memory and no barrier: on a CPU local memory is ordinary
// memory, and barriers take time.
//
// Where A comes as [k,m], work-items first turn it into [m,k], block by block: numbers that follow one another in a sum
// lie so, too, which is worth more than it takes. Where C is much taller than wide, its transpose Bᵀ·A is made instead:
// B is turned, which is smaller, and blocks of sums are turned as they are stored.
//
// MR is 12 for 16 lanes (24 sums, 2 of B, 1 broadcast of 32 registers), 6 for 8 lanes (of 16 registers).

#if PANEL != 2 * VW
#error "Tiles are two vectors wide, as a panel must be."
#endif

#if TURNED_ROWS % MR || TURNED_ROWS % VW || TURNED_ROWS < PANEL
#error "Sums are turned by blocks of whole tiles and whole vectors."
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

// A sum that is not made one multiply-add with a product before it.
INLINE V plus(V a, V b) { return a + b; }

// Ends the tile at row i of a whole panel, in the epilogues of most layers: they have loops of their own, which decide
// nothing per vector. Returns false, and does nothing, in another one.
OUTLINE bool endTile(
  const Epilogue *e, const float *tile, int i, int rows, int column, bool add, Losses *losses) {
  global float *c = e->c + (size_t)i * e->n + column;
  if (e->mode == DENSE_GRADIENT && !(e->flags & HAS_PULL)) {
    V scale = (V)e->productScale;
    if (add) END_TILE(plus(x * scale, LOAD(c + at)))
    END_TILE(x * scale)
  }
  if (add) return false;
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
  if (ends && column + PANEL <= e->n && endTile(e, tile, i, rows, column, add, losses)) return;
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

// The same for a block of `rows` rows of sums that are columns of C, from column i on: it is turned as it is stored.
OUTLINE void storeTurned(const Epilogue *e, const float *sums, int i, int rows, int column, bool add, bool ends) {
  bool simple = !add && !(ends && e->mode == DENSE_GRADIENT && (e->flags & HAS_PULL));
  for (int w = 0; w < PANEL && column + w < e->m; w += VW)
    for (int r = 0; r < rows; r += VW) {
      int count = rows - r;
      V block[VW];
#pragma unroll
      for (int l = 0; l < VW; l++) block[l] = scaled(e, LOAD(sums + min(r + l, rows - 1) * PANEL + w));
      interleave(block, VW);
      global float *c = e->c + (size_t)(column + w) * e->n + i + r;
      if (simple && count >= VW && column + w + VW <= e->m) {
#pragma unroll
        for (int l = 0; l < VW; l++) STORE(block[l], c + (size_t)l * e->n);
        continue;
      }
#pragma unroll
      for (int l = 0; l < VW; l++) {
        int row = column + w + l;
        if (row >= e->m) continue;
        size_t at = (size_t)row * e->n + i + r;
        V x = block[l];
        if (add) x += loadPart(e->c + at, count, 0.0f);
        if (ends && e->mode == DENSE_GRADIENT) x = pulled(e, x, row, at, count);
        storePart(x, e->c + at, count);
      }
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

// How a product is made, of `rows` × `columns`: C, or its transpose where `turnsResult`.
typedef struct {
  const global float *a, *b;
  int rows, columns, k, kBlock, chunk, transposeB, turnsResult;
  // So many blocks are to be turned before A can be read; see AWAIT_PARTS.
  int turns;
  volatile global int *taken;
} Product;

// A piece: `chunk` rows from `start` on of one panel, which is packed into `block`.
OUTLINE void multiply(const Product *p, const Epilogue *e, int start, int panel, float *block) {
  float tile[TURNED_ROWS * PANEL];
  const global float *read = p->turnsResult ? 0 : readByEpilogue(e);
  int column = panel * PANEL;
  int k = p->k, end = min(start + p->chunk, p->rows);
  int width = p->columns - column > VW ? 2 : 1;
  Losses losses = {(V)0.0f, (V)0.0f};
  // One for every MR rows of a panel: with a loss, `chunk` is a multiple of MR.
  global float *partials = e->partials + (size_t)panel * ((p->rows + MR - 1) / MR);

  for (int p0 = 0; p0 < k || p0 == 0; p0 += p->kBlock) {
    int kc = min(p->kBlock, k - p0);
    bool add = p0 > 0 || (e->flags & ADD_TO_C);
    bool ends = p0 + kc >= k;
    if (p->transposeB)
      packTransposed(p->b, k, p->columns, p0, kc, column, width, block);
    else
      packRows(p->b, k, p->columns, p0, kc, column, width, block);
    if (p->turns > 0) AWAIT_PARTS(p->taken, p->turns)

    // The first row of the block that is turned.
    int first = start;
    int i = start;
    while (i < end) {
      const global float *line = e->c + (size_t)i * e->n + column, *rows[THIRDS(MR)];
      float *sums = tile;
      int count = end - i >= MR ? MR : min(end - i, TAIL_ROWS);
#pragma unroll
      for (int r = 0; r < MR; r += 3) rows[r / 3] = p->a + (size_t)(i + min(r, count - 1)) * k + p0;
      // It comes to the second-level cache while the tile multiplies.
      if (read && ends)
        for (int r = 0; r < count; r++) {
          PREFETCH_L2(read + (size_t)(i + r) * e->n + column);
          PREFETCH_L2(read + (size_t)(i + r) * e->n + min(column + PANEL, e->n) - 1);
        }
      if (p->turnsResult) {
        sums += (i - first) * PANEL;
        // A part of the lines that the whole block will go to: nearly all of them, when all its tiles have asked.
        int part = (i - first) / MR, parts = TURNED_ROWS / PANEL;
        line = e->c + (size_t)(column + part / parts * MR) * e->n + first + part % parts * PANEL;
      }
      if (count == MR) {
        if (width == 2)
          tileWide(rows, k, block, kc, 0, sums, line, e->n);
        else
          tileNarrow(rows, k, block, kc, 0, sums, line, e->n);
      } else {
        if (width == 2)
          tileWideTail(rows, k, block, kc, count - 1, sums, line, e->n);
        else
          tileNarrowTail(rows, k, block, kc, count - 1, sums, line, e->n);
      }
      i += count;
      if (p->turnsResult) {
        if (i - first < TURNED_ROWS && i < end) continue;
        storeTurned(e, tile, first, i - first, column, add, ends);
        first = i;
        continue;
      }
      store(e, tile, i - count, count, column, add, ends, &losses);
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

// Columns i ..< i+VW of a [k,m] matrix, as far as there are so many, become rows of a [m,k] one.
INLINE void turnColumns(const global float *x, int m, int k, int i, global float *turned) {
  int count = min(m - i, VW);
  x += i;
  turned += (size_t)i * k;
  int p = 0;
  if (count == VW)
    for (; p + VW <= k; p += VW) {
      V rows[VW];
#pragma unroll
      for (int r = 0; r < VW; r++) {
        PREFETCH(x + (size_t)(p + 2 * VW + r) * m);
        rows[r] = LOAD(x + (size_t)(p + r) * m);
      }
      interleave(rows, VW);
#pragma unroll
      for (int l = 0; l < VW; l++) STORE(rows[l], turned + (size_t)l * k + p);
    }
  for (; p < k; p++)
    for (int l = 0; l < count; l++) turned[(size_t)l * k + p] = x[(size_t)p * m + l];
}

// The sums of δ's columns i ..< i+PANEL, δ [k,n], become those of the bias gradient, or are added to them.
INLINE void sumColumns(const Epilogue *e, const global float *delta, int n, int k, int i) {
  int width = n - i > VW ? 2 : 1;
  Sum total[2] = {NO_SUM, NO_SUM};
  delta += i;
  int p = 0;
  if (n - i >= PANEL)
    for (; p < k; p++) {
      PREFETCH(delta + (size_t)(p + 16) * n);
      addTo(total, LOAD(delta + (size_t)p * n));
      addTo(total + 1, LOAD(delta + (size_t)p * n + VW));
    }
  for (; p < k; p++)
    for (int w = 0; w < width; w++) addTo(total + w, loadPart(delta + (size_t)p * n + w * VW, n - i - w * VW, 0.0f));
  for (int w = 0; w < width; w++) {
    int j = i + w * VW;
    V sum = sumOf(total + w) * e->productScale;
    if (e->flags & ADD_TO_SUMS) sum += loadPart(e->biasGradient + j, n - j, 0.0f);
    storePart(sum, e->biasGradient + j, n - j);
  }
}

// A block of PANEL columns of the factor to be turned, `from`, which become rows of A; with a dense gradient also the sums
// of as many columns of δ, which is the other factor where the result is turned.
OUTLINE void turn(const Product *p, const Epilogue *e, const global float *from, global float *a, int block) {
  int i = block * PANEL;
  for (int j = i; j < min(i + PANEL, p->rows); j += VW) turnColumns(from, p->rows, p->k, j, a);
  if (e->mode == DENSE_GRADIENT && i < e->m) sumColumns(e, p->turnsResult ? p->b : from, e->m, p->k, i);
}

kernel GROUP_1D void matmul(
  global float *a, ulong a0, const global float *b, ulong b0, global float *c, ulong c0, int m, int n, int k,
  int kBlock, int chunk, int transposeB, const global float *source, ulong source0, int turns, int turnsResult,
  volatile global int *taken, ulong taken0, EPILOGUE_ARGUMENTS) {
  float block[KC * PANEL];
  Epilogue e = EPILOGUE(c + c0, m, n);
  taken += taken0;
  Product p = {
    a + a0, b + b0, turnsResult ? n : m, turnsResult ? m : n, k, kBlock, chunk, transposeB, turnsResult, turns, taken};
  int chunks = (p.rows + chunk - 1) / chunk, panels = (p.columns + PANEL - 1) / PANEL;
  FOR_PIECES(piece, turns + chunks * panels, taken) {
    if (piece < turns) {
      turn(&p, &e, source + source0, a + a0, piece);
      LEAVE_PART(taken)
    } else {
      // The narrow last panel comes first: its shorter work evens out the load.
      int own = piece - turns;
      multiply(&p, &e, own % chunks * chunk, panels - 1 - own / chunks, block);
    }
  }
  END_PIECES(taken)
}
