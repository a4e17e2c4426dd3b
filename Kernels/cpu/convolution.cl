// y = epilogue(x ∗ w), and the adjoint, on a CPU device, for results of more than VW/2 channels.
//
// The lanes of a vector are channels of the result. A work-item keeps PIXELS neighbours of each of ROWS rows × WIDE
// vectors of channels in registers: per step of tap and input channel, ROWS · PIXELS broadcasts are multiplied by
// WIDE vectors of weights. The host compiles this for the tile that covers the result with least waste; the last tiles
// overlap those before.
//
// Where POOL_HEIGHT is not 0, the result is a band in the work-item's scratch memory, which it pools: what leaves are
// the largest value of each window, and its place.

#if !defined(RUN) || !defined(STEP)
#error "The host must define the length of a run and the step between pixels, or 0 for each."
#endif

// With few input channels a run is short: the host makes its length the constant RUN. STEP, the floats between pixels,
// is a constant wherever there is enough to do, so that a row needs one pointer. 0 stands for what is known at run
// time.
#if RUN
#define LENGTH RUN
#define UNROLL _Pragma("unroll")
#else
#define LENGTH length
#define UNROLL
#endif
#if STEP
#define PIXEL_STEP STEP
#else
#define PIXEL_STEP step
#endif

// ROWS × PIXELS × W vectors of sums into `tile`. `x` is the first pixel's corner in the padded band, `leap`
// the floats between rows.
#define TILE(NAME, W)                                                                                     \
  OUTLINE void NAME(                                                                                      \
    const global float *x, long leap, long step, const global float *weights, int packed, Plan down,      \
    Plan across, int pitch, int channels, float *tile) {                                                  \
    V sum[ROWS * PIXELS][W];                                                                              \
    _Pragma("unroll") for (int p = 0; p < ROWS * PIXELS; p++)                                             \
      _Pragma("unroll") for (int w = 0; w < W; w++) sum[p][w] = (V)0.0f;                                  \
    bool joined = across[E_STEP] == 1;                                                                    \
    int runs = joined ? min(across[COUNT], 1) : across[COUNT];                                            \
    int length = joined ? across[COUNT] * channels : channels;                                            \
    for (int u = 0; u < down[COUNT]; u++)                                                                 \
      for (int v = 0; v < runs; v++) {                                                                    \
        const global float *corner =                                                                      \
          x + (down[E] + u * down[E_STEP]) * pitch + (across[E] + v * across[E_STEP]) * channels;         \
        UNROLL for (int i = 0; i < LENGTH; i++) {                                                         \
          V b[W];                                                                                         \
          _Pragma("unroll") for (int w = 0; w < W; w++) b[w] = LOAD(weights + w * VW);                    \
          weights += packed;                                                                              \
          _Pragma("unroll") for (int p = 0; p < ROWS * PIXELS; p++) {                                     \
            V a = (V)corner[p / PIXELS * leap + p % PIXELS * PIXEL_STEP + i];                                   \
            _Pragma("unroll") for (int w = 0; w < W; w++) sum[p][w] = fma(a, b[w], sum[p][w]);            \
          }                                                                                               \
        }                                                                                                 \
      }                                                                                                   \
    _Pragma("unroll") for (int p = 0; p < ROWS * PIXELS; p++)                                             \
      _Pragma("unroll") for (int w = 0; w < W; w++) STORE(sum[p][w], tile + (p * W + w) * VW);            \
  }

TILE(tileNarrow, 1)
#if WIDE == 2
TILE(tileWide, 2)
#endif

