// y = epilogue(x ∗ w), and the adjoint, on a CPU device, for results of at most VW/2 channels: with channels as
// lanes, half of the lanes or more would be idle.
//
// The lanes of a vector are neighbouring pixels. A work-item copies a band of the image into planes padded with zeros,
// one per input channel and residue of the stride. Read as one line, a plane gives the pixels of every tap at a fixed
// offset: OUTPUTS broadcasts of weights are multiplied by BLOCK vectors of pixels. The sums go to planes of the result,
// the stage; those between two rows are not used. A second loop interleaves channels and phases into rows as they lie
// in the result, and a third applies the epilogue to the band. The host compiles this for
//   OUTPUTS = 1, 2, 4, 8 (channels beyond those of the result have zero weights),
//   BLOCK, which divides a band with least waste,
//   WOVEN = phases along x × channels if that is a power of two up to VW, else 0, and
//   SPLIT = the input's channels likewise, or VW if they fill vectors.

#if !defined(WOVEN) || !defined(SPLIT)
#error "The host must define how channels are woven and split, or 0 for each."
#endif

// Sums of VW·BLOCK neighbours from `line` on into OUTPUTS rows of the stage.
OUTLINE void sumBlock(
  const global float *line, const global float *weights, Plan plan, Plan down, Plan across, global float *stage) {
  V sum[OUTPUTS][BLOCK];
#pragma unroll
  for (int o = 0; o < OUTPUTS; o++)
#pragma unroll
    for (int b = 0; b < BLOCK; b++) sum[o][b] = (V)0.0f;
  int ay = plan[A_Y], ax = plan[A_X], channels = plan[IN_CHANNELS], plane = plan[PLANE];
  for (int s = 0; s < down[COUNT]; s++)
    for (int t = 0; t < across[COUNT]; t++) {
      int y = down[E] + s * down[E_STEP], x = across[E] + t * across[E_STEP];
      const global float *from =
        line + (size_t)((y % ay) * ax + x % ax) * channels * plane + y / ay * plan[PLANE_WIDTH] + x / ax;
      for (int i = 0; i < channels; i++, from += plane, weights += OUTPUTS) {
        V pixels[BLOCK];
#pragma unroll
        for (int b = 0; b < BLOCK; b++) pixels[b] = LOAD(from + b * VW);
#pragma unroll
        for (int o = 0; o < OUTPUTS; o++) {
          V weight = (V)weights[o];
#pragma unroll
          for (int b = 0; b < BLOCK; b++) sum[o][b] = fma(weight, pixels[b], sum[o][b]);
        }
      }
    }
#pragma unroll
  for (int o = 0; o < OUTPUTS; o++)
#pragma unroll
    for (int b = 0; b < BLOCK; b++) STORE(sum[o][b], stage + o * plan[STAGE] + b * VW);
}

// The inverse of `interleave`.
INLINE void separate(V *rows, int count) {
#pragma unroll
  for (int step = count / 2; step > 0; step /= 2) {
    V other[VW];
#pragma unroll
    for (int r = 0; r < count / 2; r++) {
      V even, odd;
      even.lo = rows[2 * r].even;
      even.hi = rows[2 * r + 1].even;
      odd.lo = rows[2 * r].odd;
      odd.hi = rows[2 * r + 1].odd;
      other[r] = even;
      other[r + count / 2] = odd;
    }
#pragma unroll
    for (int r = 0; r < count; r++) rows[r] = other[r];
  }
}

// One row of `count` pixels into one plane per channel. Lanes beyond the row become zeros of the border or are
// overwritten by the next row.
INLINE void splitRow(const global float *from, global float *to, int count, int channels, int plane) {
#if SPLIT > 0 && SPLIT < VW
  for (int p = 0; p < count; p += VW) {
    V rows[SPLIT];
#pragma unroll
    for (int r = 0; r < SPLIT; r++) {
      int rest = (count - p) * SPLIT - r * VW;
      rows[r] = rest <= 0 ? (V)0.0f : loadPart(from + p * SPLIT + r * VW, rest, 0.0f);
    }
    separate(rows, SPLIT);
#pragma unroll
    for (int r = 0; r < SPLIT; r++) STORE(rows[r], to + (size_t)r * plane + p);
  }
#else
  int c = 0;
#if SPLIT == VW
  for (; c + VW <= channels; c += VW)
    for (int p = 0; p < count; p += VW) {
      V rows[VW];
#pragma unroll
      for (int r = 0; r < VW; r++) rows[r] = p + r < count ? LOAD(from + (size_t)(p + r) * channels + c) : (V)0.0f;
      separate(rows, VW);
#pragma unroll
      for (int r = 0; r < VW; r++) STORE(rows[r], to + (size_t)(c + r) * plane + p);
    }
#endif
  for (; c < channels; c++)
    for (int p = 0; p < count; p++) to[(size_t)c * plane + p] = from[(size_t)p * channels + c];
#endif
}

OUTLINE void padPlanes(const global float *image, int first, global float *pad, Plan plan, bool fresh) {
  int channels = plan[IN_CHANNELS], plane = plan[PLANE], width = plan[PLANE_WIDTH];
  int ay = plan[A_Y], ax = plan[A_X];
  int left, from, count;
  realColumns(plan, &left, &from, &count);
  if (fresh || plan[BANDS] > 1) zero(pad, ay * ax * channels * plane);
  for (int r = 0; r < plan[PAD_HEIGHT]; r++) {
    int y = first + r;
    if (y < 0 || y >= plan[IN_HEIGHT]) continue;
    const global float *row = image + ((size_t)y * plan[IN_WIDTH] + from) * channels;
    global float *to = pad + (size_t)(r % ay) * ax * channels * plane + r / ay * width;
    if (ax == 1) {
      splitRow(row, to + left, count, channels, plane);
      continue;
    }
    for (int c = 0; c < channels; c++)
      for (int p = 0; p < count; p++)
        to[((size_t)((left + p) % ax) * channels + c) * plane + (left + p) / ax] = row[p * channels + c];
  }
}

