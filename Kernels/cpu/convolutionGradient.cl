// dW[u, v, c, k] = Σ x·y over all pairs of pixels that the weight relates, on a CPU device, and the sums of δ's
// channels. A slice holds the sums of some bands of samples, of which a piece of work makes all tiles or, where slices are
// fewer than what keeps the device busy, a part of them; cpu/slices.cl adds the slices in order. A tile's sums over a
// band are added to those before, so a long sum is made of short ones. Where a slice has very many bands, what rounding
// takes from its sums lies ERRORS floats behind them.
//
// Taps that are neighbours along x read taps · channels neighbouring floats of the padded image: a run. A row of taps
// is one run, or one run per tap if there is dilation.
//
// A run is cut into groups of GROUP_NEIGHBOURS neighbours, TILE_GROUPS of which share a tile of sums.
//
// `gradientSlices` (more than VW/2 channels in y, OUTPUTS 0): lanes are y's channels. The groups' neighbours × WIDE
// vectors of y's channels make a tile of sums: a pixel costs a broadcast for each. y's rows are copied to whole vectors
// where its channels are no multiple of VW.
//
// `gradientSlicesOfFew` (at most VW/2): lanes are a run's neighbours, a group is a vector, and y's values are
// broadcast.
//
// Where POOL_HEIGHT is not 0, y is δ of what was pooled, which is spread over a band as its switches say.

#if !defined(OUTPUTS) || !defined(WIDE)
#error "The host must define the outputs, or 0 where they are many, and the vectors of a tile."
#endif

// One of VW channels' sums, and what rounding took from it.
INLINE void addChannel(global float *sums, global float *errors, V x, int count) {
  Sum sum = {loadPart(sums, count, 0.0f), loadPart(errors, count, 0.0f)};
  addTo(&sum, x);
  storePart(sum.sum, sums, count);
  storePart(sum.error, errors, count);
}

// Vectors that are summed plainly before they go into a long sum.
#define STRETCH 256

// Sums over the channels of `count` pixels, added to `sums`; `errors` are what rounding took from these.
OUTLINE void addChannels(
  const global float *x, int count, int channels, global float *sums, global float *errors, bool fresh) {
  if (fresh) {
    zero(sums, channels);
    zero(errors, channels);
  }
  if (VW % channels == 0) {
    Sum total = NO_SUM;
    int i = 0, floats = count * channels;
    while (i < floats) {
      int end = min(i + STRETCH * VW, floats);
      V sum[4];
      for (int k = 0; k < 4; k++) sum[k] = (V)0.0f;
      for (; i + 4 * VW <= end; i += 4 * VW)
#pragma unroll
        for (int k = 0; k < 4; k++) sum[k] += LOAD(x + i + k * VW);
      for (; i < end; i += VW) sum[0] += loadPart(x + i, end - i, 0.0f);
      addTo(&total, (sum[0] + sum[1]) + (sum[2] + sum[3]));
    }
    float lanes[VW];
    STORE(sumOf(&total), lanes);
    for (int l = channels; l < VW; l++) lanes[l % channels] += lanes[l];
    addChannel(sums, errors, LOAD(lanes), channels);
    return;
  }
  for (int c = 0; c < channels; c += VW) {
    Sum sum = NO_SUM;
    for (int p = 0; p < count; p++) addTo(&sum, loadPart(x + (size_t)p * channels + c, channels - c, 0.0f));
    addChannel(sums + c, errors + c, sumOf(&sum), channels - c);
  }
}

// The rows of y in a band, with `packed` columns per pixel. The columns beyond the channels may hold anything: they go
// into sums that are not read.
OUTLINE const global float *packPixels(
  const global float *y, int pixels, int channels, int packed, global float *to) {
  if (packed == channels) return y;
  for (int p = 0; p < pixels; p++)
    for (int k = 0; k < channels; k++) to[p * packed + k] = y[(size_t)p * channels + k];
  return to;
}

// Adds a band's sum to a slice's, where bands are many.
INLINE void addBand(global float *to, V x, int errors, bool fresh) {
  Sum sum = NO_SUM;
  if (!fresh) {
    sum.sum = LOAD(to);
    sum.error = LOAD(to + errors);
  }
  addTo(&sum, x);
  STORE(sum.sum, to);
  STORE(sum.error, to + errors);
}

#if OUTPUTS

#if GROUP_NEIGHBOURS != VW
#error "A group of neighbours is a vector."
#endif

