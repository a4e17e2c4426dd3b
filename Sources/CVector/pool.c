#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

// Ops wait in a ring for the first worker, the leader, which runs them in order. The thread that submits them goes on
// meanwhile, and takes part in their tasks when the ring is full or when it waits for them: so there are as many threads at
// work as the device has, and none waits while the submitting one makes up its mind. To hand an op over takes some 0.5 µs. As
// long as ops are shorter than a few times that, and the leader sleeps, the submitter takes turns at running them itself.
//
// Of an op's tasks each thread has a share, one after the other, and helps the others when its own is done: what it computes
// in one op, a sample's images or a range of parameters, it mostly reads in the next, from its own core's cache. A share is
// handed out by a 64-bit ticket: the job's number above, the tasks left below. A thread takes a task by counting the ticket
// down; as the job's number is part of what it compares, a late thread can never take a task of a job that has ended, and
// a job cannot end before each taken task has been counted as done. So the leader need not wait for an answer from every
// thread, and sleeping threads cost nothing.

enum {
  task_bits = 24,
  // Some 20 µs: longer than the gap between two ops of a training step, too short to matter to others.
  spins_before_sleep = 1000,
  spins_before_yield = 20000,
  // Ops in the ring, and how many are left when who found it full goes on: some training steps at once.
  ring_length = 64,
  ring_low = 16,
  // Nanoseconds of an op that is worth handing over, and how much longer than that all of them together may have been, those
  // that were shorter taken off. One alone does not count for that: something else may have interrupted it.
  long_op = 4000,
  most_excess = 16000,
  most_counted = 12000,
  // Whose share is which.
  leader_share = 0,
  submitter_share = 1,
};
#define TASK_MASK ((UINT64_C(1) << task_bits) - 1)

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

typedef struct {
  _Alignas(64) _Atomic uint64_t ticket;
  // Where the share ends. Written before the ticket is published, read after a task has been taken.
  int64_t end;
  cinch_pool *pool;
} share;

typedef struct {
  void (*op)(void *context);
  void (*release)(void *context);
  void *context;
} submission;

