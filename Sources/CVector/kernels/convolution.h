// Correlations of one tile of an image, channels last, with lanes over output channels. Where these are too few to fill a
// vector, lanes go over those of two samples, over pixels (convolutionPlanes.h) or over input channels (convolutionDots.h).

/// `count` numbers of the result from channel `channel` on.
INLINE void store_ended(const cinch_ending *e, float *to, const float *gate, vf sum, int64_t channel, int64_t count) {
  if (e->accumulate) sum += load_some(to, count);
  if (e->bias) sum += load(e->bias + channel);
  if (e->rectify) sum = sum <= 0.0f ? (vf)0.0f : sum;
  if (e->gate) sum *= load_some(gate, count) <= 0.0f ? (vf)0.0f : (vf)1.0f;
  store_some(to, sum, count);
}

/// `count` pixels of a row of one channel, at `y` of the result, which are those of two phases in turns.
INLINE void store_turns(const cinch_correlation *c, float *y, vf even, vf odd, int64_t count) {
  const cinch_ending *e = &c->ending;
  const float *gate = e->gate ? e->gate + (y - c->y) : NULL;
  store_ended(e, y, gate, ZIP_LOW(even, odd), 0, count);
  if (count > CINCH_WIDTH)
    store_ended(
        e, y + CINCH_WIDTH, gate ? gate + CINCH_WIDTH : NULL, ZIP_HIGH(even, odd), 0, count - CINCH_WIDTH);
}

/// `count` numbers of each of two samples, whose lanes take turns. The sum began with the bias.
INLINE void store_pair(
    const cinch_ending *e, float *to, const float *gate, vf sum, int64_t apart, int64_t count) {
  if (e->accumulate) sum += ZIP_LOW(load_some(to, count), load_some(to + apart, count));
  if (e->rectify) sum = sum <= 0.0f ? (vf)0.0f : sum;
  if (gate) {
    const vf output = ZIP_LOW(load_some(gate, count), load_some(gate + apart, count));
    sum *= output <= 0.0f ? (vf)0.0f : (vf)1.0f;
  }
  store_some(to, EVEN(sum, sum), count);
  store_some(to + apart, ODD(sum, sum), count);
}

// MARK: Lanes over output channels

/// Stores a tile where more than storing is to be done.
static __attribute__((noinline)) void lane_ending(
    const cinch_correlation *c, const vf *sums, int64_t down, int64_t across, int64_t vectors, float *y, int64_t k) {
  // The sums began with the bias.
  cinch_ending e = c->ending;
  e.bias = NULL;
  for (int64_t i = 0; i < down; i++)
    for (int64_t j = 0; j < across; j++)
      for (int64_t v = 0; v < vectors; v++) {
        const int64_t channel = k + v * CINCH_WIDTH;
        float *to = y + i * c->y_row + j * c->y_pixel + channel;
        const float *gate = e.gate ? e.gate + (to - c->y) : NULL;
        store_ended(&e, to, gate, sums[(i * across + j) * vectors + v], channel, c->outputs - channel);
      }
}

#define LANE_STORE(result)                                                      \
  UNROLL for (int i = 0; i < down; i++)                                         \
    UNROLL for (int j = 0; j < across; j++)                                     \
      UNROLL for (int v = 0; v < vectors; v++) {                                \
        const vf sum = sums[i * across + j][v];                                 \
        const int64_t at = i * c->y_row + j * c->y_pixel + k + v * CINCH_WIDTH; \
        store(y + at, result);                                                  \
      }

/// The most pixels of each of two rows that are pooled at once.
enum { pooled_across = CINCH_WIDTH == 16 ? 8 : 6 };

/// Numbers of a run in a turn of a tile's loop: as steps of a product.
enum { run_turn = CINCH_WIDTH >= 8 ? 4 : 1 };

// After a sum: what follows begins when it is done, or the compiler begins two and has no registers left for the second.
#if CINCH_WIDTH == 8
#define SUM_DONE(sum, number) __asm__ volatile("" : "+v"(sum) : "v"(number) : "memory")
#else
#define SUM_DONE(sum, number)
#endif

