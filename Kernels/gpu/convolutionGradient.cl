// The weight gradient of a convolution on a GPU, as a product of matrices that are never built: see tile.cl.
//
//     (tap, channel) × outputs   over pixels of the small image
//
// get_group_id(2) counts slices of these pixels; each leaves its product in `c` = scratch [slices, m, n], and
// `addSlices` adds them up in order.

#if TILE_ITEMS % (TILE_ROWS / LOAD_WIDTH)
#error "A work-item copies the same rows in each of its loads."
#endif

kernel GROUP_TILE void convolutionGradientTiles(
  const global float *a, ulong a0, const global float *b, ulong b0, global float *c, ulong c0, GEOMETRY_ARGUMENTS,
  int images, int kBlock, EPILOGUE_ARGUMENTS) {
  local float4 memory[(TILE_FLOATS + 3) / 4];
  local float *tiles = (local float *)memory;
  // The pixels of a step and of the next one: where the window of each begins, y, x and the element.
  local int4 pixels[2][TILE_STEPS];
  int item = get_local_id(0), i0 = get_group_id(0) * TILE_ROWS, j0 = get_group_id(1) * TILE_COLUMNS;
  int m = kernelHeight * kernelWidth * channels, n = outputs;
  int start = get_group_id(2) * kBlock, end = min(start + kBlock, images * outputHeight * outputWidth), last = start;
  Epilogue e = EPILOGUE(c + c0 + get_group_id(2) * (size_t)m * n, m, n);
  e.mode = MODE;
  Place own = ownPlace(item);

  // Work-items below TILE_STEPS keep the table, each every TILE_STEPS-th pixel.
  int pixel = start + item, turn = 0;
  Digits at = digitsOf(pixel, outputWidth, outputHeight), stepBy = digitsOf(TILE_STEPS, outputWidth, outputHeight);
#define NOTE_PIXELS                                                                                       \
  if (item < TILE_STEPS) {                                                                                \
    int y = at.middle * strideY - top, x = at.low * strideX - left;                                       \
    int element = (((uint)at.high * height + y) * width + x) * channels;                                  \
    pixels[turn][item] = (int4)(pixel < end ? y : -(1 << 30), x, element, 0);                             \
    pixel += TILE_STEPS;                                                                                  \
    advance(&at, stepBy, outputWidth, outputHeight);                                                      \
  }                                                                                                       \
  turn ^= 1;

  // The tap and channel of a work-item's row, the same in each copy.
  int row = min(i0 + COPY_I(item, false, TILE_ROWS), m - LOAD_WIDTH);
  Digits tap = digitsOf(row, channels, kernelWidth);
  int wayY = tap.high * dilationY, wayX = tap.middle * dilationX;
  // Pixels' windows begin less than 2³¹ elements before a tensor, which the host sees to.
  const global float *fromA = a + a0 + ((long)wayY * width + wayX) * channels + tap.low;
  Load heldA[COPIES(TILE_ROWS)], heldB[COPIES(TILE_COLUMNS)];
  const global float *fromB[COPIES(TILE_COLUMNS)];
  begin(b + b0, n, n, j0, start, false, TILE_COLUMNS, item, fromB);
#define FETCH(there)                                                                                      \
  FOR_COPIES(t, s, TILE_ROWS) {                                                                           \
    int4 window = pixels[turn ^ 1][COPY_P(s, false, TILE_ROWS)];                                          \
    bool inside = within(window.x + wayY, height) && within(window.y + wayX, width);                      \
    heldA[t] = inside ? READ(fromA + window.z) : (Load)0.0f;                                              \
  }                                                                                                       \
  fetch(b, fromB, n, there, false, TILE_COLUMNS, item, heldB);                                            \
  NOTE_PIXELS
#define PUT                                                                                               \
  put(tiles, false, TILE_ROWS, item, heldA);                                                              \
  put(tiles + TILE_STEPS * A_LINE, false, TILE_COLUMNS, item, heldB);

  NOTE_PIXELS
  barrier(CLK_LOCAL_MEM_FENCE);
  Sums block;
  bool adds = flags & ADD_TO_C;
  do {
    int first = last;
    last = min(first + SUM_STEPS, end);
    PRODUCT(first, last, FETCH, PUT, MULTIPLY_NEAR, READ_NEAR)
    storeBlock(&block, &e, FOUR, adds, last >= end, i0, j0, m, own, item, false, 0, tiles);
    adds = true;
  } while (last < end);
}
