// How the operands of a block come to its work-items by the registers of sub-groups: see tile.cl. A sub-group of
// SUBGROUP_LANES work-items that run in step makes OWN_ROWS rows of SUBGROUP_LANES · OWN_COLUMNS columns by itself. Its
// part of A, TILE_STEPS columns of its rows, lies spread over the lanes' registers, and a lane's value reaches all of them
// by a broadcast, which is part of the multiply-add on Intel's hardware. Each lane reads its own columns of B, where
// neighbours are near in memory; where p is, they are far, lanes would each read another cache line, and the group brings
// B to local memory. Either way a float that is read there serves OWN_ROWS multiply-adds.
//
// A product's elements are the same chains of multiply-adds as localTile.cl's, so their bits are.

#if SUBGROUP_LANES < 8 || OWN_ROWS * TILE_STEPS % (SUBGROUP_LANES * LOAD_WIDTH) || \
  SUBGROUP_LANES % (TILE_STEPS / LOAD_WIDTH)
#error "The lanes of a sub-group hold whole loads of a step of A."
#endif
#if TILE_COLUMNS % (SUBGROUP_LANES * OWN_COLUMNS)
#error "Sub-groups own whole rows of blocks."
#endif

// A lane owns runs of 4 columns, so a run of each lane makes neighbours.
#define RUN (4 * SUBGROUP_LANES)

// Where an element is: its number from the beginning of the buffer, which has fewer than 2³¹. Intel's compiler then adds
// nothing in 64 bits, which takes six instructions.
typedef uint Origin, At, Way;
#define ORIGIN(x, x0) (x0)
#define AT(x, at) ((x) + (at))
#define BEYOND(x, origin, way) ((x) + ((origin) + (way)))

// Loads that a lane makes of a step of A.
#define SHARES (OWN_ROWS * TILE_STEPS / LOAD_WIDTH / SUBGROUP_LANES)

#ifndef EMULATES_SUBGROUPS
#error "The host must say whether sub-groups are emulated."
#endif

#if EMULATES_SUBGROUPS
#define GROUP_PRODUCT GROUP_TILE
// What lanes hold passes through local memory: slow, and how indices and bits are proven where there are no sub-groups.
#define SHARED_FLOATS (SHARES * LOAD_WIDTH * TILE_ITEMS)
#define ITEM get_local_id(0)
INLINE void share(const Load *held, int item, local float *tiles) {
  local Load *shared = (local Load *)tiles;
  barrier(CLK_LOCAL_MEM_FENCE);
  UNROLL for (int t = 0; t < SHARES; t++) shared[t * TILE_ITEMS + item] = held[t];
  barrier(CLK_LOCAL_MEM_FENCE);
}
#define HELD_BY(lane, t)                                                                                  \
  (((const local Load *)tiles)[(t) * TILE_ITEMS + item / SUBGROUP_LANES * SUBGROUP_LANES + (lane)])
#else
#define GROUP_PRODUCT GROUP_TILE __attribute__((intel_reqd_sub_group_size(SUBGROUP_LANES)))
#define SHARED_FLOATS 0
#define ITEM (get_sub_group_id() * SUBGROUP_LANES + get_sub_group_local_id())
INLINE void share(const Load *held, int item, local float *tiles) {}
#define HELD_BY(lane, t) broadcast(held[t], lane)
INLINE Load broadcast(Load x, uint lane) {
#if LOAD_WIDTH == 4
  return (Load)(
    sub_group_broadcast(x.x, lane), sub_group_broadcast(x.y, lane), sub_group_broadcast(x.z, lane),
    sub_group_broadcast(x.w, lane));
#else
  return sub_group_broadcast(x, lane);
#endif
}
#endif

// A step of B lies in local memory behind what is shared, as [TILE_STEPS][B_LINE].
#define STEP_FLOATS (SHARED_FLOATS + (IS_FAR ? TILE_STEPS * B_LINE : 0))

