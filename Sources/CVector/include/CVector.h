#pragma once

// Vectorised passes over float32 arrays, cut into fixed tasks that a small thread pool runs.
//
// Every matrix is row-major and contiguous. The tasks of a pass, and the order in which their results are
// combined, depend on the shapes alone, and of products on the processors that the machine is configured with: any
// number of threads gives the same bits. Nothing here allocates once a shape has been seen.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// cblas_sgemm, which is loaded at run time.
typedef void (*cinch_sgemm)(
    int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha, const float *a, int lda,
    const float *b, int ldb, float beta, float *c, int ldc);

/// Threads, scratch memory and the kernels for this processor's instruction set.
typedef struct cinch_device cinch_device;

/// Whether products by these instructions are our own; otherwise a device needs sgemm. NULL for the widest that the processor
/// has, "avx2" or "baseline", in any case, for no wider ones.
bool cinch_multiplies(const char *instructions);
/// A device with `threads` threads, the caller's included; NULL where they cannot be started. `sgemm` may be NULL where
/// `cinch_multiplies`.
cinch_device *cinch_device_create(int threads, cinch_sgemm sgemm, const char *instructions);
void cinch_device_destroy(cinch_device *device);
/// Whether the calling thread is to run the next op itself, and then to end its turn: always where there is no other thread, and
/// where nothing was submitted and ops are so short that handing them over would cost as much.
bool cinch_take_turn(cinch_device *device);
void cinch_end_turn(cinch_device *device);
/// Runs `op(context)` on one of the device's threads after all that were submitted before, and returns earlier. What is below
/// computes in an op or a turn, and nowhere else. One thread at a time may submit or take turns. It calls `release(context)`
/// some time after the op, while it submits another, or when the device is destroyed.
void cinch_submit(cinch_device *device, void (*op)(void *context), void (*release)(void *context), void *context);
/// Takes part until all that was submitted before has run; on any thread but the device's own.
void cinch_wait(cinch_device *device);
/// "AVX-512", "AVX2" or "baseline".
const char *cinch_device_instructions(const cinch_device *device);
/// The processors that this process may use, by affinity and by its control group's quota.
int cinch_processor_count(void);
/// Has every thread multiply, so that OpenBLAS has its work areas.
void cinch_warm_up(cinch_device *device);
/// The processor's name for people, e.g. "AMD EPYC"; at most `size` bytes with the final zero.
void cinch_processor_name(char *name, size_t size);
/// The best float32 multiply-add rate that all threads reach together on registers alone, in GFLOP/s.
double cinch_peak_gflops(cinch_device *device);
/// The best rate at which all threads pass together over x and y, y = x + 1, in bytes read and written a second.
double cinch_bandwidth(cinch_device *device, const float *x, float *y, int64_t count);

// MARK: Memory

/// Zeroed, 64-byte-aligned memory for `count` floats; NULL where there is none. Released with free().
float *cinch_allocate(int64_t count);
/// Has `fits` asked whether so many bytes can be had, before ops take more memory for themselves; NULL for always.
void cinch_device_ask(cinch_device *device, bool (*fits)(int64_t bytes));
/// What the ops so far have needed for themselves.
int64_t cinch_scratch_bytes(const cinch_device *device);
void cinch_fill(cinch_device *device, float *x, int64_t count, float value);
void cinch_copy(cinch_device *device, const float *source, float *destination, int64_t count);

// MARK: What follows a product, and the same on its own

typedef enum { cinch_linear, cinch_sigmoid, cinch_relu, cinch_tanh, cinch_softplus, cinch_leaky_relu } cinch_activation;
typedef enum { cinch_sse, cinch_mse, cinch_bce, cinch_gaussian } cinch_loss;
typedef enum {
  cinch_epilogue_none,
  cinch_epilogue_accumulate,
  cinch_epilogue_forward,
  cinch_epilogue_backward,
  cinch_epilogue_loss,
  cinch_epilogue_row_pull,
} cinch_epilogue_kind;

