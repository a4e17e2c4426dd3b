// The three modes of a convolution on a GPU, each a product of matrices that are never built. As in the matmul, a
// work-group of TILE_GROUP × TILE_GROUP items makes a TILE × TILE block of the result. It copies TILE_STEPS steps at a
// time to local memory, and finds the address of each element as it copies.
//
//     convolve             pixels of the small image × outputs    over (tap, channel)
//     convolveTransposed   pixels of the large image × channels   over (tap, output); taps that miss count as 0
//     convolutionGradient  (tap, channel) × outputs               over pixels of the small image
//
// Neighbouring work-items read neighbouring channels.

typedef struct {
  int height, width, channels, outputHeight, outputWidth, outputs, kernelHeight, kernelWidth;
  int strideY, strideX, dilationY, dilationX, top, left;
} Geometry;

// The pixel of the large image at which a tap meets a pixel of the small one, or −1.
INLINE long largePixel(const Geometry *g, int small, int tap) {
  int n = small / (g->outputHeight * g->outputWidth), rest = small % (g->outputHeight * g->outputWidth);
  int y = rest / g->outputWidth * g->strideY + tap / g->kernelWidth * g->dilationY - g->top;
  int x = rest % g->outputWidth * g->strideX + tap % g->kernelWidth * g->dilationX - g->left;
  if (y < 0 || y >= g->height || x < 0 || x >= g->width) return -1;
  return ((long)n * g->height + y) * g->width + x;
}

// The reverse.
INLINE long smallPixel(const Geometry *g, int large, int tap) {
  int n = large / (g->height * g->width), rest = large % (g->height * g->width);
  int y = rest / g->width + g->top - tap / g->kernelWidth * g->dilationY;
  int x = rest % g->width + g->left - tap % g->kernelWidth * g->dilationX;
  if (y < 0 || x < 0 || y % g->strideY != 0 || x % g->strideX != 0) return -1;
  y /= g->strideY;
  x /= g->strideX;
  if (y >= g->outputHeight || x >= g->outputWidth) return -1;
  return ((long)n * g->outputHeight + y) * g->outputWidth + x;
}

#define ARGUMENTS                                                                                         \
  const global float *a, ulong a0, const global float *b, ulong b0, global float *c, ulong c0,            \
    int height, int width, int channels, int outputHeight, int outputWidth, int outputs,                  \
    int kernelHeight, int kernelWidth, int strideY, int strideX, int dilationY, int dilationX, int top,   \
    int left, int m, int n, int k, int kBlock, EPILOGUE_ARGUMENTS

