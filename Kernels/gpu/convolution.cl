// A convolution on a GPU, or a transposed one, as a product of matrices that are never built: see tile.cl. A work-item
// finds the addresses of what it copies by additions.
//
//     TRANSPOSED 0   pixels of the small image × outputs    over (tap, channel)
//     TRANSPOSED 1   pixels of the large image × channels   over (tap, output)
//
// With a stride, only some taps of a transposed convolution meet a pixel of the large image, and pixels that are a stride
// apart meet the same ones. Such pixels are a phase, get_group_id(2) counts phases, and each is a product over its own
// taps: none is made with a hole, which for stride 2 leaves a quarter.

// Along one axis, a window of the source for pixel i = 0 ..< count of the phase: `taps` pixels, `move` apart, from
// i·stride + offset on. The first of them meets tap `first`, the next ones every `step`-th.
typedef struct {
  int count, stride, offset, taps, move, first, step;
} Axis;

INLINE Axis axis(int large, int small, int kernelSize, int stride, int dilation, int pad, int phase) {
#if TRANSPOSED
  Axis x = {max((large - phase + stride - 1) / stride, 0), 1, 0, 0, 0, 0, 1};
  while (x.first < stride && (phase + pad - x.first * dilation) % stride != 0) x.first++;
  while (x.step * dilation % stride != 0) x.step++;
  x.offset = (phase + pad - x.first * dilation) / stride;
  x.move = -(x.step * dilation / stride);
  if (x.first < stride) x.taps = max((kernelSize - x.first + x.step - 1) / x.step, 0);
  return x;
#else
  Axis x = {small, stride, -pad, kernelSize, dilation, 0, 1};
  return x;
#endif
}

#define IS_ALONG true
#define IS_FAR TRANSPOSED

kernel GROUP_PRODUCT void convolveTiles(
  const global float *a, ulong a0, const global float *b, ulong b0, global float *c, ulong c0, GEOMETRY_ARGUMENTS,
  int images, EPILOGUE_ARGUMENTS) {
  local float4 memory[(TILE_FLOATS + 3) / 4];
  local float *tiles = (local float *)memory;
  int item = ITEM, i0 = get_group_id(0) * TILE_ROWS, j0 = get_group_id(1) * TILE_COLUMNS;
  // A stride wider than the image has a phase for each of its columns.
  int phase = get_group_id(2), phaseY = phase / min(strideX, width), phaseX = phase % min(strideX, width);
  Axis y = axis(height, outputHeight, kernelHeight, strideY, dilationY, top, phaseY);
  Axis x = axis(width, outputWidth, kernelWidth, strideX, dilationX, left, phaseX);
  int n = TRANSPOSED ? channels : outputs, inner = TRANSPOSED ? outputs : channels;
  int sourceHeight = TRANSPOSED ? outputHeight : height, sourceWidth = TRANSPOSED ? outputWidth : width;
  int pixels = y.count * x.count, m = images * pixels, k = y.taps * x.taps * inner, last = 0;
  Epilogue e = EPILOGUE(c + c0, m, n);
  e.mode = MODE;
  Place own = ownPlace(item);
  Origin originA = ORIGIN(a, a0), originB = ORIGIN(b, b0);
  if (i0 >= m) k = 0;

#if TRANSPOSED
  // Where the block's rows lie in C.
  const bool mapped = true;
  local int rows[TILE_ROWS];
  for (int s = item; s < TILE_ROWS && i0 + s < m; s += TILE_ITEMS) {
    Digits at = digitsOf(i0 + s, x.count, y.count);
    rows[s] = (at.high * height + at.middle * strideY + phaseY) * width + at.low * strideX + phaseX;
  }
#else
  const bool mapped = false;
  const local int *rows = 0;
#endif

  // The pixels that a work-item copies the windows of, and where those begin.
  int startY[ROW_LOADS], startX[ROW_LOADS];
  uint startAt[ROW_LOADS];
  FOR_ROW_LOADS(t, s) {
    Digits at = digitsOf(max(min(i0 + ROW_OF(s, true), m - 1), 0), max(x.count, 1), max(y.count, 1));
    startY[t] = at.middle * y.stride + y.offset;
    startX[t] = at.low * x.stride + x.offset;
    startAt[t] = (((uint)at.high * sourceHeight + startY[t]) * sourceWidth + startX[t]) * inner;
  }
  // Its p, the same in each copy: channel, column and row of a tap.
  int ownP = STEP_OF(item, true), across = max(x.taps, 1);
  Digits tap = digitsOf(ownP, inner, across), stepBy = digitsOf(TILE_STEPS, inner, across);
  Load heldA[ROW_LOADS];
#if TRANSPOSED
  // Weights are [tap][channel][output], along p.
  At fromB[COPIES(TILE_COLUMNS)];
  Load heldB[COPIES(TILE_COLUMNS)];
  FOR_COPIES(t, s, TILE_COLUMNS)
    fromB[t] = originB + (Way)min(j0 + COPY_I(s, true, TILE_COLUMNS), n - 1) * inner;
#define FETCH_B(there)                                                                                    \
  uint weight = (y.first + tap.high * y.step) * kernelWidth + x.first + tap.middle * x.step;              \
  uint wayB = weight * n * inner + tap.low;                                                               \
  FOR_COPIES(t, s, TILE_COLUMNS) heldB[t] = ownP < (there) ? READ(AT(b, fromB[t] + wayB)) : (Load)0.0f;
#define PUT PUT_ROWS(true) PUT_FAR
#define MULTIPLY_B MULTIPLY_FAR
#define READ_B READ_FAR
#else
  int lineB = n;
  NEAR_COLUMNS(fromB, heldB)
  BEGIN_NEAR(originB, n, lineB, 0, fromB)
#define FETCH_B(there) FETCH_NEAR(b, fromB, lineB, there, heldB)
#define PUT PUT_ROWS(true) PUT_NEAR
#define MULTIPLY_B MULTIPLY_NEAR
#define READ_B READ_NEAR
#endif
#define FETCH(there)                                                                                      \
  {                                                                                                       \
    int wayY = tap.high * y.move, wayX = tap.middle * x.move;                                             \
    uint way = ((uint)wayY * sourceWidth + wayX) * inner + tap.low;                                       \
    FOR_ROW_LOADS(t, s) {                                                                                 \
      bool inside = ownP < (there) && within(startY[t] + wayY, sourceHeight) && within(startX[t] + wayX, sourceWidth); \
      heldA[t] = inside ? READ(BEYOND(a, originA, startAt[t] + way)) : (Load)0.0f;                           \
    }                                                                                                     \
    FETCH_B(there)                                                                                        \
    advance(&tap, stepBy, inner, across);                                                                 \
  }

  Sums block;
  bool adds = flags & ADD_TO_C;
  do {
    int first = last;
    last = min(first + SUM_STEPS, k);
    PRODUCT(first, last, FETCH, PUT, MULTIPLY_B, READ_B)
    storeBlock(&block, &e, FOUR, adds, last >= k, i0, j0, m, own, item, mapped, rows, tiles);
    adds = true;
  } while (last < k);
  if (MODE == LOSS) {
    // The first phase has most pixels, and each has cells for as many.
    int most = TRANSPOSED ? ((height - 1) / strideY + 1) * ((width - 1) / strideX + 1) : pixels;
    int cellRows = (images * most + CELL - 1) / CELL;
    sumCells(&e, i0, j0, cellRows, phase * cellRows * ((n + CELL - 1) / CELL), item, tiles);
  }
}
