#pragma once

#include <stdatomic.h>

#include "CVector.h"

/// Numbers of x that lie in one piece (or, in planes, `x_plane` apart) and are multiplied by successive weights.
typedef struct {
  int64_t offset, length;
} cinch_run;

/// What is done to a correlation's vectors as they are stored: the epilogues that cost next to nothing there.
typedef struct {
  /// Repeated to whole vectors, or NULL.
  const float *bias;
  /// A rectifier's output where the result lies: no gradient passes where it is not positive. Or NULL.
  const float *gate;
  bool rectify, accumulate;
} cinch_ending;

/// One tile of a convolution or its transpose: every pixel of the result is made of the same list of runs.
typedef struct {
  const float *x;
  int64_t x_row, x_pixel, x_plane;
  /// The result.
  float *y;
  int64_t y_row, y_pixel, y_plane;
  /// Two samples: how far the second one's result is from the first's.
  int64_t y_sample;
  /// Pooled: where the largest number of each square lies in it, as `y` lies.
  float *found;
  /// Pixels of the result; in planes one long row, padding included.
  int64_t rows, pixels;
  const cinch_run *run;
  int64_t runs;
  /// The length of all runs.
  int64_t depth;
  /// Blocks of output channels × depth.
  const float *weights;
  int64_t outputs;
  /// Its gate lies as `y` does.
  cinch_ending ending;
} cinch_correlation;

/// One tile of a weight gradient: sums over its pixels, added to those that are there.
typedef struct {
  const float *x;
  /// One after the other, through rows and samples.
  const float *y;
  int64_t y_pixel;
  int64_t pixels;
  /// Squares: each of `pixels` stands for four, at one of which its number lies: which, as y lies, and how far they are apart
  /// in x. Else NULL.
  const float *switches;
  int64_t x_row, x_pixel;
  /// Where in x each pixel's runs begin. In one loop over all pixels: rows of 7 cost half as much again.
  const int64_t *place;
  const cinch_run *run;
  int64_t runs;
  /// Each run's length.
  int64_t length;
  int64_t outputs;
  /// With lanes over outputs, one row per number of a run; with lanes over runs, one per output. How far apart rows lie
  /// and, with lanes over runs, the runs in a row.
  float *sums;
  int64_t row_pitch, run_pitch;
} cinch_gradient_tile;

/// What a thread reads soon, and asks for while it multiplies: rows of A that it has not read, or else columns c0 ..< c1
/// of op(B), which it packs next.
typedef struct {
  bool rows_unread;
  int64_t c0, c1;
} cinch_ahead;

