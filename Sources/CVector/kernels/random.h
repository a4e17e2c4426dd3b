// Philox4x32-10, CINCH_WIDTH blocks at a time, and what is drawn from it.

enum { draw_blocks = 256, draw_count = 4 * draw_blocks };

/// a·factor for every lane: the products' low words, and their high words in `high`.
INLINE vu multiply(vu a, uint32_t factor, vu *high) {
  vl even = ((vl)a & 0xffffffffu) * (uint64_t)factor, odd = ((vl)a >> 32) * (uint64_t)factor;
  *high = (vu)((even >> 32) | (odd & 0xffffffff00000000u));
  return (vu)((even & 0xffffffffu) | (odd << 32));
}

INLINE vu lanes_from(uint32_t first) {
  vu lane;
  for (int i = 0; i < CINCH_WIDTH; i++) lane[i] = (uint32_t)i;
  return lane + first;
}

/// Words w[0…3] of CINCH_WIDTH blocks of the batch from `block` on.
INLINE void philox(const cinch_stream *stream, uint32_t block, vu w[4]) {
  vu c0 = lanes_from(stream->first + block), c1 = (uint32_t)stream->step, c2 = (uint32_t)(stream->step >> 32), c3 = 0;
  uint32_t k0 = stream->key[0], k1 = stream->key[1];
#pragma clang loop unroll(full)
  for (int round = 0; round < 10; round++) {
    vu high0, high1;
    vu low0 = multiply(c0, 0xD2511F53u, &high0), low1 = multiply(c2, 0xCD9E8D57u, &high1);
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  w[0] = c0;
  w[1] = c1;
  w[2] = c2;
  w[3] = c3;
}

/// Stores the blocks' words one block after the other.
INLINE void store_blocks(uint32_t *out, const vu w[4]) {
  vu even_low = ZIP_LOW(w[0], w[2]), even_high = ZIP_HIGH(w[0], w[2]);
  vu odd_low = ZIP_LOW(w[1], w[3]), odd_high = ZIP_HIGH(w[1], w[3]);
  store_words(out, ZIP_LOW(even_low, odd_low));
  store_words(out + CINCH_WIDTH, ZIP_HIGH(even_low, odd_low));
  store_words(out + 2 * CINCH_WIDTH, ZIP_LOW(even_high, odd_high));
  store_words(out + 3 * CINCH_WIDTH, ZIP_HIGH(even_high, odd_high));
}

/// Words as floats in [0, 1).
INLINE vf uniform(vu words) { return __builtin_convertvector((vi)(words >> 8), vf) * 0x1p-24f; }

/// Two standard normal numbers from two words, by Box–Muller.
INLINE void normal_pair(vu a, vu b, vu *first, vu *second) {
  vf u = __builtin_convertvector((vi)(a >> 8) + 1, vf) * 0x1p-24f;
  vf radius = __builtin_elementwise_sqrt(-2.0f * log_v(u));
  vf cosine, sine;
  cos_sin_turns(uniform(b), &cosine, &sine);
  *first = (vu)(radius * cosine);
  *second = (vu)(radius * sine);
}

/// Draws for elements 4·block and on, at least `count` of them (at most `draw_count`): words, or normal numbers.
static void draw(const cinch_stream *stream, int64_t block, int64_t count, bool normal, uint32_t *out) {
  for (int64_t i = 0; i < count; i += 4 * CINCH_WIDTH) {
    vu w[4];
    philox(stream, (uint32_t)(block + i / 4), w);
    if (normal) {
      normal_pair(w[0], w[1], &w[0], &w[1]);
      normal_pair(w[2], w[3], &w[2], &w[3]);
    }
    store_blocks(out + i, w);
  }
}

/// One pass through the Feistel network; see Permutation in Philox.swift.
INLINE vu feistel(vu value, uint32_t bits, const uint32_t key[4]) {
  const uint32_t mask = (1u << bits) - 1;
  vu left = value >> bits, right = value & mask;
  for (uint32_t round = 0; round < 8; round++) {
    vu f = right ^ (key[round % 4] + round * 0x9E3779B9u);
    f = (f ^ (f >> 16)) * 0x85EBCA6Bu;
    f = (f ^ (f >> 13)) * 0xC2B2AE35u;
    f = ((f ^ (f >> 16)) & mask) ^ left;
    left = right;
    right = f;
  }
  return left << bits | right;
}

/// Zeroes the components i of one sample with π(i) < zeroed.
static void mask_exactly(const cinch_corruption *c, const uint32_t key[4], const float *x, float *y, uint32_t count) {
  // One network is a chain of dependent steps: several side by side keep the processor busy.
  enum { together = 4 };
  for (uint32_t i = 0; i < count; i += together * CINCH_WIDTH) {
    vu value[together];
    vi outside = 0;
    for (int v = 0; v < together; v++) {
      // Lanes past the end start from 0, for which the permutation ends.
      vu lane = lanes_from(i + (uint32_t)v * CINCH_WIDTH);
      value[v] = feistel(lane < count ? lane : (vu)0, c->half_bits, key);
      outside |= (vi)(value[v] >= count);
    }
    // Values outside go through again; settled lanes are held still.
    while (__builtin_reduce_or(outside)) {
      outside = 0;
      for (int v = 0; v < together; v++) {
        value[v] = value[v] >= count ? feistel(value[v], c->half_bits, key) : value[v];
        outside |= (vi)(value[v] >= count);
      }
    }
    for (int v = 0; v < together; v++) {
      int64_t first = (int64_t)i + v * CINCH_WIDTH, n = (int64_t)count - first;
      if (n <= 0) break;
      store_some(y + first, value[v] < c->zeroed ? (vf)0.0f : load_some(x + first, n), n);
    }
  }
}

/// Applies a draw to `count` elements.
INLINE void corrupt_elements(
    cinch_corruption_kind kind, const cinch_corruption *c, const uint32_t *draws, const float *x, float *y,
    int64_t count) {
  // A threshold of 2³² does not fit a word: compare with the last word that falls, if any does.
  const uint32_t last_zero = (uint32_t)(c->threshold - 1), last_one = (uint32_t)(c->threshold_one - 1);
  const vi any_zero = c->threshold ? -1 : 0, any_one = c->threshold_one ? -1 : 0;
  for (int64_t i = 0; i < count; i += CINCH_WIDTH) {
    int64_t n = count - i;
    // The draws reach a vector past their end.
    vu word = load_words(draws + i);
    vf value = load_some(x + i, n);
    if (kind == cinch_corrupt_gaussian) {
      value += c->sigma * (vf)word;
    } else {
      if (kind == cinch_corrupt_salt_pepper) value = ((vi)(word <= last_one) & any_one) ? (vf)1.0f : value;
      value = ((vi)(word <= last_zero) & any_zero) ? (vf)0.0f : value;
    }
    store_some(y + i, value, n);
  }
}

typedef uint8_t vb __attribute__((ext_vector_type(CINCH_WIDTH)));

/// The floats nearest to b / divisor. What b · 1/divisor is off by is found exactly by one multiply-add and taken back by
/// the next (Markstein), in a tenth of a division's time.
INLINE vf quotients(vb bytes, float divisor, float inverse) {
  const vf x = __builtin_convertvector(__builtin_convertvector(bytes, vi), vf), quotient = x * inverse;
  // Without multiply-adds nothing finds it.
  return CINCH_WIDTH == 4 ? x / divisor : (x - quotient * divisor) * inverse + quotient;
}

static void widen_bytes(const uint8_t *bytes, float divisor, float *values, int64_t count) {
  const float inverse = 1.0f / divisor;
  vb lanes;
  int64_t i = 0;
  for (; i + CINCH_WIDTH <= count; i += CINCH_WIDTH) {
    memcpy(&lanes, bytes + i, sizeof lanes);
    store(values + i, quotients(lanes, divisor, inverse));
  }
  if (i == count) return;
  lanes = 0;
  memcpy(&lanes, bytes + i, (size_t)(count - i));
  store_part(values + i, quotients(lanes, divisor, inverse), count - i);
}

static void corrupt_range(
    const cinch_corruption *c, const float *x, float *corrupted, int64_t columns, int64_t e0, int64_t e1) {
  if (c->kind == cinch_corrupt_none) {
    if (x != corrupted) memcpy(corrupted + e0, x + e0, (size_t)(e1 - e0) * sizeof(float));
    return;
  }
  if (c->kind == cinch_corrupt_masking_exact) {
    // Whole rows only: see the caller.
    for (int64_t row = e0 / columns; row < e1 / columns; row++) {
      vu w[4];
      philox(&c->stream, (uint32_t)row, w);
      const uint32_t key[4] = {w[0][0], w[1][0], w[2][0], w[3][0]};
      mask_exactly(c, key, x + row * columns, corrupted + row * columns, (uint32_t)columns);
    }
    return;
  }
  if (c->kind == cinch_corrupt_block) {
    // Whole rows here, too.
    if (x != corrupted) memcpy(corrupted + e0, x + e0, (size_t)(e1 - e0) * sizeof(float));
    for (int64_t row = e0 / columns; row < e1 / columns; row++) {
      vu w[4];
      philox(&c->stream, (uint32_t)row, w);
      const int64_t top = (int64_t)((uint64_t)w[0][0] * c->tops >> 32);
      const int64_t left = (int64_t)((uint64_t)w[1][0] * c->lefts >> 32);
      float *first = corrupted + row * columns + top * c->line + left * c->pixel;
      for (int64_t line = 0; line < c->block_lines; line++)
        memset(first + line * c->line, 0, (size_t)c->block_line * sizeof(float));
    }
    return;
  }
  _Alignas(64) uint32_t draws[draw_count + CINCH_WIDTH];
  for (int64_t block = e0 / 4; 4 * block < e1; block += draw_blocks) {
    const int64_t start = cinch_max(4 * block, e0), end = cinch_min(4 * (block + draw_blocks), e1);
    draw(&c->stream, block, end - 4 * block, c->kind == cinch_corrupt_gaussian, draws);
    const uint32_t *own = draws + (start - 4 * block);
    const float *from = x + start;
    float *to = corrupted + start;
    if (c->kind == cinch_corrupt_masking)
      corrupt_elements(cinch_corrupt_masking, c, own, from, to, end - start);
    else if (c->kind == cinch_corrupt_gaussian)
      corrupt_elements(cinch_corrupt_gaussian, c, own, from, to, end - start);
    else
      corrupt_elements(cinch_corrupt_salt_pepper, c, own, from, to, end - start);
  }
}

/// From a multiple of 4 on.
static void bernoulli_range(const cinch_stream *stream, const float *p, float *draws, int64_t e0, int64_t e1) {
  _Alignas(64) uint32_t words[draw_count];
  for (int64_t start = e0; start < e1; start += draw_count) {
    const int64_t count = cinch_min(draw_count, e1 - start);
    draw(stream, start / 4, count, false, words);
    for (int64_t i = 0; i < count; i += CINCH_WIDTH) {
      int64_t n = count - i;
      vf u = uniform(load_words(words + i));
      store_some(draws + start + i, u < load_some(p + start + i, n) ? (vf)1.0f : (vf)0.0f, n);
    }
  }
}
