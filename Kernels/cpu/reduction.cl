// Sums on a CPU device: a work-item sums its part from first to last, so the order is fixed.

#define COLUMN_SCRATCH
#define SUM_COLUMNS(x, rows, columns, j, slopes, activation) sumColumns(x, rows, columns, j, slopes, activation)
// The first column of this work-item, and whether there is one.
#define COLUMN (get_global_id(0) * VW)
#define OWNS_COLUMN(j, columns) ((j) < (columns))

// Σ over rows of VW columns from j on, of x or of f′(x)².
INLINE V sumColumns(const global float *x, int rows, int columns, int j, bool slopes, int activation) {
  V sum = (V)0.0f;
  for (int r = 0; r < rows; r++) {
    V value = loadPart(x + (size_t)r * columns + j, columns - j, 0.0f);
    if (slopes) {
      value = slope(value, activation);
      value *= value;
    }
    sum += value;
  }
  return sum;
}

// sums[r] = Σ x[r, :]².
kernel GROUP_1D void rowSquares(
  const global float *x, ulong x0, global float *sums, ulong sums0, int rows, int columns, int chunk) {
  FOR_ITEMS(r, rows, chunk) {
    const global float *row = x + x0 + r * columns;
    V sum = (V)0.0f;
    for (int c = 0; c < columns; c += VW) {
      V value = loadPart(row + c, columns - c, 0.0f);
      sum = fma(value, value, sum);
    }
    sums[sums0 + r] = sumLanes(sum);
  }
}

// One partial sum per work-item, of x², |x| or the squared gradient of the objective, (x + λθ)².
kernel GROUP_1D void sumPartials(
  const global float *x, ulong x0, const global float *theta, ulong theta0, global float *partials, ulong partials0,
  long count, int chunk, int kind, long decayCount, float decay) {
  V sum = (V)0.0f;
  FOR_EACH(i, count, chunk) {
    V value = loadPart(x + x0 + i, PART(i), 0.0f);
    if (kind == OBJECTIVE && i < decayCount) {
      V weight = loadPart(theta + theta0 + i, (int)min((long)VW, min(count, decayCount) - i), 0.0f);
      value = fma((V)decay, weight, value);
    }
    sum += kind == MAGNITUDES ? fabs(value) : value * value;
  }
  partials[partials0 + get_global_id(0)] = sumLanes(sum);
}

INLINE float sumAll(const global float *x, int count) {
  V sum = (V)0.0f;
  for (int i = 0; i < count; i += VW) sum += loadPart(x + i, count - i, 0.0f);
  return sumLanes(sum);
}

// result[t] = scale_t · Σ partials of term t.
kernel GROUP_1D void total(
  const global float *x, ulong x0, const global float *y, ulong y0, const global float *z, ulong z0,
  const global float *w, ulong w0, global float *result, ulong result0, int terms, int4 counts, float4 scales) {
  result += result0;
  result[0] = scales.s0 * sumAll(x + x0, counts.s0);
  if (terms > 1) result[1] = scales.s1 * sumAll(y + y0, counts.s1);
  if (terms > 2) result[2] = scales.s2 * sumAll(z + z0, counts.s2);
  if (terms > 3) result[3] = scales.s3 * sumAll(w + w0, counts.s3);
}

// scale = min(1, maximum/√Σ partials).
kernel GROUP_1D void clipScale(
  const global float *partials, ulong partials0, global float *scale, ulong scale0, int count, float maximum) {
  float ratio = maximum / sqrt(sumAll(partials + partials0, count));
  scale[scale0] = ratio > 1.0f ? 1.0f : ratio;
}