/// The loops of every pass, compiled once per instruction set. Each runs one task.
typedef struct {
  const char *name;
  /// Lanes of a vector.
  int64_t width;

  /// Rows r0 ..< r1 of columns c0 ..< c1.
  void (*epilogue)(
      const cinch_epilogue *e, const float *source, float *destination, int64_t r0, int64_t r1, int64_t c0, int64_t c1);
  void (*sample_losses)(
      const cinch_epilogue *e, int64_t channels, const float *source, float *losses, int64_t r0, int64_t r1);
  void (*softmax)(
      const float *logits, const float *labels, int64_t r0, int64_t r1, int64_t classes, float gradient_scale,
      float *gradient, float *losses, float *errors);
  void (*mixed_output)(const cinch_mixed *m, int64_t r0, int64_t r1);
  void (*mixed_loss)(const cinch_mixed *m, int64_t r0, int64_t r1);

  /// The most columns of a panel; 0 where products are OpenBLAS's.
  int64_t panel;
  /// Steps p0 ..< p1 of columns c0 ..< c1, at most one panel's, of op(B).
  void (*pack)(const cinch_product *p, int64_t p0, int64_t p1, int64_t c0, int64_t c1, float *panel);
  /// What those steps add to rows r0 ..< r1, at most `cinch_product_rows`, of these columns; after the last step the
  /// epilogue, too. `a` is op(A), its rows in place.
  void (*product)(
      const cinch_product *p, const cinch_epilogue *epilogue, const float *a, const cinch_ahead *ahead, int64_t p0,
      int64_t p1, int64_t r0, int64_t r1, int64_t c0, int64_t c1, const float *panel);
  /// Columns c0 ..< c1 of x, `[rows, columns]`, as rows, `pitch` apart.
  void (*turn)(const float *x, int64_t rows, int64_t columns, int64_t c0, int64_t c1, float *y, int64_t pitch);

  void (*column_sums)(
      const float *x, int64_t rows, int64_t columns, float scale, bool accumulate, float *sums, int64_t c0, int64_t c1);
  void (*row_squares)(const float *x, int64_t columns, float *sums, int64_t r0, int64_t r1);
  float (*sum_squares)(const float *x, int64_t count);
  float (*sum_magnitudes)(const float *x, int64_t count);
  /// Σ (g + decay·θ)².
  float (*sum_decayed_squares)(const float *gradients, const float *parameters, float decay, int64_t count);

  void (*kl)(const cinch_kl *kl, int64_t c0, int64_t c1);
  void (*contractive)(
      const float *h, int64_t rows, int64_t units, cinch_activation activation, const float *norms, float *slopes,
      float *values, int64_t c0, int64_t c1);

  /// Elements e0 ..< e1 of a matrix of `columns` columns.
  void (*widen)(const uint8_t *bytes, float divisor, float *values, int64_t count);
  void (*corrupt)(
      const cinch_corruption *c, const float *x, float *corrupted, int64_t columns, int64_t e0, int64_t e1);
  void (*bernoulli)(const cinch_stream *stream, const float *p, float *draws, int64_t e0, int64_t e1);

  /// Rows r0 ..< r1, where r0 · units is a multiple of 4.
  void (*sample)(const cinch_sampling *s, int64_t r0, int64_t r1);
  void (*sample_gradient)(const cinch_sampling *s, int64_t r0, int64_t r1);
  void (*prior_divergence)(const float *ms, int64_t units, float *divergences, int64_t r0, int64_t r1);

  /// Elements i0 ..< i1, all of them decayed or none.
  void (*optimizer)(const cinch_optimizer *step, int64_t i0, int64_t i1, bool decayed);

  /// Lanes over output channels.
  void (*correlate_lanes)(const cinch_correlation *c);
  /// Over those of two samples, which take turns: at most half as many as lanes. So do the tile's numbers.
  void (*correlate_pairs)(const cinch_correlation *c);
  /// The same with the result pooled by squares of 2 × 2 pixels: whole vectors of one sample's channels, or two samples.
  void (*correlate_pooled)(const cinch_correlation *c);
  void (*correlate_pooled_pairs)(const cinch_correlation *c);
  /// Lanes over pixels, from planes to planes.
  void (*correlate_planes)(const cinch_correlation *c);
  /// One output channel of two phases in turns, from planes that each hold the image times one tap's weights.
  void (*add_taps)(const cinch_correlation *c, const cinch_correlation *next);
  /// Lanes over input channels, whose number is a multiple of the lanes: they are added at the end.
  void (*correlate_dots)(const cinch_correlation *c);
  /// The same of one output channel for two phases whose pixels take turns.
  void (*correlate_dot_phases)(const cinch_correlation *c, const cinch_correlation *next);
  /// Lanes over output channels, of pixels or of squares; or over runs.
  void (*gradient_lanes)(const cinch_gradient_tile *t);
  void (*gradient_squares)(const cinch_gradient_tile *t);
  void (*gradient_runs)(const cinch_gradient_tile *t);
  /// Rows of `count` numbers, `pitch` apart, copied one after the other with zeros before and after each.
  void (*pad_rows)(
      const float *x, int64_t pitch, int64_t rows, int64_t before, int64_t count, int64_t after, float *y);
  /// The same of two images, whose numbers take turns.
  void (*pad_row_pairs)(
      const float *x, const float *second, int64_t pitch, int64_t rows, int64_t before, int64_t count, int64_t after,
      float *y);
  /// A row of pixels, channels last, into one plane per channel, `pitch` apart, and back to pixels `step` apart.
  void (*split_channels)(const float *x, int64_t pixels, int64_t channels, float *planes, int64_t pitch);
  void (*merge_channels)(
      const float *planes, int64_t pitch, int64_t pixels, int64_t channels, int64_t step, const cinch_ending *ending,
      float *y);

  /// Rows of the result, counted through the samples.
  void (*pool)(const cinch_pooling *p, int64_t r0, int64_t r1);

  /// Multiply-adds on registers alone; returns how many floating-point operations it did.
  double (*burn)(int64_t rounds, float *sink);
  void (*stream)(const float *x, float *y, int64_t count, int64_t rounds);
} cinch_kernels;

