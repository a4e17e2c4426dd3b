// C = epilogue(op(A)·op(B)) on a GPU, C [m,n], by blocks: see tile.cl.
//
// Large blocks read less of global and local memory per product and win where there are enough of them for every
// compute unit; blocks of 32 × 32 win for small C. The host picks (Matmul.swift).
//
// Where C is small, get_group_id(2) counts slices of k: each slice leaves its product in `c` = scratch [slices, m, n],
// and `addSlices` adds them up in order. Deterministic, unlike atomics. Slices follow from the shape.
//
// TRANSPOSE_A and TRANSPOSE_B say how the operands lie. They are compiled in: with both ways in the loop it takes 3 %
// more instructions and some registers, and a layer asks for one way each time.
#define IS_ALONG !TRANSPOSE_A
#define IS_FAR TRANSPOSE_B

kernel GROUP_PRODUCT void matmul(
  const global float *a, ulong a0, const global float *b, ulong b0, global float *c, ulong c0,
  int m, int n, int k, int kBlock, EPILOGUE_ARGUMENTS) {
  local float4 memory[(TILE_FLOATS + 3) / 4];
  local float *tiles = (local float *)memory;
  Epilogue e = EPILOGUE(c + c0 + get_group_id(2) * (size_t)m * n, m, n);
  e.mode = MODE;
  int item = ITEM, i0 = get_group_id(0) * TILE_ROWS, j0 = get_group_id(1) * TILE_COLUMNS;
  int start = get_group_id(2) * kBlock, end = min(start + kBlock, k), last = start;
  Place own = ownPlace(item);

  int lineA = IS_ALONG ? k : m, lineB = IS_FAR ? k : n;
  At fromA[ROW_LOADS];
  Load heldA[ROW_LOADS];
  beginRows(ORIGIN(a, a0), m, lineA, i0, start, IS_ALONG, own, item, fromA);
#if TRANSPOSE_B
  At fromB[COPIES(TILE_COLUMNS)];
  Load heldB[COPIES(TILE_COLUMNS)];
  begin(ORIGIN(b, b0), n, lineB, j0, start, true, TILE_COLUMNS, item, fromB);
#define FETCH_B(left) fetch(b, fromB, lineB, left, true, TILE_COLUMNS, item, heldB);
#define PUT PUT_ROWS(IS_ALONG) PUT_FAR
#define MULTIPLY_B MULTIPLY_FAR
#define READ_B READ_FAR
#else
  NEAR_COLUMNS(fromB, heldB)
  BEGIN_NEAR(ORIGIN(b, b0), n, lineB, start, fromB)
#define FETCH_B(left) FETCH_NEAR(b, fromB, lineB, left, heldB)
#define PUT PUT_ROWS(IS_ALONG) PUT_NEAR
#define MULTIPLY_B MULTIPLY_NEAR
#define READ_B READ_NEAR
#endif
#define FETCH(left)                                                                                       \
  fetchRows(a, fromA, lineA, left, IS_ALONG, item, heldA);                                                \
  FETCH_B(left)

  Sums block;
  bool adds = flags & ADD_TO_C;
  do {
    int first = last;
    last = min(first + SUM_STEPS, end);
    PRODUCT(first, last, FETCH, PUT, MULTIPLY_B, READ_B)
    storeBlock(&block, &e, FOUR, adds, last >= end, i0, j0, m, own, item, false, 0, tiles);
    adds = true;
  } while (last < end);
  if (MODE == LOSS) sumCells(&e, i0, j0, (m + CELL - 1) / CELL, 0, item, tiles);
}
