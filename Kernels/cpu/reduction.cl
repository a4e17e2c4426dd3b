// Sums on a CPU device: a work-item sums its part from first to last, so the order is fixed. Eight vectors at a time are
// added up plainly before they go into a long sum; a vector's lanes come last.

#define COLUMN_SCRATCH
#define SUM_COLUMNS(x, rows, columns, j, slopes, activation) sumColumns(x, rows, columns, j, slopes, activation)
// The first column of this work-item, and whether there is one.
#define COLUMN (get_global_id(0) * VW)
#define OWNS_COLUMN(j, columns) ((j) < (columns))
// The first columns of this work-item's vectors.
#define FOR_COLUMN_BLOCKS(j, columns, chunk)                                                              \
  for (int j = get_global_id(0) * (chunk), end = min(j + (chunk), columns); j < end; j += VW)

#define TOGETHER 8
#define PAIRWISE(TERM) (((TERM(0) + TERM(1)) + (TERM(2) + TERM(3))) + ((TERM(4) + TERM(5)) + (TERM(6) + TERM(7))))

INLINE V columnTerm(const global float *x, int count, bool slopes, int activation) {
  V value = loadPart(x, count, 0.0f);
  if (!slopes) return value;
  value = slope(value, activation);
  return value * value;
}

INLINE V sumOfColumns(
  const global float *x, int rows, int columns, int count, bool slopes, int activation) {
  Sum sum = NO_SUM;
  int r = 0;
#define TERM(t) columnTerm(x + (long)(t) * columns, count, slopes, activation)
  for (; r + TOGETHER <= rows; r += TOGETHER, x += (long)TOGETHER * columns) addTo(&sum, PAIRWISE(TERM));
#undef TERM
  for (; r < rows; r++, x += columns) addTo(&sum, columnTerm(x, count, slopes, activation));
  return sumOf(&sum);
}

// Σ over rows of VW columns from j on, of x or of f′(x)². A whole vector has a loop of its own.
OUTLINE V sumColumns(const global float *x, int rows, int columns, int j, bool slopes, int activation) {
  int count = columns - j;
  return count >= VW ? sumOfColumns(x + j, rows, columns, VW, slopes, activation)
                     : sumOfColumns(x + j, rows, columns, count, slopes, activation);
}

// Of elements i ..< i+part.
INLINE V sumTerm(
  const global float *x, const global float *theta, long i, int part, int kind, long decayCount, float decay) {
  V value = loadPart(x + i, part, 0.0f);
  if (kind == MAGNITUDES) return fabs(value);
  if (kind == OBJECTIVE && i < decayCount)
    value = fma((V)decay, loadPart(theta + i, (int)min((long)VW, decayCount - i), 0.0f), value);
  return value * value;
}

OUTLINE float sumTerms(
  const global float *x, const global float *theta, long i, long end, int kind, long decayCount, float decay) {
  Sum sum = NO_SUM;
#define TERM(t) sumTerm(x, theta, i + (t) * VW, VW, kind, decayCount, decay)
  for (; i + TOGETHER * VW <= end; i += TOGETHER * VW) addTo(&sum, PAIRWISE(TERM));
#undef TERM
  for (; i < end; i += VW)
    addTo(&sum, sumTerm(x, theta, i, (int)min((long)VW, end - i), kind, decayCount, decay));
  return sumLanes(sumOf(&sum));
}

// sums[r] = Σ x[r, :]².
kernel GROUP_1D void rowSquares(
  const global float *x, ulong x0, global float *sums, ulong sums0, int rows, int columns, int chunk) {
  FOR_ITEMS(r, rows, chunk)
    sums[sums0 + r] = sumTerms(x + x0 + r * columns, x, 0, columns, SQUARES, 0, 0.0f);
}

// One partial sum per work-item, of x², |x| or the squared gradient of the objective, (x + λθ)².
kernel GROUP_1D void sumPartials(
  const global float *x, ulong x0, const global float *theta, ulong theta0, global float *partials, ulong partials0,
  long count, int chunk, int kind, long decayCount, float decay) {
  long i = (long)get_global_id(0) * chunk;
  partials[partials0 + get_global_id(0)] =
    sumTerms(x + x0, theta + theta0, i, min(count, i + chunk), kind, min(count, decayCount), decay);
}

INLINE float sumAll(const global float *x, int count) {
  Sum sum = NO_SUM;
  for (int i = 0; i < count; i += VW) addTo(&sum, loadPart(x + i, count - i, 0.0f));
  return sumLanes(sumOf(&sum));
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
