// What products and convolutions of the GPU family share. A work-group makes a TILE_ROWS × TILE_COLUMNS block of a
// product of matrices, and each of its TILE_ITEMS work-items OWN_ROWS × OWN_COLUMNS of it, in registers. TILE_STEPS
// columns of A and rows of B at a time come to them by local memory (localTile.cl) or by the registers of a sub-group
// (subgroupTile.cl), which say who owns what; ending.cl says what is done with the sums.
//
// The host chooses these numbers per device and shape (GPUTile.swift), and compiles a program for each choice and for
// each MODE of the epilogue. No sum depends on them: every element is one chain of multiply-adds over p, and losses are
// summed by strips of 16 elements, whatever the block.
//
// LOAD_WIDTH 4 reads global memory by 16 bytes, and takes far fewer instructions: the host asks for it where every row
// begins at a multiple of 4 elements. LOAD_WIDTH 1 takes anything.

#define TILE_ITEMS (TILE_ROWS * TILE_COLUMNS / (OWN_ROWS * OWN_COLUMNS))
#define GROUP_TILE __attribute__((reqd_work_group_size(TILE_ITEMS, 1, 1)))

// A sum of more than SUM_STEPS products is made of as many sums as that takes, each of which is added to what C holds:
// so a long one loses few digits.
#ifndef SUM_STEPS
#error "The host must define how many products a register sums."
#endif

#if TILE_ROWS % CELL || TILE_COLUMNS % CELL || CELL != 32 || SUM_STEPS % TILE_STEPS
#error "A block consists of cells of 32 × 32 elements, and a sum of whole steps."
#endif
#if OWN_ROWS % 4 || OWN_COLUMNS % 4 || TILE_ROWS % (4 * OWN_ROWS)
#error "An item owns 4-element runs of whole rows of blocks."
#endif

// Lines of local memory are 4 floats longer than the block, which keeps them aligned for 16-byte accesses and lets most
// stores down a column go to different banks.
#define B_LINE (TILE_COLUMNS + 4)

#define UNROLL _Pragma("unroll")
#define ROLLED _Pragma("unroll 1")
#define PRAGMA(text) _Pragma(#text)
#define UNROLL_BY(count) PRAGMA(unroll count)

// The first row and column of a work-item's own: it has runs of 4 rows 16 apart and runs of 4 columns RUN apart.
typedef struct {
  int row, column;
} Place;

// What global memory is read by.
#if LOAD_WIDTH == 4
typedef float4 Load;
#define READ(p) (*(const global float4 *)(p))
#else
typedef float Load;
#define READ(p) (*(p))
#endif

typedef struct {
  float4 of[OWN_ROWS][OWN_COLUMNS / 4];
} Sums;

INLINE void clear(Sums *sums) {
  UNROLL for (int r = 0; r < OWN_ROWS; r++)
    UNROLL for (int s = 0; s < OWN_COLUMNS / 4; s++) sums->of[r][s] = (float4)(0.0f);
}
