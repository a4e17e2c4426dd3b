// Pooling, and its inverses as gathers: each pixel of the result looks for the windows that cover it. Windows are
// those of the small image [n, outputHeight, outputWidth]: (i, j) covers rows i·strideY − top and kernelHeight − 1
// more of the large one. Lanes are channels: the host compiles this for the widest vector that a pixel fills.
//
// Where windows tile the large image and channels fill vectors, the host makes their extents the constants TILE_HEIGHT
// and TILE_WIDTH, else 0: loops over a window then have constant bounds, and no vector is cut.

#if !defined(TILE_HEIGHT) || !defined(TILE_WIDTH)
#error "The host must define the windows' extents where they tile the image, or 0."
#endif

// How the two images relate.
typedef struct {
  int height, width, channels, outputHeight, outputWidth, kernelHeight, kernelWidth, strideY, strideX, top, left;
} Windows;

#define WINDOWS_ARGUMENTS                                                                                 \
  int height, int width, int channels, int outputHeight, int outputWidth, int kernelHeight, int kernelWidth, \
    int strideY, int strideX, int top, int left

#if TILE_HEIGHT
#define TILES true
#define UNROLL_TILES _Pragma("unroll")
#define WINDOWS                                                                                           \
  {                                                                                                       \
    .height = outputHeight * TILE_HEIGHT, .width = outputWidth * TILE_WIDTH, .channels = channels,        \
    .outputHeight = outputHeight, .outputWidth = outputWidth, .kernelHeight = TILE_HEIGHT,                \
    .kernelWidth = TILE_WIDTH, .strideY = TILE_HEIGHT, .strideX = TILE_WIDTH, .top = 0, .left = 0,        \
  }
#else
#define TILES false
#define UNROLL_TILES
#define WINDOWS                                                                                           \
  {                                                                                                       \
    .height = height, .width = width, .channels = channels, .outputHeight = outputHeight,                 \
    .outputWidth = outputWidth, .kernelHeight = kernelHeight, .kernelWidth = kernelWidth,                 \
    .strideY = strideY, .strideX = strideX, .top = top, .left = left,                                     \
  }
#endif

// The channels from c on that are real.
INLINE int channelsFrom(const Windows *w, int c) { return TILES ? VW : w->channels - c; }

// The pixels p of a row, and their channels c by vectors.
#if CPU_FAMILY
#define FOR_PIXELS(p, c, width, channels)                                                                 \
  for (int p = 0; p < (width); p++)                                                                       \
    for (int c = 0; c < (channels); c += VW)
#else
#define FOR_PIXELS(p, c, width, channels)                                                                 \
  for (int f = get_global_id(0), p = f / (channels), c = f % (channels); f < (width) * (channels);        \
       f += get_global_size(0), p = f / (channels), c = f % (channels))
#endif

// The gradient of the layer below, in the mode BACKWARD, which ends a pass.
typedef struct {
  const global float *output, *column, *norms;
  int mode, flags, activation;
  float l1, curvature;
} Below;

#define BELOW_ARGUMENTS                                                                                   \
  const global float *output, ulong output0, const global float *column, ulong column0,                   \
    const global float *norms, ulong norms0, int mode, int flags, int activation, float l1, float curvature

#define BELOW                                                                                             \
  {                                                                                                       \
    .output = output + output0, .column = column + column0, .norms = norms + norms0, .mode = mode,        \
    .flags = flags, .activation = activation, .l1 = l1, .curvature = curvature,                           \
  }

// Ends channels c ..< c+count of the pixel whose channels begin at `pixel`.
INLINE V finishBelow(const Below *b, V value, size_t pixel, int c, int count) {
  if (b->mode != BACKWARD) return value;
  V h = loadPart(b->output + pixel + c, count, 0.0f);
  if (b->flags == 0 && b->l1 == 0.0f) return value * slope(h, b->activation);
  V add = b->flags & HAS_COLUMN ? loadPart(b->column + c, count, 0.0f) : (V)0.0f;
  V norm = b->flags & HAS_NORMS ? loadPart(b->norms + c, count, 0.0f) : (V)0.0f;
  return gradientAt(value, h, add, norm, b->activation, b->l1, b->curvature);
}

