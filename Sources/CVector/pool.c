#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

// Each thread has a share of the tasks, one after the other, and helps the others when its own is done: what it computes in
// one op, a sample's images or a range of parameters, it mostly reads in the next, from its own core's cache. A share is
// handed out by a 64-bit ticket: the job's number above, the tasks left below. A thread takes a task by counting the ticket
// down; as the job's number is part of what it compares, a late thread can never take a task of a job that has ended, and
// a job cannot end before each taken task has been counted as done. So the caller need not wait for an answer from every
// thread, and sleeping threads cost nothing.

enum {
  task_bits = 24,
  // Some 20 µs: longer than the gap between two ops of a training step, too short to matter to others.
  spins_before_sleep = 1000,
  spins_before_yield = 20000,
};
#define TASK_MASK ((UINT64_C(1) << task_bits) - 1)

typedef struct {
  _Alignas(64) _Atomic uint64_t ticket;
  // Where the share ends. Written before the ticket is published, read after a task has been taken.
  int64_t end;
  cinch_pool *pool;
} share;

struct cinch_pool {
  // Written and read as a share's end is.
  cinch_task task;
  void *context;
  _Alignas(64) _Atomic int64_t done;
  // Bumped with every job: what sleepers wait for.
  _Alignas(64) _Atomic uint32_t wake;
  _Atomic int32_t sleepers;
  _Atomic bool stopping;
  int workers;
  pthread_t *threads;
  // The caller's, then the workers'.
  int shares;
  share share[];
};

static inline void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// What a thread does with numbers below the smallest normal one, 1.2e-38. Processors take a hundred cycles or more for
// each, and the moments of a unit that no longer learns stay among them for good; so tasks take them for 0.

#if defined(__x86_64__)
typedef unsigned float_mode;
static float_mode float_mode_now(void) { return __builtin_ia32_stmxcsr(); }
static void set_float_mode(float_mode mode) { __builtin_ia32_ldmxcsr(mode); }
// Results, and operands.
enum { flushing = 1 << 15 | 1 << 6 };
#elif defined(__aarch64__)
typedef uint64_t float_mode;
static float_mode float_mode_now(void) {
  float_mode mode;
  __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
  return mode;
}
static void set_float_mode(float_mode mode) { __asm__ volatile("msr fpcr, %0" : : "r"(mode)); }
enum { flushing = 1 << 24 };
#else
typedef int float_mode;
static float_mode float_mode_now(void) { return 0; }
static void set_float_mode(float_mode mode) { (void)mode; }
enum { flushing = 0 };
#endif

