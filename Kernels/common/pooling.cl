// Pooling, and its inverses as gathers: each pixel of the result looks for the windows that cover it. Windows are
// those of the small image [n, outputHeight, outputWidth]: (i, j) covers rows i·strideY − top and kernelHeight − 1
// more of the large one. Lanes are channels: the host compiles this for the widest vector that a pixel fills.

#define WINDOWS                                                                                           \
  int height, int width, int channels, int outputHeight, int outputWidth, int kernelHeight, int kernelWidth, \
    int strideY, int strideX, int top, int left

#define BELOW                                                                                             \
  const global float *output, ulong output0, const global float *column, ulong column0,                   \
    const global float *norms, ulong norms0, int mode, int flags, int activation, float l1, float curvature

#if !defined(TILE_HEIGHT) || !defined(TILE_WIDTH)
#error "The host must define the windows' extents where they tile the image, or 0."
#endif

// Where windows tile the large image and channels fill vectors the host defines TILE_HEIGHT and TILE_WIDTH: loops
// over a window have no end to look for then, and no vector is cut.
#if TILE_HEIGHT
#define TILES 1
#define KNOWN                                                                                             \
  kernelHeight = strideY = TILE_HEIGHT;                                                                   \
  kernelWidth = strideX = TILE_WIDTH;                                                                     \
  height = outputHeight * TILE_HEIGHT;                                                                    \
  width = outputWidth * TILE_WIDTH;                                                                       \
  top = left = 0;
#define REST(c) VW
#define UNROLLED _Pragma("unroll")
#else
#define TILES 0
#define KNOWN
#define REST(c) (channels - (c))
#define UNROLLED
#endif

#define FINISH(value, at, c, count)                                                                       \
  (mode != BACKWARD ? (value)                                                                             \
   : flags == 0 && l1 == 0.0f                                                                             \
     ? (value) * slope(loadPart(output + output0 + (at) + (c), count, 0.0f), activation)                  \
     : gradientAt(                                                                                        \
     value, loadPart(output + output0 + (at) + (c), count, 0.0f),                                         \
     flags & HAS_COLUMN ? loadPart(column + column0 + (c), count, 0.0f) : (V)0.0f,                        \
     flags & HAS_NORMS ? loadPart(norms + norms0 + (c), count, 0.0f) : (V)0.0f, activation, l1, curvature))

// FOR_PIXELS walks the pixels p of row r, and their channels c by vectors.
#if CPU_FAMILY
#define FOR_PIXELS(p, c, width)                                                                           \
  for (int p = 0; p < (width); p++)                                                                       \
    for (int c = 0; c < channels; c += VW)
#else
#define FOR_PIXELS(p, c, width)                                                                           \
  for (int f = get_global_id(0); f < (width) * channels; f += get_global_size(0))                         \
    for (int p = f / channels, c = f % channels, once = 1; once; once = 0)
#endif

// Row r of the small image: its windows' first row, and which of their taps lie inside.
#define SMALL_ROW(r)                                                                                      \
  int n = (int)(r) / outputHeight, y0 = (int)(r) % outputHeight * strideY - top;                          \
  int u0 = TILES ? 0 : max(-y0, 0);                                                                       \
  int u1 = TILES ? kernelHeight : min(kernelHeight, height - y0);                                         \
  long first = ((long)n * height + y0) * width;
#define WINDOW_AT(p)                                                                                      \
  int x0 = (p) * strideX - left;                                                                          \
  int v0 = TILES ? 0 : max(-x0, 0);                                                                       \
  int v1 = TILES ? kernelWidth : min(kernelWidth, width - x0);                                            \
  long corner = (first + x0) * channels + c;                                                              \
  size_t at = ((size_t)r * outputWidth + (p)) * channels;

// Row r of the large image, and the windows that cover a pixel of it: from the last one that begins at or before
// it backwards, `down` and `across` are the pixel's place in them.
#define LARGE_ROW(r)                                                                                      \
  int n = (int)(r) / height, y = (int)(r) % height + top;                                                 \
  int lastRow = y / strideY;
