// The rates that no pass can exceed.

/// Chains of multiply-adds that never touch memory: the processor's ceiling.
static double burn(int64_t rounds, float *sink) {
  enum { chains = 12 };
  vf x[chains];
  for (int i = 0; i < chains; i++) x[i] = 1.0f + 0.01f * (float)i;
  vf factor = 0.999f, term = 0.001f;
  // Opaque, or the compiler would run the loop itself.
  __asm__ volatile("" : "+m"(factor), "+m"(term));
  const vf f = factor, t = term;
  for (int64_t round = 0; round < rounds; round++)
#pragma clang loop unroll(full)
    for (int i = 0; i < chains; i++) x[i] = x[i] * f + t;
  vf sum = 0.0f;
  for (int i = 0; i < chains; i++) sum += x[i];
  *sink = sum_lanes(sum);
  return 2.0 * chains * CINCH_WIDTH * (double)rounds;
}

/// y = x + round, again and again, as if a pass followed a pass.
static void stream(const float *x, float *y, int64_t count, int64_t rounds) {
  for (int64_t round = 0; round < rounds; round++) {
    int64_t i = 0;
    for (; i + CINCH_WIDTH <= count; i += CINCH_WIDTH) store(y + i, load(x + i) + (float)round);
    for (; i < count; i++) y[i] = x[i] + (float)round;
  }
}
