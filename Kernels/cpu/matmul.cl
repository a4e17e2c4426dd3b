// C = epilogue(A·op(B)) on a CPU device, C [m,n] and A [m,k].
//
// A work-item makes `chunk` rows of one panel of PANEL columns, two vectors. It packs a block of B, KC × PANEL, into
// private memory, from which it streams through the second-level cache, and passes over its rows in tiles of MR with all
// sums in registers: per step of k, MR broadcasts of A are multiplied by 2 vectors of B. Columns beyond n are computed
// from whatever is there to be read, and never stored. There is no local memory and no barrier: on a CPU local memory is
// ordinary memory, and barriers take time.
//
// Where A comes as [k,m], work-items first turn it into [m,k], block by block: numbers that follow one another in a sum
// lie so, too, which is worth more than it takes. Where C is much taller than wide, its transpose Bᵀ·A is made instead:
// B is turned, which is smaller, and blocks of sums are turned as they are stored.

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
  // A tail stores all of its rows, though fewer are real.
  float tile[(TURNED_ROWS + TAIL_ROWS - 1) * PANEL];
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
INLINE void sumDelta(const Epilogue *e, const global float *delta, int n, int k, int i) {
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
  if (e->mode == DENSE_GRADIENT && i < e->m) sumDelta(e, p->turnsResult ? p->b : from, e->m, p->k, i);
}

kernel GROUP_1D void matmul(
  global float *a, ulong a0, const global float *b, ulong b0, global float *c, ulong c0, int m, int n, int k,
  int kBlock, int chunk, int transposeB, const global float *source, ulong source0, int turns, int turnsResult,
  volatile global int *taken, EPILOGUE_ARGUMENTS) {
  float block[KC * PANEL];
  Epilogue e = EPILOGUE(c + c0, m, n);
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