// The vector whose lane l holds lane l mod n of x.
INLINE V repeated(V x, int n) {
  float first[VW], lanes[VW];
  STORE(x, first);
  for (int l = 0; l < VW; l++) lanes[l] = first[l % n];
  return LOAD(lanes);
}

typedef struct {
  const global float *x, *weights;
  // The work-item's scratch memory.
  global float *pad;
  Plan plan;
  // What is added to the result's channels, and their norms, as lanes have them.
  V row, norm;
} Correlation;

// One band of a sample.
OUTLINE void correlateBand(const Correlation *c, const Epilogue *e, int unit, bool fresh) {
  Plan plan = c->plan;
  int channels = plan[IN_CHANNELS], n = plan[OUT_CHANNELS], bx = plan[B_X], width = plan[PLANE_WIDTH];
  Losses losses = {(V)0.0f, (V)0.0f};
  Sum total = NO_SUM;
  global float *pad = c->pad, *stage = pad + plan[STAGE_START], *lines = pad + plan[LINE_START];
  int sample = unit / plan[BANDS], q0 = unit % plan[BANDS] * plan[BAND];
  int rows = min(plan[BAND], plan[Q_HEIGHT] - q0);
  const global float *image = c->x + (size_t)sample * plan[IN_HEIGHT] * plan[IN_WIDTH] * channels;
  padPlanes(image, q0 * plan[A_Y] + plan[FIRST_Y], pad, plan, fresh);
  int vectors = (rows * width + VW - 1) / VW;
  for (int phase = 0; phase < plan[B_Y] * bx; phase++) {
    Plan down = plan + plan[PHASES_Y] + phase / bx * PHASE, across = plan + plan[PHASES_X] + phase % bx * PHASE;
    const global float *own = c->weights + (size_t)plan[plan[STEPS] + phase] * OUTPUTS;
    global float *to = stage + (size_t)phase * n * plan[STAGE];
    for (int f = 0; f < vectors; f += BLOCK) sumBlock(pad + f * VW, own, plan, down, across, to + f * VW);
  }

  int y0 = q0 * plan[B_Y], y1 = min((q0 + rows) * plan[B_Y], plan[OUT_HEIGHT]);
  int floats = plan[OUT_WIDTH] * n;
  size_t at = ((size_t)sample * plan[OUT_HEIGHT] + y0) * floats;
  for (int y = y0; y < y1; y++) {
    const global float *from =
      stage + (size_t)(y % plan[B_Y]) * bx * n * plan[STAGE] + (y / plan[B_Y] - q0) * width;
    global float *to = lines + (size_t)(y - y0) * floats;
#if WOVEN
    // Vectors may reach beyond the row; the next row overwrites that.
    for (int p = 0; p * WOVEN < floats; p += VW) {
      V rows[WOVEN];
#pragma unroll
      for (int z = 0; z < WOVEN; z++) rows[z] = LOAD(from + z * plan[STAGE] + p);
      interleave(rows, WOVEN);
#pragma unroll
      for (int z = 0; z < WOVEN; z++) STORE(rows[z], to + p * WOVEN + z * VW);
    }
#else
    for (int p = 0; p < plan[OUT_WIDTH]; p++)
      for (int k = 0; k < n; k++) to[p * n + k] = from[(size_t)(p % bx * n + k) * plan[STAGE] + p / bx];
#endif
  }
#if WOVEN
  int all = (y1 - y0) * floats;
  int i = 0;
  for (; i + VW <= all; i += 32 * VW) {
    endVectors(e, lines + i, VW, at + i, 0, min((all - i) / VW, 32), c->row, c->norm, &losses);
    collectLosses(e, &losses, &total);
  }
  if (all % VW > 0) endPart(e, LOAD(lines + all / VW * VW), at + all / VW * VW, c->row, c->norm, all % VW, &losses);
#else
  for (int i = 0; i < (y1 - y0) * floats; i += n) {
    endPart(e, loadPart(lines + i, n, 0.0f), at + i, c->row, c->norm, n, &losses);
    collectLosses(e, &losses, &total);
  }
#endif
  collectLosses(e, &losses, &total);
  endLosses(e, unit, &total);
}

kernel GROUP_1D void correlatePlanes(
  const global float *x, ulong x0, const global float *weights, ulong weights0, global float *result,
  ulong result0, global float *scratch, Plan plan, volatile global int *taken, EPILOGUE_ARGUMENTS) {
  int n = plan[OUT_CHANNELS];
  Epilogue e = EPILOGUE(result + result0, 0, n);
  V row = loadRow(&e, 0, n), norm = loadNorms(&e, 0, n);
#if WOVEN
  row = repeated(row, n);
  norm = repeated(norm, n);
#endif
  Correlation c = {x + x0, weights + weights0, scratch + get_global_id(0) * (size_t)plan[SCRATCH], plan, row, norm};
  bool fresh = true;
  FOR_UNITS(unit, plan, taken) {
    correlateBand(&c, &e, unit, fresh);
    fresh = false;
  }
  END_PIECES(taken)
}
