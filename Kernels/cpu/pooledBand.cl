// A band of an image that is pooled where it lies, in a work-item's scratch memory, and back. Windows of POOL_HEIGHT ×
// POOL_WIDTH lie side by side, and whole, from the first pixel on; rows and columns may be left over. Channels fill
// vectors. The host names the window where a convolution pools, else POOL_HEIGHT is 0.

#if !defined(POOL_HEIGHT) || !defined(POOL_WIDTH)
#error "The host must define the window, or 0 where nothing is pooled."
#endif

#if POOL_HEIGHT

// Where the band that begins at row q0 of a sample lies in the small image, and how many of its rows the band makes.
INLINE size_t pooledStart(Plan plan, int sample, int q0) {
  return ((size_t)sample * plan[POOLED_HEIGHT] + q0 / POOL_HEIGHT) * plan[POOLED_WIDTH] * plan[OUT_CHANNELS];
}

INLINE int pooledRows(Plan plan, int q0, int rows) {
  return max(min(rows / POOL_HEIGHT, plan[POOLED_HEIGHT] - q0 / POOL_HEIGHT), 0);
}

// y = the largest value of each window of so many rows of them, and its place there.
OUTLINE void poolBand(const global float *maps, Plan plan, int rows, global float *y, global float *switches) {
  int channels = plan[OUT_CHANNELS], line = plan[OUT_WIDTH] * channels;
  for (int i = 0; i < rows; i++)
    for (int j = 0; j < plan[POOLED_WIDTH]; j++)
      for (int c = 0; c < channels; c += VW, y += VW, switches += VW) {
        const global float *corner = maps + (size_t)i * POOL_HEIGHT * line + j * POOL_WIDTH * channels + c;
        Largest largest = {(V)-INFINITY, (V)0.0f};
#pragma unroll
        for (int u = 0; u < POOL_HEIGHT; u++)
#pragma unroll
          for (int v = 0; v < POOL_WIDTH; v++)
            meet(&largest, LOAD(corner + u * line + v * channels), u * POOL_WIDTH + v);
        STORE(largest.value, y);
        STORE(largest.place, switches);
      }
}

// A band of `rows` rows of the large image: δ where the switches point, of so many rows of windows, and zeros.
OUTLINE void unpoolBand(
  const global float *delta, const global float *switches, Plan plan, int pooled, int rows, global float *to) {
  int channels = plan[OUT_CHANNELS], line = plan[OUT_WIDTH] * channels;
  int left = plan[POOLED_WIDTH] * POOL_WIDTH * channels;
  for (int i = 0; i < pooled; i++) {
    global float *band = to + (size_t)i * POOL_HEIGHT * line;
    for (int j = 0; j < plan[POOLED_WIDTH]; j++)
      for (int c = 0; c < channels; c += VW, delta += VW, switches += VW) {
        V value = LOAD(delta), place = LOAD(switches);
        global float *corner = band + j * POOL_WIDTH * channels + c;
#pragma unroll
        for (int u = 0; u < POOL_HEIGHT; u++)
#pragma unroll
          for (int v = 0; v < POOL_WIDTH; v++)
            STORE(
              place == (V)(float)(u * POOL_WIDTH + v) ? value : (V)0.0f, corner + u * line + v * channels);
      }
    for (int u = 0; u < POOL_HEIGHT; u++) zero(band + u * line + left, line - left);
  }
  zero(to + (size_t)pooled * POOL_HEIGHT * line, (rows - pooled * POOL_HEIGHT) * line);
}

#endif
