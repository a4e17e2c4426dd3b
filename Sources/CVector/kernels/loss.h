// Losses of pre-activations, with their gradients.

/// What a loss multiplies and adds.
typedef struct {
  /// The factors of the values' sum and of the gradient, and of a squared difference.
  float value_scale, gradient_scale, precision;
  /// Gaussian: log 2πσ².
  float normaliser;
} loss_numbers;

INLINE loss_numbers loss_numbers_of(cinch_loss loss, const cinch_epilogue *e) {
  const double d = (double)e->columns;
  loss_numbers numbers = {1.0f, e->gradient_scale, 1.0f, 0.0f};
  if (loss == cinch_sse || loss == cinch_gaussian) numbers.value_scale = 0.5f;
  if (loss == cinch_mse) {
    numbers.value_scale = (float)(1.0 / d);
    numbers.gradient_scale *= (float)(2.0 / d);
  }
  if (loss == cinch_gaussian) {
    numbers.precision = expf(-*e->log_variance);
    numbers.gradient_scale *= numbers.precision;
    numbers.normaliser = 1.83787707f + *e->log_variance;
  }
  return numbers;
}

/// x·weight, and 0 where the weight is, even if x is NaN.
INLINE vf weighted(vf x, vf weight) { return weight == 0.0f ? (vf)0.0f : x * weight; }

/// One vector's loss (per feature) and ∂loss/∂a, neither scaled. Of cross-entropies log(1 + `odds`) is to be added.
typedef struct {
  vf value, odds, gradient;
} loss_terms;

INLINE loss_terms loss_terms_of(cinch_loss loss, cinch_activation activation, vf a, vf x) {
  loss_terms terms = {.odds = (vf)0.0f};
  if (loss == cinch_bce) {
    terms.odds = exp_of_negative(-magnitude(a));
    terms.value = (a < 0.0f ? (vf)0.0f : a) - a * x;
    terms.gradient = (a < 0.0f ? terms.odds : (vf)1.0f) / (terms.odds + 1.0f) - x;
  } else {
    vf output = activate(activation, a);
    vf difference = output - x;
    terms.value = difference * difference;
    terms.gradient = difference * slope(activation, output);
  }
  return terms;
}

/// The loss with its logarithm.
INLINE vf loss_of(cinch_loss loss, const loss_terms *terms) {
  return loss == cinch_bce ? terms->value + log1p_v(terms->odds) : terms->value;
}

/// Losses of a cell's 32 rows: `value` + log(1 + `excess`). The logarithms of 1 + odds, each at most 2, are taken at once:
/// their product is kept as what it exceeds 1 by, so that small odds are not rounded away.
typedef struct {
  vf value, excess;
} loss_sum;

INLINE vf sum_of_losses(cinch_loss loss, const loss_sum *sum) {
  if (loss != cinch_bce) return sum->value;
  const vf excess = sum->excess;
  return sum->value + (excess > 1.0f ? log_v(excess + 1.0f) : log1p_v(excess));
}

/// Adds one vector's losses, of which the first `n` are there; `w` is NULL where all weigh the same.
INLINE void add_losses(
    cinch_activation activation, cinch_loss loss, const loss_numbers *numbers, const float *a, vf bias, const float *x,
    const float *w, float *y, int64_t n, loss_sum *sum) {
  loss_terms terms = loss_terms_of(loss, activation, load_some(a, n) + bias, load_some(x, n));
  if (loss == cinch_gaussian) terms.value = terms.value * numbers->precision + numbers->normaliser;
  if (w) {
    const vf weight = load_some(w, n);
    terms.value = weighted(loss_of(loss, &terms), weight);
    terms.gradient = weighted(terms.gradient, weight);
  } else if (loss == cinch_bce) {
    const vf odds = n >= CINCH_WIDTH ? terms.odds : first_lanes(terms.odds, n);
    sum->excess = odds * (sum->excess + 1.0f) + sum->excess;
  }
  store_some(y, terms.gradient * numbers->gradient_scale, n);
  sum->value += n >= CINCH_WIDTH ? terms.value : first_lanes(terms.value, n);
}

