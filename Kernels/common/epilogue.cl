// What is done to each element of a product before it is stored.

enum { NONE, ACCUMULATE, FORWARD, BACKWARD, LOSS, DENSE_GRADIENT };
enum { HAS_U = 1, HAS_W = 2, ADD_TO_C = 4, ADD_TO_SUMS = 8 };

// `u` is bias, column or row scale by `mode`; `v` is output, target or weight; `w` is row norms.
typedef struct {
  global float *c;
  const global float *u, *v, *w;
  int m, n, mode, flags, function, loss;
  float scale, l1, lossScale;
} Epilogue;

// A product before anything is added to it: a dense gradient's has a factor, in the place of `l1`.
INLINE V scaled(const Epilogue *e, V x) { return e->mode == DENSE_GRADIENT ? x * e->l1 : x; }

// Ends one vector of the product: row i, columns j ..< j+count.
INLINE V finish(const Epilogue *e, V x, int i, int j, int count, Losses *losses) {
  size_t at = (size_t)i * e->n + j;
  switch (e->mode) {
  case FORWARD:
    if (e->flags & HAS_U) x += loadPart(e->u + j, count, 0.0f);
    return activate(x, e->function);
  case BACKWARD: {
    V column = e->flags & HAS_U ? loadPart(e->u + j, count, 0.0f) : (V)0.0f;
    V norm = e->flags & HAS_W ? loadPart(e->w + j, count, 0.0f) : (V)0.0f;
    return gradientAt(x, loadPart(e->v + at, count, 0.0f), column, norm, e->function, e->l1, e->scale);
  }
  case LOSS:
    if (e->flags & HAS_U) x += loadPart(e->u + j, count, 0.0f);
    return lossAt(
      x, loadPart(e->v + at, count, 0.0f), e->loss, e->function, e->scale, e->lossScale, count, losses);
  case DENSE_GRADIENT:
    if (e->flags & HAS_U) x = fma((V)(e->scale * e->u[i]), loadPart(e->v + at, count, 0.0f), x);
    return x;
  default: return x;
  }
}
