#pragma once

// A function with this is compiled for wide vectors, too, and the widest that the processor has is taken. No product is
// fused with a sum and no sum is reordered, so all give the same bits.
#if defined(__x86_64__) && defined(__linux__)
#define CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define CLONES
#endif
#define INLINE static inline __attribute__((always_inline))