#define FOR_WINDOWS(p)                                                                                    \
  size_t at = ((size_t)r * width + (p)) * channels;                                                       \
  int lastColumn = ((p) + left) / strideX;                                                                \
  for (int i = lastRow, down = y - i * strideY; i >= 0 && down < kernelHeight; i--, down += strideY)      \
    for (int j = lastColumn, across = (p) + left - j * strideX; j >= 0 && across < kernelWidth;           \
         j--, across += strideX)                                                                          \
      if (i < outputHeight && j < outputWidth)
// The same where no window overlaps another, on a CPU: a row's windows in turn, with the pixels up to the next one.
// What a window holds is loaded once. `row` and `column` say whether windows i, j exist and cover them.
#if CPU_FAMILY
#define APART (TILES || (kernelHeight <= strideY && kernelWidth <= strideX))
#else
#define APART false
#endif
#define FOR_APART                                                                                         \
  int i = lastRow, down = y - i * strideY;                                                                \
  bool row = TILES || (i < outputHeight && down < kernelHeight);                                          \
  for (int j = 0, start = -left; start < width; j++, start += strideX)                                    \
    for (int c = 0; c < channels; c += VW)
#define FOR_PIXELS_APART                                                                                  \
  UNROLLED for (int across = TILES ? 0 : max(-start, 0);                                                  \
                across < (TILES ? strideX : min(strideX, width - start)); across++)
#define COVERED (TILES || (row && j < outputWidth))
#define APART_AT (((size_t)r * width + start + across) * channels)

#define WINDOW ((((size_t)n * outputHeight + i) * outputWidth + j) * channels + c)

// y = the largest value of each window, NaN above all, and its place in the window, the first of equals.
kernel GROUP_2D void maxPool(
  const global float *x, ulong xAt, global float *y, ulong yAt, global float *switches, ulong switches0, int rows,
  int chunk, WINDOWS) {
  KNOWN
  FOR_ROWS(r, rows, chunk) {
    SMALL_ROW(r)
    FOR_PIXELS(p, c, outputWidth) {
      WINDOW_AT(p)
      int count = REST(c);
      V best = (V)-INFINITY;
      V place = (V)(float)(u0 * kernelWidth + v0);
      UNROLLED for (int u = u0; u < u1; u++)
        UNROLLED for (int v = v0; v < v1; v++) {
          V value = loadPart(x + xAt + corner + ((long)u * width + v) * channels, count, 0.0f);
          VI more = (value > best || value != value) && best == best;
          best = more ? value : best;
          place = more ? (V)(float)(u * kernelWidth + v) : place;
        }
      storePart(best, y + yAt + at + c, count);
      storePart(place, switches + switches0 + at + c, count);
    }
  }
}

// x = Σ of y over the windows whose switch points here, then what lies below.
kernel GROUP_2D void unpool(
  const global float *small, ulong small0, const global float *switches, ulong switches0, global float *x, ulong xAt,
  int rows, int chunk, WINDOWS, BELOW) {
  KNOWN
  FOR_ROWS(r, rows, chunk) {
    LARGE_ROW(r)
    if (APART) {
      FOR_APART {
        int count = REST(c);
        V value = COVERED ? loadPart(small + small0 + WINDOW, count, 0.0f) : (V)0.0f;
        V place = COVERED ? loadPart(switches + switches0 + WINDOW, count, -1.0f) : (V)-1.0f;
        FOR_PIXELS_APART {
          V sum = place == (V)(across < kernelWidth ? (float)(down * kernelWidth + across) : -2.0f) ? value : (V)0.0f;
          storePart(FINISH(sum, APART_AT, c, count), x + xAt + APART_AT + c, count);
        }
      }
      continue;
    }
    FOR_PIXELS(p, c, width) {
      int count = REST(c);
      V sum = (V)0.0f;
      FOR_WINDOWS(p) {
        V here = (V)(float)(down * kernelWidth + across);
        V value = loadPart(small + small0 + WINDOW, count, 0.0f);
        sum += loadPart(switches + switches0 + WINDOW, count, -1.0f) == here ? value : (V)0.0f;
      }
      storePart(FINISH(sum, at, c, count), x + xAt + at + c, count);
    }
  }
}

