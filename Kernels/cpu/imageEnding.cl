// How the convolutions of a CPU device apply an epilogue, for which the pixels of an image are rows. A program
// has LOSSES, or only the other epilogues: with losses it takes a third longer to compile.

#if !defined(LOSSES)
#error "The host must define whether a loss may be the epilogue."
#endif

// Where sums lie, and their vectors' places in C. Tiles of registers are in private memory, and each pixel has a place of
// its own, every other number of a list; planes are in scratch memory, and become C's floats in order.
#ifdef PIXELS
typedef const float *SumsAt;
typedef Plan Places;
#define PLACE(places, i) ((places)[2 * (i)])
#else
typedef const global float *SumsAt;
typedef size_t Places;
#define PLACE(places, i) ((places) + (size_t)(i) * VW)
#endif

// What is added to every row of C, for columns j ..< j+count: the bias, or the column term of a gradient.
INLINE V loadRow(const Epilogue *e, int j, int count) {
  if (e->flags & HAS_BIAS) return loadPart(e->bias + j, count, 0.0f);
  return e->flags & HAS_COLUMN ? loadPart(e->column + j, count, 0.0f) : (V)0.0f;
}

// Ends a stretch of a band's loss, where the epilogue is one.
INLINE void collectLosses(const Epilogue *e, Losses *losses, Sum *total) {
  if (LOSSES && e->mode == LOSS) collect(losses, total);
}

// Leaves the loss of a band, likewise.
INLINE void endLosses(const Epilogue *e, int unit, const Sum *total) {
  if (!LOSSES || e->mode != LOSS) return;
  e->partials[unit] = sumLanes(sumOf(total));
}

INLINE V loadNorms(const Epilogue *e, int j, int count) {
  return e->flags & HAS_NORMS ? loadPart(e->norms + j, count, 0.0f) : (V)0.0f;
}

// Adds what C holds at `at` where the flags say so, applies the epilogue and stores the vector; `row` and `norm` are
// what the two functions above return for its lanes. The same as `finish`, but what all rows share is loaded once, and
// the usual gradient takes fewer steps.
INLINE void endVector(const Epilogue *e, V x, size_t at, V row, V norm, int count, Losses *losses) {
  global float *c = e->c + at;
  if (e->flags & ADD_TO_C) x += loadPart(c, count, 0.0f);
  switch (e->mode) {
  case FORWARD: x = activate(x + row, e->activation); break;
  case BACKWARD: {
    V h = loadPart(e->output + at, count, 0.0f);
    if (e->l1 == 0.0f && !(e->flags & HAS_NORMS))
      x = (x + row) * slope(h, e->activation);
    else
      x = gradientAt(x, h, row, norm, e->activation, e->l1, e->curvature);
    break;
  }
#if LOSSES
  case LOSS: x = lossOf(e, x + row, at, count, losses); break;
#endif
  }
  storePart(x, c, count);
}

// The same for `count` whole vectors, `gap` floats apart in `from`, which go `on` floats beyond their places. The two
// epilogues of most hidden layers have loops of their own, which do not decide per vector.
OUTLINE void endVectors(
  const Epilogue *e, SumsAt from, int gap, Places places, size_t on, int count, V row, V norm, Losses *losses) {
  global float *c = e->c + on;
  const global float *output = e->output + on;
  if (e->mode == FORWARD && e->activation == RELU)
    for (int i = 0; i < count; i++) STORE(activate(LOAD(from + i * gap) + row, RELU), c + PLACE(places, i));
  else if (e->mode == BACKWARD && e->activation == RELU && e->l1 == 0.0f && !(e->flags & HAS_NORMS))
    for (int i = 0; i < count; i++)
      STORE(
        (LOAD(from + i * gap) + row) * slope(LOAD(output + PLACE(places, i)), RELU), c + PLACE(places, i));
  else
    for (int i = 0; i < count; i++)
      endVector(e, LOAD(from + i * gap), PLACE(places, i) + on, row, norm, VW, losses);
}

// The same for one vector that is not whole.
OUTLINE void endPart(const Epilogue *e, V x, size_t at, V row, V norm, int count, Losses *losses) {
  endVector(e, x, at, row, norm, count, losses);
}
