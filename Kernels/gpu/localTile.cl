// How the operands of a block come to its work-items by local memory, which any GPU has: see tile.cl. While one step is
// multiplied, the next is on its way to registers.

#if TILE_COLUMNS % (8 * OWN_COLUMNS)
#error "A warp's 4 × 8 lanes own 4-element runs of whole rows of blocks."
#endif
#if TILE_ROWS * TILE_STEPS % (LOAD_WIDTH * TILE_ITEMS) || TILE_COLUMNS * TILE_STEPS % (LOAD_WIDTH * TILE_ITEMS)
#error "Each work-item makes whole loads of both operands."
#endif

// A lies there as [TILE_STEPS][A_LINE] and B as [TILE_STEPS][B_LINE].
#define A_LINE (TILE_ROWS + 4)
#define STEP_FLOATS (TILE_STEPS * (A_LINE + B_LINE))
#define RUN 32

#define GROUP_PRODUCT GROUP_TILE
#define ITEM get_local_id(0)

// Where an element is: a pointer moves on by one addition.
typedef const global float *Origin, *At;
typedef size_t Way;
#define ORIGIN(x, x0) ((x) + (x0))
#define AT(x, at) (at)
#define BEYOND(x, origin, way) ((origin) + (way))

// Both operands are copied by the whole group: see copies.cl.
#define ROW_LOADS COPIES(TILE_ROWS)
#define FOR_ROW_LOADS(t, s) FOR_COPIES(t, s, TILE_ROWS)
#define ROW_OF(s, along) COPY_I(s, along, TILE_ROWS)
#define STEP_OF(s, along) COPY_P(s, along, TILE_ROWS)
#define PUT_ROWS(along) put(tiles, along, TILE_ROWS, item, heldA);
#define PUT_COLUMNS(along) put(tiles + TILE_STEPS * A_LINE, along, TILE_COLUMNS, item, heldB);
#define NEAR_COLUMNS(from, held)                                                                          \
  At from[COPIES(TILE_COLUMNS)];                                                                          \
  Load held[COPIES(TILE_COLUMNS)];
#define BEGIN_NEAR(x, limit, line, p0, from) begin(x, limit, line, j0, p0, false, TILE_COLUMNS, item, from);
#define FETCH_NEAR(x, from, line, left, held) fetch(x, from, line, left, false, TILE_COLUMNS, item, held);
#define PUT_NEAR PUT_COLUMNS(false)
#define PUT_FAR PUT_COLUMNS(true)
#define MULTIPLY_NEAR multiply(tiles + own.row, tiles + TILE_STEPS * A_LINE + own.column, &block);
#define MULTIPLY_FAR MULTIPLY_NEAR
#define READ_NEAR
#define READ_FAR

// Lanes of a warp are 8 across and 4 down, and the bits of their number are dealt out x y x x y. So lanes that differ
// in bit 0 read the same rows and those that differ in bit 1 the same columns, and NVIDIA's hardware reads 16 bytes for
// a half of a warp in one wavefront instead of two.
INLINE Place ownPlace(int item) {
  int lane = item % 32, warp = item / 32, across = TILE_COLUMNS / (8 * OWN_COLUMNS);
  int x = (lane & 1) | (lane >> 1 & 6), y = (lane >> 1 & 1) | (lane >> 3 & 2);
  Place own = {warp / across * (4 * OWN_ROWS) + 4 * y, warp % across * (8 * OWN_COLUMNS) + 4 * x};
  return own;
}

// sums += A·B of a step. TILE_UNROLL of its products are written out: more take fewer instructions and more registers.
INLINE void multiply(const local float *as, const local float *bs, Sums *sums) {
  UNROLL_BY(TILE_UNROLL)
  for (int p = 0; p < TILE_STEPS; p++) {
    float4 a[OWN_ROWS / 4], b[OWN_COLUMNS / 4];
    UNROLL for (int r = 0; r < OWN_ROWS / 4; r++) a[r] = *(const local float4 *)(as + p * A_LINE + 16 * r);
    UNROLL for (int s = 0; s < OWN_COLUMNS / 4; s++) b[s] = *(const local float4 *)(bs + p * B_LINE + RUN * s);
    UNROLL for (int r = 0; r < OWN_ROWS / 4; r++)
      UNROLL for (int s = 0; s < OWN_COLUMNS / 4; s++) {
        sums->of[4 * r][s] = fma((float4)a[r].x, b[s], sums->of[4 * r][s]);
        sums->of[4 * r + 1][s] = fma((float4)a[r].y, b[s], sums->of[4 * r + 1][s]);
        sums->of[4 * r + 2][s] = fma((float4)a[r].z, b[s], sums->of[4 * r + 2][s]);
        sums->of[4 * r + 3][s] = fma((float4)a[r].w, b[s], sums->of[4 * r + 3][s]);
      }
  }
}

// The product of p = first ..< last. FETCH reads a step of which so many products are left, PUT brings it to local
// memory. One copy in local memory, not two: a second one saves a barrier, and costs instructions, registers and groups
// that fit a multiprocessor.
#define PRODUCT(first, last, FETCH, PUT, MULTIPLY, READ)                                                  \
  clear(&block);                                                                                          \
  FETCH((last) - (first))                                                                                 \
  ROLLED for (int next = (first) + TILE_STEPS; next < (last) + TILE_STEPS; next += TILE_STEPS) {          \
    PUT                                                                                                   \
    barrier(CLK_LOCAL_MEM_FENCE);                                                                         \
    if (next < (last)) { FETCH((last) - next) }                                                           \
    MULTIPLY                                                                                              \
    barrier(CLK_LOCAL_MEM_FENCE);                                                                         \
  }
