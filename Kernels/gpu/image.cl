// What the convolutions of the GPU family share: the numbers of a convolution, and counters that find addresses without
// dividing.

#define GEOMETRY_ARGUMENTS                                                                                \
  int height, int width, int channels, int outputHeight, int outputWidth, int outputs, int kernelHeight,  \
    int kernelWidth, int strideY, int strideX, int dilationY, int dilationX, int top, int left

// A number as three digits, the lowest below `low` and the next below `middle`, such as channel, column and row of a tap.
typedef struct {
  int low, middle, high;
} Digits;

INLINE Digits digitsOf(int number, int low, int middle) {
  Digits d = {number % low, number / low % middle, number / low / middle};
  return d;
}

// d += by, with the carries.
INLINE void advance(Digits *d, Digits by, int low, int middle) {
  d->low += by.low;
  d->middle += by.middle;
  d->high += by.high;
  if (d->low >= low) {
    d->low -= low;
    d->middle++;
  }
  if (d->middle >= middle) {
    d->middle -= middle;
    d->high++;
  }
}

// Elements are counted in 32 bits without sign: a tensor has fewer than 2³¹. A window may begin before its image, as a
// number and never as an access.
INLINE bool within(int x, int extent) { return (uint)x < (uint)extent; }
