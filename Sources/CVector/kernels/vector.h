// Vectors as wide as the instruction set's, and elementary functions on them. Included once per instruction
// set, inside a region that allows its instructions; CINCH_WIDTH is the number of lanes.

#define INLINE static inline __attribute__((always_inline, unused))
#define UNROLL _Pragma("clang loop unroll(full)")

typedef float vf __attribute__((ext_vector_type(CINCH_WIDTH)));
typedef int32_t vi __attribute__((ext_vector_type(CINCH_WIDTH)));
typedef uint32_t vu __attribute__((ext_vector_type(CINCH_WIDTH)));
typedef uint64_t vl __attribute__((ext_vector_type(CINCH_WIDTH / 2)));
typedef float vf_unaligned __attribute__((ext_vector_type(CINCH_WIDTH), aligned(4), may_alias));
typedef uint32_t vu_unaligned __attribute__((ext_vector_type(CINCH_WIDTH), aligned(4), may_alias));

INLINE vf load(const float *p) { return *(const vf_unaligned *)p; }
INLINE void store(float *p, vf x) { *(vf_unaligned *)p = x; }
INLINE vu load_words(const uint32_t *p) { return *(const vu_unaligned *)p; }
INLINE void store_words(uint32_t *p, vu x) { *(vu_unaligned *)p = x; }

// The last, partial vector of a row: lanes from `n` on are read as zero and not written.
#if CINCH_WIDTH == 16
INLINE vf load_part(const float *p, int64_t n) { return (vf)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p); }
INLINE void store_part(float *p, vf x, int64_t n) {
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)x);
}
#elif CINCH_WIDTH == 8
INLINE vf load_part(const float *p, int64_t n) {
  vi lane;
  for (int i = 0; i < 8; i++) lane[i] = i;
  return (vf)_mm256_maskload_ps(p, (__m256i)(lane < (int32_t)cinch_max(cinch_min(n, 8), 0)));
}
// In pieces: on several processors a masked store takes tens of cycles.
INLINE void store_part(float *p, vf x, int64_t n) {
  __m128 rest = _mm256_castps256_ps128((__m256)x);
  if (n & 4) {
    _mm_storeu_ps(p, rest);
    rest = _mm256_extractf128_ps((__m256)x, 1);
    p += 4;
  }
  if (n & 2) {
    _mm_storel_pi((__m64 *)p, rest);
    rest = _mm_movehl_ps(rest, rest);
    p += 2;
  }
  if (n & 1) _mm_store_ss(p, rest);
}
#else
INLINE vf load_part(const float *p, int64_t n) {
  float lanes[CINCH_WIDTH] = {0};
  for (int64_t i = 0; i < n; i++) lanes[i] = p[i];
  return load(lanes);
}
INLINE void store_part(float *p, vf x, int64_t n) {
  float lanes[CINCH_WIDTH];
  store(lanes, x);
  for (int64_t i = 0; i < n; i++) p[i] = lanes[i];
}
#endif
INLINE vf load_some(const float *p, int64_t n) { return n >= CINCH_WIDTH ? load(p) : load_part(p, n); }
INLINE void store_some(float *p, vf x, int64_t n) {
  if (n >= CINCH_WIDTH)
    store(p, x);
  else
    store_part(p, x, n);
}
/// Lanes `low` ..< `high`; the others are zero, and not read.
INLINE vf load_between(const float *p, int64_t low, int64_t high) {
#if CINCH_WIDTH == 16
  const uint32_t below = low > 0 ? low < 16 ? (1u << low) - 1 : 0xffff : 0;
  const uint32_t above = high > 0 ? high < 16 ? (1u << high) - 1 : 0xffff : 0;
  return (vf)_mm512_maskz_loadu_ps((__mmask16)(above & ~below), p);
#elif CINCH_WIDTH == 8
  vi lane;
  for (int i = 0; i < 8; i++) lane[i] = i;
  const vi within = lane >= (int32_t)cinch_max(low, 0) & lane < (int32_t)cinch_min(high, 8);
  return (vf)_mm256_maskload_ps(p, (__m256i)within);
#else
  vf lanes;
  UNROLL for (int i = 0; i < CINCH_WIDTH; i++) lanes[i] = i >= low && i < high ? p[i] : 0.0f;
  return lanes;
#endif
}
/// x in the first `n` lanes, zero in the others.
INLINE vf first_lanes(vf x, int64_t n) {
  vi lane;
  for (int i = 0; i < CINCH_WIDTH; i++) lane[i] = i;
  return lane < (int32_t)n ? x : (vf)0.0f;
}

// Lanes of two vectors in turn, the low and the high half of the result; and the even and the odd lanes of both.
#if CINCH_WIDTH == 16
#define ZIP_LOW(a, b) \
  __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define ZIP_HIGH(a, b) \
  __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#define EVEN(a, b) \
  __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30)