INLINE Place ownPlace(int item) {
  int lane = item % SUBGROUP_LANES, group = item / SUBGROUP_LANES;
  int across = TILE_COLUMNS / (SUBGROUP_LANES * OWN_COLUMNS), down = group / across;
  Place own = {
    down / 4 * (4 * OWN_ROWS) + 4 * (down % 4), group % across * (SUBGROUP_LANES * OWN_COLUMNS) + 4 * lane};
  return own;
}

// The row of the block that is the r-th of a sub-group's own, whose first is own.row.
#define OWN_ROW(own, r) ((own).row + (r) / 4 * 16 + (r) % 4)

// Load t of a lane has number s = lane + SUBGROUP_LANES·t, which says its p and its row. `along`: p runs along the rows in
// memory, and is the same in each of a lane's loads.
#define ROW_LOADS SHARES
#define FOR_ROW_LOADS(t, s)                                                                               \
  UNROLL for (int t = 0, s = item % SUBGROUP_LANES; t < SHARES; t++, s += SUBGROUP_LANES)
#define STEP_OF(s, along)                                                                                 \
  ((along) ? (s) % (TILE_STEPS / LOAD_WIDTH) * LOAD_WIDTH : (s) / (OWN_ROWS / LOAD_WIDTH))
#define ROW_OF(s, along)                                                                                  \
  OWN_ROW(own, (along) ? (s) / (TILE_STEPS / LOAD_WIDTH) : (s) % (OWN_ROWS / LOAD_WIDTH) * LOAD_WIDTH)

// Element i of a load.
INLINE float elementOf(Load x, int i) {
#if LOAD_WIDTH == 4
  return i == 0 ? x.x : i == 1 ? x.y : i == 2 ? x.z : x.w;
#else
  return x;
#endif
}

// A[r, p] of a step. `fixed`: p is a constant once loops are written out; else finding it takes some instructions.
INLINE float sharedBy(
  const Load *held, int r, int p, bool along, bool fixed, int item, const local float *tiles) {
  int s = along ? r * (TILE_STEPS / LOAD_WIDTH) + p / LOAD_WIDTH : p * (OWN_ROWS / LOAD_WIDTH) + r / LOAD_WIDTH;
  int lane = s % SUBGROUP_LANES, element = (along ? p : r) % LOAD_WIDTH;
  if (along) return elementOf(HELD_BY(lane, r * (TILE_STEPS / LOAD_WIDTH) / SUBGROUP_LANES), element);
  if (fixed) return elementOf(HELD_BY(lane, s / SUBGROUP_LANES), element);
  // Registers have no index.
  float value = 0.0f;
  UNROLL for (int t = 0; t < SHARES; t++) {
    float other = elementOf(HELD_BY(lane, t), element);
    value = t == s / SUBGROUP_LANES ? other : value;
  }
  return value;
}

// Where the reads of a lane's columns of B begin, if they are near: one for each run, or for each column where floats are
// read one by one.
#define PLACES (4 / LOAD_WIDTH)
#define NEAR_COLUMNS(from, held) At from[OWN_COLUMNS / 4][PLACES];
#define BEGIN_NEAR(x, limit, line, p0, from) beginColumns(x, limit, line, j0 + own.column, p0, from);
#define FETCH_NEAR(x, from, line, left, held)

INLINE void beginColumns(Origin x0, int limit, int line, int j, int p0, At at[][PLACES]) {
  UNROLL for (int s = 0; s < OWN_COLUMNS / 4; s++)
    UNROLL for (int c = 0; c < PLACES; c++)
      at[s][c] = x0 + (Way)p0 * line + min(j + RUN * s + c, limit - LOAD_WIDTH);
}

// sums += A·B of one p.
INLINE void multiplyBy(
  const float4 *b, const Load *held, int p, bool along, bool fixed, int item, const local float *tiles, Sums *sums) {
  UNROLL for (int r = 0; r < OWN_ROWS; r++) {
    float a = sharedBy(held, r, p, along, fixed, item, tiles);
    UNROLL for (int s = 0; s < OWN_COLUMNS / 4; s++) sums->of[r][s] = fma((float4)a, b[s], sums->of[r][s]);
  }
}

