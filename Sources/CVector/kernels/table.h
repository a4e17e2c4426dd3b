// Every kernel of one instruction set: CINCH_KERNELS names the table, CINCH_NAME it for people.

#include "vector.h"

#include "activation.h"
#include "reduction.h"

#include "loss.h"
#include "optimizer.h"
#include "penalty.h"
#include "random.h"

#include "matmul.h"

const cinch_kernels CINCH_KERNELS = {
    .name = CINCH_NAME,
    .epilogue = epilogue_block,
    .softmax = softmax_rows,
    .column_sums = column_sums,
    .row_squares = row_squares,
    .sum_squares = sum_squares,
    .sum_magnitudes = sum_magnitudes,
    .sum_decayed_squares = sum_decayed_squares,
    .kl = kl_columns,
    .contractive = contractive_columns,
    .corrupt = corrupt_range,
    .bernoulli = bernoulli_range,
    .optimizer = optimizer_range,
    .burn = burn,
};
