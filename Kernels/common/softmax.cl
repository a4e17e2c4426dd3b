// What softmax over a row's neighbours is made of: those of a category, or the classes of a classifier.

// The largest of `count` numbers; NaN where there is one.
INLINE float peakOf(const global float *a, int count) {
  V most = (V)-INFINITY;
  for (int c = 0; c < count; c += VW) {
    V x = loadPart(a + c, count - c, -INFINITY);
    most = x > most || x != x ? x : most;
  }
  return maxLanes(most);
}

// Σ exp(a − peak).
INLINE float powersOf(const global float *a, int count, float peak) {
  V sums = (V)0.0f;
  for (int c = 0; c < count; c += VW)
    sums += keep(expNegative(loadPart(a + c, count - c, 0.0f) - peak), count - c);
  return sumLanes(sums);
}