/// A number in all lanes, or those of two samples, which lie next to each other, in turns.
INLINE vf lane_number(const int samples, const float *x) {
  if (samples == 1) return *x;
  uint64_t pair;
  memcpy(&pair, x, sizeof pair);
  return (vf)(vl)pair;
}

// Number `l` of a turn, of every pixel, times its weights.
#define LANE_STEP(l)                                                                                  \
  {                                                                                                   \
    vf weight[2];                                                                                     \
    UNROLL for (int v = 0; v < vectors; v++) weight[v] = load(w + ((l) * vectors + v) * CINCH_WIDTH); \
    UNROLL for (int i = 0; i < down; i++)                                                             \
      UNROLL for (int j = 0; j < across; j++) {                                                       \
        const float *at = p[i * pointers + j / reach] + j % reach * step + (l) * samples;             \
        const vf number = lane_number(samples, at);                                                   \
        UNROLL for (int v = 0; v < vectors; v++) {                                                    \
          sums[i * across + j][v] += number * weight[v];                                              \
          SUM_DONE(sums[i * across + j][v], number);                                                  \
        }                                                                                             \
      }                                                                                               \
  }

#define LANE_ADVANCE(count)                          \
  w += (count) * vectors * CINCH_WIDTH;              \
  UNROLL for (int i = 0; i < down * pointers; i++) { \
    p[i] += (count) * samples;                       \
    __asm__("" : "+r"(p[i]));                        \
  }

/// `down` rows of `across` pixels × `vectors` of channels, held in registers through every tap; of one sample or two.
/// `known` is how far pixels are apart, where that is a constant, else 0.
INLINE void lane_sums(
    const int samples, const int known, const int down, const int across, const int vectors, const cinch_correlation *c,
    const float *x, const float *w, int64_t k, vf sums[28][2]) {
  const int64_t step = known ? known : c->x_pixel, row = c->x_row;
  const float *bias = c->ending.bias;
  UNROLL for (int v = 0; v < vectors; v++) {
    vf start = bias ? load(bias + k + v * CINCH_WIDTH) : (vf)0.0f;
    if (samples == 2) start = ZIP_LOW(start, start);
    UNROLL for (int i = 0; i < down * across; i++) sums[i][v] = start;
  }
  // The processor reaches two pixels beyond a pointer by its own addressing, and all that are a constant apart.
  const int reach = known ? across : 3, pointers = (across + reach - 1) / reach;
  for (int64_t r = 0; r < c->runs; r++) {
    const float *p[14];
    UNROLL for (int i = 0; i < down; i++)
      UNROLL for (int j = 0; j < pointers; j++)
        p[i * pointers + j] = x + c->run[r].offset + i * row + reach * j * step;
    int64_t left = c->run[r].length;
    for (; left >= run_turn; left -= run_turn) {
      UNROLL for (int l = 0; l < run_turn; l++) LANE_STEP(l)
      LANE_ADVANCE(run_turn)
    }
    for (; left > 0; left--) {
      LANE_STEP(0)
      LANE_ADVANCE(1)
    }
  }
}

INLINE void lane_tile(
    const int down, const int across, const int vectors, const cinch_correlation *c, const float *x, const float *w,
    float *y, int64_t k) {
  const cinch_ending *e = &c->ending;
  vf sums[28][2];
  lane_sums(1, 0, down, across, vectors, c, x, w, k, sums);
  if (c->outputs - k < vectors * CINCH_WIDTH || e->accumulate) {
    vf held[28];
    UNROLL for (int i = 0; i < down * across; i++)
      UNROLL for (int v = 0; v < vectors; v++) held[i * vectors + v] = sums[i][v];
    lane_ending(c, held, down, across, vectors, y, k);
  } else if (e->gate) {
    const float *gate = e->gate + (y - c->y);
    LANE_STORE(sum * (load(gate + at) <= 0.0f ? (vf)0.0f : (vf)1.0f))
  } else if (e->rectify) {
    LANE_STORE(sum <= 0.0f ? (vf)0.0f : sum)
  } else {
    LANE_STORE(sum)
  }
}

