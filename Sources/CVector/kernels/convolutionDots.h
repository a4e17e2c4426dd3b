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

/// `count` pixels of a row of one output channel, at most `most`. As many are summed: those beyond the row's end are read
/// from what lies behind it in the tile, and not stored.
INLINE void dot_pixels(
    const int most, const cinch_correlation *c, const float *x, const float *w, float *y, int64_t channel,
    int64_t count) {
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
  const vf total = sums_of_lanes(sums);
  const cinch_ending *e = &c->ending;
  const float *gate = e->gate ? e->gate + (y - c->y) : NULL;
  if (c->y_pixel == 1) {
    store_ended(e, y, gate, total, 0, count);
    return;
  }
  float sum[CINCH_WIDTH];
  store(sum, total);
  for (int64_t j = 0; j < count; j++) {
    const int64_t at = j * c->y_pixel;
    y[at] = ended(e, sum[j], y + at, gate ? gate + at : NULL, channel);
  }
}

static void correlate_dots(const cinch_correlation *c) {
  enum { half = CINCH_WIDTH / 2 };
  for (int64_t i = 0; i < c->rows; i++)
    for (int64_t j = 0; j < c->pixels; j += CINCH_WIDTH)
      for (int64_t k = 0; k < c->outputs; k++) {
        const float *x = c->x + i * c->x_row + j * c->x_pixel, *w = c->weights + c->depth * k;
        float *y = c->y + i * c->y_row + j * c->y_pixel + k;
        const int64_t count = cinch_min(c->pixels - j, CINCH_WIDTH);
        if (count > half)
          dot_pixels(CINCH_WIDTH, c, x, w, y, k, count);
        else
          dot_pixels(half, c, x, w, y, k, count);
      }
}
