// Corruptions of inputs, and draws by probabilities.

// Corrupts or draws the BLOCK_WORDS·VW elements from e on that lie below `end`. Element 0 begins block `first`. `low`
// and `high` are thresholds; `always` stands for a `high` of 2³², which a word does not hold.
INLINE void corruptAt(
  const global float *x, global float *y, long e, long end, int kind, uint2 step, uint2 key, uint first, uint low,
  uint high, int always, float sigma) {
  VU w[BLOCK_WORDS];
  V noise[BLOCK_WORDS];
  philox(LANES_U + (first + (uint)(e / BLOCK_WORDS)), step.s0, step.s1, key.s0, key.s1, w);
  if (kind == NOISE) {
    normals(w[0], w[1], noise, noise + 1);
    normals(w[2], w[3], noise + 2, noise + 3);
    interleave(noise, BLOCK_WORDS);
  } else {
    interleaveWords(w, BLOCK_WORDS);
  }
#pragma unroll
  for (int q = 0; q < BLOCK_WORDS; q++) {
    long at = e + q * VW;
    int count = (int)min((long)VW, end - at);
    if (count <= 0) break;
    V value = loadPart(x + at, count, 0.0f);
    switch (kind) {
    case MASKING: value = (w[q] < (VU)high || (VU)always != (VU)0) ? (V)0.0f : value; break;
    case NOISE: value = fma((V)sigma, noise[q], value); break;
    case SALT_PEPPER:
      value = (w[q] < (VU)high || (VU)always != (VU)0) ? (V)1.0f : value;
      value = w[q] < (VU)low ? (V)0.0f : value;
      break;
    default: value = TO_V(w[q] >> 8) * 0x1p-24f < value ? (V)1.0f : (V)0.0f;
    }
    storePart(value, y + at, count);
  }
}

// y = C(x), element by element, or draws with probabilities x. y may be x.
kernel GROUP_1D void corrupt(
  const global float *x, ulong x0, global float *y, ulong y0, long count, int chunk, int kind, uint2 step, uint2 key,
  uint first, uint low, uint high, int always, float sigma) {
  FOR_BLOCKS(e, count, chunk)
  corruptAt(x + x0, y + y0, e, eEnd, kind, step, key, first, low, high, always, sigma);
}

// `gather` and `corrupt` in one pass. On a CPU `chunk` counts rows, BLOCK_WORDS or a multiple: a work-item's first
// element starts a block, and the rows it has just copied are still in its cache.
kernel GROUP_1D void gatherCorrupt(
  const global float *source, ulong source0, float divisor, float inverse, global float *batch, ulong batch0,
  global float *y, ulong y0, int rows, int columns, int chunk, long start, int permuted, uint orderCount,
  uint4 orderKey, uint halfBits, int kind, uint2 step, uint2 key, uint first, uint low, uint high, int always,
  float sigma) {
  source += source0;
  batch += batch0;
  y += y0;
#if CPU_FAMILY
  long r = (long)get_global_id(0) * chunk;
  copyRows(
    source, divisor, inverse, batch, r, min((long)rows, r + chunk), columns, start, permuted, orderCount, orderKey,
    halfBits);
  FOR_BLOCKS(e, (long)rows * columns, (long)chunk * columns)
  corruptAt(batch, y, e, eEnd, kind, step, key, first, low, high, always, sigma);
#else
  FOR_BLOCKS(e, (long)rows * columns, chunk) {
    for (int q = 0; q < BLOCK_WORDS; q++) {
      long i = e + q;
      if (i >= eEnd) break;
      long from = sourceRow(i / columns, start, permuted, orderCount, orderKey, halfBits) * columns + i % columns;
      batch[i] = loadSamples(source, from, 1, divisor, inverse);
    }
    corruptAt(batch, y, e, eEnd, kind, step, key, first, low, high, always, sigma);
  }
#endif
}

// Zeroes exactly `zeroed` components of each row: those whose place in the row's own permutation is below it.
kernel GROUP_2D void maskExactly(
  const global float *x, ulong x0, global float *y, ulong y0, int rows, int columns, int chunk, uint zeroed,
  uint halfBits, uint2 step, uint2 key, uint first) {
  FOR_ROWS(r, rows, chunk) {
    VU w[BLOCK_WORDS];
    philox((VU)(first + (uint)r), step.s0, step.s1, key.s0, key.s1, w);
    uint4 rowKey = (uint4)(FIRST(w[0]), FIRST(w[1]), FIRST(w[2]), FIRST(w[3]));
    FOR_COLUMNS(c, columns) {
      int count = columns - c;
      // Lanes beyond the row start from a real place, because the network ends for those alone.
      VU place = min(LANES_U + (uint)c, (VU)(uint)(columns - 1));
      V value = loadPart(x + x0 + r * columns + c, count, 0.0f);
      VI hit = permute(place, columns, rowKey, halfBits) < (VU)zeroed;
      storePart(hit ? (V)0.0f : value, y + y0 + r * columns + c, count);
    }
  }
}

// Zeroes a rectangle of each image, `blockRows` × `blockColumns` pixels. A row of the grid is a line of an image.
kernel GROUP_2D void zeroBlocks(
  const global float *x, ulong x0, global float *y, ulong y0, int lines, int columns, int chunk, int height,
  int channels, int blockRows, int blockColumns, uint2 step, uint2 key, uint first) {
  FOR_ROWS(r, lines, chunk) {
    VU w[BLOCK_WORDS];
    philox((VU)(first + (uint)(r / height)), step.s0, step.s1, key.s0, key.s1, w);
    int top = (int)mul_hi(FIRST(w[0]), (uint)(height - blockRows + 1));
    int left = (int)mul_hi(FIRST(w[1]), (uint)(columns / channels - blockColumns + 1)) * channels;
    int line = (int)(r % height) - top;
    // A line that the rectangle does not reach has an empty part of it.
    int end = line >= 0 && line < blockRows ? left + blockColumns * channels : left;
    FOR_COLUMNS(c, columns) {
      int count = columns - c;
      VU place = LANES_U + (uint)c;
      VI hit = place >= (VU)(uint)left && place < (VU)(uint)end;
      V value = loadPart(x + x0 + r * columns + c, count, 0.0f);
      storePart(hit ? (V)0.0f : value, y + y0 + r * columns + c, count);
    }
  }
}