/// What is done to each element of a matrix `[rows, columns]`. A kind reads the fields under its name alone.
typedef struct {
  cinch_epilogue_kind kind;
  int64_t rows, columns;

  /// Forward, backward and loss.
  cinch_activation activation;
  /// Forward and loss: added to every row, `[columns]`, or NULL.
  const float *bias;

  /// Backward: the layer's output h, `[rows, columns]`.
  const float *output;
  /// Backward: a term for every row, `[columns]`, or NULL.
  const float *column;
  /// Backward: ‖W_j‖², `[columns]`, or NULL, and their factor.
  const float *norms;
  float curvature;
  float l1;

  /// Loss.
  cinch_loss loss;
  /// Loss: `[rows, columns]`.
  const float *target;
  /// Loss: a factor of each element, `[rows, columns]`, or NULL; what has factor 0 counts as 0, even if it is NaN.
  const float *weight;
  /// Gaussian loss: log σ².
  const float *log_variance;
  /// Loss: the factor of the gradient.
  float gradient_scale;
  /// Loss: `cinch_loss_partial_count` sums.
  float *partials;

  /// Row pull: the weight, `[rows, columns]`, its scale, `[rows]`, and the factor of that.
  const float *pulled, *pull_scale;
  float pull_factor;
} cinch_epilogue;

/// `destination` = epilogue(`source`); they may be the same.
void cinch_apply(cinch_device *device, const cinch_epilogue *epilogue, const float *source, float *destination);
int64_t cinch_loss_partial_count(int64_t rows, int64_t columns);

/// The loss of each row; `loss` is an epilogue of that kind, without partials, whose bias repeats every `channels`
/// columns.
void cinch_sample_losses(
    cinch_device *device, const cinch_epilogue *loss, int64_t channels, const float *source, float *losses);

/// Softmax cross-entropy of `[n, classes]`; `gradient` may be `logits`. An error is 0 or 1.
void cinch_softmax_loss(
    cinch_device *device, const float *logits, const float *labels, int64_t n, int64_t classes, float gradient_scale,
    float *gradient, float *losses, float *errors);

/// Rows of a table's columns, as Swift's OutputColumns. What `cinch_mixed_output` makes goes to `gradient`, which may be `a`.
typedef struct {
  int64_t rows, width, columns;
  const float *a, *starts, *codes;
  const float *target;
  /// May be missing.
  const float *weight;
  float gradient_scale;
  float *gradient, *losses;
} cinch_mixed;

void cinch_mixed_output(cinch_device *device, const cinch_mixed *mixed);
void cinch_mixed_loss(cinch_device *device, const cinch_mixed *mixed);

// MARK: Products

/// c = epilogue(scale·op(a)·op(b)), `[m, n]`, or what c holds and that. With `column_sums`, `[m]`, it receives the sums
/// of a's columns too, times `scale` and added or not, which needs `transpose_a`. Callers leave `turned`
/// alone: it says that c, `[n, m]`, receives the product's columns as rows.
typedef struct {
  const float *a, *b;
  float *c;
  bool transpose_a, transpose_b, turned, accumulate, accumulate_sums;
  int64_t m, n, k;
  float scale;
  float *column_sums;
} cinch_product;

/// The epilogue's extents are m and n. False where there is no memory.
bool cinch_matmul(cinch_device *device, const cinch_product *product, const cinch_epilogue *epilogue);

// MARK: Convolutions

/// As Swift's ConvolutionGeometry; the output is the small image.
typedef struct {
  int64_t height, width, channels;
  int64_t output_height, output_width, output_channels;
  int64_t kernel_height, kernel_width, stride_height, stride_width, dilation_height, dilation_width;
  int64_t top, left;
} cinch_convolution;

/// result = epilogue(source ∗ weight), from the large image to the small one, or `transposed` from small to large.
/// `epilogue` counts a pixel as a row, and needs no extents. False where there is no memory.
bool cinch_convolve(
    cinch_device *device, const cinch_convolution *geometry, bool transposed, int64_t samples, const float *source,
    const float *weight, float *result, const cinch_epilogue *epilogue);
