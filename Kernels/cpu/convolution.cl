// y = epilogue(x ∗ w), and the adjoint, on a CPU device, for results of more than VW/2 channels.
//
// The lanes of a vector are channels of the result. A work-item keeps PIXELS neighbours of a row × WIDE vectors of
// channels in registers: per step of tap and input channel, PIXELS broadcasts meet WIDE vectors of weights. The
// host compiles this for the PIXELS that divide a row with least waste; a row's last tile overlaps the one before.

// PIXELS × W vectors of sums into `tile`. `x` is the first pixel's corner in the padded band, `step` the floats
// between pixels. Pixels are reached from every third one: with a pointer each the registers run out.
#define TILE(NAME, W)                                                                                     \
  INLINE void NAME(                                                                                       \
    const global float *x, int step, const global float *weights, int packed, Plan down, Plan across,     \
    int pitch, int channels, float *tile) {                                                               \
    V sum[PIXELS][W];                                                                                     \
    _Pragma("unroll") for (int p = 0; p < PIXELS; p++)                                                    \
      _Pragma("unroll") for (int w = 0; w < W; w++) sum[p][w] = (V)0.0f;                                  \
    bool joined = across[E_STEP] == 1;                                                                    \
    int runs = joined ? min(across[COUNT], 1) : across[COUNT];                                            \
    int length = joined ? across[COUNT] * channels : channels;                                            \
    for (int u = 0; u < down[COUNT]; u++)                                                                 \
      for (int v = 0; v < runs; v++) {                                                                    \
        const global float *third[(PIXELS + 2) / 3];                                                      \
        third[0] = x + (down[E] + u * down[E_STEP]) * pitch + (across[E] + v * across[E_STEP]) * channels; \
        _Pragma("unroll") for (int p = 3; p < PIXELS; p += 3) third[p / 3] = third[0] + p * (long)step;   \
        for (int i = 0; i < length; i++) {                                                                \
          V b[W];                                                                                         \
          _Pragma("unroll") for (int w = 0; w < W; w++) b[w] = LOAD(weights + w * VW);                    \
          weights += packed;                                                                              \
          _Pragma("unroll") for (int p = 0; p < PIXELS; p++) {                                            \
            V a = (V)third[p / 3][p % 3 * (long)step];                                                    \
            _Pragma("unroll") for (int w = 0; w < W; w++) sum[p][w] = fma(a, b[w], sum[p][w]);            \
          }                                                                                               \
          _Pragma("unroll") for (int p = 0; p < PIXELS; p += 3) third[p / 3]++;                           \
        }                                                                                                 \
      }                                                                                                   \
    _Pragma("unroll") for (int p = 0; p < PIXELS; p++)                                                    \
      _Pragma("unroll") for (int w = 0; w < W; w++) STORE(sum[p][w], tile + (p * W + w) * VW);            \
  }

TILE(tileNarrow, 1)
#if WIDE == 2
TILE(tileWide, 2)
#endif

kernel GROUP_1D void correlate(
  const global float *x, ulong x0, const global float *weights, ulong weights0, global float *result,
  ulong result0, const global float *u, ulong u0, const global float *v, ulong v0, const global float *w, ulong w0,
  global float *partials, ulong partials0, global float *scratch, ulong scratch0, Plan plan, ulong plan0, int mode,
  int flags, int function, int loss, float scale, float l1, float lossScale) {
  float tile[PIXELS * WIDE * VW];
  int channels = plan[IN_CHANNELS], n = plan[OUT_CHANNELS], packed = plan[PACKED];
  Epilogue e = {
    result + result0, u + u0, v + v0, w + w0, 0, n, mode, flags, function, loss, scale, l1, lossScale};
  Losses losses = {(V)0.0f, (V)0.0f};
  global float *pad = scratch + get_global_id(0) * (size_t)plan[SCRATCH];
  int pitch = plan[PAD_WIDTH] * channels, step = plan[A_X] * channels;
  int start = get_global_id(0) * plan[CHUNK], end = min(start + plan[CHUNK], plan[UNITS]);

  for (int unit = start; unit < end; unit++) {
    int sample = unit / plan[BANDS], q0 = unit % plan[BANDS] * plan[BAND];
    int rows = min(plan[BAND], plan[Q_HEIGHT] - q0);
    padImage(
      x + x0 + (size_t)sample * plan[IN_HEIGHT] * plan[IN_WIDTH] * channels, q0 * plan[A_Y] + plan[FIRST_Y], pad, plan,
      unit == start);
    for (int j = 0; j < n; j += WIDE * VW) {
      bool wide = WIDE == 2 && n - j > VW;
      for (int phase = 0; phase < plan[B_Y] * plan[B_X]; phase++) {
        int ry = phase / plan[B_X], rx = phase % plan[B_X];
        Plan down = plan + plan[PHASES_Y] + ry * PHASE, across = plan + plan[PHASES_X] + rx * PHASE;
        const global float *own = weights + weights0 + (size_t)plan[plan[STEPS] + phase] * packed + j;
        int count = (plan[OUT_WIDTH] - rx + plan[B_X] - 1) / plan[B_X];
        for (int q = 0; q < rows; q++) {
          int y = (q0 + q) * plan[B_Y] + ry;
          if (y >= plan[OUT_HEIGHT]) break;
          for (int p0 = 0; p0 < count; p0 += PIXELS) {
            int first = max(min(p0, count - PIXELS), 0);
            const global float *corner = pad + q * plan[A_Y] * pitch + first * step;
#if WIDE == 2
            if (wide)
              tileWide(corner, step, own, packed, down, across, pitch, channels, tile);
            else
#endif
              tileNarrow(corner, step, own, packed, down, across, pitch, channels, tile);
            int row = (sample * plan[OUT_HEIGHT] + y) * plan[OUT_WIDTH] + rx;
            for (int p = p0; p < min(p0 + PIXELS, count); p++)
              for (int k = 0; k <= (int)wide && j + k * VW < n; k++) {
                int i = row + p * plan[B_X], column = j + k * VW;
                global float *c = e.c + (size_t)i * n + column;
                V value = LOAD(tile + ((p - first) * (wide ? 2 : 1) + k) * VW);
                if (flags & ADD_TO_C) value += loadPart(c, n - column, 0.0f);
                storePart(finish(&e, value, i, column, n - column, &losses), c, n - column);
              }
            if (mode == LOSS) settle(&losses);
          }
        }
      }
    }
  }
  if (mode == LOSS) partials[partials0 + get_global_id(0)] = sumLanes(losses.sum);
}
