// Pooling, and its inverses as gathers: each pixel of the result looks for the windows that cover it. Windows are
// those of the small image [n, outputHeight, outputWidth]: (i, j) covers rows i·strideY − top and kernelHeight − 1
// more of the large one. Lanes are channels: the host compiles this for the widest vector that a pixel fills.

#define WINDOWS                                                                                           \
  int height, int width, int channels, int outputHeight, int outputWidth, int kernelHeight, int kernelWidth, \
    int strideY, int strideX, int top, int left

#define BELOW                                                                                             \
  const global float *output, ulong output0, const global float *column, ulong column0,                   \
    const global float *norms, ulong norms0, int flags, int function, float l1, float curvature

enum { GIVEN = 1, HAS_COLUMN = 2, HAS_NORMS = 4 };

#define FINISH(value, at, c, count)                                                                       \
  (flags & GIVEN ? gradientAt(                                                                            \
     value, loadPart(output + output0 + (at) + (c), count, 0.0f),                                         \
     flags & HAS_COLUMN ? loadPart(column + column0 + (c), count, 0.0f) : (V)0.0f,                        \
     flags & HAS_NORMS ? loadPart(norms + norms0 + (c), count, 0.0f) : (V)0.0f, function, l1, curvature)  \
                 : (value))

// The window of pixel r of the small image: its first row and column, and which of its taps lie inside.
#define WINDOW_OF(r)                                                                                      \
  int j = (r) % outputWidth, i = (r) / outputWidth % outputHeight, n = (r) / outputWidth / outputHeight;  \
  int y0 = i * strideY - top, x0 = j * strideX - left;                                                    \
  int u0 = max(-y0, 0), u1 = min(kernelHeight, height - y0);                                              \
  int v0 = max(-x0, 0), v1 = min(kernelWidth, width - x0);                                                \
  size_t corner = (((size_t)n * height + y0) * width + x0) * channels;

// The windows that cover pixel r of the large image.
#define WINDOWS_AT(r)                                                                                     \
  int px = (r) % width, py = (r) / width % height, n = (r) / width / height;                              \
  int i0 = max((py + top - kernelHeight + strideY) / strideY, 0), i1 = min((py + top) / strideY, outputHeight - 1); \
  int j0 = max((px + left - kernelWidth + strideX) / strideX, 0), j1 = min((px + left) / strideX, outputWidth - 1);

// y = the largest value of each window, NaN above all, and its place in the window, the first of equals.
kernel GROUP_2D void maxPool(
  const global float *x, ulong x0_, global float *y, ulong y0_, global float *switches, ulong switches0, int rows,
  int chunk, WINDOWS) {
  FOR_ROWS(r, rows, chunk) {
    WINDOW_OF((int)r)
    FOR_COLUMNS(c, channels) {
      int count = channels - c;
      V best = (V)-INFINITY;
      VI place = (VI)(u0 * kernelWidth + v0);
      for (int u = u0; u < u1; u++)
        for (int v = v0; v < v1; v++) {
          V value = loadPart(x + x0_ + corner + ((size_t)u * width + v) * channels + c, count, 0.0f);
          VI more = (value > best || value != value) && best == best;
          best = more ? value : best;
          place = more ? (VI)(u * kernelWidth + v) : place;
        }
      storePart(best, y + y0_ + r * channels + c, count);
      storePart(TO_V(place), switches + switches0 + r * channels + c, count);
    }
  }
}

// x = Σ of y over the windows whose switch points here, then what lies below.
kernel GROUP_2D void unpool(
  const global float *y, ulong y0_, const global float *switches, ulong switches0, global float *x, ulong x0_,
  int rows, int chunk, WINDOWS, BELOW) {
  FOR_ROWS(r, rows, chunk) {
    WINDOWS_AT((int)r)
    FOR_COLUMNS(c, channels) {
      int count = channels - c;
      V sum = (V)0.0f;
      for (int i = i0; i <= i1; i++)
        for (int j = j0; j <= j1; j++) {
          size_t at = (((size_t)n * outputHeight + i) * outputWidth + j) * channels + c;
          float here = (py + top - i * strideY) * kernelWidth + px + left - j * strideX;
          V value = loadPart(y + y0_ + at, count, 0.0f);
          sum += loadPart(switches + switches0 + at, count, -1.0f) == (V)here ? value : (V)0.0f;
        }
      storePart(FINISH(sum, r * channels, c, count), x + x0_ + r * channels + c, count);
    }
  }
}

// y = x at each window's switch, then what lies below.
kernel GROUP_2D void pickSwitches(
  const global float *x, ulong x0_, const global float *switches, ulong switches0, global float *y, ulong y0_,
  int rows, int chunk, WINDOWS, BELOW) {
  FOR_ROWS(r, rows, chunk) {
    WINDOW_OF((int)r)
    FOR_COLUMNS(c, channels) {
      int count = channels - c;
      V place = loadPart(switches + switches0 + r * channels + c, count, -1.0f);
      V picked = (V)0.0f;
      for (int u = u0; u < u1; u++)
        for (int v = v0; v < v1; v++) {
          V value = loadPart(x + x0_ + corner + ((size_t)u * width + v) * channels + c, count, 0.0f);
          picked = place == (V)(float)(u * kernelWidth + v) ? value : picked;
        }
      storePart(FINISH(picked, r * channels, c, count), y + y0_ + r * channels + c, count);
    }
  }
}

// y = Σ of each window, divided by its pixels if `mean`, then what lies below.
kernel GROUP_2D void poolSum(
  const global float *x, ulong x0_, global float *y, ulong y0_, int rows, int chunk, int mean, WINDOWS, BELOW) {
  FOR_ROWS(r, rows, chunk) {
    WINDOW_OF((int)r)
    float share = mean ? 1.0f / (float)((u1 - u0) * (v1 - v0)) : 1.0f;
    FOR_COLUMNS(c, channels) {
      int count = channels - c;
      V sum = (V)0.0f;
      for (int u = u0; u < u1; u++)
        for (int v = v0; v < v1; v++)
          sum += loadPart(x + x0_ + corner + ((size_t)u * width + v) * channels + c, count, 0.0f);
      storePart(FINISH(sum * share, r * channels, c, count), y + y0_ + r * channels + c, count);
    }
  }
}

// x = Σ of y over the windows that cover the pixel, each divided by its pixels if `mean`, then what lies below.
kernel GROUP_2D void poolSpread(
  const global float *y, ulong y0_, global float *x, ulong x0_, int rows, int chunk, int mean, WINDOWS, BELOW) {
  FOR_ROWS(r, rows, chunk) {
    WINDOWS_AT((int)r)
    FOR_COLUMNS(c, channels) {
      int count = channels - c;
      V sum = (V)0.0f;
      for (int i = i0; i <= i1; i++) {
        int first = i * strideY - top;
        int tall = min(first + kernelHeight, height) - max(first, 0);
        for (int j = j0; j <= j1; j++) {
          int start = j * strideX - left;
          int pixels = tall * (min(start + kernelWidth, width) - max(start, 0));
          float share = mean ? 1.0f / (float)pixels : 1.0f;
          size_t at = (((size_t)n * outputHeight + i) * outputWidth + j) * channels + c;
          sum = fma(loadPart(y + y0_ + at, count, 0.0f), (V)share, sum);
        }
      }
      storePart(FINISH(sum, r * channels, c, count), x + x0_ + r * channels + c, count);
    }
  }
}
