// Shared by every kernel: what a work-item handles at once, and how the turns of a loop are divided among work-items.
//
// The host defines every number that it shares with the kernels; see Sources/OpenCLBackend/KernelConstants.swift. Here
// these are VW, the floats of a vector: on a CPU device the native width or, where few channels lie in the lanes, less,
// and 1 on a GPU; CPU_FAMILY, which is 1 or 0, as is PREFETCHES; and the extents of work-groups. A tensor arrives as a
// buffer and the index of its first element.

#if !defined(VW) || !defined(CPU_FAMILY) || !defined(PREFETCHES) || !defined(LINE_GROUP) || \
  !defined(MATRIX_GROUP_X) || !defined(MATRIX_GROUP_Y) || !defined(COLUMNS_GROUP_X) || !defined(COLUMNS_GROUP_Y)
#error "The host must define vectors' width, the kernel family, whether to prefetch, and work-groups' extents."
#endif

#pragma OPENCL FP_CONTRACT ON

#define INLINE static inline __attribute__((always_inline))
// What is called so rarely, or does so much, that a call costs nothing beside it. A driver's compiler takes as long as a
// kernel is large: a second and more where all of it is inlined wherever it is called.
#define OUTLINE static __attribute__((noinline))
#define GLUE_(a, b) a##b
#define GLUE(a, b) GLUE_(a, b)

#if VW == 1
typedef float V;
typedef int VI;
typedef uint VU;
#define AS_V as_float
#define AS_VI as_int
#define TO_V convert_float
#define TO_VI convert_int
#define LOAD(p) (*(p))
#define STORE(value, p) (*(p) = (value))
#define LANES 0
#else
typedef GLUE(float, VW) V;
typedef GLUE(int, VW) VI;
typedef GLUE(uint, VW) VU;
#define AS_V GLUE(as_float, VW)
#define AS_VI GLUE(as_int, VW)
#define TO_V GLUE(convert_float, VW)
#define TO_VI GLUE(convert_int, VW)
#define LOAD(p) GLUE(vload, VW)(0, p)
#define STORE(value, p) GLUE(vstore, VW)(value, 0, p)
#if VW == 2
#define LANES ((VI)(0, 1))
#elif VW == 4
#define LANES ((VI)(0, 1, 2, 3))
#elif VW == 8
#define LANES ((VI)(0, 1, 2, 3, 4, 5, 6, 7))
#else
#define LANES ((VI)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15))
#endif
#endif

// A vector whose tail may lie beyond the data: `count` of its elements are real, the rest read as `rest`.
INLINE V loadPart(const global float *p, int count, float rest) {
#if VW == 1
  return *p;
#else
  if (count >= VW) return LOAD(p);
  float lanes[VW];
  for (int l = 0; l < VW; l++) lanes[l] = l < count ? p[l] : rest;
  return LOAD(lanes);
#endif
}

INLINE void storePart(V value, global float *p, int count) {
#if VW == 1
  *p = value;
#else
  if (count >= VW) {
    STORE(value, p);
    return;
  }
  float lanes[VW];
  STORE(value, lanes);
  for (int l = 0; l < count; l++) p[l] = lanes[l];
#endif
}

// The sum of a vector's elements, always in the same order.
INLINE float sumLanes(V v) {
#if VW == 1
  return v;
#else
  float lanes[VW];
  STORE(v, lanes);
  for (int step = VW / 2; step > 0; step /= 2)
    for (int l = 0; l < step; l++) lanes[l] += lanes[l + step];
  return lanes[0];
#endif
}

// A long sum: what rounding takes from it is added up beside it (Knuth's TwoSum), so that it errs by about one rounding
// however many terms it has.
typedef struct {
  V sum, error;
} Sum;

#define NO_SUM {(V)0.0f, (V)0.0f}

INLINE void addTo(Sum *s, V x) {
  V sum = s->sum + x;
  V added = sum - s->sum;
  s->error += (s->sum - (sum - added)) + (x - added);
  s->sum = sum;
}

// Where the sum is infinite, the error is no number.
INLINE V sumOf(const Sum *s) { return s->sum + (s->error == s->error ? s->error : (V)0.0f); }

INLINE float maxLanes(V v) {
#if VW == 1
  return v;
#else
  float lanes[VW];
  STORE(v, lanes);
  float m = lanes[0];
  for (int l = 1; l < VW; l++) m = lanes[l] > m || lanes[l] != lanes[l] ? lanes[l] : m;
  return m;
#endif
}

// Lanes at or beyond `count` become 0, so that they add nothing to a sum.
INLINE V keep(V v, int count) {
#if VW == 1
  return v;
#else
  return count >= VW ? v : (LANES < (VI)count ? v : (V)0.0f);
#endif
}

// `count` rows of VW columns, a power of two of them up to VW, become the same matrix read down its columns: vectors
// whose numbers are in the order (column, row). With VW rows that is the transpose. log₂ count rounds interleave row r
// with row r + count/2. `count` is a constant at each call.
#if VW > 1
#define INTERLEAVE(NAME, T)                                                                               \
  INLINE void NAME(T *rows, int count) {                                                                  \
    _Pragma("unroll") for (int step = count / 2; step > 0; step /= 2) {                                   \
      T other[VW];                                                                                        \
      _Pragma("unroll") for (int r = 0; r < count / 2; r++) {                                             \
        T low, high;                                                                                      \
        low.even = rows[r].lo;                                                                            \
        low.odd = rows[r + count / 2].lo;                                                                 \
        high.even = rows[r].hi;                                                                           \
        high.odd = rows[r + count / 2].hi;                                                                \
        other[2 * r] = low;                                                                               \
        other[2 * r + 1] = high;                                                                          \
      }                                                                                                   \
      _Pragma("unroll") for (int r = 0; r < count; r++) rows[r] = other[r];                               \
    }                                                                                                     \
  }