/// Cells of 32 rows, two side by side so that each row is read in whole cache lines one after the other.
INLINE void loss_cells(
    cinch_activation activation, cinch_loss loss, const cinch_epilogue *e, const float *source, float *destination,
    int64_t r0, int64_t r1, int64_t c0, int64_t c1) {
  enum { vectors = cinch_cell_columns / CINCH_WIDTH, together = 2 };
  const int64_t d = e->columns, across = cinch_blocks(d, cinch_cell_columns);
  const loss_numbers numbers = loss_numbers_of(loss, e);

  for (int64_t row = r0; row < r1; row += cinch_cell_rows) {
    const int64_t row_end = cinch_min(row + cinch_cell_rows, r1);
    for (int64_t column = c0; column < c1; column += together * cinch_cell_columns) {
      const int64_t column_end = cinch_min(column + together * cinch_cell_columns, c1), n = column_end - column;
      loss_sum sums[together * vectors];
      vf bias[together * vectors];
      UNROLL for (int i = 0; i < together * vectors; i++) {
        sums[i] = (loss_sum){(vf)0.0f, (vf)0.0f};
        const int64_t at = i * CINCH_WIDTH;
        bias[i] = e->bias && at < n ? load_some(e->bias + column + at, n - at) : (vf)0.0f;
      }
      for (int64_t r = row; r < row_end; r++) {
        const float *a = source + r * d + column, *x = e->target + r * d + column;
        const float *w = e->weight ? e->weight + r * d + column : NULL;
        float *y = destination + r * d + column;
        UNROLL for (int i = 0; i < together * vectors; i++) {
          const int64_t at = i * CINCH_WIDTH;
          const float *weights = w ? w + at : NULL;
          // Apart, so that whole vectors ask for no lengths.
          if (at + CINCH_WIDTH <= n)
            add_losses(
                activation, loss, &numbers, a + at, bias[i], x + at, weights, y + at, CINCH_WIDTH, &sums[i]);
          else if (at < n)
            add_losses(activation, loss, &numbers, a + at, bias[i], x + at, weights, y + at, n - at, &sums[i]);
        }
      }
      float *partials = e->partials + row / cinch_cell_rows * across + column / cinch_cell_columns;
      for (int64_t cell = 0; cell < cinch_blocks(n, cinch_cell_columns); cell++) {
        vf sum = sum_of_losses(loss, &sums[cell * vectors]);
        for (int i = 1; i < vectors; i++) sum += sum_of_losses(loss, &sums[cell * vectors + i]);
        partials[cell] = sum_lanes(sum) * numbers.value_scale;
      }
    }
  }
}

static void loss_block(
    const cinch_epilogue *e, const float *source, float *destination, int64_t r0, int64_t r1, int64_t c0, int64_t c1) {
  if (e->loss == cinch_bce)
    loss_cells(cinch_sigmoid, cinch_bce, e, source, destination, r0, r1, c0, c1);
  else if (e->loss == cinch_sse)
    FOR_EACH_ACTIVATION(e->activation, loss_cells, cinch_sse, e, source, destination, r0, r1, c0, c1)
  else if (e->loss == cinch_gaussian)
    FOR_EACH_ACTIVATION(e->activation, loss_cells, cinch_gaussian, e, source, destination, r0, r1, c0, c1)
  else
    FOR_EACH_ACTIVATION(e->activation, loss_cells, cinch_mse, e, source, destination, r0, r1, c0, c1)
}

