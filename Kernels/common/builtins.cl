// The builtins that kernels use, for PoCL, whose own header is left out by its guard, _OPENCL_H_: it declares each function of
// OpenCL for every type there is, 900 kB that the compiler would read anew for every program, in its cache or not. A program
// takes half as long to compile, and a third as long to come from the cache.
//
// What clang has a builtin for is defined by that. PoCL's own functions are compiled for numbers below the smallest normal one,
// and from LLVM 17 on are not inlined into kernels that take these for 0: each a call, whose vectors pass through memory,
// which is seven times slower in all. The others are rare, or only declared because older versions of clang lack theirs.
//
// A function has the types that it is called with here: a call with others does not compile. See KernelContractTests.

#define PURE __attribute__((overloadable, const))
#define DEFINED static inline __attribute__((overloadable, always_inline))

size_t PURE get_global_id(uint);
size_t PURE get_global_size(uint);
size_t PURE get_local_id(uint);
size_t PURE get_local_size(uint);
size_t PURE get_group_id(uint);
void __attribute__((overloadable, convergent)) barrier(cl_mem_fence_flags);
void __attribute__((overloadable)) mem_fence(cl_mem_fence_flags);
int __attribute__((overloadable)) atomic_add(volatile global int *, int);
int __attribute__((overloadable)) atomic_inc(volatile global int *);
int __attribute__((overloadable)) atomic_xchg(volatile global int *, int);

#if __has_builtin(__builtin_elementwise_roundeven)
#define FLOATS(T)                                                                                         \
  DEFINED T fabs(T x) { return __builtin_elementwise_abs(x); }                                            \
  DEFINED T fmax(T x, T y) { return __builtin_elementwise_max(x, y); }                                    \
  DEFINED T rint(T x) { return __builtin_elementwise_roundeven(x); }
#define INTEGERS(T)                                                                                       \
  DEFINED T min(T x, T y) { return __builtin_elementwise_min(x, y); }                                     \
  DEFINED T max(T x, T y) { return __builtin_elementwise_max(x, y); }
#else
#define FLOATS(T)                                                                                         \
  T PURE fabs(T);                                                                                         \
  T PURE fmax(T, T);                                                                                      \
  T PURE rint(T);
#define INTEGERS(T)                                                                                       \
  T PURE min(T, T);                                                                                       \
  T PURE max(T, T);
#endif

// `BITS` is the type of integers with as many bits.
#define OTHER_FLOATS(T, BITS)                                                                             \
  DEFINED T copysign(T x, T y) {                                                                          \
    const BITS top = (BITS)0x80000000u;                                                                   \
    return __builtin_astype((__builtin_astype(x, BITS) & ~top) | (__builtin_astype(y, BITS) & top), T);   \
  }                                                                                                       \
  T PURE sign(T);                                                                                         \
  T PURE exp(T);                                                                                          \
  T PURE log(T);

#if __has_builtin(__builtin_elementwise_fma)
#define FUSED(T)                                                                                          \
  DEFINED T fma(T x, T y, T z) { return __builtin_elementwise_fma(x, y, z); }
#else
#define FUSED(T) T PURE fma(T, T, T);
#endif

#if __has_builtin(__builtin_elementwise_sqrt)
#define ROOTS(T)                                                                                          \
  DEFINED T sqrt(T x) { return __builtin_elementwise_sqrt(x); }
#else
#define ROOTS(T) T PURE sqrt(T);
#endif

#if __has_builtin(__builtin_reduce_or)
#define TRUTHS(T)                                                                                         \
  DEFINED int any(T x) { return __builtin_reduce_or(x) < 0; }                                             \
  DEFINED int all(T x) { return __builtin_reduce_and(x) < 0; }
#else
#define TRUTHS(T)                                                                                         \
  int PURE any(T);                                                                                        \
  int PURE all(T);
#endif

#define CONVERSION(T, FROM, WIDTH)                                                                        \
  DEFINED T##WIDTH convert_##T##WIDTH(FROM##WIDTH x) { return __builtin_convertvector(x, T##WIDTH); }

#define LOADS(T, SPACE, WIDTH)                                                                            \
  DEFINED T##WIDTH vload##WIDTH(size_t i, const SPACE T *p) {                                             \
    return *(const SPACE T##_unaligned *)(p + i * WIDTH);                                                 \
  }
#define STORES(T, SPACE, WIDTH)                                                                           \
  DEFINED void vstore##WIDTH(T##WIDTH x, size_t i, SPACE T *p) {                                          \
    *(SPACE T##_unaligned *)(p + i * WIDTH) = x;                                                          \
  }
#define LOADS_OF(T, WIDTH)                                                                                \
  typedef T##WIDTH T##_unaligned __attribute__((aligned(sizeof(T))));                                     \
  LOADS(T, global, WIDTH) LOADS(T, local, WIDTH) LOADS(T, private, WIDTH)
#define STORES_OF(T, WIDTH) STORES(T, global, WIDTH) STORES(T, local, WIDTH) STORES(T, private, WIDTH)

#define VECTORS_(WIDTH)                                                                                   \
  FLOATS(float##WIDTH)                                                                                    \
  OTHER_FLOATS(float##WIDTH, uint##WIDTH)                                                                 \
  FUSED(float##WIDTH)                                                                                     \
  ROOTS(float##WIDTH)                                                                                     \
  INTEGERS(int##WIDTH)                                                                                    \
  INTEGERS(uint##WIDTH)                                                                                   \
  TRUTHS(int##WIDTH)                                                                                      \
  DEFINED uint##WIDTH mul_hi(uint##WIDTH x, uint##WIDTH y) {                                              \
    const ulong##WIDTH longX = __builtin_convertvector(x, ulong##WIDTH);                                  \
    const ulong##WIDTH longY = __builtin_convertvector(y, ulong##WIDTH);                                  \
    return __builtin_convertvector(longX * longY >> 32, uint##WIDTH);                                     \
  }                                                                                                       \
  CONVERSION(float, uchar, WIDTH)                                                                         \
  CONVERSION(float, int, WIDTH)                                                                           \
  CONVERSION(float, uint, WIDTH)                                                                          \
  CONVERSION(int, float, WIDTH)                                                                           \
  LOADS_OF(float, WIDTH) LOADS_OF(int, WIDTH) LOADS_OF(uint, WIDTH) LOADS_OF(uchar, WIDTH)                \
  STORES_OF(float, WIDTH) STORES_OF(int, WIDTH) STORES_OF(uint, WIDTH)
#define VECTORS(WIDTH) VECTORS_(WIDTH)

FLOATS(float)
OTHER_FLOATS(float, uint)
FUSED(float)
ROOTS(float)
INTEGERS(int)
INTEGERS(uint)
INTEGERS(long)
INTEGERS(ulong)
DEFINED uint mul_hi(uint x, uint y) { return (uint)((ulong)x * y >> 32); }
DEFINED float convert_float(uchar x) { return (float)x; }
DEFINED float convert_float(int x) { return (float)x; }
DEFINED float convert_float(uint x) { return (float)x; }
DEFINED int convert_int(float x) { return (int)x; }
#if VW > 1
VECTORS(VW)
#else
// What a sub-group's lanes hold is four numbers each.
FLOATS(float4)
OTHER_FLOATS(float4, uint4)
FUSED(float4)
ROOTS(float4)
#endif

#undef PURE
#undef DEFINED