#define ODD(a, b) \
  __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31)
#elif CINCH_WIDTH == 8
#define ZIP_LOW(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define ZIP_HIGH(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#define EVEN(a, b) __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14)
#define ODD(a, b) __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15)
#else
#define ZIP_LOW(a, b) __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define ZIP_HIGH(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#define EVEN(a, b) __builtin_shufflevector(a, b, 0, 2, 4, 6)
#define ODD(a, b) __builtin_shufflevector(a, b, 1, 3, 5, 7)
#endif

/// The sum of all lanes, always halved in the same order.
INLINE float sum_lanes(vf x) {
  float lanes[CINCH_WIDTH];
  store(lanes, x);
  for (int half = CINCH_WIDTH / 2; half > 0; half /= 2)
    for (int i = 0; i < half; i++) lanes[i] += lanes[i + half];
  return lanes[0];
}

// Half of the lanes of each number of two vectors, and the other half, added.
#if CINCH_WIDTH == 16
#define FOLD_16(a, b)                                                                      \
  (__builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) + \
   __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31))
#define FOLD_8(a, b)                                                                         \
  (__builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27) + \
   __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31))
#define FOLD_4(a, b)                                                                         \
  (__builtin_shufflevector(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29) + \
   __builtin_shufflevector(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31))
#define FOLD_2(a, b)                                                                          \
  (__builtin_shufflevector(a, b, 0, 2, 16, 18, 4, 6, 20, 22, 8, 10, 24, 26, 12, 14, 28, 30) + \
   __builtin_shufflevector(a, b, 1, 3, 17, 19, 5, 7, 21, 23, 9, 11, 25, 27, 13, 15, 29, 31))
#elif CINCH_WIDTH == 8
#define FOLD_8(a, b)                                         \
  (__builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11) + \
   __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15))
#define FOLD_4(a, b)                                         \
  (__builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13) + \
   __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15))
#define FOLD_2(a, b)                                          \
  (__builtin_shufflevector(a, b, 0, 2, 8, 10, 4, 6, 12, 14) + \
   __builtin_shufflevector(a, b, 1, 3, 9, 11, 5, 7, 13, 15))
#else
#define FOLD_4(a, b) (__builtin_shufflevector(a, b, 0, 1, 4, 5) + __builtin_shufflevector(a, b, 2, 3, 6, 7))
#define FOLD_2(a, b) (__builtin_shufflevector(a, b, 0, 2, 4, 6) + __builtin_shufflevector(a, b, 1, 3, 5, 7))
#endif

/// Lane i is `sum_lanes` of x[i].
INLINE vf sums_of_lanes(const vf x[CINCH_WIDTH]) {
  enum { fours = CINCH_WIDTH / 4 };
  vf t[CINCH_WIDTH];
  // Where quarters of a vector do not cross, the numbers of each four end up together.
  UNROLL for (int i = 0; i < CINCH_WIDTH; i++) t[i] = x[i % fours * 4 + i / fours];
#if CINCH_WIDTH == 16
  UNROLL for (int i = 0; i < 8; i++) t[i] = FOLD_16(t[2 * i], t[2 * i + 1]);
#endif
#if CINCH_WIDTH >= 8
  UNROLL for (int i = 0; i < 4; i++) t[i] = FOLD_8(t[2 * i], t[2 * i + 1]);
#endif
  UNROLL for (int i = 0; i < 2; i++) t[i] = FOLD_4(t[2 * i], t[2 * i + 1]);
  return FOLD_2(t[0], t[1]);
}

INLINE vf magnitude(vf x) { return (vf)((vi)x & 0x7fffffff); }
INLINE vf with_sign(vf size, vf sign) { return (vf)((vi)size | ((vi)sign & (int32_t)0x80000000)); }

// Comparisons below are written so that a NaN takes the branch that keeps it.

/// r²·P(r), so that eʳ − 1 = r + r²·P(r) for |r| ≤ ln 2/2 (Cephes' expf).
INLINE vf exp_tail(vf r) {
  vf p = 1.9875691500e-4f * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  return p * (r * r);
}

/// y, of which eˣ is 2ⁿ times, for an x whose power is no overflow. NaN gives NaN, whatever n is.
INLINE vf exp_reduced(vf x, vi *n) {
  // Adding 1.5·2²³ rounds to a whole number and leaves it in the low bits: no conversion, which NaN would break.
  const vf magic = 12582912.0f;
  vf shifted = x * 1.44269504f + magic;
  *n = (vi)shifted - (vi)magic;
  vf whole = shifted - magic;
  vf r = x - whole * 0.693359375f;
  r = r - whole * -2.12194440e-4f;
  return exp_tail(r) + r + 1.0f;
}

/// 2ⁿ for −126 ≤ n ≤ 127.
INLINE vf power_of_two(vi n) { return (vf)((n + 127) << 23); }

