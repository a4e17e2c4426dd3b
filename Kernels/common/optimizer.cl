// λ for parameters below `decayCount`, 0 beyond.
INLINE V decayAt(long i, long decayCount, float decay) {
  if (i + VW <= decayCount) return (V)decay;
  if (i >= decayCount) return (V)0.0f;
  return keep((V)decay, (int)(decayCount - i));
}

// The whole arena in one launch. θ −= rate·…; `beta1` is μ where the rule has momentum. For Adam `rate` is
// η/(1−β₁ᵗ) and `correction` 1/√(1−β₂ᵗ). `decay` is λ, or ηλ where it acts on parameters directly.
kernel GROUP_1D void optimizerStep(
  global float *theta, ulong theta0, const global float *gradients, ulong gradients0, global float *first,
  ulong first0, global float *second, ulong second0, const global float *scales, ulong scales0, long count,
  int chunk, int rule, int decoupled, int hasScale, long decayCount, float rate, float decay, float beta1,
  float rest1, float beta2, float rest2, float correction, float epsilon) {
  theta += theta0;
  gradients += gradients0;
  first += first0;
  second += second0;
  float scale = hasScale ? scales[scales0] : 1.0f;
  FOR_EACH(i, count, chunk) {
    int part = PART(i);
    V t = loadPart(theta + i, part, 0.0f);
    V g = loadPart(gradients + i, part, 0.0f);
    V lambda = decayAt(i, decayCount, decay);
    if (decoupled)
      t = fma(-lambda, t, t);
    else
      g = fma(lambda, t, g);
    g *= scale;
    switch (rule) {
    case SGD: t = fma((V)-rate, g, t); break;
    case ADAM: {
      V m = fma((V)rest1, g, loadPart(first + i, part, 0.0f) * beta1);
      V v = fma(g * rest2, g, loadPart(second + i, part, 0.0f) * beta2);
      storePart(m, first + i, part);
      storePart(v, second + i, part);
      t -= rate * m / fma(sqrt(v), (V)correction, (V)epsilon);
      break;
    }
    default: {
      V v = fma((V)beta1, loadPart(first + i, part, 0.0f), g);
      storePart(v, first + i, part);
      t = fma((V)-rate, rule == NESTEROV ? fma((V)beta1, v, g) : v, t);
    }
    }
    storePart(t, theta + i, part);
  }
}
