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
kernel GROUP_TILE void matmul(
  const global float *a, ulong a0, const global float *b, ulong b0, global float *c, ulong c0,
  int m, int n, int k, int kBlock, EPILOGUE_ARGUMENTS) {
  local float4 memory[(TILE_FLOATS + 3) / 4];
  local float *tiles = (local float *)memory;
  Epilogue e = EPILOGUE(c + c0 + get_group_id(2) * (size_t)m * n, m, n);
  e.mode = MODE;
  int item = get_local_id(0), i0 = get_group_id(0) * TILE_ROWS, j0 = get_group_id(1) * TILE_COLUMNS;
  int start = get_group_id(2) * kBlock, end = min(start + kBlock, k), last = start;
  Place own = ownPlace(item);

  const bool alongA = !TRANSPOSE_A, alongB = TRANSPOSE_B;
  int lineA = alongA ? k : m, lineB = alongB ? k : n;
  At fromA[COPIES(TILE_ROWS)], fromB[COPIES(TILE_COLUMNS)];
  Load heldA[COPIES(TILE_ROWS)], heldB[COPIES(TILE_COLUMNS)];
  begin(a + a0, m, lineA, i0, start, alongA, TILE_ROWS, item, fromA);
  begin(b + b0, n, lineB, j0, start, alongB, TILE_COLUMNS, item, fromB);
#define FETCH(left)                                                                                       \
  fetch(a, fromA, lineA, left, alongA, TILE_ROWS, item, heldA);                                              \
  fetch(b, fromB, lineB, left, alongB, TILE_COLUMNS, item, heldB);
#define PUT                                                                                               \
  put(tiles, alongA, TILE_ROWS, item, heldA);                                                             \
  put(tiles + TILE_STEPS * A_LINE, alongB, TILE_COLUMNS, item, heldB);

  Sums block;
  bool adds = flags & ADD_TO_C;
  do {
    int first = last;
    last = min(first + SUM_STEPS, end);
    PRODUCT(first, last, tiles, own, &block, FETCH, PUT)
    storeBlock(&block, &e, FOUR, adds, last >= end, i0, j0, m, own, item, 0, tiles);
    adds = true;
  } while (last < end);
  if (MODE == LOSS) sumCells(&e, i0, j0, (m + CELL - 1) / CELL, 0, item, tiles);
}