/// The bias repeats every `channels` columns, so a row is read pixel by pixel.
INLINE void loss_rows(
    cinch_activation activation, cinch_loss loss, const cinch_epilogue *e, int64_t channels, const float *source,
    float *losses, int64_t r0, int64_t r1) {
  const int64_t d = e->columns, pixels = channels * cinch_max(1, stretch / cinch_max(1, channels));
  const loss_numbers numbers = loss_numbers_of(loss, e);
  for (int64_t r = r0; r < r1; r++) {
    const float *a = source + r * d, *x = e->target + r * d, *w = e->weight ? e->weight + r * d : NULL;
    long_sum total = {(vf)0.0f, (vf)0.0f};
    for (int64_t start = 0; start < d; start += pixels) {
      vf part = 0.0f;
      for (int64_t pixel = start; pixel < cinch_min(start + pixels, d); pixel += channels)
        for (int64_t c = 0; c < channels; c += CINCH_WIDTH) {
          const int64_t n = channels - c;
          vf logit = load_some(a + pixel + c, n);
          if (e->bias) logit += load_some(e->bias + c, n);
          const loss_terms terms = loss_terms_of(loss, activation, logit, load_some(x + pixel + c, n));
          vf value = loss_of(loss, &terms);
          if (loss == cinch_gaussian) value = value * numbers.precision + numbers.normaliser;
          if (w) value = weighted(value, load_some(w + pixel + c, n));
          part += n >= CINCH_WIDTH ? value : first_lanes(value, n);
        }
      add_to(&total, part);
    }
    losses[r] = sum_lanes(sum_of_long(&total)) * numbers.value_scale;
  }
}

static void sample_loss_rows(
    const cinch_epilogue *e, int64_t channels, const float *source, float *losses, int64_t r0, int64_t r1) {
  if (e->loss == cinch_bce)
    loss_rows(cinch_sigmoid, cinch_bce, e, channels, source, losses, r0, r1);
  else if (e->loss == cinch_sse)
    FOR_EACH_ACTIVATION(e->activation, loss_rows, cinch_sse, e, channels, source, losses, r0, r1)
  else if (e->loss == cinch_gaussian)
    FOR_EACH_ACTIVATION(e->activation, loss_rows, cinch_gaussian, e, channels, source, losses, r0, r1)
  else
    FOR_EACH_ACTIVATION(e->activation, loss_rows, cinch_mse, e, channels, source, losses, r0, r1)
}

static void softmax_rows(
    const float *logits, const float *labels, int64_t r0, int64_t r1, int64_t classes, float gradient_scale,
    float *gradient, float *losses, float *errors) {
  for (int64_t r = r0; r < r1; r++) {
    const float *a = logits + r * classes;
    float *g = gradient + r * classes;
    const int64_t label = (int64_t)labels[r];
    // `!(x <= largest)` also takes a NaN, which then spreads to the whole row as it should.
    float largest = a[0];
    for (int64_t c = 1; c < classes; c++)
      if (!(a[c] <= largest)) largest = a[c];
    const float chosen = label >= 0 && label < classes ? a[label] : NAN;
    // Of equals the first is told, and nothing is right beside a NaN.
    bool right = true;
    for (int64_t c = 0; c < classes; c++) right &= a[c] < chosen || (a[c] == chosen && c >= label);
    errors[r] = right ? 0.0f : 1.0f;

    vf total = 0.0f;
    for (int64_t start = 0; start < classes; start += stretch) {
      const int64_t end = cinch_min(start + stretch, classes);
      vf part = 0.0f;
      for (int64_t c = start; c < end; c += CINCH_WIDTH) {
        int64_t n = end - c;
        vf e = exp_v(load_some(a + c, n) - largest);
        part += n >= CINCH_WIDTH ? e : first_lanes(e, n);
        store_some(g + c, e, n);
      }
      total += part;
    }
    const float sum = sum_lanes(total);
    // Two large logits leave their small difference, to which the logarithm is then added without loss.
    losses[r] = logf(sum) + (largest - chosen);
    const float share = gradient_scale / sum;
    for (int64_t c = 0; c < classes; c += CINCH_WIDTH) {
      int64_t n = classes - c;
      store_some(g + c, load_some(g + c, n) * share, n);
    }
    if (label >= 0 && label < classes) g[label] -= gradient_scale;
  }
}
