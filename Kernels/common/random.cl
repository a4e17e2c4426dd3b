// Philox4x32-10 (Salmon et al., SC 2011) and a keyed permutation, bit for bit as the host has them.

#if BLOCK_WORDS != 4
#error "A block of Philox4x32 has four words."
#endif

// The high and low halves of x·m. On vectors by way of 64-bit lanes: some drivers make mul_hi of many 16-bit steps.
#if VW == 1
#define MULTIPLY(x, m, high, low) VU high = mul_hi(x, m), low = (x) * (m);
#else
#if VW == 16
#define HALF_WIDTH 8
#elif VW == 8
#define HALF_WIDTH 4
#else
#define HALF_WIDTH 2
#endif
typedef GLUE(ulong, HALF_WIDTH) Wide;
#define AS_WIDE GLUE(as_ulong, HALF_WIDTH)
#define AS_VU GLUE(as_uint, VW)
// Little-endian: a wide lane's low half is the even lane. CPU devices are.
#define MULTIPLY(x, m, high, low)                                                                         \
  Wide high##Even = (AS_WIDE(x) & 0xffffffffUL) * (ulong)(m), high##Odd = (AS_WIDE(x) >> 32) * (ulong)(m); \
  VU high = AS_VU(high##Even >> 32 | (high##Odd & 0xffffffff00000000UL));                                 \
  VU low = AS_VU((high##Even & 0xffffffffUL) | high##Odd << 32);
#endif

// Four words each of VW blocks: `w[j]` holds word j of blocks `index`.
INLINE void philox(VU index, uint stepLow, uint stepHigh, uint key0, uint key1, VU *w) {
  VU x = index, y = (VU)stepLow, z = (VU)stepHigh, t = (VU)0;
#pragma unroll
  for (int round = 0; round < 10; round++) {
    MULTIPLY(x, 0xD2511F53u, high0, low0)
    MULTIPLY(z, 0xCD9E8D57u, high1, low1)
    x = high1 ^ y ^ key0;
    y = low1;
    z = high0 ^ t ^ key1;
    t = low0;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  w[0] = x;
  w[1] = y;
  w[2] = z;
  w[3] = t;
}

// A block has the words of BLOCK_WORDS elements. A turn of the loop takes VW blocks; `interleave` brings their words,
// or the numbers made of them, into the order of the elements, so that vector q holds elements q·VW ….
#if CPU_FAMILY
#define FOR_BLOCKS(e, count, chunk)                                                                       \
  for (long e = (long)get_global_id(0) * (chunk), e##End = min((long)(count), e + (chunk)); e < e##End;   \
       e += BLOCK_WORDS * VW)
#else
#define FOR_BLOCKS(e, count, chunk)                                                                       \
  for (long e = BLOCK_WORDS * get_global_id(0), e##End = (count); e < e##End; e += BLOCK_WORDS * get_global_size(0))
#endif

#define LANES_U GLUE_CONVERT(LANES)
#if VW == 1
#define GLUE_CONVERT(x) (uint)(x)
#define ANY(x) (x)
#define FIRST(v) (v)
#else
#define GLUE_CONVERT(x) GLUE(as_uint, VW)(x)
#define ANY(x) any(x)
#define FIRST(v) (v).s0
#endif

// π: an eight-round Feistel network of 2·halfBits bits, repeated until the value is below `count`.
INLINE VU permute(VU value, uint count, uint4 key, uint halfBits) {
  uint mask = (1u << halfBits) - 1u;
  uint keys[4] = {key.s0, key.s1, key.s2, key.s3};
  VU outside = (VU)0xffffffffu;
  VI walking;
  do {
    VU left = value >> halfBits;
    VU right = value & mask;
#pragma unroll
    for (uint round = 0; round < 8; round++) {
      VU f = right ^ (keys[round % 4] + round * 0x9E3779B9u);
      f = (f ^ (f >> 16)) * 0x85EBCA6Bu;
      f = (f ^ (f >> 13)) * 0xC2B2AE35u;
      f = (f ^ (f >> 16)) & mask;
      f ^= left;
      left = right;
      right = f;
    }
    value = ((left << halfBits | right) & outside) | (value & ~outside);
    walking = value >= (VU)count;
#if VW == 1
    outside = walking ? 0xffffffffu : 0u;
#else
    outside = GLUE(as_uint, VW)(walking);
#endif
  } while (ANY(walking));
  return value;
}

// sin 2πv and cos 2πv for v in [0, 1), a multiple of 2⁻²⁴: the reduction to an eighth of a turn is exact.
INLINE V sinCosTurns(V v, V *cosine) {
  V quarter = rint(v * 4.0f);
  V x = fma(quarter, (V)-0.25f, v) * 6.2831853071795865f;
  V z = x * x;
  V s = fma(fma(z, (V)-1.9515295891e-4f, (V)8.3321608736e-3f), z, (V)-1.6666654611e-1f);
  s = fma(s * z, x, x);
  V c = fma(fma(z, (V)2.443315711809948e-5f, (V)-1.388731625493765e-3f), z, (V)4.166664568298827e-2f);
  c = fma(c * z, z, fma(z, (V)-0.5f, (V)1.0f));
  VI q = TO_VI(quarter);
  VI odd = (q & 1) != 0;
  VI sineNegative = (q & 2) != 0;
  VI cosineNegative = ((q + 1) & 2) != 0;
  V sine = odd ? c : s;
  V other = odd ? s : c;
  *cosine = cosineNegative ? -other : other;
  return sineNegative ? -sine : sine;
}

// Box–Muller: two of a block's words make two normal deviates.
INLINE void normals(VU a, VU b, V *first, V *second) {
  V u = TO_V((a >> 8) + 1u) * 0x1p-24f;
  V radius = sqrt(-2.0f * logV(u));
  V cosine;
  V sine = sinCosTurns(TO_V(b >> 8) * 0x1p-24f, &cosine);
  *first = radius * cosine;
  *second = radius * sine;
}
