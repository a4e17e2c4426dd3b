// Optimiser rules: one pass over parameters, gradients and moments.

INLINE void optimizer_rule(cinch_rule rule, bool decayed, const cinch_optimizer *s, int64_t i0, int64_t i1) {
  const float scale = s->gradient_scale ? *s->gradient_scale : 1.0f;
  const float decay = decayed ? s->decay : 0.0f, shrink = decayed ? s->shrink : 1.0f;
  for (int64_t i = i0; i < i1; i += CINCH_WIDTH) {
    int64_t n = i1 - i;
    vf p = load_some(s->parameters + i, n);
    vf g = load_some(s->gradients + i, n);
    if (decayed) {
      g += decay * p;
      p *= shrink;
    }
    g *= scale;
    switch (rule) {
      case cinch_sgd: p -= s->learning_rate * g; break;
      case cinch_momentum:
      case cinch_nesterov: {
        vf v = s->beta1 * load_some(s->first + i, n) + g;
        store_some(s->first + i, v, n);
        p -= s->learning_rate * (rule == cinch_momentum ? v : g + s->beta1 * v);
        break;
      }
      case cinch_adam: {
        vf m = s->beta1 * load_some(s->first + i, n) + s->one_minus_beta1 * g;
        vf v = s->beta2 * load_some(s->second + i, n) + s->one_minus_beta2 * (g * g);
        store_some(s->first + i, m, n);
        store_some(s->second + i, v, n);
        p -= s->step_size * m / (__builtin_elementwise_sqrt(v) * s->inverse_root + s->epsilon);
        break;
      }
    }
    store_some(s->parameters + i, p, n);
  }
}

static void optimizer_range(const cinch_optimizer *step, int64_t i0, int64_t i1, bool decayed) {
#define RULE(name)                               \
  case name:                                     \
    if (decayed)                                 \
      optimizer_rule(name, true, step, i0, i1);  \
    else                                         \
      optimizer_rule(name, false, step, i0, i1); \
    break;
  switch (step->rule) {
    RULE(cinch_sgd)
    RULE(cinch_momentum)
    RULE(cinch_nesterov)
    RULE(cinch_adam)
  }
#undef RULE
}