/// eˣ; 0 below −104, +∞ above 88.73.
INLINE vf exp_v(vf x) {
  x = x < -104.0f ? (vf)-104.0f : x;
  x = x > 89.0f ? (vf)89.0f : x;
  vi n;
  vf y = exp_reduced(x, &n);
  // In two factors: one alone cannot reach subnormal results.
  vi half = n >> 1;
  return y * power_of_two(half) * power_of_two(n - half);
}

/// eˣ for x ≤ 0, at least e⁻⁸⁷.
INLINE vf exp_of_negative(vf x) {
  vi n;
  vf y = exp_reduced(x < -87.0f ? (vf)-87.0f : x, &n);
  return y * power_of_two(n);
}

/// e^−x − 1 negated, 1 − e^−x, without cancellation for small x ≥ 0.
INLINE vf one_minus_exp_minus(vf x) {
  vf r = -x;
  vf small = -(exp_tail(r) + r);
  return x < 0.34f ? small : 1.0f - exp_v(r);
}

/// log x for x ≥ 2⁻¹²⁶ (Cephes' logf).
INLINE vf log_v(vf x) {
  vi bits = (vi)x;
  // The mantissa in [√½, √2).
  vi exponent = (bits - 0x3f3504f3) >> 23;
  vf m = (vf)(bits - (exponent << 23)) - 1.0f;
  vf e = __builtin_convertvector(exponent, vf);
  vf z = m * m;
  vf p = 7.0376836292e-2f * m - 1.1514610310e-1f;
  p = p * m + 1.1676998740e-1f;
  p = p * m - 1.2420140846e-1f;
  p = p * m + 1.4249322787e-1f;
  p = p * m - 1.6668057665e-1f;
  p = p * m + 2.0000714765e-1f;
  p = p * m - 2.4999993993e-1f;
  p = p * m + 3.3333331174e-1f;
  vf y = p * m * z + e * -2.12194440e-4f;
  y = y - 0.5f * z;
  vf result = m + y + e * 0.693359375f;
  return x == x ? result : x;
}

/// log(1 + e) for 0 ≤ e ≤ 1: 2 artanh s with s = e/(2 + e) ≤ ⅓, a minimax fit.
INLINE vf log1p_v(vf e) {
  vf s = e / (e + 2.0f);
  vf w = s * s;
  vf p = 1.408916306e-1f * w + 1.398030235e-1f;
  p = p * w + 2.001245507e-1f;
  p = p * w + 3.333315734e-1f;
  p = p * w + 1.000000004f;
  return (s + s) * p;
}

/// 1 / (1 + e⁻ᵃ), which no sum cancels, between e⁻⁸⁷ and 1.
INLINE vf sigmoid_v(vf a) {
  a = a < -87.0f ? (vf)-87.0f : a;
  a = a > 87.0f ? (vf)87.0f : a;
  vi n;
  vf y = exp_reduced(-a, &n);
  return 1.0f / (y * power_of_two(n) + 1.0f);
}

INLINE vf tanh_v(vf a) {
  vf x = magnitude(a);
  vf z = a * a;
  vf p = -5.70498872745e-3f * z + 2.06390887954e-2f;
  p = p * z - 5.37397155531e-2f;
  p = p * z + 1.33314422036e-1f;
  p = p * z - 3.33332819422e-1f;
  vf small = p * z * a + a;
  vf large = with_sign(1.0f - 2.0f / (exp_v(x + x) + 1.0f), a);
  return x < 0.625f ? small : large;
}

INLINE vf softplus_v(vf a) { return (a < 0.0f ? (vf)0.0f : a) + log1p_v(exp_of_negative(-magnitude(a))); }

/// cos and sin of 2πv for v in [0, 1).
INLINE void cos_sin_turns(vf v, vf *cosine, vf *sine) {
  const vf magic = 12582912.0f;
  vf shifted = v * 4.0f + magic;
  vi quarter = (vi)shifted - (vi)magic;
  // Exact: v has 24 bits.
  vf t = (v - (shifted - magic) * 0.25f) * 6.28318531f;
  vf z = t * t;
  vf s = -1.9515295891e-4f * z + 8.3321608736e-3f;
  s = s * z - 1.6666654611e-1f;
  s = s * z * t + t;
  vf c = 2.443315711809948e-5f * z - 1.388731625493765e-3f;
  c = c * z + 4.166664568298827e-2f;
  c = c * z * z - 0.5f * z + 1.0f;
  vi odd = (quarter & 1) != 0;
  vf cos_part = odd ? s : c, sin_part = odd ? c : s;
  *cosine = (vf)((vi)cos_part ^ (((quarter + 1) & 2) << 30));
  *sine = (vf)((vi)sin_part ^ ((quarter & 2) << 30));
}