/// `down` rows of `across` pixels of two samples.
INLINE void pair_tile(
    const int down, const int across, const cinch_correlation *c, const float *x, const float *w, float *y) {
  cinch_ending e = c->ending;
  vf sums[28][2];
  lane_sums(2, 0, down, across, 1, c, x, w, 0, sums);
  UNROLL for (int i = 0; i < down; i++)
    UNROLL for (int j = 0; j < across; j++) {
      float *to = y + i * c->y_row + j * c->y_pixel;
      store_pair(&e, to, e.gate ? e.gate + (to - c->y) : NULL, sums[i * across + j][0], c->y_sample, c->outputs);
    }
}

#define LANE_CASE(D, A)                        \
  case 16 * D + A:                             \
    if (samples == 2)                          \
      pair_tile(D, A, c, x, w, y);             \
    else if (D * A <= most)                    \
      lane_tile(D, A, vectors, c, x, w, y, k); \
    break;

INLINE void lane_pixels(
    const int samples, const int vectors, const int most, int64_t down, int64_t across, const cinch_correlation *c,
    const float *x, const float *w, float *y, int64_t k) {
  switch (16 * down + across) {
    LANE_CASE(1, 1) LANE_CASE(1, 2) LANE_CASE(1, 3) LANE_CASE(1, 4) LANE_CASE(1, 5) LANE_CASE(1, 6) LANE_CASE(1, 7)
    LANE_CASE(1, 8) LANE_CASE(1, 9) LANE_CASE(1, 10) LANE_CASE(1, 11) LANE_CASE(1, 12) LANE_CASE(1, 13)
    LANE_CASE(1, 14) LANE_CASE(2, 1) LANE_CASE(2, 2) LANE_CASE(2, 3) LANE_CASE(2, 4) LANE_CASE(2, 5) LANE_CASE(2, 6)
    LANE_CASE(2, 7) LANE_CASE(3, 1) LANE_CASE(3, 2) LANE_CASE(3, 3) LANE_CASE(3, 4) LANE_CASE(4, 1) LANE_CASE(5, 1)
    LANE_CASE(6, 1)
  }
}

INLINE void lane_rows(const int samples, const int vectors, const cinch_correlation *c, const float *w, int64_t k0) {
  const int most = CINCH_WIDTH == 16 || vectors == 1 ? 14 : 6;
  for (int64_t j = 0, across; j < c->pixels; j += across) {
    // Of twelve sums' worth of registers, parts of 4 or 5 pixels would leave some idle.
    const int64_t parts = cinch_blocks(c->pixels - j, most);
    across = most == 6 ? cinch_min(most, c->pixels - j) : (c->pixels - j) / parts;
    // Narrow parts fill the registers with several rows.
    const int64_t tall = cinch_min(most / across, across == 1 ? 6 : 3);
    for (int64_t i = 0, down; i < c->rows; i += down) {
      down = cinch_min(tall, c->rows - i);
      // Of four rows left, take two and two.
      if (down == 3 && c->rows - i == 4) down = 2;
      lane_pixels(
          samples, vectors, most, down, across, c, c->x + i * c->x_row + j * c->x_pixel, w,
          c->y + i * c->y_row + j * c->y_pixel, k0);
    }
  }
}

static void correlate_lanes(const cinch_correlation *c) {
  for (int64_t k = 0; k < c->outputs; k += 2 * CINCH_WIDTH) {
    const float *w = c->weights + c->depth * k;
    if (c->outputs - k > CINCH_WIDTH)
      lane_rows(1, 2, c, w, k);
    else
      lane_rows(1, 1, c, w, k);
  }
}

static void correlate_pairs(const cinch_correlation *c) { lane_rows(2, 1, c, c->weights, 0); }

/// Two rows of `across` pixels, each square of which goes to its largest number and where that is; at `at` of the result.
INLINE void pooled_tile(
    const int samples, const int known, const int across, const cinch_correlation *c, const float *x, const float *w,
    int64_t at, int64_t k) {
  cinch_ending stored = {.bias = NULL};
  vf sums[28][2];
  lane_sums(samples, known, 2, across, 1, c, x, w, k, sums);
  UNROLL for (int j = 0; j < across; j += 2, at += c->y_pixel) {
    vf square[4], where;
    UNROLL for (int q = 0; q < 4; q++) square[q] = sums[q / 2 * across + j + q % 2][0];
    vf largest = largest_of_square(square, &where);
    if (c->ending.rectify) {
      // As if all had been rectified before: of four zeros the first is taken.
      const vi none = largest <= 0.0f;
      largest = none ? (vf)0.0f : largest;
      where = none ? (vf)0.0f : where;
    }
    if (samples == 2) {
      store_pair(&stored, c->y + at, NULL, largest, c->y_sample, c->outputs);
      store_pair(&stored, c->found + at, NULL, where, c->y_sample, c->outputs);
    } else {
      store(c->y + at + k, largest);
      store(c->found + at + k, where);
    }
  }
}

