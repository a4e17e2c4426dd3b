// Adds up what cpu/convolutionGradient.cl leaves: slices of sums, one behind the other, in order. For every tile of sums
// that a gradient may be compiled for.

// A number of a slice, with what rounding took from it.
INLINE float sliceSum(const global float *from, int errors) {
  float error = errors ? from[errors] : 0.0f;
  return *from + (error == error ? error : 0.0f);
}

// One row of dW, `to` being its first.
OUTLINE void sumRow(const global float *slices, Plan plan, int row, int accumulate, global float *to) {
  int channels = plan[IN_CHANNELS], n = plan[OUT_CHANNELS], packed = plan[PACKED], length = plan[GROUP_LENGTH];
  size_t size = plan[SLICE];
  int tap = row / channels, c = row % channels;
  to += (long)row * n;
  int u = tap / plan[TAPS_X] - plan[FIRST_TAP_Y], v = tap % plan[TAPS_X] - plan[FIRST_TAP_X];
  if (u < 0 || u >= plan[COUNT_Y] || v < 0 || v >= plan[COUNT_X]) {
    // A tap that never meets the image.
    if (!accumulate) zero(to, n);
    return;
  }
  int run = plan[JOINED] ? u : u * plan[COUNT_X] + v;
  int place = plan[JOINED] ? v * channels + c : c;
  const global float *from = slices + (size_t)(run * plan[RUN_GROUPS] + place / length) * length * packed;
  if (plan[BY_RUNS]) {
    from += place % length;
    for (int k = 0; k < n; k++) {
      float sum = 0.0f;
      for (int s = 0; s < plan[SLICES]; s++) sum += sliceSum(from + s * size + k * length, plan[ERRORS]);
      to[k] = accumulate ? to[k] + sum : sum;
    }
    return;
  }
  from += (size_t)(place % length) * packed;
  for (int k = 0; k < n; k += VW) {
    V sum = (V)0.0f;
    for (int s = 0; s < plan[SLICES]; s++) {
      const global float *own = from + s * size + k;
      Sum part = {
        loadPart(own, n - k, 0.0f), plan[ERRORS] ? loadPart(own + plan[ERRORS], n - k, 0.0f) : (V)0.0f};
      sum += sumOf(&part);
    }
    if (accumulate) sum += loadPart(to + k, n - k, 0.0f);
    storePart(sum, to + k, n - k);
  }
}

// dW = Σ slices (+ dW), and db = Σ slices (+ db). A work-item takes some rows of dW [taps · channels, n], the last one
// also db.
kernel GROUP_1D void sumSlices(
  const global float *slices, global float *gradient, ulong gradient0, global float *bias, ulong bias0, Plan plan,
  int rows, int chunk, int biasCount, int accumulate, int accumulateBias) {
  size_t size = plan[SLICE];
  FOR_ITEMS(row, rows, chunk) sumRow(slices, plan, (int)row, accumulate, gradient + gradient0);
  if (get_global_id(0) + 1 == get_global_size(0))
    for (int k = 0; k < biasCount; k++) {
      float sum = 0.0f;
      for (int s = 1; s <= plan[SLICES]; s++) sum += sliceSum(slices + s * size - biasCount + k, -biasCount);
      bias[bias0 + k] = accumulateBias ? bias[bias0 + k] + sum : sum;
    }
}
