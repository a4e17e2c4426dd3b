// Activations, their derivatives and the losses, on vectors. On a CPU device the library's own exp and log would take
// longer than the products before them. The errors are about 2 ulp at most, and NaN gives NaN.

// eˣ for x ≤ 0: 2ⁿ·eʳ with n = round(x/ln 2). Adding 1.5·2²³ rounds, and leaves n in the low bits;
// adding 127 as well makes them the exponent of 2ⁿ. Below −87.3 the result would not be normal: it is 1.2e-38 there.
INLINE V expNegative(V x) {
  x = x < (V)-87.3f ? (V)-87.3f : x;
  V shifted = fma(x, (V)1.44269504088896341f, (V)12583039.0f);
  V n = shifted - 12583039.0f;
  V r = fma(n, (V)-0.693145751953125f, x);
  r = fma(n, (V)-1.42860682030941723e-6f, r);
  V p = fma(r, (V)8.312422e-3f, (V)4.1890986e-2f);
  p = fma(p, r, (V)1.6667119e-1f);
  p = fma(p, r, (V)4.9999225e-1f);
  p = fma(p * r, r, r) + 1.0f;
  return p * AS_V(AS_VI(shifted) << 23);
}

// log m + e·ln 2 for m = 1 + f in [√½, √2].
INLINE V logParts(V f, V e) {
  V z = f * f;
  V p = fma(f, (V)7.0376836292e-2f, (V)-1.1514610310e-1f);
  p = fma(p, f, (V)1.1676998740e-1f);
  p = fma(p, f, (V)-1.2420140846e-1f);
  p = fma(p, f, (V)1.4249322787e-1f);
  p = fma(p, f, (V)-1.6668057665e-1f);
  p = fma(p, f, (V)2.0000714765e-1f);
  p = fma(p, f, (V)-2.4999993993e-1f);
  p = fma(p, f, (V)3.3333331174e-1f);
  p = p * f * z;
  p = fma(e, (V)-2.12194440e-4f, p);
  p = fma(z, (V)-0.5f, p);
  return fma(e, (V)0.693359375f, f + p);
}

// log x for normal x > 0. The bits of a NaN would give a number, so NaN is returned as it is.
INLINE V logV(V x) {
  VI bits = AS_VI(x) - 0x3f3504f3;
  VI e = bits >> 23;
  V m = AS_V((bits & 0x007fffff) + 0x3f3504f3);
  return x == x ? logParts(m - 1.0f, TO_V(e)) : x;
}

// log(1+y) for y in [0, 1], precise relative to the result also for small y, where 1+y would lose digits.
INLINE V log1pV(V y) {
  VI large = y > (V)0.41421356f;
  V f = large ? fma(y, (V)0.5f, (V)-0.5f) : y;
  return logParts(f, large ? (V)1.0f : (V)0.0f);
}

INLINE V tanhV(V a) {
  V x = fabs(a);
  V z = a * a;
  V p = fma(z, (V)-5.70498872745e-3f, (V)2.06390887954e-2f);
  p = fma(p, z, (V)-5.37397155531e-2f);
  p = fma(p, z, (V)1.33314422036e-1f);
  p = fma(p, z, (V)-3.33332819422e-1f);
  V small = fma(p * z, a, a);
  V e = expNegative(-2.0f * x);
  V large = (1.0f - e) / (1.0f + e);
  return x < (V)0.625f ? small : copysign(large, a);
}

// 1 − e⁻ʰ for h ≥ 0, without cancellation near 0.
INLINE V oneMinusExp(V h) {
  V series = h * fma(h, fma(h, fma(h, (V)-4.1666667e-2f, (V)1.6666667e-1f), (V)-0.5f), (V)1.0f);
  return h < (V)0.0625f ? series : 1.0f - expNegative(-h);
}

// f(a).
INLINE V activate(V a, int activation) {
  switch (activation) {
  case SIGMOID: {
    V e = expNegative(-fabs(a));
    return (a < (V)0.0f ? e : (V)1.0f) / (1.0f + e);
  }
  case RELU: return a < (V)0.0f ? (V)0.0f : a;
  case TANH: return tanhV(a);
  case SOFTPLUS: return (a < (V)0.0f ? (V)0.0f : a) + log1pV(expNegative(-fabs(a)));
  case LEAKY_RELU: return a < (V)0.0f ? a * LEAKY_SLOPE : a;
  default: return a;
  }
}

