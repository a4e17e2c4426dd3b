// Pooling and its inverses on rows of images, channels last, with lanes over channels. Each pixel of the result is
// written once: what goes from small to large gathers from the windows that cover a pixel.

/// The windows' place in one dimension: those that cover a pixel, updated as the pixel moves on.
typedef struct {
  int64_t first, last;
} window_range;

INLINE void move_windows(
    window_range *w, int64_t pixel, int64_t kernel, int64_t stride, int64_t before, int64_t count) {
  while (w->last + 1 < count && (w->last + 1) * stride - before <= pixel) w->last++;
  while (w->first <= w->last && w->first * stride - before + kernel <= pixel) w->first++;
}

INLINE window_range covering(int64_t pixel, int64_t kernel, int64_t stride, int64_t before, int64_t count) {
  const int64_t reach = pixel + before - kernel;
  return (window_range){
      reach < 0 ? 0 : reach / stride + 1, cinch_min((pixel + before) / stride, count - 1)};
}

/// How much of a window that starts at `start` lies inside.
INLINE int64_t inside(int64_t start, int64_t kernel, int64_t size) {
  return cinch_min(start + kernel, size) - cinch_max(start, 0);
}

/// The largest of four, and which one it is.
INLINE vf largest_of_square(const vf x[4], vf *where) {
  vf result = x[0];
  *where = 0.0f;
  UNROLL for (int q = 1; q < 4; q++) {
    // As in `pool_down_rows`.
    const vi take = ~(x[q] <= result) & (result == result);
    result = take ? x[q] : result;
    *where = take ? (vf)(float)q : *where;
  }
  return result;
}

/// Rows r0 ..< r1 of the small images, counted through the samples.
INLINE void pool_down_rows(const cinch_pooling_kind kind, const cinch_pooling *p, int64_t r0, int64_t r1) {
  const int64_t channels = p->channels;
  for (int64_t r = r0; r < r1; r++) {
    const int64_t sample = r / p->output_height, top = r % p->output_height * p->stride_height - p->top;
    const int64_t u0 = cinch_max(0, -top), u1 = cinch_min(p->kernel_height, p->height - top);
    const float *image = p->large + (sample * p->height + top) * p->width * channels;
    for (int64_t j = 0; j < p->output_width; j++) {
      const int64_t left = j * p->stride_width - p->left, at = (r * p->output_width + j) * channels;
      const int64_t v0 = cinch_max(0, -left), v1 = cinch_min(p->kernel_width, p->width - left);
      const float count = (float)((u1 - u0) * (v1 - v0));
      for (int64_t c = 0; c < channels; c += CINCH_WIDTH) {
        const int64_t n = channels - c;
        vf result = 0.0f, where = kind == cinch_pick_switches ? load_some(p->switches + at + c, n) : (vf)0.0f;
        if (kind == cinch_max_pool) {
          result = load_some(image + (u0 * p->width + left + v0) * channels + c, n);
          where = (float)(u0 * p->kernel_width + v0);
        }
        for (int64_t u = u0; u < u1; u++)
          for (int64_t v = v0; v < v1; v++) {
            const vf x = load_some(image + (u * p->width + left + v) * channels + c, n);
            const vf place = (float)(u * p->kernel_width + v);
            if (kind == cinch_max_pool) {
              // Nothing replaces a NaN; a NaN replaces anything, and so does a larger number.
              const vi take = ~(x <= result) & (result == result);
              result = take ? x : result;
              where = take ? place : where;
            } else if (kind == cinch_pick_switches) {
              result = where == place ? x : result;
            } else {
              result += x;
            }
          }
        if (kind == cinch_pool_mean) result /= count;
        store_some(p->result + at + c, result, n);
        if (kind == cinch_max_pool) store_some(p->found + at + c, where, n);
      }
    }
  }
}

/// Whether windows are squares and channels fill vectors: then nothing is cut, and loops over a window are short and known.
INLINE bool pool_squares(const cinch_pooling *p) { return cinch_pools_squares(p) && p->channels % CINCH_WIDTH == 0; }

/// Rows r0 ..< r1 of the small images, each of two rows of the large ones.
INLINE void pool_down_squares(const cinch_pooling_kind kind, const cinch_pooling *p, int64_t r0, int64_t r1) {
  const int64_t channels = p->channels, row = p->width * channels;
  int64_t at = r0 * p->output_width * channels;
  for (int64_t r = r0; r < r1; r++)
    for (int64_t j = 0; j < p->output_width; j++)
      for (int64_t c = 0; c < channels; c += CINCH_WIDTH, at += CINCH_WIDTH) {
        const float *corner = p->large + 2 * (r * row + j * channels) + c;
        vf x[4], result, where = 0.0f;
        UNROLL for (int q = 0; q < 4; q++) x[q] = load(corner + q / 2 * row + q % 2 * channels);
        result = x[0];
        if (kind == cinch_max_pool) {
          result = largest_of_square(x, &where);
          store(p->found + at, where);
        } else if (kind == cinch_pick_switches) {
          const vf chosen = load(p->switches + at);
          result = 0.0f;
          UNROLL for (int q = 0; q < 4; q++) result = chosen == (float)q ? x[q] : result;
        } else {
          UNROLL for (int q = 1; q < 4; q++) result += x[q];
          if (kind == cinch_pool_mean) result /= 4.0f;
        }
        store(p->result + at, result);
      }
}

