// Tables whose columns are of several kinds. A work-item takes a column of a row: code 0 is a number, 1 a binary column, and k
// a category of k texts, whose outputs lie side by side and share vectors.

kernel GROUP_1D void mixedOutput(
  const global float *a, ulong a0, const global float *starts, ulong starts0, const global float *codes, ulong codes0,
  global float *output, ulong output0, int cells, int width, int columns, int chunk) {
  FOR_ITEMS(item, cells, chunk) {
    const long r = item / columns, column = item % columns, at = r * width + (int)starts[starts0 + column];
    const int code = (int)codes[codes0 + column];
    const global float *from = a + a0 + at;
    global float *to = output + output0 + at;
    if (code == 0) {
      *to = *from;
    } else if (code == 1) {
      storePart(activate((V)*from, SIGMOID), to, 1);
    } else {
      const float peak = peakOf(from, code), sum = powersOf(from, code, peak);
      for (int c = 0; c < code; c += VW)
        storePart(expNegative(loadPart(from + c, code - c, 0.0f) - peak) / sum, to + c, code - c);
    }
  }
}

kernel GROUP_1D void mixedLoss(
  const global float *a, ulong a0, const global float *starts, ulong starts0, const global float *codes, ulong codes0,
  const global float *target, ulong target0, const global float *weight, ulong weight0, global float *gradient,
  ulong gradient0, global float *losses, ulong losses0, int cells, int width, int columns, int chunk, int hasWeight,
  float scale) {
  FOR_ITEMS(item, cells, chunk) {
    const long r = item / columns, column = item % columns, at = r * width + (int)starts[starts0 + column];
    const int code = (int)codes[codes0 + column];
    const global float *from = a + a0 + at, *wanted = target + target0 + at;
    const global float *share = weight + weight0 + at;
    global float *to = gradient + gradient0 + at, *loss = losses + losses0 + at;
    if (code < 2) {
      const float x = *wanted, w = hasWeight ? *share : 1.0f;
      const V value = (V)*from;
      V error, slope;
      if (code == 0) {
        slope = value - x;
        error = 0.5f * slope * slope;
      } else {
        const V e = expNegative(-fabs(value));
        slope = (value < (V)0.0f ? e : (V)1.0f) / (1.0f + e) - x;
        error = (value < (V)0.0f ? (V)0.0f : value) - value * x + log1pV(e);
      }
      storePart(w == 0.0f ? (V)0.0f : error * w, loss, 1);
      storePart(w == 0.0f ? (V)0.0f : slope * w * scale, to, 1);
      continue;
    }
    const float peak = peakOf(from, code), sum = powersOf(from, code, peak), logSum = log(sum);
    V totals = (V)0.0f;
    for (int c = 0; c < code; c += VW) totals += loadPart(wanted + c, code - c, 0.0f);
    const float part = sumLanes(totals) / sum;
    for (int c = 0; c < code; c += VW) {
      const int count = code - c;
      const V distance = loadPart(from + c, count, 0.0f) - peak, x = loadPart(wanted + c, count, 0.0f);
      const V w = hasWeight ? loadPart(share + c, count, 0.0f) : (V)1.0f;
      const V error = x == (V)0.0f ? (V)0.0f : x * (logSum - distance);
      storePart(w == (V)0.0f ? (V)0.0f : error * w, loss + c, count);
      storePart(w == (V)0.0f ? (V)0.0f : (expNegative(distance) * part - x) * w * scale, to + c, count);
    }
  }
}