kernel GROUP_1D void correlate(
  const global float *x, ulong x0, const global float *weights, ulong weights0, global float *result,
  ulong result0, global float *scratch, ulong scratch0, Plan plan, ulong plan0,
#if POOL_HEIGHT
  global float *switches, ulong switches0,
#endif
  EPILOGUE_ARGUMENTS) {
  float tile[ROWS * PIXELS * WIDE * VW];
  int channels = plan[IN_CHANNELS], n = plan[OUT_CHANNELS], packed = plan[PACKED];
  int bx = plan[B_X], by = plan[B_Y], height = plan[OUT_HEIGHT], width = plan[OUT_WIDTH];
  global float *pad = scratch + get_global_id(0) * (size_t)plan[SCRATCH];
#if POOL_HEIGHT
  Epilogue e = EPILOGUE(pad + plan[MAPS], 0, n);
#else
  Epilogue e = EPILOGUE(result + result0, 0, n);
#endif
  Losses losses = {(V)0.0f, (V)0.0f};
  Sum total = NO_SUM;
  int pitch = plan[PAD_WIDTH] * channels;
  long leap = plan[A_Y] * pitch, step = plan[A_X] * channels;
  int start = get_global_id(0) * plan[CHUNK], end = min(start + plan[CHUNK], plan[UNITS]);

  for (int unit = start; unit < end; unit++) {
    int sample = unit / plan[BANDS], q0 = unit % plan[BANDS] * plan[BAND];
    int rows = min(plan[BAND], plan[Q_HEIGHT] - q0);
    padImage(
      x + x0 + (size_t)sample * plan[IN_HEIGHT] * plan[IN_WIDTH] * channels, q0 * plan[A_Y] + plan[FIRST_Y], pad, plan,
      unit == start);
    for (int j = 0; j < n; j += WIDE * VW) {
      int vectors = WIDE == 2 && n - j > VW ? 2 : 1;
      V row[WIDE], norm[WIDE];
      for (int k = 0; k < vectors; k++) {
        int count = n - j - k * VW;
        row[k] = loadRow(&e, j + k * VW, count);
        norm[k] = loadNorms(&e, j + k * VW, count);
      }
      for (int phase = 0; phase < by * bx; phase++) {
        int ry = phase / bx, rx = phase % bx;
        Plan down = plan + plan[PHASES_Y] + ry * PHASE, across = plan + plan[PHASES_X] + rx * PHASE;
        const global float *own = weights + weights0 + (size_t)plan[plan[STEPS] + phase] * packed + j;
        int columns = (width - rx + bx - 1) / bx;
        for (int q = 0; q < rows; q += ROWS)
          for (int p = 0; p < columns; p += PIXELS) {
            int top = max(min(q, rows - ROWS), 0), left = max(min(p, columns - PIXELS), 0);
            const global float *corner = pad + top * leap + left * PIXEL_STEP;
#if WIDE == 2
            if (vectors == 2)
              tileWide(corner, leap, step, own, packed, down, across, pitch, channels, tile);
            else
#endif
              tileNarrow(corner, leap, step, own, packed, down, across, pitch, channels, tile);
            for (int r = q; r < min(q + ROWS, rows); r++) {
              int y = (q0 + r) * by + ry;
              if (y >= height) break;
              size_t line = (POOL_HEIGHT ? (size_t)(y - q0) : (size_t)sample * height + y) * width + rx;
              const float *from = tile + ((r - top) * PIXELS + p - left) * vectors * VW;
              int pixels = min(PIXELS, columns - p);
              for (int k = 0; k < vectors; k++) {
                int column = j + k * VW;
                size_t at = (line + p * bx) * n + column;
                if (n - column >= VW)
                  endVectors(&e, from + k * VW, vectors * VW, at, bx * n, pixels, row[k], norm[k], &losses);
                else
                  for (int s = 0; s < pixels; s++)
                    endPart(
                      &e, LOAD(from + (s * vectors + k) * VW), at + s * bx * n, row[k], norm[k], n - column,
                      &losses);
              }
            }
            if (LOSSES) collect(&losses, &total);
          }
      }
    }
#if POOL_HEIGHT
    size_t small = pooledStart(plan, sample, q0);
    poolBand(
      pad + plan[MAPS], plan, pooledRows(plan, q0, rows), result + result0 + small, switches + switches0 + small);
#endif
    if (LOSSES) endLosses(&e, unit, &total);
  }
}
