// Sums on a GPU: a work-group adds its items' sums in a tree, so the order is fixed. For column sums a work-group takes
// neighbouring columns and several of their rows at a time, so that reads coalesce.

#if COLUMNS_GROUP_Y & (COLUMNS_GROUP_Y - 1)
#error "The rows of a work-group meet in a tree: COLUMNS_GROUP_Y must be a power of two."
#endif

#define COLUMN_SCRATCH local float scratch[COLUMNS_GROUP_X * COLUMNS_GROUP_Y];
#define SUM_COLUMNS(x, rows, columns, j, slopes, activation)                                              \
  sumColumns(x, rows, columns, j, slopes, activation, scratch)
#define COLUMN get_global_id(0)
// After the tree the first row of work-items holds the sums.
#define OWNS_COLUMN(j, columns) ((j) < (columns) && get_local_id(1) == 0)
// A work-group has one block.
#define FOR_COLUMN_BLOCKS(j, columns, chunk)                                                              \
  for (int j = COLUMN, ahead = true; ahead; ahead = false)

INLINE float sumColumns(
  const global float *x, int rows, int columns, int j, bool slopes, int activation, local float *scratch) {
  int lane = get_local_id(0), line = get_local_id(1);
  Sum sum = NO_SUM;
  if (j < columns)
    for (int r = line; r < rows; r += COLUMNS_GROUP_Y) {
      float value = x[(size_t)r * columns + j];
      if (slopes) {
        value = slope(value, activation);
        value *= value;
      }
      addTo(&sum, value);
    }
  scratch[line * COLUMNS_GROUP_X + lane] = sumOf(&sum);
  barrier(CLK_LOCAL_MEM_FENCE);
  for (int step = COLUMNS_GROUP_Y / 2; step > 0; step /= 2) {
    if (line < step) scratch[line * COLUMNS_GROUP_X + lane] += scratch[(line + step) * COLUMNS_GROUP_X + lane];
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  return scratch[lane];
}

// sums[r] = Σ x[r, :]², one work-group per row.
kernel GROUP_1D void rowSquares(
  const global float *x, ulong x0, global float *sums, ulong sums0, int rows, int columns, int chunk) {
  local float scratch[LINE_GROUP];
  const global float *row = x + x0 + get_group_id(0) * columns;
  Sum sum = NO_SUM;
  for (int c = get_local_id(0); c < columns; c += LINE_GROUP) addTo(&sum, row[c] * row[c]);
  float total = treeSum(sumOf(&sum), scratch);
  if (get_local_id(0) == 0) sums[sums0 + get_group_id(0)] = total;
}

// One partial sum per work-group, of x², |x| or the squared gradient of the objective, (x + λθ)².
kernel GROUP_1D void sumPartials(
  const global float *x, ulong x0, const global float *theta, ulong theta0, global float *partials, ulong partials0,
  long count, int chunk, int kind, long decayCount, float decay) {
  local float scratch[LINE_GROUP];
  Sum sum = NO_SUM;
  FOR_EACH(i, count, chunk) {
    float value = x[x0 + i];
    if (kind == OBJECTIVE && i < decayCount) value = fma(decay, theta[theta0 + i], value);
    addTo(&sum, kind == MAGNITUDES ? fabs(value) : value * value);
  }
  float total = treeSum(sumOf(&sum), scratch);
  if (get_local_id(0) == 0) partials[partials0 + get_group_id(0)] = total;
}

INLINE float sumAll(const global float *x, int count, local float *scratch) {
  Sum sum = NO_SUM;
  for (int i = get_local_id(0); i < count; i += LINE_GROUP) addTo(&sum, x[i]);
  return treeSum(sumOf(&sum), scratch);
}

// result[t] = scale_t · Σ partials of term t. One work-group. Terms that are not asked for count 0 partials.
kernel GROUP_1D void total(
  const global float *x, ulong x0, const global float *y, ulong y0, const global float *z, ulong z0,
  const global float *w, ulong w0, global float *result, ulong result0, int terms, int4 counts, float4 scales) {
  local float scratch[LINE_GROUP];
  float sums[4];
  sums[0] = scales.s0 * sumAll(x + x0, counts.s0, scratch);
  sums[1] = scales.s1 * sumAll(y + y0, counts.s1, scratch);
  sums[2] = scales.s2 * sumAll(z + z0, counts.s2, scratch);
  sums[3] = scales.s3 * sumAll(w + w0, counts.s3, scratch);
  if (get_local_id(0) == 0)
    for (int t = 0; t < terms; t++) result[result0 + t] = sums[t];
}

// scale = min(1, maximum/√Σ partials). One work-group.
kernel GROUP_1D void clipScale(
  const global float *partials, ulong partials0, global float *scale, ulong scale0, int count, float maximum) {
  local float scratch[LINE_GROUP];
  float ratio = maximum / sqrt(sumAll(partials + partials0, count, scratch));
  if (get_local_id(0) == 0) scale[scale0] = ratio > 1.0f ? 1.0f : ratio;
}