// FETCH_A and FETCH_B give elements (row, p) and (p, column), whose indices lie inside. P_FIRST says which index
// neighbouring work-items differ in.
#define PRODUCT(FETCH_A, A_P_FIRST, FETCH_B, B_P_FIRST)                                                   \
  local float tiles[2 * TILE_STEPS * (TILE + 1)];                                                         \
  local float *as = tiles, *bs = tiles + TILE_STEPS * (TILE + 1);                                         \
  Geometry g = {height, width, channels, outputHeight, outputWidth, outputs, kernelHeight, kernelWidth,   \
                strideY, strideX, dilationY, dilationX, top, left};                                       \
  Epilogue e = EPILOGUE(c + c0, m, n);                                                                    \
  a += a0;                                                                                                \
  b += b0;                                                                                                \
  int x = get_local_id(0), y = get_local_id(1), item = y * TILE_GROUP + x;                                \
  int j0 = get_group_id(0) * TILE, i0 = get_group_id(1) * TILE;                                           \
  int start = get_group_id(2) * kBlock, end = min(start + kBlock, k);                                     \
  bool slices = get_num_groups(2) > 1, adds = !slices && (flags & ADD_TO_C);                              \
  global float *out = e.c + (slices ? get_group_id(2) * (size_t)m * n : 0);                               \
  float sum[SIDE][SIDE];                                                                                  \
  for (int first = start, last;; first = last, adds = true) {                                             \
    last = min(first + SUM_STEPS, end);                                                                   \
    FOR_OWN(r, s) sum[r][s] = 0.0f;                                                                       \
    for (int p0 = first; p0 < last; p0 += TILE_STEPS) {                                                   \
      for (int s = item; s < TILE * TILE_STEPS; s += LINE_GROUP) {                                        \
        int p = A_P_FIRST ? s % TILE_STEPS : s / TILE, i = A_P_FIRST ? s / TILE_STEPS : s % TILE;         \
        as[p * (TILE + 1) + i] = i0 + i < m && p0 + p < last ? FETCH_A(&g, a, i0 + i, p0 + p) : 0.0f;     \
        p = B_P_FIRST ? s % TILE_STEPS : s / TILE, i = B_P_FIRST ? s / TILE_STEPS : s % TILE;             \
        bs[p * (TILE + 1) + i] = j0 + i < n && p0 + p < last ? FETCH_B(&g, b, j0 + i, p0 + p) : 0.0f;     \
      }                                                                                                   \
      barrier(CLK_LOCAL_MEM_FENCE);                                                                       \
      for (int p = 0; p < TILE_STEPS; p++)                                                                \
        for (int r = 0; r < SIDE; r++)                                                                    \
          for (int s = 0; s < SIDE; s++)                                                                  \
            sum[r][s] = fma(                                                                              \
              as[p * (TILE + 1) + y + TILE_GROUP * r], bs[p * (TILE + 1) + x + TILE_GROUP * s], sum[r][s]);\
      barrier(CLK_LOCAL_MEM_FENCE);                                                                       \
    }                                                                                                     \
    storeTile(sum, &e, out, adds, slices, last >= end, i0, j0, tiles);                                    \
    if (last >= end) break;                                                                               \
  }                                                                                                       \
  if (mode == LOSS) sumCells(&e, tiles);

INLINE float windowOfLarge(const Geometry *g, const global float *x, int pixel, int p) {
  long at = largePixel(g, pixel, p / g->channels);
  return at < 0 ? 0.0f : x[at * g->channels + p % g->channels];
}

INLINE float weightOfOutput(const Geometry *g, const global float *w, int output, int p) {
  return w[(size_t)p * g->outputs + output];
}

INLINE float windowOfSmall(const Geometry *g, const global float *y, int pixel, int p) {
  long at = smallPixel(g, pixel, p / g->outputs);
  return at < 0 ? 0.0f : y[at * g->outputs + p % g->outputs];
}

INLINE float weightOfChannel(const Geometry *g, const global float *w, int channel, int p) {
  return w[((size_t)(p / g->outputs) * g->channels + channel) * g->outputs + p % g->outputs];
}

INLINE float tapOfLarge(const Geometry *g, const global float *x, int row, int pixel) {
  return windowOfLarge(g, x, pixel, row);
}

INLINE float smallOf(const Geometry *g, const global float *y, int output, int pixel) {
  return y[(size_t)pixel * g->outputs + output];
}

kernel GROUP_TILE void convolveTiles(ARGUMENTS) { PRODUCT(windowOfLarge, true, weightOfOutput, false) }

kernel GROUP_TILE void convolveTransposedTiles(ARGUMENTS) { PRODUCT(windowOfSmall, true, weightOfChannel, true) }

kernel GROUP_TILE void convolutionGradientTiles(ARGUMENTS) { PRODUCT(tapOfLarge, false, smallOf, false) }

// dW = Σ slices (+ dW), added in order.
kernel GROUP_1D void convolutionSlices(
  const global float *slices, ulong slices0, global float *gradient, ulong gradient0, int size, int count,
  int accumulate) {
  FOR_ITEMS(i, size, 0) {
    float sum = 0.0f;
    for (int s = 0; s < count; s++) sum += slices[slices0 + (size_t)s * size + i];
    gradient[gradient0 + i] = accumulate ? gradient[gradient0 + i] + sum : sum;
  }
}
