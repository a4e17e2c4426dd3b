// The factors and the summand of a loss whose variance is on the device.
#define GAUSSIAN_NUMBERS                                                                                  \
  float precision = precisionOf(loss, logVariance + logVariance0);                                        \
  float normaliser = normaliserOf(loss, logVariance + logVariance0);                                      \
  scale *= precision;                                                                                     \
  lossScale *= precision;

// `lossAt`, with weights or without. A call on a CPU, where it is compiled once for two kernels.
#if CPU_FAMILY
OUTLINE
#else
INLINE
#endif
V anyLossAt(
  V x, V wanted, V weight, int hasWeight, int loss, int activation, float scale, float lossScale, float normaliser,
  int count, Losses *losses) {
  return hasWeight
    ? weightedLossAt(x, wanted, weight, loss, activation, scale, lossScale, normaliser, count, losses)
    : lossAt(x, wanted, loss, activation, scale, lossScale, normaliser, count, losses);
}

// The loss of pre-activations a [rows, columns] (+ bias) and its gradient, which may overwrite a, in `pieces` partial
// sums: of as many rows each (CPU), or one per work-group (GPU).
#if CPU_FAMILY
kernel GROUP_1D void reconstructionLoss(
  const global float *a, ulong a0, const global float *bias, ulong bias0, const global float *target, ulong target0,
  const global float *weight, ulong weight0, const global float *logVariance, ulong logVariance0,
  global float *gradient, ulong gradient0, global float *partials, ulong partials0, int rows, int columns, int pieces,
  int chunk, int hasBias, int hasWeight, int loss, int activation, float scale, float lossScale) {
  GAUSSIAN_NUMBERS
  int each = (rows + pieces - 1) / pieces, used = each > 0 ? (rows + each - 1) / each : 0;
  if (get_global_id(0) == 0)
    for (int piece = used; piece < pieces; piece++) partials[partials0 + piece] = 0.0f;
  FOR_ITEMS(piece, used, chunk) {
    Losses losses = {(V)0.0f, (V)0.0f};
    Sum total = NO_SUM;
    for (long r = piece * each; r < min((piece + 1) * each, (long)rows); r++) {
      ulong at = r * columns;
      for (int c = 0; c < columns; c += VW) {
        int count = columns - c;
        V x = loadPart(a + a0 + at + c, count, 0.0f);
        if (hasBias) x += loadPart(bias + bias0 + c, count, 0.0f);
        V wanted = loadPart(target + target0 + at + c, count, 0.0f);
        V w = hasWeight ? loadPart(weight + weight0 + at + c, count, 0.0f) : (V)1.0f;
        x = anyLossAt(
          x, wanted, w, hasWeight, loss, activation, scale, lossScale, normaliser, count, &losses);
        storePart(x, gradient + gradient0 + at + c, count);
        if (c / VW % 32 == 31) collect(&losses, &total);
      }
      collect(&losses, &total);
    }
    partials[partials0 + piece] = sumLanes(sumOf(&total));
  }
}
#else
kernel GROUP_1D void reconstructionLoss(
  const global float *a, ulong a0, const global float *bias, ulong bias0, const global float *target, ulong target0,
  const global float *weight, ulong weight0, const global float *logVariance, ulong logVariance0,
  global float *gradient, ulong gradient0, global float *partials, ulong partials0, int rows, int columns, int pieces,
  int chunk, int hasBias, int hasWeight, int loss, int activation, float scale, float lossScale) {
  local float scratch[LINE_GROUP];
  GAUSSIAN_NUMBERS
  Losses losses = {0.0f, 0.0f};
  Sum sum = NO_SUM;
  FOR_ITEMS(i, (long)rows * columns, chunk) {
    float x = a[a0 + i];
    if (hasBias) x += bias[bias0 + i % columns];
    float w = hasWeight ? weight[weight0 + i] : 1.0f;
    gradient[gradient0 + i] = anyLossAt(
      x, target[target0 + i], w, hasWeight, loss, activation, scale, lossScale, normaliser, 1, &losses);
    collect(&losses, &sum);
  }
  float total = treeSum(sumOf(&sum), scratch);
  if (get_local_id(0) == 0) partials[partials0 + get_group_id(0)] = total;
}
#endif