OUTLINE void gradientTile(
  const global float *pad, const global float *y, Plan plan, Plan list, int rows, int packed, int column,
  global float *sums, bool fresh) {
  V sum[TILE_GROUPS][OUTPUTS];
#pragma unroll
  for (int t = 0; t < TILE_GROUPS; t++)
#pragma unroll
    for (int o = 0; o < OUTPUTS; o++) sum[t][o] = (V)0.0f;
  int step = plan[A_X] * plan[IN_CHANNELS], pitch = plan[PAD_WIDTH] * plan[IN_CHANNELS];
  for (int q = 0; q < rows; q++) {
    const global float *from[TILE_GROUPS];
#pragma unroll
    for (int t = 0; t < TILE_GROUPS; t++) from[t] = pad + q * plan[A_Y] * pitch + list[t];
    for (int p = 0; p < plan[Q_WIDTH]; p++, y += OUTPUTS) {
      V x[TILE_GROUPS];
#pragma unroll
      for (int t = 0; t < TILE_GROUPS; t++) x[t] = LOAD(from[t] + p * (long)step);
#pragma unroll
      for (int o = 0; o < OUTPUTS; o++) {
        V value = (V)y[o];
#pragma unroll
        for (int t = 0; t < TILE_GROUPS; t++) sum[t][o] = fma(value, x[t], sum[t][o]);
      }
    }
  }
  if (plan[ERRORS]) {
    float tile[TILE_GROUPS * OUTPUTS * VW];
#pragma unroll
    for (int t = 0; t < TILE_GROUPS; t++)
#pragma unroll
      for (int o = 0; o < OUTPUTS; o++) STORE(sum[t][o], tile + (t * OUTPUTS + o) * VW);
    for (int i = 0; i < TILE_GROUPS * OUTPUTS; i++) addBand(sums + i * VW, LOAD(tile + i * VW), plan[ERRORS], fresh);
    return;
  }
  if (!fresh)
#pragma unroll
    for (int t = 0; t < TILE_GROUPS; t++)
#pragma unroll
      for (int o = 0; o < OUTPUTS; o++) sum[t][o] = LOAD(sums + (t * OUTPUTS + o) * VW) + sum[t][o];
#pragma unroll
  for (int t = 0; t < TILE_GROUPS; t++)
#pragma unroll
    for (int o = 0; o < OUTPUTS; o++) STORE(sum[t][o], sums + (t * OUTPUTS + o) * VW);
}
#define GRADIENT_KERNEL gradientSlicesOfFew
#define COLUMNS OUTPUTS
#define TILE_SUMS(t, packed, j) ((size_t)(t) * OUTPUTS * VW)

#else

#define NEIGHBOURS (TILE_GROUPS * GROUP_NEIGHBOURS)

// Sums of NEIGHBOURS × W vectors, in rows of `packed` floats.
#define GRADIENT_TILE(NAME, W)                                                                            \
  OUTLINE void NAME(                                                                                      \
    const global float *pad, const global float *y, Plan plan, Plan list, int rows, int packed, int column,\
    global float *sums, bool fresh) {                                                                     \
    V sum[NEIGHBOURS][W];                                                                                 \
    _Pragma("unroll") for (int t = 0; t < NEIGHBOURS; t++)                                                \
      _Pragma("unroll") for (int k = 0; k < W; k++) sum[t][k] = (V)0.0f;                                  \
    int step = plan[A_X] * plan[IN_CHANNELS], pitch = plan[PAD_WIDTH] * plan[IN_CHANNELS];                \
    y += column;                                                                                          \
    for (int q = 0; q < rows; q++) {                                                                      \
      const global float *group[TILE_GROUPS];                                                             \
      _Pragma("unroll") for (int g = 0; g < TILE_GROUPS; g++) group[g] = pad + q * plan[A_Y] * pitch + list[g];\
      for (int p = 0; p < plan[Q_WIDTH]; p++, y += packed) {                                              \
        V b[W];                                                                                           \
        _Pragma("unroll") for (int k = 0; k < W; k++) b[k] = LOAD(y + k * VW);                            \
        _Pragma("unroll") for (int t = 0; t < NEIGHBOURS; t++) {                                          \
          V a = (V)group[t / GROUP_NEIGHBOURS][p * (long)step + t % GROUP_NEIGHBOURS];                            \
          _Pragma("unroll") for (int k = 0; k < W; k++) sum[t][k] = fma(a, b[k], sum[t][k]);              \
        }                                                                                                 \
      }                                                                                                   \
    }                                                                                                     \
    if (plan[ERRORS]) {                                                                                   \
      float tile[NEIGHBOURS * W * VW];                                                                    \
      _Pragma("unroll") for (int t = 0; t < NEIGHBOURS; t++)                                              \
        _Pragma("unroll") for (int k = 0; k < W; k++) STORE(sum[t][k], tile + (t * W + k) * VW);          \
      for (int i = 0; i < NEIGHBOURS * W; i++)                                                            \
        addBand(sums + i / W * packed + i % W * VW, LOAD(tile + i * VW), plan[ERRORS], fresh);            \
      return;                                                                                             \
    }                                                                                                     \
    if (!fresh)                                                                                           \
      _Pragma("unroll") for (int t = 0; t < NEIGHBOURS; t++)                                              \
        _Pragma("unroll") for (int k = 0; k < W; k++) sum[t][k] = LOAD(sums + t * packed + k * VW) + sum[t][k];\
    _Pragma("unroll") for (int t = 0; t < NEIGHBOURS; t++)                                                \
      _Pragma("unroll") for (int k = 0; k < W; k++) STORE(sum[t][k], sums + t * packed + k * VW);         \
  }

