#include "COpenBLAS.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static cinch_blas blas;
// What products take their work areas from; not in every build of OpenBLAS.
static void *(*memory_alloc)(int);
static void (*memory_free)(void *);
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void load(void) {
  // Cinch has threads of its own; this keeps OpenBLAS from starting any.
  const bool ours = !getenv("OPENBLAS_NUM_THREADS") && setenv("OPENBLAS_NUM_THREADS", "1", 1) == 0;
  void *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
  if (!library) library = dlopen("libopenblas.so", RTLD_NOW | RTLD_LOCAL);
  // A copy: other calls write over the text.
  if (!library) blas.error = strdup(dlerror());
  // Not for child processes.
  if (ours) unsetenv("OPENBLAS_NUM_THREADS");
  if (!library) return;

  blas.set_num_threads = (void (*)(int))dlsym(library, "openblas_set_num_threads");
  char *(*core_name)(void) = (char *(*)(void))dlsym(library, "openblas_get_corename");
  char *(*config)(void) = (char *(*)(void))dlsym(library, "openblas_get_config");
  blas.core_name = core_name ? core_name() : "";
  blas.config = config ? config() : "";
  blas.sgemm = (cinch_blas_sgemm)dlsym(library, "cblas_sgemm");
  if (!strstr(blas.config, "USE64BITINT")) blas.dsyevd = (cinch_lapack_dsyevd)dlsym(library, "dsyevd_");
  memory_alloc = (void *(*)(int))dlsym(library, "blas_memory_alloc");
  memory_free = (void (*)(void *))dlsym(library, "blas_memory_free");
  if (!blas.sgemm) blas.error = "it has no cblas_sgemm";
}

const cinch_blas *cinch_blas_load(void) {
  pthread_once(&once, load);
  return &blas;
}

enum { most_areas = 64 };

bool cinch_blas_reserve(int count) {
  pthread_once(&once, load);
  if (!memory_alloc || !memory_free || count > most_areas) return false;
  void *areas[most_areas];
  // All at once, for an area that is given back is the next one's.
  for (int area = 0; area < count; area++) areas[area] = memory_alloc(0);
  for (int area = 0; area < count; area++) memory_free(areas[area]);
  return true;
}