/// How many partial sums `cinch_convolve` writes for a loss.
int64_t cinch_convolution_partial_count(const cinch_convolution *geometry, bool transposed, int64_t samples);
/// The gradients of the weight and of the bias of `delta`, the large image or the small one, each added or not.
bool cinch_convolution_gradient(
    cinch_device *device, const cinch_convolution *geometry, int64_t samples, const float *x, const float *y,
    bool delta_large, bool accumulate, bool accumulate_bias, float *weight_gradient, float *bias_gradient);

/// Sums of a weight's taps over boxes: see Swift's `tapSums`.
typedef struct {
  /// Of the weight.
  int64_t rows, columns, channels, outputs;
  int64_t result_rows, result_columns, box_rows, box_columns;
  /// Taps of zeros before the weight's.
  int64_t top, left;
  bool turned;
  const float *weight;
  float *result;
} cinch_tap_sums;

void cinch_sum_taps(cinch_device *device, const cinch_tap_sums *sums);

// MARK: Pooling

typedef enum {
  cinch_max_pool,
  cinch_pick_switches,
  cinch_pool_sum,
  cinch_pool_mean,
  cinch_unpool,
  cinch_spread,
  cinch_spread_mean,
} cinch_pooling_kind;

/// As Swift's PoolingGeometry. The first four kinds make a small image of the large one, the others the reverse.
typedef struct {
  cinch_pooling_kind kind;
  int64_t samples, height, width, channels, output_height, output_width;
  int64_t kernel_height, kernel_width, stride_height, stride_width;
  int64_t top, left;
  const float *large, *small;
  /// Where each window's value comes from, for the kinds that read it, and for the one that finds it.
  const float *switches;
  float *found;
  float *result;
} cinch_pooling;

/// `below` is of the kind `none` or `backward`, and needs no extents. False where there is no memory.
bool cinch_pool_images(cinch_device *device, const cinch_pooling *pooling, const cinch_epilogue *below);

// A convolution and the pooling behind it. Windows must lie side by side, from the first pixel on. The image between the
// two is in no memory but a thread's own, a band at a time: `pooling` has neither a large image nor a result there.

/// The largest of each window of epilogue(source ∗ weight), which is a forward pass: `pooling` is a `cinch_max_pool`.
/// False where there is no memory.
bool cinch_convolve_pooled(
    cinch_device *device, const cinch_convolution *geometry, int64_t samples, const float *source, const float *weight,
    const cinch_pooling *pooling, const cinch_epilogue *epilogue);
/// The gradients by δ of the large image, which `pooling`, a `cinch_unpool`, makes of δ of the small one.
bool cinch_pooled_convolution_gradient(
    cinch_device *device, const cinch_convolution *geometry, int64_t samples, const float *x,
    const cinch_pooling *pooling, bool accumulate, bool accumulate_bias, float *weight_gradient, float *bias_gradient);

// MARK: Reductions

/// sums[j] = scale · Σ_k x_kj, or that and what it holds.
void cinch_column_sums(
    cinch_device *device, const float *x, int64_t rows, int64_t columns, float scale, bool accumulate, float *sums);
/// sums[k] = Σ_j x_kj².
void cinch_row_squares(cinch_device *device, const float *x, int64_t rows, int64_t columns, float *sums);
int64_t cinch_sum_partial_count(int64_t count);
/// Sums of x², or of |x|, over fixed stretches of x.
void cinch_partial_sums(cinch_device *device, const float *x, int64_t count, bool squares, float *partials);
/// Σ x, in double and in a fixed order.
double cinch_total(const float *x, int64_t count);

// MARK: Penalties

typedef struct {
  /// h, `[rows, units]`.
  const float *h;
  int64_t rows, units;
  double rho, beta, momentum, clamp;
  float *means, *column, *values;
} cinch_kl;

void cinch_kl_sparsity(cinch_device *device, const cinch_kl *kl);
void cinch_contractive(
    cinch_device *device, const float *h, int64_t rows, int64_t units, cinch_activation activation, const float *norms,
    float *slopes, float *values);

// MARK: Randomness

