// Correlations of one tile of an image that is split into one plane per channel, with lanes over pixels; planes from pixels
// and back.

#if CINCH_WIDTH == 16
enum { plane_outputs = 8, plane_sums = 24 };
#else
// Sixteen registers.
enum { plane_outputs = 4, plane_sums = 8 };
#endif

/// `outputs` channels × `vectors` of pixels.
INLINE void plane_tile(
    const int outputs, const int vectors, const cinch_correlation *c, const float *x, const float *w, float *y) {
  vf sums[8][8];
  UNROLL for (int k = 0; k < outputs; k++)
    UNROLL for (int v = 0; v < vectors; v++) sums[k][v] = 0.0f;
  for (int64_t r = 0; r < c->runs; r++) {
    const float *p = x + c->run[r].offset;
    for (int64_t l = c->run[r].length; l > 0; l--, p += c->x_plane, w += outputs) {
      vf pixel[8];
      UNROLL for (int v = 0; v < vectors; v++) pixel[v] = load(p + v * CINCH_WIDTH);
      UNROLL for (int k = 0; k < outputs; k++)
        UNROLL for (int v = 0; v < vectors; v++) sums[k][v] += w[k] * pixel[v];
    }
  }
  UNROLL for (int k = 0; k < outputs; k++)
    UNROLL for (int v = 0; v < vectors; v++) store(y + k * c->y_plane + v * CINCH_WIDTH, sums[k][v]);
}

#define PLANE_CASE(V)                                                                                    \
  case V:                                                                                                \
    if (outputs * V <= plane_sums && V <= 8) plane_tile(outputs, V <= 8 ? V : 8, c, c->x + q, w, y + q); \
    break;

INLINE void plane_vectors(const int outputs, const cinch_correlation *c, const float *w, float *y) {
  const int64_t most = cinch_min(plane_sums / outputs, 8), vectors = cinch_blocks(c->pixels, CINCH_WIDTH);
  const int64_t parts = cinch_blocks(vectors, most);
  for (int64_t part = 0; part < parts; part++) {
    const int64_t start = vectors * part / parts, q = start * CINCH_WIDTH;
    switch (vectors * (part + 1) / parts - start) {
      PLANE_CASE(1) PLANE_CASE(2) PLANE_CASE(3) PLANE_CASE(4) PLANE_CASE(5) PLANE_CASE(6) PLANE_CASE(7) PLANE_CASE(8)
    }
  }
}

static void correlate_planes(const cinch_correlation *c) {
  for (int64_t k = 0; k < c->outputs;) {
    const int64_t left = c->outputs - k;
    const float *w = c->weights + c->depth * k;
    float *y = c->y + k * c->y_plane;
    if (left >= plane_outputs)
      plane_vectors(plane_outputs, c, w, y), k += plane_outputs;
    else if (left >= 4)
      plane_vectors(4, c, w, y), k += 4;
    else if (left >= 2)
      plane_vectors(2, c, w, y), k += 2;
    else
      plane_vectors(1, c, w, y), k += 1;
  }
}

// MARK: Planes of taps

INLINE vf tap_sum(const cinch_correlation *c, const float *x) {
  vf sum = 0.0f;
  for (int64_t r = 0; r < c->runs; r++) sum += load(x + c->run[r].offset);
  return sum;
}

/// One output channel as sums of planes, each the image times one tap's weights: of two phases whose pixels take turns,
/// `next` of which has as many in a row as `c`, or one less.
static void add_taps(const cinch_correlation *c, const cinch_correlation *next) {
  for (int64_t i = 0; i < c->rows; i++)
    for (int64_t j = 0; j < c->pixels; j += CINCH_WIDTH) {
      const float *x = c->x + i * c->x_row + j;
      const int64_t count = cinch_min(c->pixels - j, CINCH_WIDTH) + cinch_min(next->pixels - j, CINCH_WIDTH);
      store_turns(c, c->y + i * c->y_row + 2 * j, tap_sum(c, x), tap_sum(next, x), count);
    }
}

// MARK: Planes from pixels and back

/// `channels`, a power of two, vectors of whole pixels become one vector per channel.
INLINE void unzip(const int channels, vf *x) {
  vf t[16];
  UNROLL for (int size = channels; size > 1; size /= 2) {
    UNROLL for (int i = 0; i < channels / 2; i++) {
      t[i] = EVEN(x[2 * i], x[2 * i + 1]);
      t[i + channels / 2] = ODD(x[2 * i], x[2 * i + 1]);
    }
    UNROLL for (int i = 0; i < channels; i++) x[i] = t[i];
  }
}

