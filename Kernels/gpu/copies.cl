// How the work-items of a group bring a step of an operand to local memory: see tile.cl.

// A step's part of an operand that is `extent` rows or columns of the block, as its items copy it: each makes
// COPIES(extent) loads. Load t of an item has number s = item + TILE_ITEMS·t, which says its p and its row or column i.
// `along`: p runs along the rows in memory, so neighbouring items read neighbouring p, and an item's p is the same in
// each of its loads; else neighbours read neighbouring i.
#define COPIES(extent) ((extent) * TILE_STEPS / LOAD_WIDTH / TILE_ITEMS)
#define COPY_P(s, along, extent)                                                                          \
  ((along) ? (s) % (TILE_STEPS / LOAD_WIDTH) * LOAD_WIDTH : (s) / ((extent) / LOAD_WIDTH))
#define COPY_I(s, along, extent)                                                                          \
  ((along) ? (s) / (TILE_STEPS / LOAD_WIDTH) : (s) % ((extent) / LOAD_WIDTH) * LOAD_WIDTH)
#define FOR_COPIES(t, s, extent)                                                                          \
  for (int t = 0, s = item; t < COPIES(extent); t++, s += TILE_ITEMS)

// Where a matrix's loads begin; `line` elements lie between its rows. Rows and columns beyond its edge `limit` read the
// last one, whose sums are never stored.
INLINE void begin(
  Origin x, int limit, int line, int i0, int p0, bool along, int extent, int item, At *at) {
  FOR_COPIES(t, s, extent) {
    int p = p0 + COPY_P(s, along, extent);
    int i = min(i0 + COPY_I(s, along, extent), along ? limit - 1 : limit - LOAD_WIDTH);
    at[t] = x + (along ? (Way)i * line + p : (Way)p * line + i);
  }
}

// Reads a step of x, of which `left` products are there, and moves on to the next.
INLINE void fetch(
  const global float *x, At *at, int line, int left, bool along, int extent, int item, Load *held) {
  FOR_COPIES(t, s, extent) {
    held[t] = COPY_P(s, along, extent) < left ? READ(AT(x, at[t])) : (Load)0.0f;
    at[t] += along ? TILE_STEPS : TILE_STEPS * (Way)line;
  }
}

// Likewise of A, by whoever multiplies it: its loads are ROW_LOADS, of the row ROW_OF and the p STEP_OF.
INLINE void beginRows(Origin x, int limit, int line, int i0, int p0, bool along, Place own, int item, At *at) {
  FOR_ROW_LOADS(t, s) {
    int p = p0 + STEP_OF(s, along);
    int i = min(i0 + ROW_OF(s, along), along ? limit - 1 : limit - LOAD_WIDTH);
    at[t] = x + (along ? (Way)i * line + p : (Way)p * line + i);
  }
}

INLINE void fetchRows(const global float *x, At *at, int line, int left, bool along, int item, Load *held) {
  FOR_ROW_LOADS(t, s) {
    held[t] = STEP_OF(s, along) < left ? READ(AT(x, at[t])) : (Load)0.0f;
    at[t] += along ? TILE_STEPS : TILE_STEPS * (Way)line;
  }
}

// Brings what was read to local memory.
INLINE void put(local float *to, bool along, int extent, int item, const Load *held) {
  int line = extent + 4;
  FOR_COPIES(t, s, extent) {
    local float *at = to + COPY_P(s, along, extent) * line + COPY_I(s, along, extent);
#if LOAD_WIDTH == 4
    if (along) {
      at[0] = held[t].x;
      at[line] = held[t].y;
      at[2 * line] = held[t].z;
      at[3 * line] = held[t].w;
    } else {
      *(local float4 *)at = held[t];
    }
#else
    *at = held[t];
#endif
  }
}