// MARK: From the large image to the small one

// A row of the small image: where the rows of its windows begin in the large one, in pixels, and which of their taps,
// u0 ..< u1, lie inside.
typedef struct {
  long first;
  int u0, u1;
} SmallRow;

INLINE SmallRow smallRow(const Windows *w, long r) {
  int n = (int)r / w->outputHeight, y0 = (int)r % w->outputHeight * w->strideY - w->top;
  SmallRow row;
  row.first = ((long)n * w->height + y0) * w->width;
  row.u0 = TILES ? 0 : max(-y0, 0);
  row.u1 = TILES ? w->kernelHeight : min(w->kernelHeight, w->height - y0);
  return row;
}

// A window of that row: where its corner's channels begin, which may be outside, and the taps v0 ..< v1 that lie
// inside.
typedef struct {
  long corner;
  int v0, v1;
} Window;

INLINE Window windowAt(const Windows *w, const SmallRow *row, int p) {
  int x0 = p * w->strideX - w->left;
  Window window;
  window.corner = (row->first + x0) * w->channels;
  window.v0 = TILES ? 0 : max(-x0, 0);
  window.v1 = TILES ? w->kernelWidth : min(w->kernelWidth, w->width - x0);
  return window;
}

// Channels c ..< c+count of tap (u, v).
INLINE V loadTap(const Windows *w, const global float *x, const Window *window, int u, int v, int c, int count) {
  return loadPart(x + window->corner + c + ((long)u * w->width + v) * w->channels, count, 0.0f);
}

// Where the channels of pixel p of row r of the small image begin.
INLINE size_t smallPixel(const Windows *w, long r, int p) { return ((size_t)r * w->outputWidth + p) * w->channels; }

// y = the largest value of each window, NaN above all, and its place in the window, the first of equals.
kernel GROUP_2D void maxPool(
  const global float *x, ulong x0, global float *y, ulong y0, global float *switches, ulong switches0, int rows,
  int chunk, WINDOWS_ARGUMENTS) {
  Windows w = WINDOWS;
  FOR_ROWS(r, rows, chunk) {
    SmallRow row = smallRow(&w, r);
    FOR_PIXELS(p, c, w.outputWidth, w.channels) {
      Window window = windowAt(&w, &row, p);
      int count = channelsFrom(&w, c);
      Largest largest = {(V)-INFINITY, (V)(float)(row.u0 * w.kernelWidth + window.v0)};
      UNROLL_TILES for (int u = row.u0; u < row.u1; u++)
        UNROLL_TILES for (int v = window.v0; v < window.v1; v++)
          meet(&largest, loadTap(&w, x + x0, &window, u, v, c, count), u * w.kernelWidth + v);
      size_t at = smallPixel(&w, r, p) + c;
      storePart(largest.value, y + y0 + at, count);
      storePart(largest.place, switches + switches0 + at, count);
    }
  }
}

// y = x at each window's switch, then what lies below.
kernel GROUP_2D void pickSwitches(
  const global float *x, ulong x0, const global float *switches, ulong switches0, global float *y, ulong y0, int rows,
  int chunk, WINDOWS_ARGUMENTS, BELOW_ARGUMENTS) {
  Windows w = WINDOWS;
  Below below = BELOW;
  FOR_ROWS(r, rows, chunk) {
    SmallRow row = smallRow(&w, r);
    FOR_PIXELS(p, c, w.outputWidth, w.channels) {
      Window window = windowAt(&w, &row, p);
      int count = channelsFrom(&w, c);
      size_t pixel = smallPixel(&w, r, p);
      V place = loadPart(switches + switches0 + pixel + c, count, -1.0f);
      V picked = (V)0.0f;
      UNROLL_TILES for (int u = row.u0; u < row.u1; u++)
        UNROLL_TILES for (int v = window.v0; v < window.v1; v++) {
          V value = loadTap(&w, x + x0, &window, u, v, c, count);
          picked = place == (V)(float)(u * w.kernelWidth + v) ? value : picked;
        }
      storePart(finishBelow(&below, picked, pixel, c, count), y + y0 + pixel + c, count);
    }
  }
}

