// The builtins that kernels use, for PoCL, whose own header is left out by its guard, _OPENCL_H_: it declares each function of
// OpenCL for every type there is, 900 kB that the compiler would read anew for every program, in its cache or not. A program
// takes half as long to compile, and a third as long to come from the cache.
//
// A function has the types that it is called with here: a call with others does not compile. See KernelContractTests.

#define PURE __attribute__((overloadable, const))

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

#define DECLARE_FLOATS(T)                                                                                 \
  T PURE fma(T, T, T);                                                                                    \
  T PURE fabs(T);                                                                                         \
  T PURE fmax(T, T);                                                                                      \
  T PURE copysign(T, T);                                                                                  \
  T PURE sign(T);                                                                                         \
  T PURE rint(T);                                                                                         \
  T PURE sqrt(T);                                                                                         \
  T PURE exp(T);                                                                                          \
  T PURE log(T);

#define DECLARE_INTEGERS(T)                                                                               \
  T PURE min(T, T);                                                                                       \
  T PURE max(T, T);

// Of signed numbers, `int` or a vector of it, and their unsigned counterparts.
#define DECLARE_WORDS(T, U)                                                                               \
  U PURE mul_hi(U, U);                                                                                    \
  int PURE any(T);                                                                                        \
  int PURE all(T);

#define DECLARE_CONVERSIONS(SUFFIX)                                                                       \
  float##SUFFIX PURE convert_float##SUFFIX(uchar##SUFFIX);                                                \
  float##SUFFIX PURE convert_float##SUFFIX(int##SUFFIX);                                                  \
  float##SUFFIX PURE convert_float##SUFFIX(uint##SUFFIX);                                                 \
  int##SUFFIX PURE convert_int##SUFFIX(float##SUFFIX);

#define DECLARE_LOAD(T, SPACE, WIDTH)                                                                     \
  T##WIDTH __attribute__((overloadable, pure)) vload##WIDTH(size_t, const SPACE T *);
#define DECLARE_LOADS(T, WIDTH)                                                                           \
  DECLARE_LOAD(T, global, WIDTH) DECLARE_LOAD(T, local, WIDTH) DECLARE_LOAD(T, private, WIDTH)
#define DECLARE_STORE(T, SPACE, WIDTH)                                                                    \
  void __attribute__((overloadable)) vstore##WIDTH(T##WIDTH, size_t, SPACE T *);
#define DECLARE_STORES(T, WIDTH)                                                                          \
  DECLARE_STORE(T, global, WIDTH) DECLARE_STORE(T, local, WIDTH) DECLARE_STORE(T, private, WIDTH)

#define DECLARE_VECTORS_(WIDTH)                                                                           \
  DECLARE_FLOATS(float##WIDTH)                                                                            \
  DECLARE_INTEGERS(int##WIDTH)                                                                            \
  DECLARE_INTEGERS(uint##WIDTH)                                                                           \
  DECLARE_WORDS(int##WIDTH, uint##WIDTH)                                                                  \
  DECLARE_CONVERSIONS(WIDTH)                                                                              \
  DECLARE_LOADS(float, WIDTH)                                                                             \
  DECLARE_LOADS(int, WIDTH)                                                                               \
  DECLARE_LOADS(uint, WIDTH)                                                                              \
  DECLARE_LOADS(uchar, WIDTH)                                                                             \
  DECLARE_STORES(float, WIDTH)                                                                            \
  DECLARE_STORES(int, WIDTH)                                                                              \
  DECLARE_STORES(uint, WIDTH)
#define DECLARE_VECTORS(WIDTH) DECLARE_VECTORS_(WIDTH)

DECLARE_FLOATS(float)
DECLARE_INTEGERS(int)
DECLARE_INTEGERS(uint)
DECLARE_INTEGERS(long)
DECLARE_INTEGERS(ulong)
DECLARE_WORDS(int, uint)
DECLARE_CONVERSIONS()
#if VW > 1
DECLARE_VECTORS(VW)
#else
// What a sub-group's lanes hold is four numbers each.
DECLARE_FLOATS(float4)
#endif

#undef PURE
