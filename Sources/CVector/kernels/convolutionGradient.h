// The weight gradient of one tile: Σ over its pixels of x·y, for every tap and pair of channels. Rows of the sums
// are the numbers of x that a pixel of y is multiplied by, run by run (a run lies in one piece); lanes go over y's
// channels or, where those are few, over a run.

#if CINCH_WIDTH == 16
enum { gradient_sums = 24, gradient_outputs = 8 };
#else
enum { gradient_sums = 12, gradient_outputs = 4 };
#endif

/// `rows` of `groups` runs × `vectors` of y's channels; or of what lies in squares of four pixels, at one of each.
INLINE void gradient_lane_tile(
    const bool squares, const int groups, const int rows, const int vectors, const cinch_gradient_tile *t, int64_t run,
    int64_t row, int64_t k) {
  vf sums[3][12][2];
  UNROLL for (int g = 0; g < groups; g++)
    UNROLL for (int r = 0; r < rows; r++)
      UNROLL for (int v = 0; v < vectors; v++) sums[g][r][v] = 0.0f;
  const float *base[3];
  UNROLL for (int g = 0; g < groups; g++) base[g] = t->x + t->run[run + g].offset + row;
  const float *y = t->y + k, *switches = squares ? t->switches + k : NULL;
  for (int64_t p = 0; p < t->pixels; p++, y += t->y_pixel) {
    UNROLL for (int q = 0; q < (squares ? 4 : 1); q++) {
      vf value[2];
      UNROLL for (int v = 0; v < vectors; v++) {
        value[v] = load(y + v * CINCH_WIDTH);
        if (squares) value[v] = load(switches + v * CINCH_WIDTH) == (float)q ? value[v] : (vf)0.0f;
      }
      UNROLL for (int g = 0; g < groups; g++) {
        const float *x = base[g] + t->place[p] + (squares ? q / 2 * t->x_row + q % 2 * t->x_pixel : 0);
        // One vector a number leaves no time for an index in each address.
        if (CINCH_WIDTH == 16 && vectors == 1) __asm__("" : "+r"(x));
        UNROLL for (int r = 0; r < rows; r++)
          UNROLL for (int v = 0; v < vectors; v++) sums[g][r][v] += x[r] * value[v];
      }
    }
    if (squares) switches += t->y_pixel;
  }
  UNROLL for (int g = 0; g < groups; g++)
    UNROLL for (int r = 0; r < rows; r++)
      UNROLL for (int v = 0; v < vectors; v++) {
        float *to = t->sums + ((run + g) * t->length + row + r) * t->row_pitch + k + v * CINCH_WIDTH;
        store(to, load(to) + sums[g][r][v]);
      }
}

#define GRADIENT_CASE(G, R)                                                                           \
  case R:                                                                                             \
    if (G * R * vectors <= gradient_sums) gradient_lane_tile(squares, G, R, vectors, t, run, row, k); \
    break;

INLINE void gradient_lane_rows(const bool squares, const int vectors, const cinch_gradient_tile *t, int64_t k) {
  const int64_t most = cinch_min(12, gradient_sums / vectors), length = t->length;
  const int64_t together = length * 3 <= most ? 3 : length * 2 <= most ? 2 : 1;
  const int64_t parts = cinch_blocks(length, most);
  for (int64_t run = 0; run < t->runs;) {
    const int64_t groups = cinch_min(together, t->runs - run);
    for (int64_t part = 0; part < parts; part++) {
      const int64_t row = length * part / parts, rows = length * (part + 1) / parts - row;
      if (groups == 3)
        switch (rows) {
          GRADIENT_CASE(3, 1) GRADIENT_CASE(3, 2) GRADIENT_CASE(3, 3) GRADIENT_CASE(3, 4)
        }
      else if (groups == 2)
        switch (rows) {
          GRADIENT_CASE(2, 1) GRADIENT_CASE(2, 2) GRADIENT_CASE(2, 3) GRADIENT_CASE(2, 4) GRADIENT_CASE(2, 5)
          GRADIENT_CASE(2, 6)
        }
      else
        switch (rows) {
          GRADIENT_CASE(1, 1) GRADIENT_CASE(1, 2) GRADIENT_CASE(1, 3) GRADIENT_CASE(1, 4) GRADIENT_CASE(1, 5)
          GRADIENT_CASE(1, 6) GRADIENT_CASE(1, 7) GRADIENT_CASE(1, 8) GRADIENT_CASE(1, 9) GRADIENT_CASE(1, 10)
          GRADIENT_CASE(1, 11) GRADIENT_CASE(1, 12)
        }
    }
    run += groups;
  }
}

