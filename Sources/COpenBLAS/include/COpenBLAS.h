#pragma once

// OpenBLAS, loaded at run time: a machine without it can still run the program on its other devices, and it
// starts threads of its own while it is being loaded unless told not to before.

typedef void (*cinch_blas_sgemm)(
    int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha, const float *a, int lda,
    const float *b, int ldb, float beta, float *c, int ldc);

typedef struct {
  /// NULL where OpenBLAS could not be loaded; `error` then says why.
  cinch_blas_sgemm sgemm;
  void (*set_num_threads)(int threads);
  /// The processor that OpenBLAS took its kernels for (OPENBLAS_CORETYPE overrides its choice), and its version
  /// and options.
  const char *core_name, *config;
  const char *error;
} cinch_blas;

/// Loads OpenBLAS on the first call; each later call returns the same.
const cinch_blas *cinch_blas_load(void);
