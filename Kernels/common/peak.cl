// The rates that no kernel can exceed.

// Fused multiply-adds on registers alone: CHAINS of them, independent.
kernel GROUP_1D void peak(global float *result, float x, float y, int turns) {
  V sum[CHAINS];
#pragma unroll
  for (int i = 0; i < CHAINS; i++) sum[i] = (V)(x * (float)(i + 1));
  for (int turn = 0; turn < turns; turn++)
#pragma unroll
    for (int i = 0; i < CHAINS; i++) sum[i] = fma(sum[i], (V)x, (V)y);
  V all = (V)0.0f;
#pragma unroll
  for (int i = 0; i < CHAINS; i++) all += sum[i];
  // Never true, but the compiler cannot know.
  if (sumLanes(all) == 12345.678f) *result = 1.0f;
}

// y = x + turn, again and again: each work-item stays with its own elements, as if a pass followed a pass.
kernel GROUP_1D void stream(
  const global float *x, ulong x0, global float *y, ulong y0, int chunk, long count, int turns) {
  x += x0;
  y += y0;
  for (int turn = 0; turn < turns; turn++)
    FOR_EACH(i, count, chunk) STORE(LOAD(x + i) + (float)turn, y + i);
}
