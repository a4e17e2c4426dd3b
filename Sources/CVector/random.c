#include <string.h>

#include "internal.h"

enum { gather_elements = 1 << 13, bernoulli_block = 1 << 13 };

static int64_t permute(const cinch_permutation *p, int64_t index) {
  if (p->count == 0) return index;
  const uint32_t mask = (1u << p->half_bits) - 1;
  uint32_t value = (uint32_t)index;
  do {
    uint32_t left = value >> p->half_bits, right = value & mask;
    for (uint32_t round = 0; round < 8; round++) {
      uint32_t f = right ^ (p->key[round % 4] + round * 0x9E3779B9u);
      f = (f ^ (f >> 16)) * 0x85EBCA6Bu;
      f = (f ^ (f >> 13)) * 0xC2B2AE35u;
      f = ((f ^ (f >> 16)) & mask) ^ left;
      left = right;
      right = f;
    }
    value = left << p->half_bits | right;
  } while (value >= p->count);
  return value;
}

typedef struct {
  const cinch_device *device;
  const cinch_gather *gather;
  int64_t rows_each;
} gather_job;

/// Which row of the source row r of the batch is.
static int64_t place(const cinch_gather *g, int64_t r) { return permute(&g->permutation, g->start + r); }

static void gather_task(void *context, int64_t task) {
  const gather_job *job = context;
  const cinch_gather *g = job->gather;
  int64_t r0 = task * job->rows_each, r1 = cinch_min(r0 + job->rows_each, g->rows);
  const float *clean = g->source;
  if (g->batch) {
    // Bytes where there is a divisor.
    const int64_t size = g->divisor != 0 ? 1 : (int64_t)sizeof(float);
    const char *source = (const char *)g->source, *next = source + place(g, r0) * g->columns * size;
    for (int64_t r = r0; r < r1; r++) {
      const char *row = next;
      float *target = g->batch + r * g->columns;
      if (r + 1 < r1) {
        // Rows lie anywhere in a data set far larger than the caches: fetch one while copying the other.
        next = source + place(g, r + 1) * g->columns * size;
        for (int64_t c = 0; c < g->columns * size; c += 64) __builtin_prefetch(next + c);
      }
      if (g->divisor != 0)
        job->device->kernels->widen((const uint8_t *)row, g->divisor, target, g->columns);
      else
        memcpy(target, row, (size_t)g->columns * sizeof(float));
    }
    clean = g->batch;
  }
  if (g->corrupted)
    job->device->kernels->corrupt(&g->corruption, clean, g->corrupted, g->columns, r0 * g->columns, r1 * g->columns);
}

void cinch_gather_rows(cinch_device *device, const cinch_gather *gather) {
  gather_job job = {device, gather, cinch_max(1, gather_elements / cinch_max(1, gather->columns))};
  cinch_pool_run(device->pool, gather_task, &job, cinch_blocks(gather->rows, job.rows_each));
}

typedef struct {
  const cinch_device *device;
  const float *p;
  int64_t count;
  const cinch_stream *stream;
  float *draws;
} bernoulli_job;

static void bernoulli_task(void *context, int64_t task) {
  const bernoulli_job *job = context;
  int64_t start = task * bernoulli_block, end = cinch_min(start + bernoulli_block, job->count);
  job->device->kernels->bernoulli(job->stream, job->p, job->draws, start, end);
}

void cinch_bernoulli(cinch_device *device, const float *p, int64_t count, const cinch_stream *stream, float *draws) {
  bernoulli_job job = {device, p, count, stream, draws};
  cinch_pool_run(device->pool, bernoulli_task, &job, cinch_blocks(count, bernoulli_block));
}
