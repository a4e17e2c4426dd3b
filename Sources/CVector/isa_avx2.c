// The kernels for AVX2 with FMA. The pragma allows its instructions in this file alone, so that one program
// runs on processors with and without them.

#if defined(__x86_64__)

#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "internal.h"

#define CINCH_WIDTH 8
#define CINCH_KERNELS cinch_kernels_avx2
#define CINCH_NAME "AVX2"

#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#include "kernels/table.h"
#pragma clang attribute pop

#endif