// y = Σ of each window, divided by its pixels if `mean`, then what lies below.
kernel GROUP_2D void poolSum(
  const global float *x, ulong x0, global float *y, ulong y0, int rows, int chunk, int mean, WINDOWS_ARGUMENTS,
  BELOW_ARGUMENTS) {
  Windows w = WINDOWS;
  Below below = BELOW;
  FOR_ROWS(r, rows, chunk) {
    SmallRow row = smallRow(&w, r);
    FOR_PIXELS(p, c, w.outputWidth, w.channels) {
      Window window = windowAt(&w, &row, p);
      int count = channelsFrom(&w, c);
      V sum = (V)0.0f;
      UNROLL_TILES for (int u = row.u0; u < row.u1; u++)
        UNROLL_TILES for (int v = window.v0; v < window.v1; v++)
          sum += loadTap(&w, x + x0, &window, u, v, c, count);
      if (mean) sum *= 1.0f / (float)((row.u1 - row.u0) * (window.v1 - window.v0));
      size_t pixel = smallPixel(&w, r, p);
      storePart(finishBelow(&below, sum, pixel, c, count), y + y0 + pixel + c, count);
    }
  }
}

// MARK: From the small image to the large one

// The small image, and how a value goes to the pixels of its window: to the one that the switch names, or to all of
// them, divided by their number if `mean`.
typedef struct {
  const global float *values, *switches;
  bool toSwitches;
  int mean;
} Spread;

// One over the pixels inside the image of window (i, j).
INLINE float shareOf(const Windows *w, int i, int j) {
  int y0 = i * w->strideY - w->top, x0 = j * w->strideX - w->left;
  int tall = min(y0 + w->kernelHeight, w->height) - max(y0, 0), wide = min(x0 + w->kernelWidth, w->width) - max(x0, 0);
  return 1.0f / (float)(tall * wide);
}

// What a window of the small image holds: its value, and the tap that this goes to.
typedef struct {
  V value, place;
} Pooled;

// Channels c ..< c+count of window (i, j) of sample n.
INLINE Pooled loadPooled(const Windows *w, const Spread *s, int n, int i, int j, int c, int count) {
  size_t at = (((size_t)n * w->outputHeight + i) * w->outputWidth + j) * w->channels + c;
  Pooled pooled;
  pooled.value = loadPart(s->values + at, count, 0.0f);
  pooled.place = s->toSwitches ? loadPart(s->switches + at, count, -1.0f) : (V)-1.0f;
  if (s->mean) pooled.value *= shareOf(w, i, j);
  return pooled;
}

// What of it the pixel at tap (down, across) gets.
INLINE V partAt(const Windows *w, const Spread *s, const Pooled *pooled, int down, int across) {
  if (!s->toSwitches) return pooled->value;
  return pooled->place == (V)(float)(down * w->kernelWidth + across) ? pooled->value : (V)0.0f;
}

// A row of the large image: its sample, the last row i of windows that begins at or before it, and its place there.
typedef struct {
  int n, i, down;
} LargeRow;

INLINE LargeRow largeRow(const Windows *w, long r) {
  int y = (int)r % w->height + w->top;
  LargeRow row;
  row.n = (int)r / w->height;
  row.i = y / w->strideY;
  row.down = y - row.i * w->strideY;
  return row;
}

