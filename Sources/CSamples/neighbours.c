#include "CSamples.h"
#include "clones.h"

#include <math.h>
#include <string.h>

#pragma STDC FP_CONTRACT OFF

// t-SNE, row by row: L.J.P. van der Maaten and G.E. Hinton, "Visualizing data using t-SNE", JMLR 9 (2008). Sums have a fixed
// number of parts, so the bits do not depend on how wide the processor's vectors are.

enum { lane_count = 8, most_halvings = 200 };

typedef double lanes __attribute__((vector_size(8 * lane_count)));
typedef float floats __attribute__((vector_size(4 * lane_count)));

/// By address, for how wide vectors are passed depends on the processor.
INLINE double sum(const lanes *v) {
  return (((*v)[0] + (*v)[4]) + ((*v)[2] + (*v)[6])) + (((*v)[1] + (*v)[5]) + ((*v)[3] + (*v)[7]));
}

INLINE double distance(const float *a, const float *b, int64_t columns) {
  lanes squares = {0};
  int64_t c = 0;
  for (; c + lane_count <= columns; c += lane_count) {
    floats x, y;
    memcpy(&x, a + c, sizeof x);
    memcpy(&y, b + c, sizeof y);
    const lanes d = __builtin_convertvector(x, lanes) - __builtin_convertvector(y, lanes);
    squares += d * d;
  }
  for (int64_t lane = 0; c < columns; c++, lane++) {
    const double d = (double)a[c] - (double)b[c];
    squares[lane] += d * d;
  }
  return sum(&squares);
}

/// Weights exp(−β d) of a row's distances, `self` left out, and their entropy in nats.
static double weigh(const double *distances, int64_t count, int64_t self, double beta, double *weights) {
  double total = 0, moment = 0;
  for (int64_t j = 0; j < count; j++) {
    weights[j] = j == self ? 0 : exp(-beta * distances[j]);
    total += weights[j];
    moment += weights[j] * distances[j];
  }
  for (int64_t j = 0; j < count; j++) weights[j] /= total;
  return log(total) + beta * moment / total;
}

CLONES static void distances_from(const float *values, int64_t count, int64_t columns, int64_t row, double *distances) {
  for (int64_t j = 0; j < count; j++) distances[j] = distance(values + row * columns, values + j * columns, columns);
}

void cinch_neighbour_weights(
    const float *values, int64_t count, int64_t columns, int64_t first, int64_t end, double perplexity, double *scratch,
    double *weights) {
  const double wanted = log(perplexity);
  for (int64_t row = first; row < end; row++) {
    distances_from(values, count, columns, row, scratch);
    double least = INFINITY, total = 0;
    for (int64_t j = 0; j < count; j++) {
      if (j == row) continue;
      if (scratch[j] < least) least = scratch[j];
      total += scratch[j];
    }
    // Weights do not change, and one of them is 1.
    const double mean = total / (double)(count - 1) - least;
    for (int64_t j = 0; j < count; j++) scratch[j] -= least;
    scratch[row] = 0;
    double low = 0, high = INFINITY, beta = mean > 0 ? 1 / mean : 1;
    for (int64_t step = 0; step < most_halvings; step++) {
      const double entropy = weigh(scratch, count, row, beta, weights + row * count);
      if (fabs(entropy - wanted) < 1e-6) break;
      if (entropy > wanted) low = beta; else high = beta;
      const double next = high == INFINITY ? 2 * beta : (low + high) / 2;
      // Of more neighbours at no distance than are asked for, all count alike.
      if (next == beta || next > 1e300) break;
      beta = next;
    }
  }
}

CLONES void cinch_neighbour_forces(
    const double *joint, const double *x, const double *y, int64_t count, int64_t first, int64_t end,
    double *attraction, double *repulsion, double *sums) {
  for (int64_t row = first; row < end; row++) {
    const double *p = joint + row * count, px = x[row], py = y[row];
    lanes ax = {0}, ay = {0}, rx = {0}, ry = {0}, total = {0};
    int64_t j = 0;
    for (; j + lane_count <= count; j += lane_count) {
      lanes dx, dy, weight;
      memcpy(&dx, x + j, sizeof dx);
      memcpy(&dy, y + j, sizeof dy);
      memcpy(&weight, p + j, sizeof weight);
      dx = px - dx;
      dy = py - dy;
      const lanes near = 1 / (1 + dx * dx + dy * dy);
      const lanes pull = weight * near, push = near * near;
      total += near;
      ax += pull * dx;
      ay += pull * dy;
      rx += push * dx;
      ry += push * dy;
    }
    for (int64_t lane = 0; j < count; j++, lane++) {
      const double dx = px - x[j], dy = py - y[j], near = 1 / (1 + dx * dx + dy * dy);
      total[lane] += near;
      ax[lane] += p[j] * near * dx;
      ay[lane] += p[j] * near * dy;
      rx[lane] += near * near * dx;
      ry[lane] += near * near * dy;
    }
    attraction[2 * row] = sum(&ax);
    attraction[2 * row + 1] = sum(&ay);
    repulsion[2 * row] = sum(&rx);
    repulsion[2 * row + 1] = sum(&ry);
    // A point is no neighbour of its own, at no distance.
    sums[row] = sum(&total) - 1;
  }
}
