// Rows of a data set that a batch takes, in the order of an epoch.

// A vector of a data set: floats, or, where there is a divisor, bytes that stand for b / divisor. `inverse` is 1/divisor,
// rounded; the quotient's error, which is found exactly, makes it the nearest float.
INLINE V loadSamples(const global float *source, long at, int count, float divisor, float inverse) {
  if (divisor == 0.0f) return loadPart(source + at, count, 0.0f);
  const global uchar *bytes = (const global uchar *)source + at;
#if VW == 1
  V b = (float)*bytes;
#else
  V b;
  if (count >= VW) {
    b = TO_V(GLUE(vload, VW)(0, bytes));
  } else {
    float lanes[VW];
    for (int l = 0; l < VW; l++) lanes[l] = l < count ? (float)bytes[l] : 0.0f;
    b = LOAD(lanes);
  }
#endif
  V quotient = b * inverse;
  return fma(fma(-quotient, (V)divisor, b), (V)inverse, quotient);
}

#if CPU_FAMILY
// Copies a row, and asks for the one at `next`.
INLINE void copyRow(
  const global float *source, long from, long next, int columns, float divisor, float inverse, global float *to) {
  int c = 0;
  for (; c + VW <= columns; c += VW) {
    PREFETCH(divisor == 0.0f ? (const global uchar *)(source + next + c) : (const global uchar *)source + next + c);
    STORE(loadSamples(source, from + c, VW, divisor, inverse), to + c);
  }
  if (c < columns) storePart(loadSamples(source, from + c, columns - c, divisor, inverse), to + c, columns - c);
}

// Copies rows r ..< end of the batch. Rows lie anywhere in a data set far larger than the caches: while one is copied,
// the next one is asked for, so their places in the source are found VW at a time.
OUTLINE void copyRows(
  const global float *source, float divisor, float inverse, global float *batch, long r, long end, int columns,
  long start, int permuted, uint count, uint4 key, uint halfBits) {
  for (; r < end; r += VW) {
    uint places[VW];
    int rows = (int)min((long)VW, end - r);
    long first = permuted ? 0 : start + r;
    // The network ends for real rows alone.
    VU row = min(LANES_U + (uint)(start + r), (VU)(uint)(start + end - 1));
    STORE(permuted ? permute(row, count, key, halfBits) : LANES_U, places);
    for (int l = 0; l < rows; l++) {
      long from = (first + places[l]) * columns, next = (first + places[min(l + 1, rows - 1)]) * columns;
      global float *to = batch + (r + l) * columns;
      // Apart, so that no vector has to decide.
      if (divisor == 0.0f)
        copyRow(source, from, next, columns, 0.0f, 0.0f, to);
      else
        copyRow(source, from, next, columns, divisor, inverse, to);
    }
  }
}
#else
// Which row of the source row r of the batch is.
INLINE long sourceRow(long r, long start, int permuted, uint count, uint4 key, uint halfBits) {
  return permuted ? (long)permute((uint)(start + r), count, key, halfBits) : start + r;
}
#endif
