// How a product's sums become C on a CPU device: tile by tile, or block by block where they are turned.

#if TURNED_ROWS % MR || TURNED_ROWS % VW || TURNED_ROWS < PANEL
#error "Sums are turned by blocks of whole tiles and whole vectors."
#endif

// The loops of `endTile`. Whole vectors of a tile become C: `end` makes one of the sums `x`, `at` elements into the tile's
// part of C, in column j of the panel.
#define END_TILE(end)                     \
  for (int r = 0; r < rows; r++)          \
    for (int j = 0; j < PANEL; j += VW) { \
      size_t at = (size_t)r * e->n + j;   \
      V x = LOAD(tile + r * PANEL + j);   \
      STORE(end, c + at);                 \
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
    if (add) {
      END_TILE(plus(x * scale, LOAD(c + at)))
      return true;
    }
    END_TILE(x * scale)
    return true;
  }
  if (add) return false;
  if (e->mode == FORWARD && (e->flags & HAS_BIAS)) {
    const global float *bias = e->bias + column;
    if (e->activation == SIGMOID) {
      END_TILE(activate(x + LOAD(bias + j), SIGMOID))
      return true;
    }
    if (e->activation == RELU) {
      END_TILE(activate(x + LOAD(bias + j), RELU))
      return true;
    }
  }
  if (e->mode == BACKWARD && !(e->flags & (HAS_COLUMN | HAS_NORMS)) && e->l1 == 0.0f) {
    const global float *output = e->output + (size_t)i * e->n + column;
    if (e->activation == SIGMOID) {
      END_TILE(x * slope(LOAD(output + at), SIGMOID))
      return true;
    }
    if (e->activation == RELU) {
      END_TILE(x * slope(LOAD(output + at), RELU))
      return true;
    }
  }
  if (e->mode == LOSS && (e->flags & HAS_BIAS) && !(e->flags & HAS_WEIGHT)) {
    const global float *bias = e->bias + column, *target = e->target + (size_t)i * e->n + column;
    if (e->loss == BCE) {
      END_LOSS_TILE(BCE, SIGMOID)
      return true;
    }
    if (e->activation == SIGMOID) {
      END_LOSS_TILE(SSE, SIGMOID)
      return true;
    }
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