/// A Philox4x32-10 stream: element e of a batch is word e % 4 of block first + e / 4.
typedef struct {
  uint32_t key[2];
  uint64_t step;
  uint32_t first;
} cinch_stream;

/// A Feistel permutation of 0 ..< count; count 0 for the identity.
typedef struct {
  uint32_t count, half_bits;
  uint32_t key[4];
} cinch_permutation;

typedef enum {
  cinch_corrupt_none,
  cinch_corrupt_masking,
  cinch_corrupt_masking_exact,
  cinch_corrupt_gaussian,
  cinch_corrupt_salt_pepper,
  cinch_corrupt_block,
} cinch_corruption_kind;

typedef struct {
  cinch_corruption_kind kind;
  cinch_stream stream;
  /// Masking and salt and pepper: a word below it makes a zero. At most 2³².
  uint64_t threshold;
  /// Salt and pepper: a word at or above `threshold` and below it makes a one.
  uint64_t threshold_one;
  /// Masking exactly: how many components of a sample are zeroed, and the halves' width for `columns`.
  uint32_t zeroed, half_bits;
  /// Gaussian: σ.
  float sigma;
  /// Block: an image's lines and the elements of each, the rectangle's lines and elements, the number of places that it can
  /// begin at either way, and the elements of a pixel.
  int64_t lines, line, block_lines, block_line;
  uint32_t tops, lefts, pixel;
} cinch_corruption;

/// Row `permutation(start + i)` of `source` becomes row i of `batch` (unless NULL), and a corrupted copy of it row i of
/// `corrupted` (unless NULL). Where `divisor` is not 0, `source` are bytes that stand for b / divisor.
typedef struct {
  const float *source;
  float divisor;
  int64_t start, rows, columns;
  cinch_permutation permutation;
  float *batch;
  float *corrupted;
  cinch_corruption corruption;
} cinch_gather;

void cinch_gather_rows(cinch_device *device, const cinch_gather *gather);
void cinch_bernoulli(cinch_device *device, const float *p, int64_t count, const cinch_stream *stream, float *draws);

// MARK: Sampling layers

/// Rows of `units` means, then `units` log variances.
typedef struct {
  const float *ms;
  int64_t rows, units;
  /// Whether there are draws; else a sample is its mean.
  bool drawn;
  cinch_stream stream;
  /// Gradients: δ of the code `[rows, units]`, and the weight of the divergence from the prior.
  const float *delta;
  float prior;
  /// The code, `[rows, units]`, or the gradient, `[rows, 2·units]`.
  float *result;
} cinch_sampling;

void cinch_sample(cinch_device *device, const cinch_sampling *sampling);
void cinch_sample_gradient(cinch_device *device, const cinch_sampling *sampling);
/// divergences[r] = ½ Σ (μ² + eˢ − 1 − s).
void cinch_prior_divergence(
    cinch_device *device, const float *ms, int64_t rows, int64_t units, float *divergences);

// MARK: Optimisers

typedef enum { cinch_sgd, cinch_momentum, cinch_nesterov, cinch_adam } cinch_rule;

typedef struct {
  cinch_rule rule;
  float *parameters;
  const float *gradients;
  float *first, *second;
  int64_t count, decay_count;
  /// λ for gradients; 0 where decay is decoupled.
  float decay;
  /// What the first `decay_count` parameters are multiplied by: 1 − ηλ where decay is decoupled.
  float shrink;
  float learning_rate;
  /// μ, or β₁.
  float beta1;
  float beta2;
  float one_minus_beta1, one_minus_beta2;
  float epsilon;
  /// η / (1 − β₁ᵗ).
  float step_size;
  /// 1 / √(1 − β₂ᵗ).
  float inverse_root;
  /// One number, or NULL.
  const float *gradient_scale;
} cinch_optimizer;

void cinch_optimizer_step(cinch_device *device, const cinch_optimizer *step);
/// min(1, maximum / ‖g + decay·θ‖); false where there is no memory for its partial sums.
bool cinch_clip_scale(
    cinch_device *device, double maximum, const float *parameters, const float *gradients, int64_t count,
    int64_t decay_count, float decay, float *scale);
