#pragma once

#include <stdbool.h>
#include <stddef.h>

// OpenBLAS, loaded at run time: a machine without it can still run the program on its other devices, and it
// starts threads of its own while it is being loaded unless told not to before.

typedef void (*cinch_blas_sgemm)(
    int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha, const float *a, int lda,
    const float *b, int ldb, float beta, float *c, int ldc);

/// LAPACK's eigenvalues and eigenvectors of a symmetric matrix, by divide and conquer. Fortran passes every argument by
/// its address, and the lengths of texts behind the last one.
typedef void (*cinch_lapack_dsyevd)(
    const char *job, const char *triangle, const int *n, double *a, const int *lda, double *values, double *work,
    const int *work_count, int *integers, const int *integer_count, int *info, size_t job_length,
    size_t triangle_length);

typedef struct {
  /// NULL where OpenBLAS could not be loaded; `error` then says why.
  cinch_blas_sgemm sgemm;
  /// NULL where OpenBLAS could not be loaded, was built without LAPACK, or counts in 64 bits.
  cinch_lapack_dsyevd dsyevd;
  void (*set_num_threads)(int threads);
  /// The processor that OpenBLAS took its kernels for (OPENBLAS_CORETYPE overrides its choice), and its version
  /// and options.
  const char *core_name, *config;
  const char *error;
} cinch_blas;

/// Loads OpenBLAS on the first call; each later call returns the same.
const cinch_blas *cinch_blas_load(void);

/// Has OpenBLAS make the work areas of so many products at a time, which it keeps. False where it does not let one.
bool cinch_blas_reserve(int count);
