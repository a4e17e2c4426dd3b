// What the convolution kernels of a CPU device share: the plan of a geometry, and the padded copy of the image
// that a work-item reads.
//
// Both a convolution and its adjoint make pixel q·b + r of their result, for each phase r < b, from the pixels q·a + e
// of their input, where e runs over the taps of that phase: a is the stride and b = 1 in a convolution, b the stride
// and a = 1 in its adjoint. The host lists the taps of each phase in `plan`. A work-item copies a band of its image
// into scratch memory with zeros around it, so that no loop has to test what lies inside; the copy stays in the cache.

// `plan` is indexed by the host's PlanField; its lists hold PHASE integers for each phase, by PhaseField.
typedef const global int *Plan;

// The bands of all samples, CHUNK of which are a piece of work.
#define FOR_UNITS(unit, plan, taken)                                                                      \
  FOR_PIECES(piece, (plan[UNITS] + plan[CHUNK] - 1) / plan[CHUNK], taken)                                  \
  for (int unit = piece * plan[CHUNK], end = min(unit + plan[CHUNK], plan[UNITS]); unit < end; unit++)

INLINE void zero(global float *p, int count) {
  int i = 0;
  for (; i + VW <= count; i += VW) STORE((V)0.0f, p + i);
  for (; i < count; i++) p[i] = 0.0f;
}

INLINE void copyFloats(const global float *from, global float *to, int count) {
  int i = 0;
  for (; i + VW <= count; i += VW) STORE(LOAD(from + i), to + i);
  if (i == count) return;
  if (count >= VW) {
    STORE(LOAD(from + count - VW), to + count - VW);
    return;
  }
  for (; i < count; i++) to[i] = from[i];
}

// Which columns of a padded row are real: after `left` zeros come `count` pixels of the image, from pixel `from` on.
INLINE void realColumns(Plan plan, int *left, int *from, int *count) {
  *left = max(-plan[FIRST_X], 0);
  *from = max(plan[FIRST_X], 0);
  *count = max(min(plan[IN_WIDTH] - *from, plan[PAD_WIDTH] - *left), 0);
}

// Copies the band that starts at row `first` of the image into `pad`, channels last. Where the image is one band, the
// zeros around it stay when the next image is copied; `fresh` says that they have not been written yet.
OUTLINE void padImage(const global float *image, int first, global float *pad, Plan plan, bool fresh) {
  int channels = plan[IN_CHANNELS], width = plan[PAD_WIDTH] * channels;
  int left, from, count;
  realColumns(plan, &left, &from, &count);
  if (fresh || plan[BANDS] > 1) zero(pad, plan[PAD_HEIGHT] * width);
  for (int r = 0; r < plan[PAD_HEIGHT]; r++) {
    int y = first + r;
    if (y < 0 || y >= plan[IN_HEIGHT]) continue;
    copyFloats(
      image + ((size_t)y * plan[IN_WIDTH] + from) * channels, pad + r * width + left * channels, count * channels);
  }
}