// f′(a) from h = f(a).
INLINE V slope(V h, int activation) {
  switch (activation) {
  case SIGMOID: return h * (1.0f - h);
  case RELU: return h > (V)0.0f ? (V)1.0f : (V)0.0f;
  case TANH: return fma(-h, h, (V)1.0f);
  case SOFTPLUS: return oneMinusExp(h);
  case LEAKY_RELU: return h > (V)0.0f ? (V)1.0f : (V)LEAKY_SLOPE;
  default: return (V)1.0f;
  }
}

// f″(a) from h = f(a).
INLINE V curve(V h, int activation) {
  switch (activation) {
  case SIGMOID: return h * (1.0f - h) * fma(h, (V)-2.0f, (V)1.0f);
  case TANH: return -2.0f * h * fma(-h, h, (V)1.0f);
  case SOFTPLUS: return expNegative(-h) * oneMinusExp(h);
  default: return (V)0.0f;
  }
}

// δ = (g + column + l1·sign h)·f′ + curvature·norm·f′·f″. Absent terms are 0.
INLINE V gradientAt(V g, V h, V column, V norm, int activation, float l1, float curvature) {
  V first = slope(h, activation);
  V result = (g + column + l1 * sign(h)) * first;
  if (curvature != 0.0f) result = fma(curvature * norm * first, curve(h, activation), result);
  return result;
}

// The loss that a work-item has added up so far: sum + log(1 + excess). Up to 64 terms log(1+e), e ≤ 1, take one
// logarithm: their product ∏(1+e) is kept as the amount by which it exceeds 1, so that small e are not rounded away.
typedef struct {
  V sum, excess;
} Losses;

// Moves the logarithm into the sum.
INLINE void settle(Losses *losses) {
  V x = 1.0f + losses->excess;
  VI large = losses->excess > (V)0.41421356f;
  VI bits = AS_VI(x) - 0x3f3504f3;
  V m = AS_V((bits & 0x007fffff) + 0x3f3504f3);
  losses->sum += logParts(large ? m - 1.0f : losses->excess, large ? TO_V(bits >> 23) : (V)0.0f);
  losses->excess = (V)0.0f;
}

// Ends a stretch of a long loss.
INLINE void collect(Losses *losses, Sum *total) {
  settle(losses);
  addTo(total, losses->sum);
  losses->sum = (V)0.0f;
}

// For a gaussian loss: 1/σ², a factor of both scales, and ½ log 2πσ², which is added to the loss of each element.
INLINE float precisionOf(int loss, const global float *logVariance) {
  return loss == GAUSSIAN ? exp(-*logVariance) : 1.0f;
}
INLINE float normaliserOf(int loss, const global float *logVariance) {
  return loss == GAUSSIAN ? 0.5f * (1.83787707f + *logVariance) : 0.0f;
}

// The loss of pre-activation a against target x, times `lossScale` (½ for sse, 1/d for mse, 1 for bce) and plus
// `normaliser`, added to `losses`. Returns ∂loss/∂a·gradientScale; for mse, gradientScale includes the factor 2/d.
// `count` lanes are real.
INLINE V lossAt(
  V a, V x, int loss, int activation, float gradientScale, float lossScale, float normaliser, int count,
  Losses *losses) {
  if (loss == BCE) {
    V e = expNegative(-fabs(a));
    losses->sum += keep(fma(-a, x, a < (V)0.0f ? (V)0.0f : a), count);
    losses->excess = fma(keep(e, count), 1.0f + losses->excess, losses->excess);
    return ((a < (V)0.0f ? e : (V)1.0f) / (1.0f + e) - x) * gradientScale;
  }
  V h = activate(a, activation);
  V d = h - x;
  losses->sum += keep(fma(d * d, (V)lossScale, (V)normaliser), count);
  return d * slope(h, activation) * gradientScale;
}

// The same with a weight per element. Where the weight is 0 the result is 0, even if the loss is NaN.
INLINE V weightedLossAt(
  V a, V x, V weight, int loss, int activation, float gradientScale, float lossScale, float normaliser, int count,
  Losses *losses) {
  Losses own = {(V)0.0f, (V)0.0f};
  V gradient = lossAt(a, x, loss, activation, gradientScale, lossScale, normaliser, count, &own);
  settle(&own);
  losses->sum += keep(weight == (V)0.0f ? (V)0.0f : weight * own.sum, count);
  return weight == (V)0.0f ? (V)0.0f : weight * gradient;
}
