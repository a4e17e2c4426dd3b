// What is done to each element of a product C [m,n] before it is stored.
//
// Kernels take it as slots, which hold other things in each mode; the host fills them in Epilogue.swift. This file
// alone takes them out:
//
//                    tensor0     tensor1   tensor2      tensor3      sums           number0         number1
//     FORWARD        bias
//     BACKWARD       column      output    norms                                    l1              curvature
//     LOSS           bias        target    lossWeight   logVariance  partials       gradientScale   lossScale
//     DENSE_GRADIENT pullScale   weight                              biasGradient   pullFactor      productScale
//
// Flags say which tensors are there; ADD_TO_C serves any mode, ADD_TO_SUMS a dense gradient.

#define EPILOGUE_ARGUMENTS                                                                                \
  const global float *tensor0, ulong tensor0At, const global float *tensor1, ulong tensor1At,             \
    const global float *tensor2, ulong tensor2At, const global float *tensor3, ulong tensor3At,           \
    global float *sums, ulong sumsAt, int mode, int flags, int activation, int loss, float number0,       \
    float number1

// A mode reads what is its own, and nothing else.
typedef struct {
  global float *c;
  int m, n, mode, flags, activation, loss;
  // [n]: added to every row, and the squared norms of the contractive penalty.
  const global float *bias, *column, *norms;
  // [m,n].
  const global float *output, *target, *weight, *lossWeight;
  // [m].
  const global float *pullScale;
  float l1, curvature, gradientScale, lossScale, pullFactor, productScale;
  // See `lossAt`; the scales of a gaussian loss have 1/σ² in them.
  float normaliser;
  // A loss's sum for each work-item or work-group; the sums of δ's columns.
  global float *partials, *biasGradient;
} Epilogue;

#define EPILOGUE(C, M, N)                                                                                 \
  {                                                                                                       \
    .c = C, .m = M, .n = N, .mode = mode, .flags = flags, .activation = activation, .loss = loss,         \
    .bias = tensor0 + tensor0At, .column = tensor0 + tensor0At, .pullScale = tensor0 + tensor0At,         \
    .output = tensor1 + tensor1At, .target = tensor1 + tensor1At, .weight = tensor1 + tensor1At,          \
    .norms = tensor2 + tensor2At, .partials = sums + sumsAt, .biasGradient = sums + sumsAt,               \
    .l1 = number0, .pullFactor = number0, .curvature = number1, .productScale = number1,                  \
    .lossWeight = tensor2 + tensor2At, .normaliser = normaliserOf(loss, tensor3 + tensor3At),             \
    .gradientScale = number0 * precisionOf(loss, tensor3 + tensor3At),                                    \
    .lossScale = number1 * precisionOf(loss, tensor3 + tensor3At),                                        \
  }

// A product before anything is added to it.
INLINE V scaled(const Epilogue *e, V x) { return e->mode == DENSE_GRADIENT ? x * e->productScale : x; }

// The gradient of one vector's loss, `at` elements into C, which is added to `losses`; the bias is in x.
INLINE V lossOf(const Epilogue *e, V x, size_t at, int count, Losses *losses) {
  V target = loadPart(e->target + at, count, 0.0f);
  if (e->flags & HAS_WEIGHT)
    return weightedLossAt(
      x, target, loadPart(e->lossWeight + at, count, 0.0f), e->loss, e->activation, e->gradientScale, e->lossScale,
      e->normaliser, count, losses);
  return lossAt(
    x, target, e->loss, e->activation, e->gradientScale, e->lossScale, e->normaliser, count, losses);
}

// A dense gradient's vector in row i, `at` elements into C, with the pull of the weights.
INLINE V pulled(const Epilogue *e, V x, int i, size_t at, int count) {
  if (!(e->flags & HAS_PULL)) return x;
  return fma((V)(e->pullFactor * e->pullScale[i]), loadPart(e->weight + at, count, 0.0f), x);
}

// Ends one vector of the product: row i, columns j ..< j+count.
INLINE V finish(const Epilogue *e, V x, int i, int j, int count, Losses *losses) {
  size_t at = (size_t)i * e->n + j;
  switch (e->mode) {
  case FORWARD:
    if (e->flags & HAS_BIAS) x += loadPart(e->bias + j, count, 0.0f);
    return activate(x, e->activation);
  case BACKWARD: {
    V column = e->flags & HAS_COLUMN ? loadPart(e->column + j, count, 0.0f) : (V)0.0f;
    V norm = e->flags & HAS_NORMS ? loadPart(e->norms + j, count, 0.0f) : (V)0.0f;
    return gradientAt(x, loadPart(e->output + at, count, 0.0f), column, norm, e->activation, e->l1, e->curvature);
  }
  case LOSS:
    if (e->flags & HAS_BIAS) x += loadPart(e->bias + j, count, 0.0f);
    return lossOf(e, x, at, count, losses);
  case DENSE_GRADIENT: return pulled(e, x, i, at, count);
  default: return x;
  }
}
