// The kernels for AVX-512, as isa_avx2.c for AVX2.

#if defined(__x86_64__)

#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "internal.h"

#define CINCH_WIDTH 16
#define CINCH_KERNELS cinch_kernels_avx512
#define CINCH_NAME "AVX-512"

// To compile these with AddressSanitizer's checks takes over ten minutes: it checks those for AVX2, which are the same text.
#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512cd,avx512bw,avx512dq,avx512vl,avx2,fma"), no_sanitize("address"))), \
    apply_to = function)
#include "kernels/table.h"
#pragma clang attribute pop

#endif