/// The inverse.
INLINE void zip(const int channels, vf *x) {
  vf t[16];
  UNROLL for (int size = channels; size > 1; size /= 2) {
    UNROLL for (int i = 0; i < channels / 2; i++) {
      t[2 * i] = ZIP_LOW(x[i], x[i + channels / 2]);
      t[2 * i + 1] = ZIP_HIGH(x[i], x[i + channels / 2]);
    }
    UNROLL for (int i = 0; i < channels; i++) x[i] = t[i];
  }
}

INLINE void split_vectors(const int channels, const float *x, int64_t pixels, float *planes, int64_t pitch) {
  for (int64_t j = 0; j < pixels; j += CINCH_WIDTH) {
    vf t[16];
    const int64_t count = (pixels - j) * channels;
    UNROLL for (int c = 0; c < channels; c++)
      t[c] = c * CINCH_WIDTH < count ? load_some(x + j * channels + c * CINCH_WIDTH, count - c * CINCH_WIDTH)
                                     : (vf)0.0f;
    unzip(channels, t);
    UNROLL for (int c = 0; c < channels; c++) store(planes + c * pitch + j, t[c]);
  }
}

INLINE void merge_vectors(
    const int channels, const float *planes, int64_t pitch, int64_t pixels, const cinch_ending *e, float *y) {
  for (int64_t j = 0; j < pixels; j += CINCH_WIDTH) {
    vf t[16];
    const int64_t count = (pixels - j) * channels;
    UNROLL for (int c = 0; c < channels; c++) t[c] = load(planes + c * pitch + j);
    zip(channels, t);
    UNROLL for (int c = 0; c < channels; c++) {
      const int64_t at = j * channels + c * CINCH_WIDTH, n = count - c * CINCH_WIDTH;
      // The bias repeats, whole, to 64 columns.
      if (n > 0) store_ended(e, y + at, e->gate ? e->gate + at : NULL, t[c], c * CINCH_WIDTH % 64, n);
    }
  }
}

/// A row of pixels into planes; may write up to a vector of zeros past each.
static void split_channels(const float *x, int64_t pixels, int64_t channels, float *planes, int64_t pitch) {
  switch (channels) {
    case 1: split_vectors(1, x, pixels, planes, pitch); return;
    case 2: split_vectors(2, x, pixels, planes, pitch); return;
    case 4: split_vectors(4, x, pixels, planes, pitch); return;
    case 8: split_vectors(8, x, pixels, planes, pitch); return;
    case 16: split_vectors(16, x, pixels, planes, pitch); return;
  }
  for (int64_t j = 0; j < pixels; j += CINCH_WIDTH)
    for (int64_t c = 0; c < channels; c += CINCH_WIDTH) {
      vf t[CINCH_WIDTH];
      UNROLL for (int i = 0; i < CINCH_WIDTH; i++)
        t[i] = j + i < pixels ? load_some(x + (j + i) * channels + c, channels - c) : (vf)0.0f;
      unzip(CINCH_WIDTH, t);
      UNROLL for (int i = 0; i < CINCH_WIDTH; i++)
        if (c + i < channels) store(planes + (c + i) * pitch + j, t[i]);
    }
}

/// A row of pixels `step` apart from planes; may read up to a vector past each. The ending's gate lies as `y` does.
static void merge_channels(
    const float *planes, int64_t pitch, int64_t pixels, int64_t channels, int64_t step, const cinch_ending *e,
    float *y) {
  if (step == channels) switch (channels) {
      case 1: merge_vectors(1, planes, pitch, pixels, e, y); return;
      case 2: merge_vectors(2, planes, pitch, pixels, e, y); return;
      case 4: merge_vectors(4, planes, pitch, pixels, e, y); return;
      case 8: merge_vectors(8, planes, pitch, pixels, e, y); return;
      case 16: merge_vectors(16, planes, pitch, pixels, e, y); return;
    }
  for (int64_t j = 0; j < pixels; j += CINCH_WIDTH)
    for (int64_t c = 0; c < channels; c += CINCH_WIDTH) {
      vf t[CINCH_WIDTH];
      UNROLL for (int i = 0; i < CINCH_WIDTH; i++)
        t[i] = c + i < channels ? load(planes + (c + i) * pitch + j) : (vf)0.0f;
      zip(CINCH_WIDTH, t);
      UNROLL for (int i = 0; i < CINCH_WIDTH; i++) {
        const int64_t at = (j + i) * step + c;
        if (j + i < pixels) store_ended(e, y + at, e->gate ? e->gate + at : NULL, t[i], c, channels - c);
      }
    }
}