// losses[r] = the loss of row r of pre-activations a [rows, columns] (+ bias, which repeats every `channels` columns).
// One work-item (CPU) or work-group (GPU) per row.
kernel GROUP_1D void sampleLosses(
  const global float *a, ulong a0, const global float *bias, ulong bias0, const global float *target, ulong target0,
  const global float *weight, ulong weight0, const global float *logVariance, ulong logVariance0,
  global float *losses, ulong losses0, int rows, int columns, int chunk, int channels, int hasBias, int hasWeight,
  int loss, int activation, float lossScale) {
  float scale = 0.0f;
#if CPU_FAMILY
  GAUSSIAN_NUMBERS
  FOR_ITEMS(r, rows, chunk) {
    ulong at = r * columns;
    Losses sums = {(V)0.0f, (V)0.0f};
    Sum total = NO_SUM;
    int turns = 0;
    for (int pixel = 0; pixel < columns; pixel += channels)
      for (int c = 0; c < channels; c += VW) {
        int count = channels - c;
        V x = loadPart(a + a0 + at + pixel + c, count, 0.0f);
        if (hasBias) x += loadPart(bias + bias0 + c, count, 0.0f);
        V wanted = loadPart(target + target0 + at + pixel + c, count, 0.0f);
        V w = hasWeight ? loadPart(weight + weight0 + at + pixel + c, count, 0.0f) : (V)1.0f;
        anyLossAt(x, wanted, w, hasWeight, loss, activation, scale, lossScale, normaliser, count, &sums);
        if (++turns % 32 == 0) collect(&sums, &total);
      }
    collect(&sums, &total);
    losses[losses0 + r] = sumLanes(sumOf(&total));
  }
#else
  local float scratch[LINE_GROUP];
  GAUSSIAN_NUMBERS
  long r = get_group_id(0);
  Losses sums = {0.0f, 0.0f};
  Sum all = NO_SUM;
  for (int c = get_local_id(0); c < columns; c += LINE_GROUP) {
    float x = a[a0 + r * columns + c];
    if (hasBias) x += bias[bias0 + c % channels];
    float w = hasWeight ? weight[weight0 + r * columns + c] : 1.0f;
    float t = target[target0 + r * columns + c];
    anyLossAt(x, t, w, hasWeight, loss, activation, scale, lossScale, normaliser, 1, &sums);
    collect(&sums, &all);
  }
  float total = treeSum(sumOf(&all), scratch);
  if (get_local_id(0) == 0) losses[losses0 + r] = total;
#endif
}

// losses[r] = −log softmax(a_r)[label_r]; gradient = (softmax − onehot)·scale, which may overwrite a; errors[r] = 0 where
// label_r is the first class of the largest a, or else 1. One work-item per row: this is for the few classes of a classifier.
kernel GROUP_1D void softmaxLoss(
  const global float *a, ulong a0, const global float *labels, ulong labels0, global float *gradient,
  ulong gradient0, global float *losses, ulong losses0, global float *errors, ulong errors0, int rows, int classes,
  int chunk, float scale) {
  FOR_ITEMS(r, rows, chunk) {
    const global float *row = a + a0 + r * classes;
    global float *out = gradient + gradient0 + r * classes;
    int label = (int)labels[labels0 + r];
    float peak = peakOf(row, classes), sum = powersOf(row, classes, peak);
    float own = label >= 0 && label < classes ? row[label] : NAN;
    losses[losses0 + r] = log(sum) - (own - peak);
    V wrong = (V)0.0f;
    for (int c = 0; c < classes; c += VW) {
      V x = loadPart(row + c, classes - c, -INFINITY);
      V among = LANES + c < (VI)label ? (V)1.0f : (V)0.0f;
      wrong = fmax(wrong, x < own ? (V)0.0f : x == own ? among : (V)1.0f);
    }
    errors[errors0 + r] = maxLanes(wrong);
    for (int c = 0; c < classes; c += VW) {
      V p = expNegative(loadPart(row + c, classes - c, 0.0f) - peak) / sum;
      storePart((p - (LANES + c == (VI)label ? (V)1.0f : (V)0.0f)) * scale, out + c, classes - c);
    }
  }
}
