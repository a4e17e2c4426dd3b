// Correlations of one tile of an image with lanes over input channels, for results of few channels: an image that a decoder
// makes has one or three. Each pixel of each output channel is a dot product of its runs, whole vectors, with the channel's
// weights, and its lanes are added at the end.

/// What `store_ended` does to a vector, for one number.
INLINE float ended(const cinch_ending *e, float sum, const float *to, const float *gate, int64_t channel) {
  if (e->accumulate) sum += *to;
  if (e->bias) sum += e->bias[channel];
  if (e->rectify) sum = sum <= 0.0f ? 0.0f : sum;
  if (e->gate) sum *= *gate <= 0.0f ? 0.0f : 1.0f;
  return sum;
}

/// `most` pixels of a row of one output channel; those beyond the row's end are made of what lies behind it in the tile.
INLINE vf dot_totals(const int most, const cinch_correlation *c, const float *x, const float *w) {
  const int64_t step = c->x_pixel;
  vf sums[CINCH_WIDTH];
  UNROLL for (int j = 0; j < CINCH_WIDTH; j++) sums[j] = 0.0f;
  for (int64_t r = 0; r < c->runs; r++) {
    // The processor reaches two pixels beyond a pointer by its own addressing.
    const float *third[(CINCH_WIDTH + 2) / 3];
    UNROLL for (int i = 0; i < (most + 2) / 3; i++) third[i] = x + c->run[r].offset + 3 * i * step;
    for (int64_t left = c->run[r].length; left > 0; left -= CINCH_WIDTH, w += CINCH_WIDTH) {
      const vf weight = load(w);
      UNROLL for (int j = 0; j < most; j++) sums[j] += load(third[j / 3] + j % 3 * step) * weight;
      UNROLL for (int i = 0; i < (most + 2) / 3; i++) {
        third[i] += CINCH_WIDTH;
        __asm__("" : "+r"(third[i]));
      }
    }
  }
  return sums_of_lanes(sums);
}

enum { half_width = CINCH_WIDTH / 2 };

static __attribute__((noinline)) vf whole_totals(const cinch_correlation *c, const float *x, const float *w) {
  return dot_totals(CINCH_WIDTH, c, x, w);
}
static __attribute__((noinline)) vf half_totals(const cinch_correlation *c, const float *x, const float *w) {
  return dot_totals(half_width, c, x, w);
}

/// `count` of row i's pixels from pixel j on, of output channel k.
INLINE vf row_totals(const cinch_correlation *c, int64_t i, int64_t j, int64_t k, int64_t count) {
  const float *x = c->x + i * c->x_row + j * c->x_pixel, *w = c->weights + c->depth * k;
  return count > half_width ? whole_totals(c, x, w) : half_totals(c, x, w);
}

static void correlate_dots(const cinch_correlation *c) {
  const cinch_ending *e = &c->ending;
  for (int64_t i = 0; i < c->rows; i++)
    for (int64_t j = 0; j < c->pixels; j += CINCH_WIDTH)
      for (int64_t k = 0; k < c->outputs; k++) {
        float *y = c->y + i * c->y_row + j * c->y_pixel + k;
        const float *gate = e->gate ? e->gate + (y - c->y) : NULL;
        const int64_t count = cinch_min(c->pixels - j, CINCH_WIDTH);
        const vf totals = row_totals(c, i, j, k, count);
        if (c->y_pixel == 1) {
          store_ended(e, y, gate, totals, 0, count);
          continue;
        }
        float sum[CINCH_WIDTH];
        store(sum, totals);
        for (int64_t q = 0; q < count; q++) {
          const int64_t at = q * c->y_pixel;
          y[at] = ended(e, sum[q], y + at, gate ? gate + at : NULL, k);
        }
      }
}

/// One output channel of two phases, `next` of which has as many pixels in a row as `c`, or one less.
static void correlate_dot_phases(const cinch_correlation *c, const cinch_correlation *next) {
  for (int64_t i = 0; i < c->rows; i++)
    for (int64_t j = 0; j < c->pixels; j += CINCH_WIDTH) {
      const int64_t count = cinch_min(c->pixels - j, CINCH_WIDTH), after = cinch_min(next->pixels - j, CINCH_WIDTH);
      const vf even = row_totals(c, i, j, 0, count);
      const vf odd = after > 0 ? row_totals(next, i, j, 0, after) : (vf)0.0f;
      store_turns(c, c->y + i * c->y_row + 2 * j, even, odd, count + after);
    }
}
