// What follows a product, on a block of the result.

static void epilogue_block(
    const cinch_epilogue *e, const float *source, float *destination, int64_t r0, int64_t r1, int64_t c0, int64_t c1) {
  switch (e->kind) {
    case cinch_epilogue_none:
    case cinch_epilogue_accumulate: break;
    case cinch_epilogue_forward:
      FOR_EACH_ACTIVATION(e->activation, forward_block, e, source, destination, r0, r1, c0, c1)
      break;
    case cinch_epilogue_backward:
      FOR_EACH_ACTIVATION(e->activation, backward_block, e, source, destination, r0, r1, c0, c1)
      break;
    case cinch_epilogue_loss: loss_block(e, source, destination, r0, r1, c0, c1); break;
    case cinch_epilogue_row_pull: row_pull_block(e, source, destination, r0, r1, c0, c1); break;
  }
}

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