// A row of B, of a lane's own columns, `way` behind where `at` is.
INLINE void readColumns(const global float *x, const At at[][PLACES], Way way, float4 *b) {
  UNROLL for (int s = 0; s < OWN_COLUMNS / 4; s++)
#if LOAD_WIDTH == 4
    b[s] = READ(AT(x, at[s][0] + way));
#else
    b[s] = (float4)(x[at[s][0] + way], x[at[s][1] + way], x[at[s][2] + way], x[at[s][3] + way]);
#endif
}

// sums += A·B of a step, and on to the next.
INLINE void multiplyNear(
  const global float *x, At at[][PLACES], int line, const Load *held, bool along, int item, const local float *tiles,
  Sums *sums) {
  UNROLL for (int p = 0; p < TILE_STEPS; p++) {
    float4 b[OWN_COLUMNS / 4];
    readColumns(x, at, p * (Way)line, b);
    multiplyBy(b, held, p, along, true, item, tiles, sums);
  }
  UNROLL for (int s = 0; s < OWN_COLUMNS / 4; s++)
    UNROLL for (int c = 0; c < PLACES; c++) at[s][c] += TILE_STEPS * (Way)line;
}

INLINE void readFar(const local float *from, int p, float4 *b) {
  UNROLL for (int s = 0; s < OWN_COLUMNS / 4; s++) b[s] = *(const local float4 *)(from + p * B_LINE + RUN * s);
}

INLINE void multiplyFar(
  const local float *from, const Load *held, bool along, int item, const local float *tiles, Sums *sums) {
  UNROLL for (int p = 0; p < TILE_STEPS; p++) {
    float4 b[OWN_COLUMNS / 4];
    readFar(from, p, b);
    multiplyBy(b, held, p, along, true, item, tiles, sums);
  }
}

#define PUT_ROWS(along) share(heldA, item, tiles);
#define PUT_NEAR
#define PUT_FAR                                                                                           \
  barrier(CLK_LOCAL_MEM_FENCE);                                                                           \
  put(tiles + SHARED_FLOATS, true, TILE_COLUMNS, item, heldB);                                            \
  barrier(CLK_LOCAL_MEM_FENCE);
#define FAR_AT (tiles + SHARED_FLOATS + own.column)
#define MULTIPLY_NEAR multiplyNear(b, fromB, lineB, heldA, IS_ALONG, item, tiles, &block);
#define MULTIPLY_FAR multiplyFar(FAR_AT, heldA, IS_ALONG, item, tiles, &block);
#define READ_NEAR(p, to) readColumns(b, fromB, p * (Way)lineB, to);
#define READ_FAR(p, to) readFar(FAR_AT, p, to);

// The product of p = first ..< last. FETCH reads a step of which so many products are left, PUT shares it, MULTIPLY
// multiplies a whole one. What is left behind whole steps goes one by one.
#define PRODUCT(first, last, FETCH, PUT, MULTIPLY, READ)                                                  \
  clear(&block);                                                                                          \
  int p = first;                                                                                          \
  ROLLED for (; p + TILE_STEPS <= (last); p += TILE_STEPS) {                                              \
    FETCH(TILE_STEPS)                                                                                     \
    PUT                                                                                                   \
    MULTIPLY                                                                                              \
  }                                                                                                       \
  if (p < (last)) {                                                                                       \
    int left = (last) - p;                                                                                \
    FETCH(left)                                                                                           \
    PUT                                                                                                   \
    ROLLED for (p = 0; p < left; p++) {                                                                   \
      float4 row[OWN_COLUMNS / 4];                                                                        \
      READ(p, row)                                                                                        \
      multiplyBy(row, heldA, p, IS_ALONG, false, item, tiles, &block);                                    \
    }                                                                                                     \
  }
