#pragma once

// OpenBLAS, loaded at run time: it chooses its kernels while it is being loaded, so what it chooses by must be
// set before.

#include <stdbool.h>

typedef void (*cinch_blas_sgemm)(
    int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha, const float *a, int lda,
    const float *b, int ldb, float beta, float *c, int ldc);

typedef struct {
  /// NULL where OpenBLAS could not be loaded; `error` then says why.
  cinch_blas_sgemm sgemm;
  void (*set_num_threads)(int threads);
  /// The processor that OpenBLAS took its kernels for, and its version and options.
  const char *core_name, *config;
  const char *error;
} cinch_blas;

/// Loads OpenBLAS on the first call; each later call returns the same.
const cinch_blas *cinch_blas_load(void);
