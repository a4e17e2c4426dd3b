// C = epilogue(op(A)·op(B)) as matmul.cl makes it, by sub-groups: see subgroupTile.cl. Wins where local memory is what a
// block waits for, as on Intel's GPUs.
#define ALONG_A !TRANSPOSE_A
#define ALONG_B TRANSPOSE_B

kernel GROUP_SUBGROUPS void matmul(
  const global float *a, ulong a0, const global float *b, ulong b0, global float *c, ulong c0,
  int m, int n, int k, int kBlock, EPILOGUE_ARGUMENTS) {
  local float4 memory[(TILE_FLOATS + 3) / 4];
  local float *tiles = (local float *)memory;
  Epilogue e = EPILOGUE(c + c0 + get_group_id(2) * (size_t)m * n, m, n);
  e.mode = MODE;
  int item = ITEM, i0 = get_group_id(0) * TILE_ROWS, j0 = get_group_id(1) * TILE_COLUMNS;
  int start = get_group_id(2) * kBlock, end = min(start + kBlock, k), last = start;
  Place own = ownPlace(item);

  int lineA = ALONG_A ? k : m, lineB = ALONG_B ? k : n;
  At fromA[SHARES];
  Load held[SHARES];
  beginRows(a0, m, lineA, i0, start, ALONG_A, own, item, fromA);
#if TRANSPOSE_B
  local float *shared = tiles + SHARED_FLOATS;
  At fromB[COPIES(TILE_COLUMNS)];
  Load copies[COPIES(TILE_COLUMNS)];
  begin(b0, n, lineB, j0, start, true, TILE_COLUMNS, item, fromB);
#else
  At fromB[OWN_COLUMNS / 4][PLACES];
  beginColumns(b0, n, lineB, j0 + own.column, start, fromB);
#endif

  Sums block;
  bool adds = flags & ADD_TO_C;
  do {
    int p = last;
    last = min(p + SUM_STEPS, end);
    clear(&block);
    ROLLED for (; p + TILE_STEPS <= last; p += TILE_STEPS) {
      fetchRows(a, fromA, lineA, ALONG_A, held);
      share(held, item, tiles);
#if TRANSPOSE_B
      fetch(b, fromB, lineB, TILE_STEPS, true, TILE_COLUMNS, item, copies);
      barrier(CLK_LOCAL_MEM_FENCE);
      put(shared, true, TILE_COLUMNS, item, copies);
      barrier(CLK_LOCAL_MEM_FENCE);
#endif
      UNROLL for (int q = 0; q < TILE_STEPS; q++) {
        float4 bs[OWN_COLUMNS / 4];
#if TRANSPOSE_B
        UNROLL for (int s = 0; s < OWN_COLUMNS / 4; s++)
          bs[s] = *(const local float4 *)(shared + q * B_LINE + own.column + RUN * s);
#else
        readColumns(b, fromB, q * (Way)lineB, bs);
#endif
        UNROLL for (int r = 0; r < OWN_ROWS; r++) {
          float value = sharedBy(held, r, q, ALONG_A, item, tiles);
          UNROLL for (int s = 0; s < OWN_COLUMNS / 4; s++) block.of[r][s] = fma((float4)value, bs[s], block.of[r][s]);
        }
      }
#if !TRANSPOSE_B
      UNROLL for (int s = 0; s < OWN_COLUMNS / 4; s++)
        UNROLL for (int x = 0; x < PLACES; x++) fromB[s][x] += TILE_STEPS * (Way)lineB;
#endif
    }
    // What is left of k after whole steps.
    ROLLED for (; p < last; p++) {
      UNROLL for (int s = 0; s < OWN_COLUMNS / 4; s++) {
        float bs[4];
        UNROLL for (int x = 0; x < 4; x++) {
          Way j = min(j0 + own.column + RUN * s + x, n - 1);
          bs[x] = b[(Way)b0 + (ALONG_B ? j * lineB + p : (Way)p * lineB + j)];
        }
        UNROLL for (int r = 0; r < OWN_ROWS; r++) {
          Way i = min(i0 + OWN_ROW(own, r), m - 1);
          float value = a[(Way)a0 + (ALONG_A ? i * lineA + p : (Way)p * lineA + i)];
          block.of[r][s] = fma((float4)value, (float4)(bs[0], bs[1], bs[2], bs[3]), block.of[r][s]);
        }
      }
    }
    storeBlock(&block, &e, FOUR, adds, last >= end, i0, j0, m, own, item, 0, tiles);
    adds = true;
  } while (last < end);
  if (MODE == LOSS) sumCells(&e, i0, j0, (m + CELL - 1) / CELL, 0, item, tiles);
}