#else
#define INTERLEAVE(NAME, T) INLINE void NAME(T *rows, int count) {}
#endif

INTERLEAVE(interleave, V)
INTERLEAVE(interleaveWords, VU)

// Builtins of clang's, which are no part of OpenCL. Interpreters of kernels do not know them, and a driver may not take them
// although its compiler is clang: the host then defines PORTABLE.
#if PREFETCHES && defined(__clang__) && !defined(PORTABLE)
#define CLANG_BUILTINS
#endif

// Asks for a cache line before it is needed, in the first-level cache or only in the second.
#ifdef CLANG_BUILTINS
#define PREFETCH(address) __builtin_prefetch((const void *)(size_t)(address))
#define PREFETCH_L2(address) __builtin_prefetch((const void *)(size_t)(address), 0, 2)
#else
#define PREFETCH(address)
#define PREFETCH_L2(address)
#endif

// The work-groups that a kernel asks for.
#define GROUP_1D __attribute__((reqd_work_group_size(LINE_GROUP, 1, 1)))
#define GROUP_2D __attribute__((reqd_work_group_size(MATRIX_GROUP_X, MATRIX_GROUP_Y, 1)))
#define GROUP_COLUMNS __attribute__((reqd_work_group_size(COLUMNS_GROUP_X, COLUMNS_GROUP_Y, 1)))

// On a CPU a work-item takes `chunk` neighbours, a vector at a time. On a GPU it takes one element and steps by the
// number of work-items, so that neighbouring work-items read neighbouring memory.
#if CPU_FAMILY
#define FOR_EACH(i, count, chunk)                                                                         \
  for (long i = (long)get_global_id(0) * (chunk), i##End = min((long)(count), i + (chunk)); i < i##End; i += VW)
#define FOR_ROWS(r, rows, chunk)                                                                          \
  for (long r = (long)get_global_id(1) * (chunk), r##End = min((long)(rows), r + (chunk)); r < r##End; r++)
#define FOR_COLUMNS(c, columns) for (int c = 0; c < (columns); c += VW)
#define PART(i) ((int)min((long)VW, i##End - i))
#else
#define FOR_EACH(i, count, chunk) for (long i = get_global_id(0); i < (count); i += get_global_size(0))
#define FOR_ROWS(r, rows, chunk) for (long r = get_global_id(1); r < (rows); r += get_global_size(1))
#define FOR_COLUMNS(c, columns) for (int c = get_global_id(0); c < (columns); c += get_global_size(0))
#define PART(i) 1
#endif

#if CPU_FAMILY
// The work-items of a kernel, one for each compute unit, take one of `count` pieces of work after the other. `taken`
// has the next one's number, how many work-items are through, and how many pieces are that others wait for; the last
// work-item leaves zeros for the next kernel.
// Drivers deal a kernel's work-groups out in halves of what is left: where one core is slower, the others wait for it.
#define FOR_PIECES(piece, count, taken) for (int piece; (piece = atomic_inc(taken)) < (count);)
#define END_PIECES(taken)                                                                                 \
  if (atomic_inc((taken) + 1) + 1 == get_global_size(0)) {                                                \
    atomic_xchg(taken, 0);                                                                                \
    atomic_xchg((taken) + 1, 0);                                                                          \
    atomic_xchg((taken) + 2, 0);                                                                          \
  }
// What a work-item wrote before its fence another one reads behind its own. OpenCL 1.2 promises that of no fence across
// groups; the compilers of processors have one that does.
#ifdef CLANG_BUILTINS
#define PIECE_FENCE __atomic_thread_fence(__ATOMIC_ACQ_REL)
#else
#define PIECE_FENCE mem_fence(CLK_GLOBAL_MEM_FENCE)
#endif
// Where pieces read what others wrote, those come first, and say so when they are through. Whoever waits for them does
// so for work-items that are at work: pieces are taken in order, and the first wait for nobody.
#define LEAVE_PART(taken)                                                                                 \
  {                                                                                                       \
    PIECE_FENCE;                                                                                          \
    atomic_inc((taken) + 2);                                                                              \
  }
#define AWAIT_PARTS(taken, count)                                                                         \
  {                                                                                                       \
    while (atomic_add((taken) + 2, 0) < (count));                                                         \
    PIECE_FENCE;                                                                                          \
  }
#endif

// Like FOR_EACH, for a loop body that handles one `i`.
#if CPU_FAMILY
#define FOR_ITEMS(i, count, chunk)                                                                        \
  for (long i = (long)get_global_id(0) * (chunk), i##End = min((long)(count), i + (chunk)); i < i##End; i++)
#else
#define FOR_ITEMS(i, count, chunk) for (long i = get_global_id(0); i < (count); i += get_global_size(0))

#if LINE_GROUP & (LINE_GROUP - 1)
#error "A work-group's sums meet in a tree: LINE_GROUP must be a power of two."
#endif

// The sum over the LINE_GROUP items of a work-group, in a fixed order, returned to each of
// them. Every item must call it.
INLINE float treeSum(float x, local float *scratch) {
  int l = get_local_id(1) * get_local_size(0) + get_local_id(0);
  barrier(CLK_LOCAL_MEM_FENCE);
  scratch[l] = x;
  barrier(CLK_LOCAL_MEM_FENCE);
  for (int step = LINE_GROUP / 2; step > 0; step /= 2) {
    if (l < step) scratch[l] += scratch[l + step];
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  return scratch[0];
}
#endif
