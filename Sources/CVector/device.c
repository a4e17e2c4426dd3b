#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

static const cinch_kernels *best_kernels(const char *wanted) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (wanted && strcasecmp(wanted, "baseline") == 0) return &cinch_kernels_base;
  const bool narrow = wanted && strcasecmp(wanted, "avx2") == 0;
  if (!narrow && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    return &cinch_kernels_avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &cinch_kernels_avx2;
#endif
  return &cinch_kernels_base;
}

bool cinch_multiplies(const char *instructions) { return best_kernels(instructions)->panel > 0; }

const cinch_kernels *cinch_kernels_for(const cinch_device *device, int64_t channels) {
#if defined(__x86_64__)
  if (device->kernels == &cinch_kernels_avx512 && channels <= cinch_kernels_avx2.width) return &cinch_kernels_avx2;
#endif
  return device->kernels;
}

cinch_device *cinch_device_create(int threads, cinch_sgemm sgemm, const char *instructions) {
  cinch_device *device = calloc(1, sizeof *device);
  if (!device) return NULL;
  device->pool = cinch_pool_create(threads);
  if (!device->pool) {
    free(device);
    return NULL;
  }
  device->kernels = best_kernels(instructions);
  device->sgemm = sgemm;
  device->threads = threads;
  device->processors = (int)sysconf(_SC_NPROCESSORS_CONF);
  return device;
}

void cinch_device_destroy(cinch_device *device) {
  cinch_pool_destroy(device->pool);
  free(device->scratch);
  free(device);
}

bool cinch_take_turn(cinch_device *device) { return cinch_pool_take_turn(device->pool); }

void cinch_end_turn(cinch_device *device) { cinch_pool_end_turn(device->pool); }

void cinch_submit(
    cinch_device *device, void (*op)(void *context), void (*release)(void *context), void *context) {
  cinch_pool_submit(device->pool, op, release, context);
}

void cinch_wait(cinch_device *device) { cinch_pool_wait(device->pool); }

const char *cinch_device_instructions(const cinch_device *device) { return device->kernels->name; }

int cinch_processor_count(void) {
  int count = (int)sysconf(_SC_NPROCESSORS_ONLN);
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) count = CPU_COUNT(&set);
  // A container's share: more threads than that would wait for each other while they are held back.
  FILE *file = fopen("/sys/fs/cgroup/cpu.max", "r");
  if (file) {
    long quota = 0, period = 0;
    if (fscanf(file, "%ld %ld", &quota, &period) == 2 && quota > 0 && period > 0) {
      long share = (quota + period - 1) / period;
      if (share < count) count = (int)share;
    }
    fclose(file);
  }
  return count > 0 ? count : 1;
}

void cinch_processor_name(char *name, size_t size) {
  snprintf(name, size, "CPU");
  FILE *file = fopen("/proc/cpuinfo", "r");
  if (!file) return;
  char line[256];
  while (fgets(line, sizeof line, file)) {
    char *colon = strchr(line, ':');
    if (strncmp(line, "model name", 10) == 0 && colon) {
      colon += strspn(colon, ": \t");
      colon[strcspn(colon, "\n")] = 0;
      snprintf(name, size, "%s", colon);
      break;
    }
  }
  fclose(file);
}

// MARK: Peak rate

typedef struct {
  const cinch_kernels *kernels;
  int64_t rounds;
  double operations;
} burn_job;

static void burn_task(void *context, int64_t task) {
  (void)task;
  burn_job *job = context;
  float sink;
  double operations = job->kernels->burn(job->rounds, &sink);
  if (task == 0) job->operations = operations;
}

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

double cinch_peak_gflops(cinch_device *device) {
  double best = 0;
  for (int attempt = 0; attempt < 40; attempt++) {
    burn_job job = {device->kernels, 1 << 18, 0};
    double start = seconds();
    // One task per thread: each takes long enough that no thread takes two.
    cinch_pool_run(device->pool, burn_task, &job, device->threads);
    double rate = job.operations * device->threads / (seconds() - start) * 1e-9;
    if (rate > best) best = rate;
  }
  return best;
}

typedef struct {
  const cinch_device *device;
  const float *x;
  float *y;
  int64_t count, rounds;
} stream_job;

static void stream_task(void *context, int64_t task) {
  const stream_job *job = context;
  int64_t start = job->count * task / job->device->threads, end = job->count * (task + 1) / job->device->threads;
  job->device->kernels->stream(job->x + start, job->y + start, end - start, job->rounds);
}

double cinch_bandwidth(cinch_device *device, const float *x, float *y, int64_t count) {
  stream_job job = {device, x, y, count, 1};
  double best = 0;
  for (int timed = 0; timed < 8;) {
    double start = seconds();
    cinch_pool_run(device->pool, stream_task, &job, device->threads);
    double took = seconds() - start;
    if (took < 0.004) {
      job.rounds *= 4;
      continue;
    }
    timed++;
    double rate = 8.0 * (double)count * (double)job.rounds / took;
    if (rate > best) best = rate;
  }
  return best;
}

// MARK: Memory

float *cinch_allocate(int64_t count) {
  const size_t huge = (size_t)2 << 20;
  size_t bytes = ((size_t)count * sizeof(float) + 63) / 64 * 64;
  size_t alignment = bytes >= 2 * huge ? huge : 64;
  void *memory = NULL;
  if (posix_memalign(&memory, alignment, bytes) != 0) return NULL;
  // Rows of a matrix lie pages apart: with large pages the processor looks up fewer addresses.
  if (alignment == huge) madvise(memory, bytes, MADV_HUGEPAGE);
  memset(memory, 0, bytes);
  return memory;
}

void cinch_device_ask(cinch_device *device, bool (*fits)(int64_t bytes)) { device->fits = fits; }

float *cinch_scratch(cinch_device *device, int64_t count) {
  if (device->scratch_count < count) {
    free(device->scratch);
    device->scratch = NULL;
    device->scratch_count = 0;
    if (count > INT64_MAX / (int64_t)sizeof(float)) return NULL;
    // Past physical memory the system would grant the pages and kill the process when they are touched.
    if (device->fits && !device->fits(count * (int64_t)sizeof(float))) return NULL;
    device->scratch = cinch_allocate(count);
    if (!device->scratch) return NULL;
    device->scratch_count = count;
  }
  return device->scratch;
}

int64_t cinch_scratch_bytes(const cinch_device *device) {
  return device->scratch_count * (int64_t)sizeof(float);
}

enum { copy_block = 1 << 16 };

typedef struct {
  const float *source;
  float *destination;
  int64_t count;
  float value;
} copy_job;

static void copy_task(void *context, int64_t task) {
  copy_job *job = context;
  int64_t start = task * copy_block, count = cinch_min(copy_block, job->count - start);
  memcpy(job->destination + start, job->source + start, (size_t)count * sizeof(float));
}

static void fill_task(void *context, int64_t task) {
  copy_job *job = context;
  int64_t start = task * copy_block, count = cinch_min(copy_block, job->count - start);
  for (int64_t i = 0; i < count; i++) job->destination[start + i] = job->value;
}

void cinch_fill(cinch_device *device, float *x, int64_t count, float value) {
  copy_job job = {NULL, x, count, value};
  cinch_pool_run(device->pool, fill_task, &job, cinch_blocks(count, copy_block));
}

void cinch_copy(cinch_device *device, const float *source, float *destination, int64_t count) {
  copy_job job = {source, destination, count, 0};
  cinch_pool_run(device->pool, copy_task, &job, cinch_blocks(count, copy_block));
}
