// Philox4x32-10 (Salmon et al., SC 2011) and a keyed permutation, bit for bit as the host has them.

#if BLOCK_WORDS != 4
#error "A block of Philox4x32 has four words."
#endif

// The high and low halves of x·m. On vectors by way of 64-bit lanes: some drivers make mul_hi of many 16-bit steps.
#if VW == 1
#define MULTIPLY(x, m, high, low) VU high = mul_hi(x, m), low = (x) * (m);
#else
#if VW == 16
#define HALF_WIDTH 8
#elif VW == 8
#define HALF_WIDTH 4
#else
#define HALF_WIDTH 2
#endif
typedef GLUE(ulong, HALF_WIDTH) Wide;
#define AS_WIDE GLUE(as_ulong, HALF_WIDTH)
#define AS_VU GLUE(as_uint, VW)
// Little-endian: a wide lane's low half is the even lane. CPU devices are.
#define MULTIPLY(x, m, high, low)                                                                         \
  Wide high##Even = (AS_WIDE(x) & 0xffffffffUL) * (ulong)(m), high##Odd = (AS_WIDE(x) >> 32) * (ulong)(m); \
  VU high = AS_VU(high##Even >> 32 | (high##Odd & 0xffffffff00000000UL));                                 \
  VU low = AS_VU((high##Even & 0xffffffffUL) | high##Odd << 32);
#endif

// Four words each of VW blocks: `w[j]` holds word j of blocks `index`.
INLINE void philox(VU index, uint stepLow, uint stepHigh, uint key0, uint key1, VU *w) {
  VU x = index, y = (VU)stepLow, z = (VU)stepHigh, t = (VU)0;
#pragma unroll
  for (int round = 0; round < 10; round++) {
    MULTIPLY(x, 0xD2511F53u, high0, low0)
    MULTIPLY(z, 0xCD9E8D57u, high1, low1)
    x = high1 ^ y ^ key0;
    y = low1;
    z = high0 ^ t ^ key1;
    t = low0;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  w[0] = x;
  w[1] = y;
  w[2] = z;
  w[3] = t;
}

// A block has the words of BLOCK_WORDS elements. A turn of the loop takes VW blocks; `interleave` brings their words,
// or the numbers made of them, into the order of the elements, so that vector q holds elements q·VW ….
#if CPU_FAMILY
#define FOR_BLOCKS(e, count, chunk)                                                                       \
  for (long e = (long)get_global_id(0) * (chunk), e##End = min((long)(count), e + (chunk)); e < e##End;   \
       e += BLOCK_WORDS * VW)
#else
#define FOR_BLOCKS(e, count, chunk)                                                                       \
  for (long e = BLOCK_WORDS * get_global_id(0), e##End = (count); e < e##End; e += BLOCK_WORDS * get_global_size(0))
#endif

#define LANES_U GLUE_CONVERT(LANES)
#if VW == 1
#define GLUE_CONVERT(x) (uint)(x)
#define ANY(x) (x)
#define FIRST(v) (v)
#else
#define GLUE_CONVERT(x) GLUE(as_uint, VW)(x)
#define ANY(x) any(x)
#define FIRST(v) (v).s0
#endif

// π: an eight-round Feistel network of 2·halfBits bits, repeated until the value is below `count`.
INLINE VU permute(VU value, uint count, uint4 key, uint halfBits) {
  uint mask = (1u << halfBits) - 1u;
  uint keys[4] = {key.s0, key.s1, key.s2, key.s3};
  VU outside = (VU)0xffffffffu;
  VI walking;
  do {
    VU left = value >> halfBits;
    VU right = value & mask;
#pragma unroll
    for (uint round = 0; round < 8; round++) {
      VU f = right ^ (keys[round % 4] + round * 0x9E3779B9u);
      f = (f ^ (f >> 16)) * 0x85EBCA6Bu;
      f = (f ^ (f >> 13)) * 0xC2B2AE35u;
      f = (f ^ (f >> 16)) & mask;
      f ^= left;
      left = right;
      right = f;
    }
    value = ((left << halfBits | right) & outside) | (value & ~outside);
    walking = value >= (VU)count;
#if VW == 1
    outside = walking ? 0xffffffffu : 0u;
#else
    outside = GLUE(as_uint, VW)(walking);
#endif
  } while (ANY(walking));
  return value;
}

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

// batch[r, :] = source[order(r), :].
kernel GROUP_2D void gather(
  const global float *source, ulong source0, float divisor, float inverse, global float *batch, ulong batch0, int rows,
  int columns, int chunk, long start, int permuted, uint count, uint4 key, uint halfBits) {
#if CPU_FAMILY
  long r = (long)get_global_id(1) * chunk;
  copyRows(
    source + source0, divisor, inverse, batch + batch0, r, min((long)rows, r + chunk), columns, start, permuted, count,
    key, halfBits);
#else
  FOR_ROWS(r, rows, chunk) {
    long from = sourceRow(r, start, permuted, count, key, halfBits) * columns;
    global float *to = batch + batch0 + r * columns;
    FOR_COLUMNS(c, columns) to[c] = loadSamples(source + source0, from + c, 1, divisor, inverse);
  }
#endif
}

// sin 2πv and cos 2πv for v in [0, 1), a multiple of 2⁻²⁴: the reduction to an eighth of a turn is exact.
INLINE V sinCosTurns(V v, V *cosine) {
  V quarter = rint(v * 4.0f);
  V x = fma(quarter, (V)-0.25f, v) * 6.2831853071795865f;
  V z = x * x;
  V s = fma(fma(z, (V)-1.9515295891e-4f, (V)8.3321608736e-3f), z, (V)-1.6666654611e-1f);
  s = fma(s * z, x, x);
  V c = fma(fma(z, (V)2.443315711809948e-5f, (V)-1.388731625493765e-3f), z, (V)4.166664568298827e-2f);
  c = fma(c * z, z, fma(z, (V)-0.5f, (V)1.0f));
  VI q = TO_VI(quarter);
  VI odd = (q & 1) != 0;
  VI sineNegative = (q & 2) != 0;
  VI cosineNegative = ((q + 1) & 2) != 0;
  V sine = odd ? c : s;
  V other = odd ? s : c;
  *cosine = cosineNegative ? -other : other;
  return sineNegative ? -sine : sine;
}

// Box–Muller: two of a block's words make two normal deviates.
INLINE void normals(VU a, VU b, V *first, V *second) {
  V u = TO_V((a >> 8) + 1u) * 0x1p-24f;
  V radius = sqrt(-2.0f * logV(u));
  V cosine;
  V sine = sinCosTurns(TO_V(b >> 8) * 0x1p-24f, &cosine);
  *first = radius * cosine;
  *second = radius * sine;
}

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