#define POOLED_CASE(A)                                                      \
  case A:                                                                   \
    if (A <= pooled_across) pooled_tile(samples, known, A, c, x, w, at, k); \
    break;

INLINE void pooled_rows(const int samples, const int known, const cinch_correlation *c, int64_t k) {
  const float *w = c->weights + c->depth * k;
  for (int64_t j = 0, across; j < c->pixels; j += across) {
    const int64_t parts = cinch_blocks(c->pixels - j, pooled_across);
    across = (c->pixels - j) / 2 / parts * 2;
    for (int64_t i = 0; i < c->rows; i += 2) {
      const float *x = c->x + i * c->x_row + j * c->x_pixel;
      const int64_t at = i / 2 * c->y_row + j / 2 * c->y_pixel;
      switch (across) { POOLED_CASE(2) POOLED_CASE(4) POOLED_CASE(6) POOLED_CASE(8) }
    }
  }
}

static void correlate_pooled(const cinch_correlation *c) {
  for (int64_t k = 0; k < c->outputs; k += CINCH_WIDTH) {
    if (c->x_pixel == 1)
      pooled_rows(1, 1, c, k);
    else
      pooled_rows(1, 0, c, k);
  }
}

static void correlate_pooled_pairs(const cinch_correlation *c) {
  if (c->x_pixel == 2)
    pooled_rows(2, 2, c, 0);
  else
    pooled_rows(2, 0, c, 0);
}

// MARK: Tiles

/// Rows of `count` numbers, `pitch` apart, one after the other, with zeros before and after each; writes zeros up to a
/// vector past the last. Each vector is stored once: a call for each of a short row's three pieces, or more stores than
/// that, took twice as long.
static void pad_rows(
    const float *x, int64_t pitch, int64_t rows, int64_t before, int64_t count, int64_t after, float *y) {
  const int64_t end = before + count, width = end + after;
  if (width <= 2 * CINCH_WIDTH) {
    // Backwards, as a row's last vector is written over the next one's first. What is within is asked once.
    for (int64_t i = (width - 1) / CINCH_WIDTH * CINCH_WIDTH; i >= 0; i -= CINCH_WIDTH)
      for (int64_t r = 0; r < rows; r++)
        store(y + r * width + i, load_between(x + r * pitch + i - before, before - i, end - i));
    return;
  }
  for (int64_t r = 0; r < rows; r++, x += pitch, y += width) {
    int64_t i = 0;
    for (; i < before; i += CINCH_WIDTH) store(y + i, load_between(x + i - before, before - i, end - i));
    for (; i + CINCH_WIDTH <= end; i += CINCH_WIDTH) store(y + i, load(x + i - before));
    for (; i < width; i += CINCH_WIDTH) store(y + i, load_between(x + i - before, 0, end - i));
  }
}

/// The same of two images, whose numbers take turns.
static void pad_row_pairs(
    const float *x, const float *second, int64_t pitch, int64_t rows, int64_t before, int64_t count, int64_t after,
    float *y) {
  const int64_t end = before + count, width = end + after;
  for (int64_t i = (width - 1) / CINCH_WIDTH * CINCH_WIDTH; i >= 0; i -= CINCH_WIDTH)
    for (int64_t r = 0; r < rows; r++) {
      const int64_t from = r * pitch + i - before, to = 2 * (r * width + i);
      const vf a = load_between(x + from, before - i, end - i);
      const vf b = load_between(second + from, before - i, end - i);
      store(y + to, ZIP_LOW(a, b));
      store(y + to + CINCH_WIDTH, ZIP_HIGH(a, b));
    }
}
