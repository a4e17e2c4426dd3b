// Every kernel of one instruction set: CINCH_KERNELS names the table, CINCH_NAME it for people.

#include "vector.h"

#include "activation.h"
#include "reduction.h"

#include "loss.h"

#include "epilogue.h"
#if CINCH_WIDTH > 4
#include "product.h"
#endif
#include "mixed.h"
#include "optimizer.h"
#include "penalty.h"
#include "pooling.h"
#include "random.h"
#include "sampling.h"

#include "convolution.h"
#include "convolutionPlanes.h"
#include "convolutionDots.h"
#include "convolutionGradient.h"
#include "peak.h"

const cinch_kernels CINCH_KERNELS = {
    .name = CINCH_NAME,
    .width = CINCH_WIDTH,
    .epilogue = epilogue_block,
    .sample_losses = sample_loss_rows,
    .softmax = softmax_rows,
    .mixed_output = mixed_output_rows,
    .mixed_loss = mixed_loss_rows,
#if CINCH_WIDTH > 4
    .panel = PANEL,
    .pack = pack_panel,
    .product = product_piece,
    .turn = turn,
#endif
    .column_sums = column_sums,
    .row_squares = row_squares,
    .sum_squares = sum_squares,
    .sum_magnitudes = sum_magnitudes,
    .sum_decayed_squares = sum_decayed_squares,
    .kl = kl_columns,
    .contractive = contractive_columns,
    .widen = widen_bytes,
    .corrupt = corrupt_range,
    .bernoulli = bernoulli_range,
    .sample = sample_rows,
    .sample_gradient = sample_gradient_rows,
    .prior_divergence = prior_divergence_rows,
    .optimizer = optimizer_range,
    .correlate_lanes = correlate_lanes,
    .correlate_pairs = correlate_pairs,
    .correlate_pooled = correlate_pooled,
    .correlate_pooled_pairs = correlate_pooled_pairs,
    .correlate_planes = correlate_planes,
    .add_taps = add_taps,
    .correlate_dots = correlate_dots,
    .correlate_dot_phases = correlate_dot_phases,
    .gradient_lanes = gradient_lanes,
    .gradient_squares = gradient_squares,
    .gradient_runs = gradient_runs,
    .pad_rows = pad_rows,
    .pad_row_pairs = pad_row_pairs,
    .split_channels = split_channels,
    .merge_channels = merge_channels,
    .pool = pool_rows,
    .burn = burn,
    .stream = stream,
};