// Channels c ..< c+count of pixel p of that row: the sum over the windows that cover it, from the last one backwards.
INLINE V sumOfWindows(const Windows *w, const Spread *s, const LargeRow *row, int p, int c, int count) {
  V sum = (V)0.0f;
  int last = (p + w->left) / w->strideX;
  for (int i = row->i, down = row->down; i >= 0 && down < w->kernelHeight; i--, down += w->strideY)
    for (int j = last, across = p + w->left - j * w->strideX; j >= 0 && across < w->kernelWidth;
         j--, across += w->strideX)
      if (i < w->outputHeight && j < w->outputWidth) {
        Pooled pooled = loadPooled(w, s, row->n, i, j, c, count);
        sum += partAt(w, s, &pooled, down, across);
      }
  return sum;
}

// Where no window overlaps another, a CPU takes a row's windows in turn, each with the pixels up to the next one: what
// a window holds is loaded once.
INLINE void spreadApart(
  const Windows *w, const Spread *s, const Below *below, const LargeRow *row, size_t line, global float *x) {
  bool covered = TILES || (row->i < w->outputHeight && row->down < w->kernelHeight);
  for (int j = 0, start = -w->left; start < w->width; j++, start += w->strideX)
    for (int c = 0; c < w->channels; c += VW) {
      int count = channelsFrom(w, c);
      Pooled pooled = {(V)0.0f, (V)-1.0f};
      if (TILES || (covered && j < w->outputWidth)) pooled = loadPooled(w, s, row->n, row->i, j, c, count);
      int first = TILES ? 0 : max(-start, 0), end = TILES ? w->strideX : min(w->strideX, w->width - start);
      UNROLL_TILES for (int across = first; across < end; across++) {
        size_t pixel = (line + start + across) * w->channels;
        V value = across < w->kernelWidth ? partAt(w, s, &pooled, row->down, across) : (V)0.0f;
        storePart(finishBelow(below, value, pixel, c, count), x + pixel + c, count);
      }
    }
}

// Rows of the large image, each pixel from the windows that cover it, then what lies below.
INLINE void spread(const Windows *w, const Spread *s, const Below *below, global float *x, int rows, int chunk) {
  bool distinct = TILES || (w->kernelHeight <= w->strideY && w->kernelWidth <= w->strideX);
  bool apart = CPU_FAMILY && distinct;
  FOR_ROWS(r, rows, chunk) {
    LargeRow row = largeRow(w, r);
    size_t line = (size_t)r * w->width;
    if (apart) {
      spreadApart(w, s, below, &row, line, x);
      continue;
    }
    FOR_PIXELS(p, c, w->width, w->channels) {
      int count = channelsFrom(w, c);
      size_t pixel = (line + p) * w->channels;
      V sum = sumOfWindows(w, s, &row, p, c, count);
      storePart(finishBelow(below, sum, pixel, c, count), x + pixel + c, count);
    }
  }
}

// x = Σ of y over the windows whose switch points here, then what lies below.
kernel GROUP_2D void unpool(
  const global float *y, ulong y0, const global float *switches, ulong switches0, global float *x, ulong x0, int rows,
  int chunk, WINDOWS_ARGUMENTS, BELOW_ARGUMENTS) {
  Windows w = WINDOWS;
  Below below = BELOW;
  Spread s = {.values = y + y0, .switches = switches + switches0, .toSwitches = true, .mean = false};
  spread(&w, &s, &below, x + x0, rows, chunk);
}

// x = Σ of y over the windows that cover the pixel, each divided by its pixels if `mean`, then what lies below.
kernel GROUP_2D void poolSpread(
  const global float *y, ulong y0, global float *x, ulong x0, int rows, int chunk, int mean, WINDOWS_ARGUMENTS,
  BELOW_ARGUMENTS) {
  Windows w = WINDOWS;
  Below below = BELOW;
  Spread s = {.values = y + y0, .switches = 0, .toSwitches = false, .mean = mean};
  spread(&w, &s, &below, x + x0, rows, chunk);
}
