// A piece of a product: some rows of one panel of columns. A panel, a few vectors wide, is packed once by each thread that
// works on it and stays in its second-level cache; tiles of rows pass over it with all sums in registers: for each step of
// k a tile's numbers of A, which lies in place, are multiplied by the panel's vectors. With 32 registers 24 sums, 8 rows of
// three vectors; with 16 registers 12, 6 of two. Squarer tiles load less for a sum, which counts where another thread
// shares the core.
//
// An element's sum is one chain of multiply-adds over each block of k: how a product is cut into pieces and tiles changes
// no bit.

// The most vectors of a panel.
#if CINCH_WIDTH == 16
#define PANEL_VECTORS 3
#else
#define PANEL_VECTORS 2
#endif
#define PANEL (PANEL_VECTORS * CINCH_WIDTH)

// What a tile asks for while it multiplies, as nobody else looks ahead for it:
// - the lines of C that its sums will go to, from `line` on, in six turns of its loop that end `ask_ahead` steps before its
//   own end: earlier, and the panel pushes them out of the first-level cache.
// - lines from `ahead` on, `inner` floats apart and `stride` floats further a step, into the second-level cache: in a
//   thread's first panel the next tile's rows, then what it packs for its next panel.
enum { ask_ahead = 24 };
#if defined(__x86_64__)
#define ASK_FOR(line) __asm__ volatile("prefetchw %0" : : "m"(*(line)))
#else
#define ASK_FOR(line) __builtin_prefetch(line, 1)
#endif

// Loops over a tile are unrolled, or its sums would lie in memory.
#define TILE_LOOP(i, count) _Pragma("clang loop unroll(full)") for (int i = 0; i < count; i++)

// Steps of k in a turn of the tile's loop. What a turn costs beside multiply-adds and loads, 9 of 29 instructions with one
// step, is nothing to a core that a thread has to itself, and a quarter of the time where another thread shares it.
enum { turn_steps = 8 };

// Step s of a turn: the next number of each row times the panel's next vectors.
#define TILE_STEP(R, W, s)                                                                          \
  {                                                                                                 \
    vf b[W];                                                                                        \
    TILE_LOOP(w, W) b[w] = load(panel + ((s) * W + w) * CINCH_WIDTH);                               \
    TILE_LOOP(r, R) {                                                                               \
      vf x = third[r / 3][r % 3 * lda + (s)];                                                       \
      TILE_LOOP(w, W) sum[r][w] = x * b[w] + sum[r][w];                                             \
      /* Row by row, or the compiler loads all numbers of A first and has no registers for them. */ \
      __asm__ volatile("" ::: "memory");                                                            \
    }                                                                                               \
  }

#define TILE_ADVANCE(R, W, steps)                       \
  panel += (steps) * W * CINCH_WIDTH;                   \
  TILE_LOOP(i, (R + 2) / 3) {                           \
    third[i] += (steps);                                \
    /* Or the compiler keeps a pointer for each row. */ \
    __asm__("" : "+r"(third[i]));                       \
  }

// Rows of C that a turn asks for, so that six turns ask for all.
#define ROWS_ASKED(R) (((R) + 5) / 6)

// The sums of R rows × W vectors of A·B, the tile's rows `across` apart.
#define PRODUCT_TILE(name, R, W)                                                                                  \
  __attribute__((unused)) static void name(                                                                       \
      const float *a, int64_t lda, const float *panel, int64_t k, float *tile, int64_t across, const float *line, \
      int64_t pitch, const float *ahead, int64_t inner, int64_t stride) {                                         \
    vf sum[R][W];                                                                                                 \
    TILE_LOOP(r, R) TILE_LOOP(w, W) sum[r][w] = (vf)0.0f;                                                         \
    /* The processor reaches two rows beyond a pointer by its own addressing. */                                  \
    const float *third[(R + 2) / 3];                                                                              \
    TILE_LOOP(i, (R + 2) / 3) third[i] = a + 3 * i * lda;                                                         \
    int64_t left = k;                                                                                             \
    for (; left >= turn_steps; left -= turn_steps) {                                                              \
      if ((uint64_t)(left - ask_ahead) < (R + ROWS_ASKED(R) - 1) / ROWS_ASKED(R) * turn_steps) {                  \
        TILE_LOOP(r, ROWS_ASKED(R)) {                                                                             \
          TILE_LOOP(w, W) ASK_FOR(line + w * CINCH_WIDTH);                                                        \
          line += pitch;                                                                                          \
        }                                                                                                         \
      }                                                                                                           \
      TILE_LOOP(i, R * turn_steps / 16) __builtin_prefetch(ahead + inner * i, 0, 2);                              \
      ahead += stride * turn_steps;                                                                               \
      TILE_LOOP(s, turn_steps) TILE_STEP(R, W, s)                                                                 \
      TILE_ADVANCE(R, W, turn_steps)                                                                              \
    }                                                                                                             \
    for (; left > 0; left--) {                                                                                    \
      TILE_STEP(R, W, 0)                                                                                          \
      TILE_ADVANCE(R, W, 1)                                                                                       \
    }                                                                                                             \
    TILE_LOOP(r, R) TILE_LOOP(w, W) store(tile + r * across + w * CINCH_WIDTH, sum[r][w]);                        \
  }