extern const cinch_kernels cinch_kernels_base;
#if defined(__x86_64__)
extern const cinch_kernels cinch_kernels_avx2;
extern const cinch_kernels cinch_kernels_avx512;
#endif

typedef struct cinch_pool cinch_pool;
typedef void (*cinch_task)(void *context, int64_t task);

cinch_pool *cinch_pool_create(int threads);
void cinch_pool_destroy(cinch_pool *pool);
/// As `cinch_take_turn`, `cinch_end_turn` and `cinch_submit`.
bool cinch_pool_take_turn(cinch_pool *pool);
void cinch_pool_end_turn(cinch_pool *pool);
void cinch_pool_submit(
    cinch_pool *pool, void (*op)(void *context), void (*release)(void *context), void *context);
/// As `cinch_wait`.
void cinch_pool_wait(cinch_pool *pool);
/// For ops that were submitted: runs `task` for 0 ..< count on every thread and returns when all have run. Each thread has a
/// share of successive tasks, which start in order, and then takes part in the others'.
void cinch_pool_run(cinch_pool *pool, cinch_task task, void *context, int64_t count);
/// For a task: the number of its thread among those that run tasks now, below the device's threads. Whose work area is which.
int cinch_pool_place(void);
/// Waits until threads that are at work have counted so far.
void cinch_wait_for(const _Atomic int64_t *counter, int64_t count);

struct cinch_device {
  cinch_pool *pool;
  const cinch_kernels *kernels;
  cinch_sgemm sgemm;
  int threads;
  /// The machine's, in use or not.
  int processors;
  /// What `cinch_scratch` gives out. Grows, never shrinks.
  float *scratch;
  int64_t scratch_count;
  /// Asked before it grows; or NULL.
  bool (*fits)(int64_t bytes);
};

/// Columns of one sum's task: two cache lines, so no line of a result is shared by two threads.
enum { cinch_column_block = 32 };
/// The most rows of a product whose epilogue follows at once: whole tiles and whole cells of losses.
enum { cinch_product_rows = 96 };
/// The cells that loss sums are taken over.
enum { cinch_cell_rows = 32, cinch_cell_columns = 16 };

static inline int64_t cinch_blocks(int64_t count, int64_t size) { return (count + size - 1) / size; }
static inline int64_t cinch_round_up(int64_t count, int64_t size) { return cinch_blocks(count, size) * size; }
static inline int64_t cinch_min(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t cinch_max(int64_t a, int64_t b) { return a > b ? a : b; }

/// The kernels for lanes over so many channels: those of vectors half as wide where these leave no lane empty that they
/// would not leave empty, too.
const cinch_kernels *cinch_kernels_for(const cinch_device *device, int64_t channels);

/// At least `count` floats of the device's scratch memory, which stay until the next call; NULL where there is no
/// memory.
float *cinch_scratch(cinch_device *device, int64_t count);

/// The same for rows r0 ..< r1 of the large images of some samples by themselves, whose windows they are: between two
/// windows, or at an image's end.
cinch_pooling cinch_pooling_rows(
    const cinch_pooling *pooling, int64_t sample, int64_t samples, int64_t r0, int64_t r1);

/// Whether windows are squares of 2 × 2 pixels, which tile the large images.
static inline bool cinch_pools_squares(const cinch_pooling *p) {
  return p->kernel_height == 2 && p->kernel_width == 2 && p->stride_height == 2 && p->stride_width == 2 &&
         p->top == 0 && p->left == 0 && p->height == 2 * p->output_height && p->width == 2 * p->output_width;
}

/// Takes `count` floats, in whole cache lines, off the memory's start.
static inline float *cinch_take(float **memory, int64_t count) {
  float *start = *memory;
  *memory += cinch_round_up(count, 16);
  return start;
}
