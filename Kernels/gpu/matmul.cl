// C = epilogue(op(A)·op(B)) on a GPU, C [m,n].
//
// A work-group of TILE_GROUP × TILE_GROUP items makes a TILE × TILE block of C: TILE_STEPS columns of A and rows of B
// at a time go to local memory, from where each work-item feeds SIDE × SIDE sums in its registers. The host compiles
// this for TILE 32, 64 and 128 (SIDE 2, 4, 8): the largest that still gives every compute unit a block wins. Work-item
// (x, y) owns columns x, x + TILE_GROUP, … and rows y, y + TILE_GROUP, …: neighbours store neighbouring columns, and
// read different banks. A row of a local array is one float longer than a tile, against bank conflicts when it is
// written down a column.
//
// Where C is small, get_global_id(2) counts slices of k: each slice leaves its product in `c` = scratch [slices, m, n],
// and `matmulSlices` adds them up in order. Deterministic, unlike atomics.
//
// TILE follows the device; nothing that is summed does. See tile.cl for the sums of losses.

// Copies op(X)[i0 ..< i0+TILE, p0 ..< p0+TILE_STEPS] to local memory as [TILE_STEPS][TILE+1], zeroes beyond the edges.
// `along` says that k runs along the rows of X in memory; then neighbours read neighbouring p, else i.
INLINE void fetch(
  const global float *x, int extent, int k, int i0, int p0, int pEnd, bool along, local float *to, int item) {
#pragma unroll
  for (int t = 0; t < TILE * TILE_STEPS / LINE_GROUP; t++) {
    int s = item + LINE_GROUP * t;
    int p = along ? s % TILE_STEPS : s / TILE;
    int i = along ? s / TILE_STEPS : s % TILE;
    bool inside = i0 + i < extent && p0 + p < pEnd;
    size_t at = along ? (size_t)(i0 + i) * k + p0 + p : (size_t)(p0 + p) * extent + i0 + i;
    to[p * (TILE + 1) + i] = inside ? x[at] : 0.0f;
  }
}

kernel GROUP_TILE void matmul(
  const global float *a, ulong a0, const global float *b, ulong b0, global float *c, ulong c0,
  int m, int n, int k, int kBlock, int transposeA, int transposeB, EPILOGUE_ARGUMENTS) {
  local float tiles[2 * TILE_STEPS * (TILE + 1)];
  local float *as = tiles, *bs = tiles + TILE_STEPS * (TILE + 1);
  Epilogue e = EPILOGUE(c + c0, m, n);
  int x = get_local_id(0), y = get_local_id(1);
  int item = y * TILE_GROUP + x;
  int j0 = get_group_id(0) * TILE, i0 = get_group_id(1) * TILE;
  int start = get_group_id(2) * kBlock;
  int end = min(start + kBlock, k);
  bool slices = get_num_groups(2) > 1;
  global float *out = e.c + (slices ? get_group_id(2) * (size_t)m * n : 0);
  bool adds = !slices && (flags & ADD_TO_C);

  float sum[SIDE][SIDE];
  for (int first = start, last;; first = last, adds = true) {
    last = min(first + SUM_STEPS, end);
    FOR_OWN(r, s) sum[r][s] = 0.0f;

    for (int p0 = first; p0 < last; p0 += TILE_STEPS) {
      fetch(a + a0, m, k, i0, p0, last, !transposeA, as, item);
      fetch(b + b0, n, k, j0, p0, last, transposeB, bs, item);
      barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll
      for (int p = 0; p < TILE_STEPS; p++) {
        float ar[SIDE], br[SIDE];
#pragma unroll
        for (int r = 0; r < SIDE; r++) ar[r] = as[p * (TILE + 1) + y + TILE_GROUP * r];
#pragma unroll
        for (int s = 0; s < SIDE; s++) br[s] = bs[p * (TILE + 1) + x + TILE_GROUP * s];
        FOR_OWN(r, s) sum[r][s] = fma(ar[r], br[s], sum[r][s]);
      }
      barrier(CLK_LOCAL_MEM_FENCE);
    }
    storeTile(sum, &e, out, adds, slices, last >= end, i0, j0, tiles);
    if (last >= end) break;
  }
  if (mode == LOSS) sumCells(&e, tiles);
}

// The second pass over a product in slices: C = epilogue(Σ slices), added in order.
kernel GROUP_1D void matmulSlices(
  const global float *slices, ulong slices0, global float *c, ulong c0, int m, int n, int count,
  EPILOGUE_ARGUMENTS) {
  Epilogue e = EPILOGUE(c + c0, m, n);
  size_t size = (size_t)m * n;
  Losses unused = {0.0f, 0.0f};
  FOR_ITEMS(at, size, 0) {
    float value = flags & ADD_TO_C ? e.c[at] : 0.0f;
    float product = 0.0f;
    for (int s = 0; s < count; s++) product += slices[slices0 + s * size + at];
    e.c[at] = finish(&e, value + scaled(&e, product), at / n, at % n, 1, &unused);
  }
}
