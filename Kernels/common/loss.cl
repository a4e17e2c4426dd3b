// The loss of pre-activations a [rows, columns] (+ bias) and its gradient, which may overwrite a. Each
// work-item (CPU) or work-group (GPU) leaves one partial sum.
#ifdef CPU_FAMILY
kernel GROUP_1D void reconstructionLoss(
  const global float *a, ulong a0, const global float *bias, ulong bias0, const global float *target, ulong target0,
  global float *gradient, ulong gradient0, global float *partials, ulong partials0, int rows, int columns, int chunk,
  int hasBias, int loss, int activation, float scale, float lossScale) {
  Losses losses = {(V)0.0f, (V)0.0f};
  FOR_ITEMS(r, rows, chunk) {
    ulong at = r * columns;
    for (int c = 0; c < columns; c += VW) {
      int count = columns - c;
      V x = loadPart(a + a0 + at + c, count, 0.0f);
      if (hasBias) x += loadPart(bias + bias0 + c, count, 0.0f);
      V wanted = loadPart(target + target0 + at + c, count, 0.0f);
      storePart(
        lossAt(x, wanted, loss, activation, scale, lossScale, count, &losses), gradient + gradient0 + at + c,
        count);
      if (c / VW % 32 == 31) settle(&losses);
    }
    settle(&losses);
  }
  partials[partials0 + get_global_id(0)] = sumLanes(losses.sum);
}
#else
kernel GROUP_1D void reconstructionLoss(
  const global float *a, ulong a0, const global float *bias, ulong bias0, const global float *target, ulong target0,
  global float *gradient, ulong gradient0, global float *partials, ulong partials0, int rows, int columns, int chunk,
  int hasBias, int loss, int activation, float scale, float lossScale) {
  local float scratch[256];
  Losses losses = {0.0f, 0.0f};
  FOR_ITEMS(i, (long)rows * columns, chunk) {
    float x = a[a0 + i];
    if (hasBias) x += bias[bias0 + i % columns];
    gradient[gradient0 + i] = lossAt(x, target[target0 + i], loss, activation, scale, lossScale, 1, &losses);
    settle(&losses);
  }
  float total = treeSum(losses.sum, scratch);
  if (get_local_id(0) == 0) partials[partials0 + get_group_id(0)] = total;
}
#endif

// losses[r] = −log softmax(a_r)[label_r]; gradient = (softmax − onehot)·scale, which may overwrite a. A
// work-item a row: meant for the few classes of a classifier.
kernel GROUP_1D void softmaxLoss(
  const global float *a, ulong a0, const global float *labels, ulong labels0, global float *gradient,
  ulong gradient0, global float *losses, ulong losses0, int rows, int classes, int chunk, float scale) {
  FOR_ITEMS(r, rows, chunk) {
    const global float *row = a + a0 + r * classes;
    global float *out = gradient + gradient0 + r * classes;
    int label = (int)labels[labels0 + r];
    V most = (V)-INFINITY;
    for (int c = 0; c < classes; c += VW) {
      V x = loadPart(row + c, classes - c, -INFINITY);
      most = x > most || x != x ? x : most;
    }
    float peak = maxLanes(most);
    V sums = (V)0.0f;
    for (int c = 0; c < classes; c += VW)
      sums += keep(expNegative(loadPart(row + c, classes - c, 0.0f) - peak), classes - c);
    float sum = sumLanes(sums);
    float own = label >= 0 && label < classes ? row[label] : NAN;
    losses[losses0 + r] = log(sum) - (own - peak);
    for (int c = 0; c < classes; c += VW) {
      V p = expNegative(loadPart(row + c, classes - c, 0.0f) - peak) / sum;
      storePart((p - (LANES + c == (VI)label ? (V)1.0f : (V)0.0f)) * scale, out + c, classes - c);
    }
  }
}
