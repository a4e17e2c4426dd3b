#include "COpenBLAS.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>

static cinch_blas blas;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/// Whether OpenBLAS should be told to use its AVX-512 kernels. Releases before 0.3.24 know no AMD processor
/// that has AVX-512 and give it AVX2 kernels, at half the speed.
static bool overlooks_avx512(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  return __builtin_cpu_is("amd") && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512cd") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#else
  return false;
#endif
}

/// Sets a variable unless it is set; whether it did.
static bool set_default(const char *name, const char *value) {
  return !getenv(name) && setenv(name, value, 1) == 0;
}

static void load(void) {
  const bool core = overlooks_avx512() && set_default("OPENBLAS_CORETYPE", "SkylakeX");
  // Cinch has threads of its own; this keeps OpenBLAS from starting any.
  const bool threads = set_default("OPENBLAS_NUM_THREADS", "1");
  void *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
  if (!library) library = dlopen("libopenblas.so", RTLD_NOW | RTLD_LOCAL);
  if (!library) blas.error = dlerror();
  // Not for child processes.
  if (core) unsetenv("OPENBLAS_CORETYPE");
  if (threads) unsetenv("OPENBLAS_NUM_THREADS");
  if (!library) return;

  blas.set_num_threads = (void (*)(int))dlsym(library, "openblas_set_num_threads");
  char *(*core_name)(void) = (char *(*)(void))dlsym(library, "openblas_get_corename");
  char *(*config)(void) = (char *(*)(void))dlsym(library, "openblas_get_config");
  blas.core_name = core_name ? core_name() : "";
  blas.config = config ? config() : "";
  blas.sgemm = (cinch_blas_sgemm)dlsym(library, "cblas_sgemm");
  if (!blas.sgemm) blas.error = "it has no cblas_sgemm";
}

const cinch_blas *cinch_blas_load(void) {
  pthread_once(&once, load);
  return &blas;
}
