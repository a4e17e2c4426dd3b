// The optimiser's update by one rule, RULE: a loop that decides nothing takes half as long.

#if !defined(RULE)
#error "The host must define the rule."
#endif

// What a step has for all parameters. `beta1` is μ where the rule has momentum. For Adam `rate` is η/(1−β₁ᵗ) and
// `correction` 1/√(1−β₂ᵗ).
typedef struct {
  global float *theta;
  const global float *gradients;
  global float *first, *second;
  int decoupled;
  float scale, rate, beta1, rest1, beta2, rest2, correction, epsilon;
} Update;

// Elements i ..< i+part. θ −= rate·…
INLINE void updateAt(const Update *u, long i, int part, V lambda) {
  V t = loadPart(u->theta + i, part, 0.0f);
  V g = loadPart(u->gradients + i, part, 0.0f);
  if (u->decoupled)
    t = fma(-lambda, t, t);
  else
    g = fma(lambda, t, g);
  g *= u->scale;
  switch (RULE) {
  case SGD: t = fma((V)-u->rate, g, t); break;
  case ADAM: {
    V m = fma((V)u->rest1, g, loadPart(u->first + i, part, 0.0f) * u->beta1);
    V v = fma(g * u->rest2, g, loadPart(u->second + i, part, 0.0f) * u->beta2);
    storePart(m, u->first + i, part);
    storePart(v, u->second + i, part);
    t -= u->rate * m / fma(sqrt(v), (V)u->correction, (V)u->epsilon);
    break;
  }
  default: {
    V v = fma((V)u->beta1, loadPart(u->first + i, part, 0.0f), g);
    storePart(v, u->first + i, part);
    t = fma((V)-u->rate, RULE == NESTEROV ? fma((V)u->beta1, v, g) : v, t);
  }
  }
  storePart(t, u->theta + i, part);
}

#if CPU_FAMILY
OUTLINE void updatePart(const Update *u, long i, int part, V lambda) { updateAt(u, i, part, lambda); }

// Elements i ..< end, whole vectors apart.
OUTLINE void updateAll(const Update *u, long i, long end, long decayCount, float decay) {
  long decayed = min(end, decayCount);
  for (; i + VW <= decayed; i += VW) updateAt(u, i, VW, (V)decay);
  if (i < decayed) {
    updatePart(u, i, (int)min((long)VW, end - i), keep((V)decay, (int)(decayed - i)));
    i += VW;
  }
  for (; i + VW <= end; i += VW) updateAt(u, i, VW, (V)0.0f);
  if (i < end) updatePart(u, i, (int)(end - i), (V)0.0f);
}
#endif

// The whole arena in one launch. `decay` is λ, or ηλ where it acts on parameters directly; parameters from `decayCount` on
// have none.
kernel GROUP_1D void optimizerStep(
  global float *theta, ulong theta0, const global float *gradients, ulong gradients0, global float *first,
  ulong first0, global float *second, ulong second0, const global float *scales, ulong scales0, long count,
  int chunk, int decoupled, int hasScale, long decayCount, float rate, float decay, float beta1, float rest1,
  float beta2, float rest2, float correction, float epsilon) {
  Update u = {
    theta + theta0, gradients + gradients0, first + first0, second + second0, decoupled,
    hasScale ? scales[scales0] : 1.0f, rate, beta1, rest1, beta2, rest2, correction, epsilon};
#if CPU_FAMILY
  long i = (long)get_global_id(0) * chunk;
  updateAll(&u, i, min(count, i + chunk), decayCount, decay);
#else
  FOR_EACH(i, count, chunk) updateAt(&u, i, 1, i < decayCount ? decay : 0.0f);
#endif
}
