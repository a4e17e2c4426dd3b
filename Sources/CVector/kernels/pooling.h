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

static void pool_rows(const cinch_pooling *p, int64_t r0, int64_t r1) {
  switch (p->kind) {
    case cinch_max_pool: pool_down_rows(cinch_max_pool, p, r0, r1); break;
    case cinch_pick_switches: pool_down_rows(cinch_pick_switches, p, r0, r1); break;
    case cinch_pool_sum: pool_down_rows(cinch_pool_sum, p, r0, r1); break;
    case cinch_pool_mean: pool_down_rows(cinch_pool_mean, p, r0, r1); break;
    case cinch_unpool: pool_up_rows(cinch_unpool, p, r0, r1); break;
    case cinch_spread: pool_up_rows(cinch_spread, p, r0, r1); break;
    case cinch_spread_mean: pool_up_rows(cinch_spread_mean, p, r0, r1); break;
  }
}
