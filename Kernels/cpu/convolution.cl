// y = epilogue(x ∗ w), and the adjoint, on a CPU device, for results of more than VW/2 channels.
//
// The lanes of a vector are channels of the result. A work-item keeps PIXELS pixels × WIDE vectors of channels in
// registers: per step of tap and input channel, PIXELS broadcasts are multiplied by WIDE vectors of weights. The pixels of a
// band are taken as one line, row after row, and each has a pointer of its own: a tile may end one row and begin the next,
// so tiles of one size fit images of any. The host chooses the size that leaves least of the last tile idle.
//
// Where POOL_HEIGHT is not 0, the result is a band in the work-item's scratch memory, which it pools: what leaves are
// the largest value of each window, and its place.

#if !defined(TURN_STEPS)
#error "The host must define how many steps a turn of a tile's loop takes: a whole run, where runs are short."
#endif

// Step s of a turn: the next number that each pixel meets, times its weights.
#define STEP(W, s)                                                                                           \
  {                                                                                                          \
    V b[W];                                                                                                  \
    _Pragma("unroll") for (int w = 0; w < W; w++) b[w] = LOAD(weights + (size_t)(s) * packed + w * VW);      \
    _Pragma("unroll") for (int p = 0; p < PIXELS; p++) {                                                     \
      V a = (V)x[p][at + (s)];                                                                               \
      _Pragma("unroll") for (int w = 0; w < W; w++) sum[p][w] = fma(a, b[w], sum[p][w]);                     \
    }                                                                                                        \
  }

#define ADVANCE(steps) \
  at += (steps);       \
  weights += (size_t)(steps) * packed;

// PIXELS × W vectors of sums into `tile`; `corners` says where each pixel's is in the padded band.
#define TILE(NAME, W)                                                                                        \
  OUTLINE void NAME(                                                                                         \
    const global float *pad, Plan corners, const global float *weights, int packed, Plan down, Plan across,  \
    int pitch, int channels, float *tile) {                                                                  \
    V sum[PIXELS][W];                                                                                        \
    const global float *x[PIXELS];                                                                           \
    _Pragma("unroll") for (int p = 0; p < PIXELS; p++) x[p] = pad + corners[2 * p];                          \
    _Pragma("unroll") for (int p = 0; p < PIXELS; p++)                                                       \
      _Pragma("unroll") for (int w = 0; w < W; w++) sum[p][w] = (V)0.0f;                                     \
    bool joined = across[E_STEP] == 1;                                                                       \
    int runs = joined ? min(across[COUNT], 1) : across[COUNT];                                               \
    int length = joined ? across[COUNT] * channels : channels;                                               \
    for (int u = 0; u < down[COUNT]; u++)                                                                    \
      for (int v = 0; v < runs; v++) {                                                                       \
        long at = (long)(down[E] + u * down[E_STEP]) * pitch + (across[E] + v * across[E_STEP]) * channels;  \
        int left = length;                                                                                   \
        for (; left >= TURN_STEPS; left -= TURN_STEPS) {                                                     \
          _Pragma("unroll") for (int s = 0; s < TURN_STEPS; s++) STEP(W, s)                                  \
          ADVANCE(TURN_STEPS)                                                                                \
        }                                                                                                    \
        for (; left > 0; left--) {                                                                           \
          STEP(W, 0)                                                                                         \
          ADVANCE(1)                                                                                         \
        }                                                                                                    \
      }                                                                                                      \
    _Pragma("unroll") for (int p = 0; p < PIXELS; p++)                                                       \
      _Pragma("unroll") for (int w = 0; w < W; w++) STORE(sum[p][w], tile + (p * W + w) * VW);               \
  }

TILE(tileNarrow, 1)
#if WIDE == 2
TILE(tileWide, 2)
#endif

typedef struct {
  const global float *x, *weights;
  global float *result, *switches;
  // The work-item's scratch memory.
  global float *pad;
  Plan plan;
} Correlation;

