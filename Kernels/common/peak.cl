// Fused multiply-adds on registers alone, the rate that no kernel can exceed: CHAINS of them, independent.

kernel GROUP_1D void peak(global float *result, ulong result0, float x, float y, int turns) {
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
  if (sumLanes(all) == 12345.678f) result[result0] = 1.0f;
}