// y = x at each window's switch, then what lies below.
kernel GROUP_2D void pickSwitches(
  const global float *x, ulong xAt, const global float *switches, ulong switches0, global float *y, ulong yAt,
  int rows, int chunk, WINDOWS, BELOW) {
  KNOWN
  FOR_ROWS(r, rows, chunk) {
    SMALL_ROW(r)
    FOR_PIXELS(p, c, outputWidth) {
      WINDOW_AT(p)
      int count = REST(c);
      V place = loadPart(switches + switches0 + at + c, count, -1.0f);
      V picked = (V)0.0f;
      UNROLLED for (int u = u0; u < u1; u++)
        UNROLLED for (int v = v0; v < v1; v++) {
          V value = loadPart(x + xAt + corner + ((long)u * width + v) * channels, count, 0.0f);
          picked = place == (V)(float)(u * kernelWidth + v) ? value : picked;
        }
      storePart(FINISH(picked, at, c, count), y + yAt + at + c, count);
    }
  }
}

// y = Σ of each window, divided by its pixels if `mean`, then what lies below.
kernel GROUP_2D void poolSum(
  const global float *x, ulong xAt, global float *y, ulong yAt, int rows, int chunk, int mean, WINDOWS, BELOW) {
  KNOWN
  FOR_ROWS(r, rows, chunk) {
    SMALL_ROW(r)
    FOR_PIXELS(p, c, outputWidth) {
      WINDOW_AT(p)
      int count = REST(c);
      V sum = (V)0.0f;
      UNROLLED for (int u = u0; u < u1; u++)
        UNROLLED for (int v = v0; v < v1; v++)
          sum += loadPart(x + xAt + corner + ((long)u * width + v) * channels, count, 0.0f);
      if (mean) sum *= 1.0f / (float)((u1 - u0) * (v1 - v0));
      storePart(FINISH(sum, at, c, count), y + yAt + at + c, count);
    }
  }
}

// One over the pixels inside the image of window (i, j).
INLINE float shareOf(int y0, int x0, int height, int width, int kernelHeight, int kernelWidth) {
  int tall = min(y0 + kernelHeight, height) - max(y0, 0), wide = min(x0 + kernelWidth, width) - max(x0, 0);
  return 1.0f / (float)(tall * wide);
}
#define SHARE shareOf(i * strideY - top, j * strideX - left, height, width, kernelHeight, kernelWidth)

// x = Σ of y over the windows that cover the pixel, each divided by its pixels if `mean`, then what lies below.
kernel GROUP_2D void poolSpread(
  const global float *small, ulong small0, global float *x, ulong xAt, int rows, int chunk, int mean, WINDOWS,
  BELOW) {
  KNOWN
  FOR_ROWS(r, rows, chunk) {
    LARGE_ROW(r)
    if (APART) {
      FOR_APART {
        int count = REST(c);
        V value = COVERED ? loadPart(small + small0 + WINDOW, count, 0.0f) : (V)0.0f;
        if (mean) value *= SHARE;
        FOR_PIXELS_APART {
          V sum = across < kernelWidth ? value : (V)0.0f;
          storePart(FINISH(sum, APART_AT, c, count), x + xAt + APART_AT + c, count);
        }
      }
      continue;
    }
    FOR_PIXELS(p, c, width) {
      int count = REST(c);
      V sum = (V)0.0f;
      FOR_WINDOWS(p) {
        V value = loadPart(small + small0 + WINDOW, count, 0.0f);
        if (mean) value *= SHARE;
        sum += value;
      }
      storePart(FINISH(sum, at, c, count), x + xAt + at + c, count);
    }
  }
}
