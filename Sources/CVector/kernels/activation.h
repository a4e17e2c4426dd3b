// f, f′ and f″ (the latter two from the output h), and the passes made of them. `activation` is a constant
// wherever these are inlined.

INLINE vf activate(cinch_activation activation, vf a) {
  switch (activation) {
    case cinch_linear: return a;
    case cinch_sigmoid: return sigmoid_v(a);
    case cinch_relu: return a <= 0.0f ? (vf)0.0f : a;
    case cinch_tanh: return tanh_v(a);
    case cinch_softplus: return softplus_v(a);
    case cinch_leaky_relu: return a <= 0.0f ? a * 0.01f : a;
  }
}

INLINE vf slope(cinch_activation activation, vf h) {
  switch (activation) {
    case cinch_linear: return 1.0f;
    case cinch_sigmoid: return h * (1.0f - h);
    case cinch_relu: return h <= 0.0f ? (vf)0.0f : (vf)1.0f;
    case cinch_tanh: return 1.0f - h * h;
    case cinch_softplus: return one_minus_exp_minus(h);
    case cinch_leaky_relu: return h <= 0.0f ? (vf)0.01f : (vf)1.0f;
  }
}

/// f″ / f′, where f″ is not zero.
INLINE vf bend(cinch_activation activation, vf h) {
  switch (activation) {
    case cinch_sigmoid: return 1.0f - 2.0f * h;
    case cinch_tanh: return -2.0f * h;
    case cinch_softplus: return exp_v(-h);
    default: return 0.0f;
  }
}

// Calls `body` with the activation as a constant.
#define FOR_EACH_ACTIVATION(activation, body, ...)                     \
  switch (activation) {                                                \
    case cinch_linear: body(cinch_linear, __VA_ARGS__); break;         \
    case cinch_sigmoid: body(cinch_sigmoid, __VA_ARGS__); break;       \
    case cinch_relu: body(cinch_relu, __VA_ARGS__); break;             \
    case cinch_tanh: body(cinch_tanh, __VA_ARGS__); break;             \
    case cinch_softplus: body(cinch_softplus, __VA_ARGS__); break;     \
    case cinch_leaky_relu: body(cinch_leaky_relu, __VA_ARGS__); break; \
  }

INLINE void forward_block(
    cinch_activation activation, const cinch_epilogue *e, const float *source, float *destination, int64_t r0,
    int64_t r1, int64_t c0, int64_t c1) {
  for (int64_t r = r0; r < r1; r++) {
    const float *x = source + r * e->columns;
    float *y = destination + r * e->columns;
    if (e->bias) {
      for (int64_t c = c0; c < c1; c += CINCH_WIDTH) {
        int64_t n = c1 - c;
        store_some(y + c, activate(activation, load_some(x + c, n) + load_some(e->bias + c, n)), n);
      }
    } else {
      for (int64_t c = c0; c < c1; c += CINCH_WIDTH) {
        int64_t n = c1 - c;
        store_some(y + c, activate(activation, load_some(x + c, n)), n);
      }
    }
  }
}

/// (g + column + l1·sign h)·f′ + curvature·norm·f′·f″, where f″ = f′·bend.
INLINE void backward_block(
    cinch_activation activation, const cinch_epilogue *e, const float *source, float *destination, int64_t r0,
    int64_t r1, int64_t c0, int64_t c1) {
  const bool plain = !e->column && !e->norms && e->l1 == 0;
  for (int64_t r = r0; r < r1; r++) {
    const float *g = source + r * e->columns, *h = e->output + r * e->columns;
    float *y = destination + r * e->columns;
    if (plain) {
      for (int64_t c = c0; c < c1; c += CINCH_WIDTH) {
        int64_t n = c1 - c;
        store_some(y + c, load_some(g + c, n) * slope(activation, load_some(h + c, n)), n);
      }
      continue;
    }
    for (int64_t c = c0; c < c1; c += CINCH_WIDTH) {
      int64_t n = c1 - c;
      vf out = load_some(h + c, n), sum = load_some(g + c, n), rise = slope(activation, out);
      if (e->column) sum += load_some(e->column + c, n);
      if (e->l1 != 0) {
        sum += out > 0.0f ? (vf)e->l1 : (vf)0.0f;
        sum -= out < 0.0f ? (vf)e->l1 : (vf)0.0f;
      }
      if (e->norms) sum += e->curvature * load_some(e->norms + c, n) * (rise * bend(activation, out));
      store_some(y + c, sum * rise, n);
    }
  }
}

static void row_pull_block(
    const cinch_epilogue *e, const float *source, float *destination, int64_t r0, int64_t r1, int64_t c0, int64_t c1) {
  for (int64_t r = r0; r < r1; r++) {
    const vf pull = e->pull_factor * e->pull_scale[r];
    const float *x = source + r * e->columns, *w = e->pulled + r * e->columns;
    float *y = destination + r * e->columns;
    for (int64_t c = c0; c < c1; c += CINCH_WIDTH) {
      int64_t n = c1 - c;
      store_some(y + c, load_some(x + c, n) + pull * load_some(w + c, n), n);
    }
  }
}