// Every number of vectors has its tiles, from the one with most rows on.
#define TILES_OF_FEW_ROWS(W)     \
  PRODUCT_TILE(tile_4_##W, 4, W) \
  PRODUCT_TILE(tile_2_##W, 2, W) \
  PRODUCT_TILE(tile_1_##W, 1, W)
TILES_OF_FEW_ROWS(1)
TILES_OF_FEW_ROWS(2)
#if CINCH_WIDTH == 16
PRODUCT_TILE(tile_12_1, 12, 1)
PRODUCT_TILE(tile_8_1, 8, 1)
PRODUCT_TILE(tile_12_2, 12, 2)
PRODUCT_TILE(tile_8_2, 8, 2)
PRODUCT_TILE(tile_8_3, 8, 3)
TILES_OF_FEW_ROWS(3)
#else
PRODUCT_TILE(tile_6_1, 6, 1)
PRODUCT_TILE(tile_6_2, 6, 2)
#endif

typedef struct {
  int64_t rows;
  void (*sum)(
      const float *, int64_t, const float *, int64_t, float *, int64_t, const float *, int64_t, const float *, int64_t,
      int64_t);
} product_tile;

#define FEW_ROWS(W) {4, tile_4_##W}, {2, tile_2_##W}, {1, tile_1_##W}
static const product_tile product_tiles[PANEL_VECTORS][5] = {
#if CINCH_WIDTH == 16
    {{12, tile_12_1}, {8, tile_8_1}, FEW_ROWS(1)},
    {{12, tile_12_2}, {8, tile_8_2}, FEW_ROWS(2)},
    {{8, tile_8_3}, FEW_ROWS(3)},
#else
    {{6, tile_6_1}, FEW_ROWS(1)},
    {{6, tile_6_2}, FEW_ROWS(2)},
#endif
};

/// Rows of a square block become columns.
INLINE void turn_block(vf x[CINCH_WIDTH]) {
  // Each round interleaves the halves of the block: after log2(width) of them it is turned.
  for (int round = 1; round < CINCH_WIDTH; round *= 2) {
    vf y[CINCH_WIDTH];
    for (int i = 0; i < CINCH_WIDTH / 2; i++) {
      y[2 * i] = ZIP_LOW(x[i], x[i + CINCH_WIDTH / 2]);
      y[2 * i + 1] = ZIP_HIGH(x[i], x[i + CINCH_WIDTH / 2]);
    }
    for (int i = 0; i < CINCH_WIDTH; i++) x[i] = y[i];
  }
}

/// Columns c0 ..< c1 of x, `[rows, columns]`, become rows of y, `pitch` apart.
static void turn(
    const float *x, int64_t rows, int64_t columns, int64_t c0, int64_t c1, float *y, int64_t pitch) {
  for (int64_t c = c0; c < c1; c += CINCH_WIDTH) {
    const int64_t across = c1 - c < CINCH_WIDTH ? c1 - c : CINCH_WIDTH;
    for (int64_t r = 0; r < rows; r += CINCH_WIDTH) {
      const int64_t down = rows - r < CINCH_WIDTH ? rows - r : CINCH_WIDTH;
      vf block[CINCH_WIDTH];
      for (int i = 0; i < CINCH_WIDTH; i++)
        block[i] = i < down ? load_some(x + (r + i) * columns + c, across) : (vf)0.0f;
      turn_block(block);
      for (int64_t i = 0; i < across; i++) store_some(y + (c - c0 + i) * pitch + r, block[i], down);
    }
  }
}

/// A step of a panel: `columns` of a row. What is far ahead is asked for: rows lie pages apart, where processors do not look
/// by themselves.
INLINE void pack_step(const float *from, int64_t pitch, int64_t columns, float *step) {
  for (int64_t w = 0; w < columns; w += CINCH_WIDTH) {
    __builtin_prefetch(from + 16 * pitch + w);
    store(step + w, load_some(from + w, columns - w));
  }
}

/// A vector of columns, `rows` rows of Bᵀ, in `steps` steps. What is four blocks on is asked for.
INLINE void pack_block(const float *from, int64_t pitch, int64_t rows, int64_t steps, float *step, int64_t width) {
  vf block[CINCH_WIDTH];
  for (int64_t i = 0; i < CINCH_WIDTH; i++) {
    __builtin_prefetch(from + i * pitch + 4 * CINCH_WIDTH);
    block[i] = i < rows ? load_some(from + i * pitch, steps) : (vf)0.0f;
  }
  turn_block(block);
  for (int64_t i = 0; i < CINCH_WIDTH; i++)
    if (i < steps) store(step + i * width, block[i]);
}

/// `steps` rows, whose `columns` are a constant where they are whole vectors.
INLINE void pack_steps(const float *from, int64_t pitch, int64_t columns, int64_t steps, int64_t width, float *panel) {
  for (int64_t s = 0; s < steps; s++) pack_step(from + s * pitch, pitch, columns, panel + s * width);
}

/// Steps p0 ..< p1 of columns c0 ..< c1, at most PANEL, of op(B), packed one step after the other. Columns beyond
/// those are zeros. Whole vectors apart, so that they ask for no lengths.
static void pack_panel(
    const cinch_product *p, int64_t p0, int64_t p1, int64_t c0, int64_t c1, float *panel) {
  enum { two = 2 * CINCH_WIDTH };
  const int64_t steps = p1 - p0, columns = c1 - c0, width = cinch_round_up(columns, CINCH_WIDTH);
  if (!p->transpose_b) {
    const float *from = p->b + p0 * p->n + c0;
    if (columns == PANEL)
      pack_steps(from, p->n, PANEL, steps, PANEL, panel);
    else if (columns == two)
      pack_steps(from, p->n, two, steps, two, panel);
    else
      pack_steps(from, p->n, columns, steps, width, panel);
    return;
  }
  for (int64_t w = 0; w < width; w += CINCH_WIDTH) {
    const float *from = p->b + (c0 + w) * p->k + p0;
    int64_t s = 0;
    if (columns >= w + CINCH_WIDTH)
      for (; s + CINCH_WIDTH <= steps; s += CINCH_WIDTH)
        pack_block(from + s, p->k, CINCH_WIDTH, CINCH_WIDTH, panel + s * width + w, width);
    for (; s < steps; s += CINCH_WIDTH) pack_block(from + s, p->k, columns - w, steps - s, panel + s * width + w, width);
  }
}

/// Stores a tile's sums in C, or adds them to what C holds.
INLINE void store_tile(
    const cinch_product *p, const float *tile, bool add, int64_t r, int64_t rows, int64_t c0, int64_t columns) {
  for (int64_t i = 0; i < rows; i++) {
    float *c = p->c + (r + i) * p->n + c0;
    for (int64_t w = 0; w < columns; w += CINCH_WIDTH) {
      vf x = load(tile + i * PANEL + w) * p->scale;
      store_some(c + w, add ? load_some(c + w, columns - w) + x : x, columns - w);
    }
  }
}

/// The same for `rows` rows of sums, which become columns of C.
static void store_turned(
    const cinch_product *p, const float *sums, bool add, int64_t r, int64_t rows, int64_t c0, int64_t columns) {
  for (int64_t w = 0; w < columns; w += CINCH_WIDTH) {
    const int64_t across = columns - w < CINCH_WIDTH ? columns - w : CINCH_WIDTH;
    for (int64_t i = 0; i < rows; i += CINCH_WIDTH) {
      vf block[CINCH_WIDTH];
      for (int64_t j = 0; j < CINCH_WIDTH; j++)
        block[j] = i + j < rows ? load(sums + (i + j) * PANEL + w) * p->scale : (vf)0.0f;
      turn_block(block);
      for (int64_t j = 0; j < across; j++) {
        float *c = p->c + (c0 + w + j) * p->m + r + i;
        store_some(c, add ? load_some(c, rows - i) + block[j] : block[j], rows - i);
      }
    }
  }
}

/// The first line of C that the tile of row `r` asks for, in a block of rows from `b0` on.
INLINE const float *line_of_tile(
    const cinch_product *p, const product_tile *largest, int64_t vectors, int64_t r, int64_t b0, int64_t c0) {
  if (!p->turned) return p->c + r * p->n + c0;
  // A part of those that the whole block will store: nearly all of them, when all its tiles have asked.
  const int64_t width = vectors * CINCH_WIDTH, parts = cinch_product_rows / width;
  const int64_t tile = (r - b0) / largest->rows;
  return p->c + (c0 + tile / parts * largest->rows) * p->m + b0 + tile % parts * width;
}

/// What an epilogue reads beside C, of C's shape, or NULL.
INLINE const float *read_by_epilogue(const cinch_epilogue *e) {
  switch (e->kind) {
    case cinch_epilogue_backward: return e->output;
    case cinch_epilogue_loss: return e->target;
    case cinch_epilogue_row_pull: return e->pulled;
    default: return NULL;
  }
}

/// Asks for so many rows of it, of columns c0 ..< c1, into the second-level cache.
INLINE void ask_for_rows(const float *x, int64_t pitch, int64_t rows, int64_t c0, int64_t c1) {
  for (int64_t i = 0; i < rows; i++, x += pitch) {
    for (int64_t c = c0; c < c1; c += 16) __builtin_prefetch(x + c, 0, 2);
    __builtin_prefetch(x + c1 - 1, 0, 2);
  }
}

/// Where a tile asks for lines.
typedef struct {
  const float *from;
  int64_t inner, stride;
} asked_lines;

/// Those of the tile of `rows` rows from r on. As many as it has lines of A: several tiles ask for a panel.
INLINE asked_lines lines_ahead(
    const cinch_product *p, const cinch_ahead *ahead, const float *a, int64_t p0, int64_t p1, int64_t r, int64_t rows) {
  enum { line = 16 };
  if (ahead->rows_unread) return (asked_lines){a + (r + rows) * p->k + p0, line, rows};
  const asked_lines none = {a, 0, 0};
  const int64_t steps = p1 - p0, columns = ahead->c1 - ahead->c0;
  if (columns == 0) return none;
  // The columns of Bᵀ are rows, which lie one after the other where all of k is one block.
  if (p->transpose_b)
    return r < columns && steps == p->k ? (asked_lines){p->b + (ahead->c0 + r) * p->k, line, rows} : none;
  // Lines of one column of B, and then of the next.
  const int64_t done = r * steps / line, column = done / steps * line, step = done % steps;
  if (column >= columns) return none;
  return (asked_lines){p->b + (p0 + step) * p->n + ahead->c0 + column, p->n, rows * p->n / line};
}

/// Rows r0 ..< r1, at most `cinch_product_rows`, of columns c0 ..< c1, whose panel of steps p0 ..< p1 is packed; after the
/// last step with the epilogue, while the rows are near. `a` is op(A) with its rows in place.
static void product_piece(
    const cinch_product *p, const cinch_epilogue *epilogue, const float *a, const cinch_ahead *ahead, int64_t p0,
    int64_t p1, int64_t r0, int64_t r1, int64_t c0, int64_t c1, const float *panel) {
  const bool add = p->accumulate || p0 > 0, last = p1 == p->k;
  // Whole vectors that are the result go where it lies.
  const bool direct = !p->turned && !add && p->scale == 1 && (c1 - c0) % CINCH_WIDTH == 0;
  const int64_t pitch = p->turned ? p->m : p->n, vectors = cinch_blocks(c1 - c0, CINCH_WIDTH);
  const product_tile *tiles = product_tiles[vectors - 1];
  // A tile's, or the whole block's where it is turned.
  _Alignas(64) float sums[cinch_product_rows * PANEL];
  const float *read = last && !p->turned ? read_by_epilogue(epilogue) : NULL;
  int64_t r = r0;
  for (size_t t = 0; r < r1; t++)
    for (const int64_t rows = tiles[t].rows; r1 - r >= rows; r += rows) {
      if (read) ask_for_rows(read + r * pitch, pitch, rows, c0, c1);
      float *tile = direct ? p->c + r * pitch + c0 : p->turned ? sums + (r - r0) * PANEL : sums;
      const asked_lines asked = lines_ahead(p, ahead, a, p0, p1, r, rows);
      tiles[t].sum(
          a + r * p->k + p0, p->k, panel, p1 - p0, tile, direct ? pitch : PANEL,
          line_of_tile(p, tiles, vectors, r, r0, c0), pitch, asked.from, asked.inner, asked.stride);
      if (!p->turned && !direct) store_tile(p, sums, add, r, rows, c0, c1 - c0);
    }
  if (p->turned) store_turned(p, sums, add, r0, r1 - r0, c0, c1 - c0);
  if (!last) return;
  if (p->turned)
    epilogue_block(epilogue, p->c, p->c, c0, c1, r0, r1);
  else
    epilogue_block(epilogue, p->c, p->c, r0, r1, c0, c1);
}
