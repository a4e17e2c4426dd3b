// Penalties on a code, a few columns at a time.

static void kl_columns(const cinch_kl *kl, int64_t c0, int64_t c1) {
  const float n_rows = (float)kl->rows, rho = (float)kl->rho, beta = (float)kl->beta;
  const float momentum = (float)kl->momentum, share = (float)(1 - kl->momentum);
  const float low = (float)kl->clamp, high = (float)(1 - kl->clamp);
  const float rest = (float)(1 - kl->rho);
  const float factor = (float)((1 - kl->momentum) * kl->beta / (double)kl->rows);
  // β(ρ log ρ + (1−ρ) log(1−ρ)), where 0·log 0 is 0.
  const double own = (kl->rho > 0 ? kl->rho * log(kl->rho) : 0) + (kl->rho < 1 ? (1 - kl->rho) * log1p(-kl->rho) : 0);
  for (int64_t c = c0; c < c1; c += CINCH_WIDTH) {
    int64_t n = c1 - c;
    vf mean = column_sum(cinch_linear, false, kl->h + c, kl->rows, kl->units, n) / n_rows;
    if (kl->momentum > 0) mean = momentum * load_some(kl->means + c, n) + share * mean;
    store_some(kl->means + c, mean, n);
    // 1−ρ̂ is clamped on its own: the difference from a ρ̂ near 1 would keep few of its digits.
    vf other = 1.0f - mean;
    mean = mean < low ? (vf)low : mean;
    mean = mean > high ? (vf)high : mean;
    other = other < low ? (vf)low : other;
    other = other > high ? (vf)high : other;
    store_some(kl->column + c, factor * (rest / other - rho / mean), n);
    store_some(kl->values + c, beta * ((float)own - rho * log_v(mean) - rest * log_v(other)), n);
  }
}

#define SLOPE_SQUARES(activation, out) \
  out = column_sum(activation, true, h + c, rows, units, n)

static void contractive_columns(
    const float *h, int64_t rows, int64_t units, cinch_activation activation, const float *norms, float *slopes,
    float *values, int64_t c0, int64_t c1) {
  const float n_rows = (float)rows;
  for (int64_t c = c0; c < c1; c += CINCH_WIDTH) {
    int64_t n = c1 - c;
    vf mean;
    FOR_EACH_ACTIVATION(activation, SLOPE_SQUARES, mean)
    mean /= n_rows;
    store_some(slopes + c, mean, n);
    store_some(values + c, mean * load_some(norms + c, n), n);
  }
}