static void futex(_Atomic uint32_t *word, int operation, uint32_t value) {
  syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

/// Runs a share's tasks until none is left; whether it ran any.
static bool work_on(cinch_pool *pool, share *share) {
  bool worked = false;
  uint64_t ticket = atomic_load_explicit(&share->ticket, memory_order_acquire);
  while (ticket & TASK_MASK) {
    if (!atomic_compare_exchange_weak_explicit(
            &share->ticket, &ticket, ticket - 1, memory_order_acq_rel, memory_order_acquire))
      continue;
    pool->task(pool->context, share->end - (int64_t)(ticket & TASK_MASK));
    atomic_fetch_add_explicit(&pool->done, 1, memory_order_release);
    worked = true;
    ticket = atomic_load_explicit(&share->ticket, memory_order_acquire);
  }
  return worked;
}

/// The same for all shares, from a thread's own on.
static bool work(cinch_pool *pool, int own) {
  bool worked = false;
  for (int i = own; i < pool->shares; i++) worked |= work_on(pool, &pool->share[i]);
  for (int i = 0; i < own; i++) worked |= work_on(pool, &pool->share[i]);
  return worked;
}

static void *worker(void *argument) {
  const share *mine = argument;
  cinch_pool *pool = mine->pool;
  const int own = (int)(mine - pool->share);
  int idle = 0;
  set_float_mode(float_mode_now() | flushing);
  while (!atomic_load_explicit(&pool->stopping, memory_order_relaxed)) {
    uint32_t seen = atomic_load(&pool->wake);
    if (work(pool, own)) {
      idle = 0;
    } else if (++idle < spins_before_sleep) {
      relax();
    } else {
      // The caller bumps `wake` after publishing and before it looks for sleepers: either it sees this one,
      // or this one's wait returns at once because `wake` is no longer what it saw.
      atomic_fetch_add(&pool->sleepers, 1);
      futex(&pool->wake, FUTEX_WAIT, seen);
      atomic_fetch_sub(&pool->sleepers, 1);
      idle = 0;
    }
  }
  return NULL;
}

cinch_pool *cinch_pool_create(int threads) {
  const size_t size = sizeof(cinch_pool) + (size_t)threads * sizeof(share);
  cinch_pool *pool = aligned_alloc(64, (size + 63) / 64 * 64);
  if (!pool) return NULL;
  atomic_init(&pool->done, 0);
  atomic_init(&pool->wake, 0);
  atomic_init(&pool->sleepers, 0);
  atomic_init(&pool->stopping, false);
  pool->workers = 0;
  pool->shares = threads;
  for (int i = 0; i < threads; i++) {
    atomic_init(&pool->share[i].ticket, 0);
    pool->share[i].pool = pool;
  }
  pool->threads = calloc((size_t)threads, sizeof(pthread_t));
  while (pool->threads && pool->workers < threads - 1) {
    if (pthread_create(&pool->threads[pool->workers], NULL, worker, &pool->share[pool->workers + 1]) != 0) break;
    pool->workers++;
  }
  if (pool->workers == threads - 1 && pool->threads) return pool;
  cinch_pool_destroy(pool);
  return NULL;
}

void cinch_pool_destroy(cinch_pool *pool) {
  atomic_store(&pool->stopping, true);
  atomic_fetch_add(&pool->wake, 1);
  futex(&pool->wake, FUTEX_WAKE, INT32_MAX);
  for (int i = 0; i < pool->workers; i++) pthread_join(pool->threads[i], NULL);
  free(pool->threads);
  free(pool);
}

void cinch_wait_for(const _Atomic int64_t *counter, int64_t count) {
  for (int spins = 0; atomic_load_explicit(counter, memory_order_acquire) < count; spins++) {
    relax();
    // More threads than processors: whoever has the last task needs this one.
    if (spins > spins_before_yield) {
      struct timespec moment = {0, 1000};
      nanosleep(&moment, NULL);
    }
  }
}

static void run(cinch_pool *pool, cinch_task task, void *context, int64_t count) {
  if (count <= 1 || pool->workers == 0 || (uint64_t)count > TASK_MASK) {
    for (int64_t i = 0; i < count; i++) task(context, i);
    return;
  }
  pool->task = task;
  pool->context = context;
  atomic_store_explicit(&pool->done, 0, memory_order_relaxed);
  for (int i = 0; i < pool->shares; i++) {
    share *share = &pool->share[i];
    const int64_t start = count * i / pool->shares;
    share->end = count * (i + 1) / pool->shares;
    const uint64_t job = (atomic_load_explicit(&share->ticket, memory_order_relaxed) >> task_bits) + 1;
    atomic_store(&share->ticket, job << task_bits | (uint64_t)(share->end - start));
  }
  atomic_fetch_add(&pool->wake, 1);
  int sleepers = atomic_load(&pool->sleepers);
  if (sleepers > 0) futex(&pool->wake, FUTEX_WAKE, (uint32_t)cinch_min(count - 1, sleepers));

  work(pool, 0);
  cinch_wait_for(&pool->done, count);
}

void cinch_pool_run(cinch_pool *pool, cinch_task task, void *context, int64_t count) {
  // The caller's thread is not ours.
  const float_mode before = float_mode_now();
  set_float_mode(before | flushing);
  run(pool, task, context, count);
  set_float_mode(before);
}