GRADIENT_TILE(gradientNarrow, 1)
#if WIDE == 2
GRADIENT_TILE(gradientWide, 2)
#endif
INLINE void gradientTile(
  const global float *pad, const global float *y, Plan plan, Plan list, int rows, int packed, int column,
  global float *sums, bool fresh) {
#if WIDE == 2
  if (packed - column > VW) {
    gradientWide(pad, y, plan, list, rows, packed, column, sums, fresh);
    return;
  }
#endif
  gradientNarrow(pad, y, plan, list, rows, packed, column, sums, fresh);
}
#define GRADIENT_KERNEL gradientSlices
#define COLUMNS (WIDE * VW)
#define TILE_SUMS(t, packed, j) ((size_t)(t) * GROUP_NEIGHBOURS * (packed) + (j))

#endif

typedef struct {
  const global float *x, *y, *switches;
  global float *slices;
  // The work-item's scratch memory.
  global float *pad;
  Plan plan;
  int deltaIsLarge;
} Gradient;

// A piece of work; `untouched` says that nothing is in the scratch memory yet.
OUTLINE void addPiece(const Gradient *g, int piece, bool untouched) {
  Plan plan = g->plan;
  int channels = plan[IN_CHANNELS], n = plan[OUT_CHANNELS], packed = plan[PACKED];
  global float *pad = g->pad, *copied = pad + plan[PACKED_ROWS];
  int biases = g->deltaIsLarge ? channels : n;
  Plan list = plan + plan[GROUP_LIST];
  // Tiles, column by column.
  int down = plan[GROUPS] / TILE_GROUPS, tiles = down * ((packed + COLUMNS - 1) / COLUMNS);
  int index = piece / plan[PARTS], part = piece % plan[PARTS];
  int firstTile = (long)tiles * part / plan[PARTS], endTile = (long)tiles * (part + 1) / plan[PARTS];
  global float *slice = g->slices + index * (size_t)plan[SLICE];
  // The sums of δ's channels come last in a slice, behind what rounding took from them.
  global float *bias = slice + plan[SLICE] - biases, *errors = bias - biases;
  int start = index * plan[CHUNK], end = min(start + plan[CHUNK], plan[UNITS]);

  for (int unit = start; unit < end; unit++) {
    bool fresh = unit == start;
    int sample = unit / plan[BANDS], band = unit % plan[BANDS], q0 = band * plan[BAND];
    int rows = min(plan[BAND], plan[Q_HEIGHT] - q0), pixels = rows * plan[Q_WIDTH];
    const global float *image = g->x + (size_t)sample * plan[IN_HEIGHT] * plan[IN_WIDTH] * channels;
#if POOL_HEIGHT
    size_t at = pooledStart(plan, sample, q0);
    int pooled = pooledRows(plan, q0, rows), summed = pooled * plan[POOLED_WIDTH];
    unpoolBand(g->y + at, g->switches + at, plan, pooled, rows, copied);
#else
    size_t at = ((size_t)sample * plan[Q_HEIGHT] + q0) * plan[Q_WIDTH] * n;
    int summed = rows * plan[Q_WIDTH];
#endif
    const global float *delta = g->y + at;
    padImage(image, q0 * plan[A_Y] + plan[FIRST_Y], pad, plan, untouched && fresh);
#if POOL_HEIGHT
    const global float *own = copied;
#else
    const global float *own = packPixels(delta, pixels, n, packed, copied);
#endif
    for (int tile = firstTile; tile < endTile; tile++) {
      int j = tile / down * COLUMNS, group = tile % down * TILE_GROUPS;
      gradientTile(pad, own, plan, list + group, rows, packed, j, slice + TILE_SUMS(group, packed, j), fresh);
    }
    // Afterwards, as the tiles' multiply-adds hide the misses of who reads δ first. Bands of the large image overlap, so
    // its channels are summed once per sample, with the first band.
    if (part == 0 && !g->deltaIsLarge)
      addChannels(delta, summed, n, bias, errors, fresh);
    else if (part == 0 && (band == 0 || fresh))
      addChannels(
        image, band == 0 ? plan[IN_HEIGHT] * plan[IN_WIDTH] : 0, channels, bias, errors, fresh);
  }
}

kernel GROUP_1D void GRADIENT_KERNEL(
  const global float *x, ulong x0, const global float *y, ulong y0, global float *slices, global float *scratch,
  Plan plan, volatile global int *taken, int deltaIsLarge
#if POOL_HEIGHT
  , const global float *switches, ulong switches0
#endif
) {
  Gradient g = {
    .x = x + x0, .y = y + y0, .slices = slices, .pad = scratch + get_global_id(0) * (size_t)plan[SCRATCH],
    .plan = plan, .deltaIsLarge = deltaIsLarge};
#if POOL_HEIGHT
  g.switches = switches + switches0;
#endif
  bool untouched = true;
  FOR_PIECES(piece, plan[SLICES] * plan[PARTS], taken) {
    addPiece(&g, piece, untouched);
    untouched = false;
  }
  END_PIECES(taken)
}