/// Rows r0 ..< r1 of the large images, both of them even: two for each row of windows, which is read once.
INLINE void pool_up_squares(const cinch_pooling_kind kind, const cinch_pooling *p, int64_t r0, int64_t r1) {
  const int64_t channels = p->channels, row = p->width * channels;
  int64_t at = r0 / 2 * p->output_width * channels;
  for (int64_t r = r0 / 2; r < r1 / 2; r++)
    for (int64_t j = 0; j < p->output_width; j++)
      for (int64_t c = 0; c < channels; c += CINCH_WIDTH, at += CINCH_WIDTH) {
        float *corner = p->result + 2 * (r * row + j * channels) + c;
        vf value = load(p->small + at);
        if (kind == cinch_spread_mean) value /= 4.0f;
        const vf chosen = kind == cinch_unpool ? load(p->switches + at) : (vf)0.0f;
        UNROLL for (int q = 0; q < 4; q++)
          store(
              corner + q / 2 * row + q % 2 * channels,
              kind != cinch_unpool ? value : chosen == (float)q ? value : (vf)0.0f);
      }
}

/// Rows of the large images where windows tile them from the first pixel on: each window is read once per row.
INLINE void pool_up_tiles(const cinch_pooling_kind kind, const cinch_pooling *p, int64_t r0, int64_t r1) {
  const int64_t channels = p->channels, stride = p->stride_width;
  for (int64_t r = r0; r < r1; r++) {
    const int64_t sample = r / p->height, row = r % p->height;
    const int64_t i = row / p->stride_height, u = row % p->stride_height;
    const int64_t windows = i < p->output_height ? cinch_min(p->output_width, cinch_blocks(p->width, stride)) : 0;
    const int64_t rows = inside(i * p->stride_height, p->kernel_height, p->height);
    const int64_t from = (sample * p->output_height + i) * p->output_width * channels;
    float *to = p->result + r * p->width * channels;
    for (int64_t j = 0; j < windows; j++) {
      const int64_t wide = cinch_min(stride, p->width - j * stride);
      for (int64_t c = 0; c < channels; c += CINCH_WIDTH) {
        const int64_t n = channels - c, at = from + j * channels + c;
        const vf y = load_some(p->small + at, n);
        const vf value = kind == cinch_spread_mean ? y / (float)(rows * wide) : y;
        const vf chosen = kind == cinch_unpool ? load_some(p->switches + at, n) : (vf)0.0f;
        vf place = (float)(u * stride);
        float *pixel = to + j * stride * channels + c;
        for (int64_t v = 0; v < wide; v++, pixel += channels, place += 1.0f)
          store_some(pixel, kind != cinch_unpool ? value : chosen == place ? value : (vf)0.0f, n);
      }
    }
    const int64_t covered = cinch_min(windows * stride, p->width);
    memset(to + covered * channels, 0, (size_t)((p->width - covered) * channels) * sizeof(float));
  }
}

/// Rows r0 ..< r1 of the large images.
INLINE void pool_up_rows(const cinch_pooling_kind kind, const cinch_pooling *p, int64_t r0, int64_t r1) {
  const int64_t channels = p->channels;
  if (p->kernel_height == p->stride_height && p->kernel_width == p->stride_width && p->top == 0 && p->left == 0) {
    pool_up_tiles(kind, p, r0, r1);
    return;
  }
  for (int64_t r = r0; r < r1; r++) {
    const int64_t sample = r / p->height, row = r % p->height;
    const window_range down = covering(row, p->kernel_height, p->stride_height, p->top, p->output_height);
    window_range across = {0, -1};
    for (int64_t column = 0; column < p->width; column++) {
      move_windows(&across, column, p->kernel_width, p->stride_width, p->left, p->output_width);
      for (int64_t c = 0; c < channels; c += CINCH_WIDTH) {
        const int64_t n = channels - c;
        vf sum = 0.0f;
        for (int64_t i = down.first; i <= down.last; i++)
          for (int64_t j = across.first; j <= across.last; j++) {
            const int64_t at = ((sample * p->output_height + i) * p->output_width + j) * channels + c;
            const int64_t top = i * p->stride_height - p->top, left = j * p->stride_width - p->left;
            vf y = load_some(p->small + at, n);
            if (kind == cinch_unpool) {
              const vf place = (float)((row - top) * p->kernel_width + column - left);
              y = load_some(p->switches + at, n) == place ? y : (vf)0.0f;
            }
            if (kind == cinch_spread_mean)
              y /= (float)(inside(top, p->kernel_height, p->height) * inside(left, p->kernel_width, p->width));
            sum += y;
          }
        store_some(p->result + (r * p->width + column) * channels + c, sum, n);
      }
    }
  }
}

INLINE void pool_down(const cinch_pooling_kind kind, const cinch_pooling *p, int64_t r0, int64_t r1) {
  if (pool_squares(p))
    pool_down_squares(kind, p, r0, r1);
  else
    pool_down_rows(kind, p, r0, r1);
}

INLINE void pool_up(const cinch_pooling_kind kind, const cinch_pooling *p, int64_t r0, int64_t r1) {
  if (pool_squares(p))
    pool_up_squares(kind, p, r0, r1);
  else
    pool_up_rows(kind, p, r0, r1);
}

static void pool_rows(const cinch_pooling *p, int64_t r0, int64_t r1) {
  switch (p->kind) {
    case cinch_max_pool: pool_down(cinch_max_pool, p, r0, r1); break;
    case cinch_pick_switches: pool_down(cinch_pick_switches, p, r0, r1); break;
    case cinch_pool_sum: pool_down(cinch_pool_sum, p, r0, r1); break;
    case cinch_pool_mean: pool_down(cinch_pool_mean, p, r0, r1); break;
    case cinch_unpool: pool_up(cinch_unpool, p, r0, r1); break;
    case cinch_spread: pool_up(cinch_spread, p, r0, r1); break;
    case cinch_spread_mean: pool_up(cinch_spread_mean, p, r0, r1); break;
  }
}
