// How the operands of a block come to its work-items by the registers of sub-groups: see tile.cl. A sub-group of
// SUBGROUP_LANES work-items that run in step makes OWN_ROWS rows of SUBGROUP_LANES · OWN_COLUMNS columns by itself. Its
// part of A, TILE_STEPS columns of its rows, lies spread over the lanes' registers, and a lane's value reaches all of them
// by a broadcast, which is part of the multiply-add on Intel's hardware. Each lane reads its own columns of B, where
// neighbours are neighbours in memory; where p is (ALONG_B), lanes would each read another cache line, so the group
// brings B to local memory. Either way a float that is read there serves OWN_ROWS multiply-adds.
//
// A product's elements are the same chains of multiply-adds as localTile.cl's, so their bits are.

#if SUBGROUP_LANES < 8 || OWN_ROWS * TILE_STEPS % (SUBGROUP_LANES * LOAD_WIDTH) || TILE_STEPS % 4
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
#define AT(x, at) ((x) + (at))

// Loads that a lane makes of a step of A.
#define SHARES (OWN_ROWS * TILE_STEPS / LOAD_WIDTH / SUBGROUP_LANES)

#ifndef EMULATES_SUBGROUPS
#error "The host must say whether sub-groups are emulated."
#endif

#if EMULATES_SUBGROUPS
#define GROUP_SUBGROUPS GROUP_TILE
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
#define GROUP_SUBGROUPS GROUP_TILE __attribute__((intel_reqd_sub_group_size(SUBGROUP_LANES)))
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

// B lies in local memory behind what is shared, as [TILE_STEPS][B_LINE].
#define STEP_FLOATS (SHARED_FLOATS + (ALONG_B ? TILE_STEPS * B_LINE : 0))

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
// memory.
#define SHARE_P(s, along)                                                                                 \
  ((along) ? (s) % (TILE_STEPS / LOAD_WIDTH) * LOAD_WIDTH : (s) / (OWN_ROWS / LOAD_WIDTH))
#define SHARE_R(s, along)                                                                                 \
  ((along) ? (s) / (TILE_STEPS / LOAD_WIDTH) : (s) % (OWN_ROWS / LOAD_WIDTH) * LOAD_WIDTH)
#define FOR_SHARES(t, s)                                                                                  \
  UNROLL for (int t = 0, s = item % SUBGROUP_LANES; t < SHARES; t++, s += SUBGROUP_LANES)

// Element i of a load; i is a constant once loops are written out.
INLINE float elementOf(Load x, int i) {
#if LOAD_WIDTH == 4
  return i == 0 ? x.x : i == 1 ? x.y : i == 2 ? x.z : x.w;
#else
  return x;
#endif
}

// A[r, p] of a step.
INLINE float sharedBy(const Load *held, int r, int p, bool along, int item, const local float *tiles) {
  int element = along ? r * TILE_STEPS + p : p * OWN_ROWS + r, s = element / LOAD_WIDTH;
  return elementOf(HELD_BY(s % SUBGROUP_LANES, s / SUBGROUP_LANES), element % LOAD_WIDTH);
}

// Rows and columns beyond an edge read the last one, whose sums are never stored.
INLINE void beginRows(Origin x0, int limit, int line, int i0, int p0, bool along, Place own, int item, At *at) {
  FOR_SHARES(t, s) {
    int i = min(i0 + OWN_ROW(own, SHARE_R(s, along)), along ? limit - 1 : limit - LOAD_WIDTH);
    int p = p0 + SHARE_P(s, along);
    at[t] = x0 + (along ? (Way)i * line + p : (Way)p * line + i);
  }
}

// Reads a step of A, and moves on to the next.
INLINE void fetchRows(const global float *x, At *at, int line, bool along, Load *held) {
  UNROLL for (int t = 0; t < SHARES; t++) {
    held[t] = READ(AT(x, at[t]));
    at[t] += along ? TILE_STEPS : TILE_STEPS * (Way)line;
  }
}

// Where the reads of a lane's columns of B begin: one for each run, or for each column where floats are read one by one.
#define PLACES (4 / LOAD_WIDTH)
INLINE void beginColumns(Origin x0, int limit, int line, int j, int p0, At at[][PLACES]) {
  UNROLL for (int s = 0; s < OWN_COLUMNS / 4; s++)
    UNROLL for (int c = 0; c < PLACES; c++)
      at[s][c] = x0 + (Way)p0 * line + min(j + RUN * s + c, limit - LOAD_WIDTH);
}

// Row p of B behind where `at` is, of a lane's own columns.
INLINE void readColumns(const global float *x, const At at[][PLACES], Way way, float4 *b) {
  UNROLL for (int s = 0; s < OWN_COLUMNS / 4; s++)
#if LOAD_WIDTH == 4
    b[s] = READ(AT(x, at[s][0] + way));
#else
    b[s] = (float4)(x[at[s][0] + way], x[at[s][1] + way], x[at[s][2] + way], x[at[s][3] + way]);
#endif
}
