// Weights [taps, channels, outputs] in the order in which a correlation reads them: by phase, tap and input channel.
// Each row has PACKED columns, one per channel of the result, and zeros beyond those. The result of a convolution has
// `outputs` channels, that of the adjoint `channels`.
kernel GROUP_1D void packWeights(
  const global float *weights, ulong weights0, global float *result, ulong result0, Plan plan, int adjoint) {
  int inputs = plan[IN_CHANNELS], outputs = plan[OUT_CHANNELS], packed = plan[PACKED];
  int turn = 0;
  for (int phase = 0; phase < plan[B_Y] * plan[B_X]; phase++) {
    Plan down = plan + plan[PHASES_Y] + phase / plan[B_X] * PHASE;
    Plan across = plan + plan[PHASES_X] + phase % plan[B_X] * PHASE;
    global float *to = result + result0 + (size_t)plan[plan[STEPS] + phase] * packed;
    for (int u = 0; u < down[COUNT]; u++)
      for (int v = 0; v < across[COUNT]; v++, to += (size_t)inputs * packed) {
        if (turn++ % get_global_size(0) != get_global_id(0)) continue;
        int tap = (down[TAP] + u * down[TAP_STEP]) * plan[TAPS_X] + across[TAP] + v * across[TAP_STEP];
        const global float *from = weights + weights0 + (size_t)tap * inputs * outputs;
        for (int i = 0; i < inputs; i++)
          for (int o = 0; o < packed; o++)
            to[(size_t)i * packed + o] = o >= outputs ? 0.0f : adjoint ? from[o * inputs + i] : from[i * outputs + o];
      }
  }
}