struct cinch_pool {
  submission ring[ring_length];
  // How many of them the submitter knows to have run: it looks at what the leader writes when it must.
  uint32_t known;
  // Whether ops were long since somebody last waited.
  _Atomic bool hands_over;
  // Of the submitter's turns: how much longer than `long_op`, when the last began, and what its thread does with small numbers
  // otherwise.
  int64_t excess;
  int64_t turn_start;
  float_mode submitters_mode;
  // How many there have been, what a sleeping leader waits for, and how many have run. Each in a line of its own, as the two
  // threads write them all the time.
  _Alignas(64) _Atomic uint32_t submitted;
  _Alignas(64) _Atomic uint32_t finished;
  _Alignas(64) _Atomic bool leader_sleeps;
  // Whether somebody takes part in the submitter's place: one at a time, as each place has one work area.
  _Atomic bool has_helper;
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

static void futex(_Atomic uint32_t *word, int operation, uint32_t value) {
  syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

/// Runs a share's tasks until none is left; whether it ran any. They are counted together, as threads write one counter.
static bool work_on(cinch_pool *pool, share *share) {
  int64_t ran = 0;
  uint64_t ticket = atomic_load_explicit(&share->ticket, memory_order_acquire);
  while (ticket & TASK_MASK) {
    if (!atomic_compare_exchange_weak_explicit(
            &share->ticket, &ticket, ticket - 1, memory_order_acq_rel, memory_order_acquire))
      continue;
    pool->task(pool->context, share->end - (int64_t)(ticket & TASK_MASK));
    ran++;
    ticket = atomic_load_explicit(&share->ticket, memory_order_acquire);
  }
  if (ran > 0) atomic_fetch_add_explicit(&pool->done, ran, memory_order_release);
  return ran > 0;
}

/// A thread's own share, or whose place it is in.
static _Thread_local int place;

int cinch_pool_place(void) { return place; }

/// The same for all shares, from a thread's own on.
static bool work(cinch_pool *pool, int own) {
  bool worked = false;
  place = own;
  for (int i = own; i < pool->shares; i++) worked |= work_on(pool, &pool->share[i]);
  for (int i = 0; i < own; i++) worked |= work_on(pool, &pool->share[i]);
  return worked;
}

static bool has_tasks(const cinch_pool *pool) {
  for (int i = 0; i < pool->shares; i++)
    if (atomic_load(&pool->share[i].ticket) & TASK_MASK) return true;
  return false;
}

/// Takes part in tasks in the submitter's place, where nobody else does; whether there were any.
static bool work_for_submitter(cinch_pool *pool) {
  if (!has_tasks(pool) || atomic_exchange(&pool->has_helper, true)) return false;
  const bool worked = work(pool, submitter_share);
  atomic_store(&pool->has_helper, false);
  return worked;
}

/// Waits until more than `finished` ops were submitted, or the pool is to stop; whether it is not. Takes part where the
/// submitter has a turn, in whose place it is then.
static bool wait_for_op(cinch_pool *pool, uint32_t finished) {
  for (int spins = 0; atomic_load_explicit(&pool->submitted, memory_order_acquire) == finished; spins++) {
    if (work_for_submitter(pool)) {
      spins = 0;
    } else if (spins < spins_before_sleep) {
      relax();
    } else {
      // Who submits, or has tasks in a turn of its own, looks for a sleeper afterwards: either it sees this one, or this
      // one's wait returns at once, or does not begin.
      atomic_store(&pool->leader_sleeps, true);
      if (!has_tasks(pool)) futex(&pool->submitted, FUTEX_WAIT, finished);
      atomic_store(&pool->leader_sleeps, false);
      spins = 0;
    }
  }
  return !atomic_load_explicit(&pool->stopping, memory_order_relaxed);
}

static void *leader(void *argument) {
  cinch_pool *pool = ((const share *)argument)->pool;
  set_float_mode(float_mode_now() | flushing);
  for (uint32_t finished = 0; wait_for_op(pool, finished);) {
    const submission next = pool->ring[finished % ring_length];
    next.op(next.context);
    atomic_store_explicit(&pool->finished, ++finished, memory_order_release);
  }
  return NULL;
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
      // The leader bumps `wake` after publishing and before it looks for sleepers: either it sees this one,
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
  memset(pool->ring, 0, sizeof pool->ring);
  pool->known = 0;
  pool->excess = 0;
  atomic_init(&pool->hands_over, false);
  atomic_init(&pool->submitted, 0);
  atomic_init(&pool->finished, 0);
  atomic_init(&pool->leader_sleeps, false);
  atomic_init(&pool->has_helper, false);
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
    // A share each, but for the submitter's.
    const int i = pool->workers;
    if (pthread_create(&pool->threads[i], NULL, i == 0 ? leader : worker, &pool->share[i == 0 ? leader_share : i + 1]) != 0)
      break;
    pool->workers++;
  }
  if (pool->workers == threads - 1 && pool->threads) return pool;
  cinch_pool_destroy(pool);
  return NULL;
}

/// What the submitter made it frees itself: memory that goes from thread to thread costs more than a small op.
static void release(const submission *done) {
  if (done->context) done->release(done->context);
}

void cinch_pool_destroy(cinch_pool *pool) {
  cinch_pool_wait(pool);
  atomic_store(&pool->stopping, true);
  atomic_fetch_add(&pool->wake, 1);
  futex(&pool->wake, FUTEX_WAKE, INT32_MAX);
  // No op: the number is what the leader waits for.
  atomic_fetch_add(&pool->submitted, 1);
  futex(&pool->submitted, FUTEX_WAKE, 1);
  for (int i = 0; i < pool->workers; i++) pthread_join(pool->threads[i], NULL);
  for (int i = 0; i < ring_length; i++) release(&pool->ring[i]);
  free(pool->threads);
  free(pool);
}

/// More threads than processors: whoever has the last task needs this one.
static void yield_processor(void) {
  const struct timespec moment = {0, 1000};
  nanosleep(&moment, NULL);
}

void cinch_wait_for(const _Atomic int64_t *counter, int64_t count) {
  for (int spins = 0; atomic_load_explicit(counter, memory_order_acquire) < count; spins++) {
    relax();
    if (spins > spins_before_yield) yield_processor();
  }
}

void cinch_pool_run(cinch_pool *pool, cinch_task task, void *context, int64_t count) {
  if (count <= 1 || pool->workers == 0 || (uint64_t)count > TASK_MASK) {
    place = leader_share;
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
  // Only in a turn of the submitter's.
  if (atomic_load(&pool->leader_sleeps)) futex(&pool->submitted, FUTEX_WAKE, 1);

  work(pool, leader_share);
  cinch_wait_for(&pool->done, count);
}

/// Takes part until so many ops have run, or only waits where another does.
static void help(cinch_pool *pool, uint32_t count) {
  const bool helps = !atomic_exchange(&pool->has_helper, true);
  // The thread is not ours.
  const float_mode before = float_mode_now();
  set_float_mode(before | flushing);
  for (int spins = 0; (int32_t)(atomic_load_explicit(&pool->finished, memory_order_acquire) - count) < 0;) {
    if (helps && work(pool, submitter_share)) {
      spins = 0;
    } else if (++spins > spins_before_yield) {
      yield_processor();
    } else {
      relax();
    }
  }
  if (helps) atomic_store(&pool->has_helper, false);
  set_float_mode(before);
}

static int64_t nanoseconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/// Whether nobody runs ops, or is about to.
static bool is_at_rest(const cinch_pool *pool, uint32_t submitted) {
  return atomic_load_explicit(&pool->leader_sleeps, memory_order_relaxed) &&
         atomic_load_explicit(&pool->finished, memory_order_acquire) == submitted;
}

bool cinch_pool_take_turn(cinch_pool *pool) {
  const uint32_t submitted = atomic_load_explicit(&pool->submitted, memory_order_relaxed);
  if (pool->workers > 0) {
    if (atomic_load_explicit(&pool->hands_over, memory_order_relaxed) || !is_at_rest(pool, submitted)) return false;
    pool->turn_start = nanoseconds();
  }
  pool->submitters_mode = float_mode_now();
  set_float_mode(pool->submitters_mode | flushing);
  return true;
}

void cinch_pool_end_turn(cinch_pool *pool) {
  set_float_mode(pool->submitters_mode);
  if (pool->workers == 0) return;
  const int64_t took = nanoseconds() - pool->turn_start;
  pool->excess = cinch_max(pool->excess + cinch_min(took - long_op, most_counted), 0);
  if (pool->excess <= most_excess) return;
  pool->excess = 0;
  atomic_store_explicit(&pool->hands_over, true, memory_order_relaxed);
}

void cinch_pool_submit(
    cinch_pool *pool, void (*op)(void *context), void (*release_context)(void *context), void *context) {
  const uint32_t submitted = atomic_load_explicit(&pool->submitted, memory_order_relaxed);
  if (submitted - pool->known == ring_length) {
    pool->known = atomic_load_explicit(&pool->finished, memory_order_acquire);
    if (submitted - pool->known == ring_length) help(pool, pool->known = submitted - ring_low);
  }
  submission *next = &pool->ring[submitted % ring_length];
  release(next);
  *next = (submission){op, release_context, context};
  atomic_store(&pool->submitted, submitted + 1);
  if (atomic_load(&pool->leader_sleeps)) futex(&pool->submitted, FUTEX_WAKE, 1);
}

void cinch_pool_wait(cinch_pool *pool) {
  help(pool, atomic_load_explicit(&pool->submitted, memory_order_relaxed));
  atomic_store_explicit(&pool->hands_over, false, memory_order_relaxed);
}