// One band of a sample.
OUTLINE void correlateBand(const Correlation *c, const Epilogue *e, int unit, bool fresh) {
  float tile[PIXELS * WIDE * VW];
  Plan plan = c->plan;
  global float *pad = c->pad;
  int channels = plan[IN_CHANNELS], n = plan[OUT_CHANNELS], packed = plan[PACKED];
  int bx = plan[B_X], by = plan[B_Y], height = plan[OUT_HEIGHT], width = plan[OUT_WIDTH];
  Losses losses = {(V)0.0f, (V)0.0f};
  Sum total = NO_SUM;
  int pitch = plan[PAD_WIDTH] * channels;
  int sample = unit / plan[BANDS], q0 = unit % plan[BANDS] * plan[BAND];
  int rows = min(plan[BAND], plan[Q_HEIGHT] - q0);
  const global float *image = c->x + (size_t)sample * plan[IN_HEIGHT] * plan[IN_WIDTH] * channels;
  padImage(image, q0 * plan[A_Y] + plan[FIRST_Y], pad, plan, fresh);
  for (int j = 0; j < n; j += WIDE * VW) {
    int vectors = WIDE == 2 && n - j > VW ? 2 : 1;
    V row[WIDE], norm[WIDE];
    for (int k = 0; k < vectors; k++) {
      int count = n - j - k * VW;
      row[k] = loadRow(e, j + k * VW, count);
      norm[k] = loadNorms(e, j + k * VW, count);
    }
    for (int phase = 0; phase < by * bx; phase++) {
      int ry = phase / bx, rx = phase % bx;
      Plan down = plan + plan[PHASES_Y] + ry * PHASE, across = plan + plan[PHASES_X] + rx * PHASE;
      const global float *own = c->weights + (size_t)plan[plan[STEPS] + phase] * packed + j;
      // The band's pixels in this phase: their corners in the padded band, and places from the first one's.
      int columns = (width - rx + bx - 1) / bx, count = min(rows, (height - ry + by - 1) / by - q0) * columns;
      Plan list = plan + plan[plan[CORNERS] + rx];
      size_t first = ((POOL_HEIGHT ? 0 : (size_t)sample * height + q0 * by + ry) * width + rx) * n;
      for (int p = 0; p < count; p += PIXELS, list += 2 * PIXELS) {
#if WIDE == 2
        if (vectors == 2)
          tileWide(pad, list, own, packed, down, across, pitch, channels, tile);
        else
#endif
          tileNarrow(pad, list, own, packed, down, across, pitch, channels, tile);
        // What is left of the last tile is not stored.
        int real = min(PIXELS, count - p);
        for (int k = 0; k < vectors; k++) {
          int channel = j + k * VW;
          const float *sums = tile + k * VW;
          if (n - channel >= VW)
            endVectors(e, sums, vectors * VW, list + 1, first + channel, real, row[k], norm[k], &losses);
          else
            for (int s = 0; s < real; s++)
              endPart(
                e, LOAD(sums + s * vectors * VW), first + PLACE(list + 1, s) + channel, row[k], norm[k], n - channel,
                &losses);
        }
        collectLosses(e, &losses, &total);
      }
    }
  }
#if POOL_HEIGHT
  size_t small = pooledStart(plan, sample, q0);
  poolBand(
    pad + plan[MAPS], plan, pooledRows(plan, q0, rows), c->result + small, c->switches + small);
#endif
  endLosses(e, unit, &total);
}

kernel GROUP_1D void correlate(
  const global float *x, ulong x0, const global float *weights, ulong weights0, global float *result,
  ulong result0, global float *scratch, Plan plan, volatile global int *taken,
#if POOL_HEIGHT
  global float *switches, ulong switches0,
#endif
  EPILOGUE_ARGUMENTS) {
  global float *pad = scratch + get_global_id(0) * (size_t)plan[SCRATCH];
#if POOL_HEIGHT
  Epilogue e = EPILOGUE(pad + plan[MAPS], 0, plan[OUT_CHANNELS]);
  Correlation c = {x + x0, weights + weights0, result + result0, switches + switches0, pad, plan};
#else
  Epilogue e = EPILOGUE(result + result0, 0, plan[OUT_CHANNELS]);
  Correlation c = {x + x0, weights + weights0, result + result0, 0, pad, plan};
#endif
  bool fresh = true;
  FOR_UNITS(unit, plan, taken) {
    correlateBand(&c, &e, unit, fresh);
    fresh = false;
  }
  END_PIECES(taken)
}
