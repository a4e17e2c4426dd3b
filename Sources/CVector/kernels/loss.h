// Losses of pre-activations, with their gradients.

/// One vector's loss (per feature) and ∂loss/∂a, neither scaled.
INLINE void loss_and_gradient(
    cinch_loss loss, cinch_activation activation, vf a, vf x, vf *value, vf *gradient) {
  if (loss == cinch_bce) {
    // Sigmoid divides by 1+e and log1p by 2+e: one division serves both.
    vf e = exp_v(-magnitude(a));
    vf one = e + 1.0f, two = e + 2.0f;
    vf inverse = 1.0f / (one * two);
    *value = (a < 0.0f ? (vf)0.0f : a) - a * x + log1p_of(e * one * inverse);
    *gradient = (a < 0.0f ? e : (vf)1.0f) * two * inverse - x;
  } else {
    vf output = activate(activation, a);
    vf difference = output - x;
    *value = difference * difference;
    *gradient = difference * slope(activation, output);
  }
}

/// Cells of 32 rows, up to four side by side so that each row is read in whole cache lines one after the other.
INLINE void loss_cells(
    cinch_activation activation, cinch_loss loss, const cinch_epilogue *e, const float *source, float *destination,
    int64_t r0, int64_t r1, int64_t c0, int64_t c1) {
  enum { vectors = cinch_cell_columns / CINCH_WIDTH, together = 4 };
  const int64_t d = e->columns, across = cinch_blocks(d, cinch_cell_columns);
  const float value_scale = loss == cinch_sse ? 0.5f : loss == cinch_mse ? (float)(1.0 / (double)d) : 1.0f;
  const float scale = loss == cinch_mse ? (float)(2.0 / (double)d) * e->gradient_scale : e->gradient_scale;

  for (int64_t row = r0; row < r1; row += cinch_cell_rows) {
    const int64_t row_end = cinch_min(row + cinch_cell_rows, r1);
    for (int64_t column = c0; column < c1; column += together * cinch_cell_columns) {
      const int64_t column_end = cinch_min(column + together * cinch_cell_columns, c1);
      vf sums[together * vectors];
      for (int i = 0; i < together * vectors; i++) sums[i] = 0.0f;
      for (int64_t r = row; r < row_end; r++) {
        const float *a = source + r * d, *x = e->other + r * d;
        float *y = destination + r * d;
        int i = 0;
        for (int64_t c = column; c < column_end; c += CINCH_WIDTH, i++) {
          int64_t n = column_end - c;
          vf logit = load_some(a + c, n), value, gradient;
          if (e->row) logit += load_some(e->row + c, n);
          loss_and_gradient(loss, activation, logit, load_some(x + c, n), &value, &gradient);
          sums[i] += n >= CINCH_WIDTH ? value : first_lanes(value, n);
          store_some(y + c, gradient * scale, n);
        }
      }
      float *partials = e->partials + row / cinch_cell_rows * across + column / cinch_cell_columns;
      for (int64_t cell = 0; cell < cinch_blocks(column_end - column, cinch_cell_columns); cell++) {
        vf sum = sums[cell * vectors];
        for (int i = 1; i < vectors; i++) sum += sums[cell * vectors + i];
        partials[cell] = sum_lanes(sum) * value_scale;
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
  else
    FOR_EACH_ACTIVATION(e->activation, loss_cells, cinch_mse, e, source, destination, r0, r1, c0, c1)
}

static void softmax_rows(
    const float *logits, const float *labels, int64_t r0, int64_t r1, int64_t classes, float gradient_scale,
    float *gradient, float *losses) {
  for (int64_t r = r0; r < r1; r++) {
    const float *a = logits + r * classes;
    float *g = gradient + r * classes;
    const int64_t label = (int64_t)labels[r];
    // `!(x <= largest)` also takes a NaN, which then spreads to the whole row as it should.
    float largest = a[0];
    for (int64_t c = 1; c < classes; c++)
      if (!(a[c] <= largest)) largest = a[c];
    const float chosen = label >= 0 && label < classes ? a[label] : NAN;

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