INLINE void gradient_lane_columns(const bool squares, const cinch_gradient_tile *t) {
  for (int64_t k = 0; k < t->outputs; k += 2 * CINCH_WIDTH) {
    if (t->outputs - k > CINCH_WIDTH)
      gradient_lane_rows(squares, 2, t, k);
    else
      gradient_lane_rows(squares, 1, t, k);
  }
}

static void gradient_lanes(const cinch_gradient_tile *t) { gradient_lane_columns(false, t); }
static void gradient_squares(const cinch_gradient_tile *t) { gradient_lane_columns(true, t); }

/// `vectors` of `groups` runs × `outputs` of y's channels.
INLINE void gradient_run_tile(
    const int groups, const int vectors, const int outputs, const cinch_gradient_tile *t, int64_t run, int64_t row,
    int64_t k) {
  vf sums[3][3][8];
  UNROLL for (int g = 0; g < groups; g++)
    UNROLL for (int v = 0; v < vectors; v++)
      UNROLL for (int o = 0; o < outputs; o++) sums[g][v][o] = 0.0f;
  const float *base[3];
  UNROLL for (int g = 0; g < groups; g++) base[g] = t->x + t->run[run + g].offset + row;
  const float *y = t->y + k;
  for (int64_t p = 0; p < t->pixels; p++, y += t->y_pixel) {
    vf value[3][3];
    UNROLL for (int g = 0; g < groups; g++)
      UNROLL for (int v = 0; v < vectors; v++) value[g][v] = load(base[g] + t->place[p] + v * CINCH_WIDTH);
    UNROLL for (int o = 0; o < outputs; o++)
      UNROLL for (int g = 0; g < groups; g++)
        UNROLL for (int v = 0; v < vectors; v++) sums[g][v][o] += y[o] * value[g][v];
  }
  UNROLL for (int g = 0; g < groups; g++)
    UNROLL for (int v = 0; v < vectors; v++)
      UNROLL for (int o = 0; o < outputs; o++) {
        float *to = t->sums + (k + o) * t->row_pitch + (run + g) * t->run_pitch + row + v * CINCH_WIDTH;
        store(to, load(to) + sums[g][v][o]);
      }
}

#define RUN_CASE(G, V)                                                                      \
  case 10 * G + V:                                                                          \
    if (G * V * outputs <= gradient_sums) gradient_run_tile(G, V, outputs, t, run, row, k); \
    break;

INLINE void gradient_run_rows(const int outputs, const cinch_gradient_tile *t, int64_t k) {
  const int64_t vectors = cinch_blocks(t->length, CINCH_WIDTH), most = gradient_sums / outputs;
  const int64_t parts = cinch_blocks(vectors, cinch_min(most, 3));
  const int64_t together = vectors > 2 ? 1 : vectors * 3 <= most ? 3 : vectors * 2 <= most ? 2 : 1;
  for (int64_t run = 0; run < t->runs;) {
    const int64_t groups = cinch_min(together, t->runs - run);
    for (int64_t part = 0; part < parts; part++) {
      const int64_t start = vectors * part / parts, row = start * CINCH_WIDTH;
      switch (10 * groups + vectors * (part + 1) / parts - start) {
        RUN_CASE(1, 1) RUN_CASE(1, 2) RUN_CASE(1, 3) RUN_CASE(2, 1) RUN_CASE(2, 2) RUN_CASE(3, 1) RUN_CASE(3, 2)
      }
    }
    run += groups;
  }
}

static void gradient_runs(const cinch_gradient_tile *t) {
  for (int64_t k = 0; k < t->outputs;) {
    const int64_t left = t->outputs - k;
    if (left >= gradient_outputs)
      gradient_run_rows(gradient_outputs, t, k), k += gradient_outputs;
    else if (left >= 4)
      gradient_run_rows(4, t, k), k += 4;
    else if (left >= 2)
      gradient_run_rows(2, t, k), k += 2;
    else
      gradient_run_rows(1, t, k), k += 1;
  }
}
