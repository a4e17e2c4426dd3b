// The sampling layer: rows of ms hold `units` means μ, then as many log variances s. A work-item takes the
// elements of VW blocks of draws at a time, row by row.

// The standard normal numbers of elements e ..< e+BLOCK_WORDS·VW of a batch, in order. Element 0 begins block `first`.
INLINE void drawNormals(long e, uint2 step, uint2 key, uint first, float *to) {
  VU w[BLOCK_WORDS];
  V noise[BLOCK_WORDS];
  philox(LANES_U + (first + (uint)(e / BLOCK_WORDS)), step.s0, step.s1, key.s0, key.s1, w);
  normals(w[0], w[1], noise, noise + 1);
  normals(w[2], w[3], noise + 2, noise + 3);
  interleave(noise, BLOCK_WORDS);
#pragma unroll
  for (int q = 0; q < BLOCK_WORDS; q++) STORE(noise[q], to + q * VW);
}

// z = μ + e^{s/2}·ε.
kernel GROUP_1D void sample(
  const global float *ms, ulong ms0, global float *z, ulong z0, int rows, int units, int chunk, uint2 step, uint2 key,
  uint first) {
  // A vector may be read past the last draw.
  float noise[(BLOCK_WORDS + 1) * VW];
  STORE((V)0.0f, &noise[BLOCK_WORDS * VW]);
  FOR_BLOCKS(e, (long)rows * units, chunk) {
    drawNormals(e, step, key, first, noise);
    int size = (int)min((long)(BLOCK_WORDS * VW), eEnd - e);
    for (int i = 0, n; i < size; i += n) {
      const global float *mean = ms + ms0 + (e + i) / units * 2 * units + (e + i) % units;
      n = min(size - i, (int)(units - (e + i) % units));
      for (int l = 0; l < n; l += VW) {
        V deviation = exp(0.5f * loadPart(mean + units + l, n - l, 0.0f));
        storePart(fma(deviation, LOAD(noise + i + l), loadPart(mean + l, n - l, 0.0f)), z + z0 + e + i + l, n - l);
      }
    }
  }
}

// z = μ.
kernel GROUP_2D void sampleMeans(
  const global float *ms, ulong ms0, global float *z, ulong z0, int rows, int units, int chunk) {
  FOR_ROWS(r, rows, chunk) {
    FOR_COLUMNS(c, units)
    storePart(loadPart(ms + ms0 + r * 2 * units + c, units - c, 0.0f), z + z0 + r * units + c, units - c);
  }
}

// [δz + prior·μ | ½(δz·ε·e^{s/2} + prior·(eˢ − 1))].
kernel GROUP_1D void sampleGradient(
  const global float *delta, ulong delta0, const global float *ms, ulong ms0, global float *result, ulong result0,
  int rows, int units, int chunk, uint2 step, uint2 key, uint first, float prior) {
  float noise[(BLOCK_WORDS + 1) * VW];
  STORE((V)0.0f, &noise[BLOCK_WORDS * VW]);
  FOR_BLOCKS(e, (long)rows * units, chunk) {
    drawNormals(e, step, key, first, noise);
    int size = (int)min((long)(BLOCK_WORDS * VW), eEnd - e);
    for (int i = 0, n; i < size; i += n) {
      long at = (e + i) / units * 2 * units + (e + i) % units;
      n = min(size - i, (int)(units - (e + i) % units));
      for (int l = 0; l < n; l += VW) {
        const global float *from = ms + ms0 + at + l;
        global float *to = result + result0 + at + l;
        V mean = loadPart(from, n - l, 0.0f), logVariance = loadPart(from + units, n - l, 0.0f);
        V d = loadPart(delta + delta0 + e + i + l, n - l, 0.0f);
        V path = d * LOAD(noise + i + l) * exp(0.5f * logVariance);
        storePart(fma((V)prior, mean, d), to, n - l);
        storePart(0.5f * fma((V)prior, exp(logVariance) - 1.0f, path), to + units, n - l);
      }
    }
  }
}

// divergences[r] = ½ Σ (μ² + eˢ − 1 − s).
kernel GROUP_1D void priorDivergence(
  const global float *ms, ulong ms0, global float *divergences, ulong divergences0, int rows, int units, int chunk) {
  FOR_ITEMS(r, rows, chunk) {
    const global float *mean = ms + ms0 + r * 2 * units;
    Sum sum = NO_SUM;
    for (int c = 0; c < units; c += VW) {
      V m = loadPart(mean + c, units - c, 0.0f), s = loadPart(mean + units + c, units - c, 0.0f);
      addTo(&sum, keep(fma(m, m, exp(s) - 1.0f - s), units - c));
    }
    divergences[divergences0 + r] = 0.5f * sumLanes(sumOf(&sum));
  }
}
