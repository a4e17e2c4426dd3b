// Column sums and the penalties that end them.

// sums = scale · Σ over rows of x [rows, columns] (+ sums).
kernel GROUP_COLUMNS void columnSums(
  const global float *x, ulong x0, global float *sums, ulong sums0, int rows, int columns, int chunk,
  float scale, int accumulate) {
  COLUMN_SCRATCH
  FOR_COLUMN_BLOCKS(j, columns, chunk) {
    V sum = SUM_COLUMNS(x + x0, rows, columns, j, false, 0) * scale;
    if (!OWNS_COLUMN(j, columns)) continue;
    if (accumulate) sum += loadPart(sums + sums0 + j, columns - j, 0.0f);
    storePart(sum, sums + sums0 + j, columns - j);
  }
}

// ρ̂ = past·means + share·mean;  column = pull·(−ρ/ρ̂ + (1−ρ)/(1−ρ̂)), pull = share·β/rows;
// values = β·(entropy − ρ log ρ̂ − (1−ρ) log(1−ρ̂)), entropy = ρ log ρ + (1−ρ) log(1−ρ). 1−ρ̂ is clamped
// on its own: the difference from a ρ̂ near 1 would keep few of its digits.
kernel GROUP_COLUMNS void klSparsity(
  const global float *h, ulong h0, global float *means, ulong means0, global float *column, ulong column0,
  global float *values, ulong values0, int rows, int columns, float past, float meanScale, float rho, float beta,
  float pull, float entropy, float clampAt) {
  COLUMN_SCRATCH
  int j = COLUMN;
  V mean = SUM_COLUMNS(h + h0, rows, columns, j, false, 0) * meanScale;
  if (!OWNS_COLUMN(j, columns)) return;
  int count = columns - j;
  if (past != 0.0f) mean = fma((V)past, loadPart(means + means0 + j, count, 0.5f), mean);
  storePart(mean, means + means0 + j, count);
  V other = 1.0f - mean;
  V p = mean < clampAt ? (V)clampAt : mean > 1.0f - clampAt ? (V)(1.0f - clampAt) : mean;
  V q = other < clampAt ? (V)clampAt : other > 1.0f - clampAt ? (V)(1.0f - clampAt) : other;
  storePart(pull * ((1.0f - rho) / q - rho / p), column + column0 + j, count);
  storePart(beta * (entropy - rho * logV(p) - (1.0f - rho) * logV(q)), values + values0 + j, count);
}

// slopes = scale·Σ f′(a)², scale = 1/rows; values = slopes·norms.
kernel GROUP_COLUMNS void contractive(
  const global float *h, ulong h0, const global float *norms, ulong norms0, global float *slopes, ulong slopes0,
  global float *values, ulong values0, int rows, int columns, int activation, float scale) {
  COLUMN_SCRATCH
  int j = COLUMN;
  V mean = SUM_COLUMNS(h + h0, rows, columns, j, true, activation) * scale;
  if (!OWNS_COLUMN(j, columns)) return;
  int count = columns - j;
  storePart(mean, slopes + slopes0 + j, count);
  storePart(mean * loadPart(norms + norms0 + j, count, 0.0f), values + values0 + j, count);
}

// gradient = scale·(½W(1 + log 2πσ²) − Σ partials), W = Σ weights or, where there are none, `elements`. One work-item
// (CPU) or work-group (GPU).
kernel GROUP_1D void logVarianceGradient(
  const global float *partials, ulong partials0, const global float *weights, ulong weights0,
  const global float *logVariance, ulong logVariance0, global float *gradient, ulong gradient0, int count,
  int weightCount, float elements, float scale) {
#if CPU_FAMILY
  float loss = sumAll(partials + partials0, count);
  float weight = weightCount > 0 ? sumAll(weights + weights0, weightCount) : elements;
#else
  local float scratch[LINE_GROUP];
  float loss = sumAll(partials + partials0, count, scratch);
  float weight = weightCount > 0 ? sumAll(weights + weights0, weightCount, scratch) : elements;
  if (get_local_id(0) > 0) return;
#endif
  gradient[gradient0] = scale * (0.5f * weight * (2.83787707f + logVariance[logVariance0]) - loss);
}
