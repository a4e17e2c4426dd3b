// Sums. Each accumulator covers a short stretch, and what rounding takes from the sum of stretches is added up beside it,
// so that the error does not grow with the length.

/// Knuth's TwoSum.
typedef struct {
  vf sum, error;
} long_sum;

INLINE void add_to(long_sum *s, vf x) {
  const vf sum = s->sum + x, added = sum - s->sum;
  s->error += (s->sum - (sum - added)) + (x - added);
  s->sum = sum;
}

/// Where the sum is infinite, the error is no number.
INLINE vf sum_of_long(const long_sum *s) { return s->sum + (s->error == s->error ? s->error : (vf)0.0f); }

enum { stretch_rows = 256, stretch = 2048 };

/// Σ over rows of f(x) for one vector of columns; `f` is 0 for x, else the squared slope of an activation.
#define COLUMN_TERM(activation, squared_slope, x) \
  ((squared_slope) ? slope(activation, x) * slope(activation, x) : (x))

INLINE vf column_sum(
    cinch_activation activation, bool squared_slope, const float *x, int64_t rows, int64_t columns, int64_t n) {
  long_sum total = {(vf)0.0f, (vf)0.0f};
  for (int64_t start = 0; start < rows; start += stretch_rows) {
    const int64_t end = cinch_min(start + stretch_rows, rows);
    vf s0 = 0.0f, s1 = 0.0f, s2 = 0.0f, s3 = 0.0f;
    int64_t r = start;
    for (; r + 4 <= end; r += 4) {
      vf x0 = load_some(x + r * columns, n), x1 = load_some(x + (r + 1) * columns, n);
      vf x2 = load_some(x + (r + 2) * columns, n), x3 = load_some(x + (r + 3) * columns, n);
      s0 += COLUMN_TERM(activation, squared_slope, x0);
      s1 += COLUMN_TERM(activation, squared_slope, x1);
      s2 += COLUMN_TERM(activation, squared_slope, x2);
      s3 += COLUMN_TERM(activation, squared_slope, x3);
    }
    for (; r < end; r++) {
      vf x0 = load_some(x + r * columns, n);
      s0 += COLUMN_TERM(activation, squared_slope, x0);
    }
    add_to(&total, (s0 + s1) + (s2 + s3));
  }
  return sum_of_long(&total);
}

static void column_sums(
    const float *x, int64_t rows, int64_t columns, float scale, bool accumulate, float *sums, int64_t c0, int64_t c1) {
  for (int64_t c = c0; c < c1; c += CINCH_WIDTH) {
    int64_t n = c1 - c;
    vf sum = column_sum(cinch_linear, false, x + c, rows, columns, n) * scale;
    if (accumulate) sum += load_some(sums + c, n);
    store_some(sums + c, sum, n);
  }
}

typedef enum { of_squares, of_magnitudes, of_decayed_squares } sum_kind;

INLINE vf sum_term(sum_kind kind, const float *x, const float *other, float factor, int64_t n) {
  vf value = load_some(x, n);
  if (kind == of_magnitudes) return magnitude(value);
  if (kind == of_decayed_squares) value += factor * load_some(other, n);
  return value * value;
}

INLINE float sum_of(sum_kind kind, const float *x, const float *other, float factor, int64_t count) {
  long_sum total = {(vf)0.0f, (vf)0.0f};
  for (int64_t start = 0; start < count; start += stretch) {
    const int64_t end = cinch_min(start + stretch, count);
    vf s0 = 0.0f, s1 = 0.0f, s2 = 0.0f, s3 = 0.0f;
    int64_t i = start;
    for (; i + 4 * CINCH_WIDTH <= end; i += 4 * CINCH_WIDTH) {
      s0 += sum_term(kind, x + i, other + i, factor, CINCH_WIDTH);
      s1 += sum_term(kind, x + i + CINCH_WIDTH, other + i + CINCH_WIDTH, factor, CINCH_WIDTH);
      s2 += sum_term(kind, x + i + 2 * CINCH_WIDTH, other + i + 2 * CINCH_WIDTH, factor, CINCH_WIDTH);
      s3 += sum_term(kind, x + i + 3 * CINCH_WIDTH, other + i + 3 * CINCH_WIDTH, factor, CINCH_WIDTH);
    }
    for (; i < end; i += CINCH_WIDTH) s0 += sum_term(kind, x + i, other + i, factor, end - i);
    add_to(&total, (s0 + s1) + (s2 + s3));
  }
  return sum_lanes(sum_of_long(&total));
}

static float sum_squares(const float *x, int64_t count) { return sum_of(of_squares, x, x, 0, count); }
static float sum_magnitudes(const float *x, int64_t count) { return sum_of(of_magnitudes, x, x, 0, count); }
static float sum_decayed_squares(const float *gradients, const float *parameters, float decay, int64_t count) {
  return sum_of(of_decayed_squares, gradients, parameters, decay, count);
}

static void row_squares(const float *x, int64_t columns, float *sums, int64_t r0, int64_t r1) {
  for (int64_t r = r0; r < r1; r++) sums[r] = sum_squares(x + r * columns, columns);
}
