#include "CSamples.h"
#include "clones.h"

#include <math.h>

#pragma STDC FP_CONTRACT OFF

// Householder's reduction to tridiagonal form and the QL iteration with implicit shifts: Golub and Van Loan, "Matrix
// Computations", 8.3; Martin, Reinsch and Wilkinson, "Householder's tridiagonalization of a symmetric matrix", and Dubrulle,
// Martin and Wilkinson, "The implicit QL algorithm", Numerische Mathematik 1968. Both walk along rows alone.

/// √(a² + b²) that neither overflows nor depends on a library.
INLINE double length(double a, double b) {
  a = fabs(a), b = fabs(b);
  const double most = a > b ? a : b, least = a > b ? b : a;
  if (most == 0) return 0;
  const double ratio = least / most;
  return most * sqrt(1 + ratio * ratio);
}

/// (I − β v vᵀ) x = α e₁ for x of `n` numbers, which become v.
///
/// Returns β, 0 where x has the form already.
static double reflector(double *x, int64_t n, double *alpha) {
  double most = 0;
  for (int64_t i = 1; i < n; i++) most = fabs(x[i]) > most ? fabs(x[i]) : most;
  *alpha = x[0];
  if (most == 0) return 0;
  most = fabs(x[0]) > most ? fabs(x[0]) : most;
  double squares = 0;
  for (int64_t i = 0; i < n; i++) {
    x[i] /= most;
    squares += x[i] * x[i];
  }
  const double norm = sqrt(squares), first = fabs(x[0]);
  *alpha = (x[0] > 0 ? -norm : norm) * most;
  x[0] += x[0] > 0 ? norm : -norm;
  return 1 / (norm * (norm + first));
}

/// To diagonal `d` and subdiagonal `e`; v of step k stays in row k, right of the diagonal.
CLONES static void reduce(double *a, int64_t n, double *d, double *e, double *beta, double *p) {
  for (int64_t k = 0; k + 2 < n; k++) {
    double *const v = a + k * n + k + 1;
    const int64_t m = n - k - 1;
    beta[k] = reflector(v, m, &e[k]);
    if (beta[k] == 0) continue;
    for (int64_t j = 0; j < m; j++) p[j] = 0;
    for (int64_t i = 0; i < m; i++) {
      const double *restrict const row = a + (k + 1 + i) * n + k + 1;
      const double factor = v[i];
      for (int64_t j = 0; j < m; j++) p[j] += factor * row[j];
    }
    double product = 0;
    for (int64_t j = 0; j < m; j++) {
      p[j] *= beta[k];
      product += p[j] * v[j];
    }
    const double half = beta[k] / 2 * product;
    for (int64_t j = 0; j < m; j++) p[j] -= half * v[j];
    for (int64_t i = 0; i < m; i++) {
      double *restrict const row = a + (k + 1 + i) * n + k + 1;
      const double vi = v[i], pi = p[i];
      for (int64_t j = 0; j < m; j++) row[j] -= vi * p[j] + pi * v[j];
    }
  }
  for (int64_t i = 0; i < n; i++) d[i] = a[i * n + i];
  if (n > 1) e[n - 2] = a[(n - 2) * n + n - 1];
  e[n - 1] = 0;
}

/// The product of the reflectors, its columns as rows.
CLONES static void accumulate(const double *a, int64_t n, const double *beta, double *q, double *t) {
  for (int64_t i = 0; i < n * n; i++) q[i] = 0;
  for (int64_t i = 0; i < n; i++) q[i * n + i] = 1;
  for (int64_t k = n - 3; k >= 0; k--) {
    if (beta[k] == 0) continue;
    const double *const v = a + k * n + k + 1;
    const int64_t m = n - k - 1;
    for (int64_t j = 0; j < m; j++) t[j] = 0;
    for (int64_t i = 0; i < m; i++) {
      const double *restrict const row = q + (k + 1 + i) * n + k + 1;
      const double factor = v[i];
      for (int64_t j = 0; j < m; j++) t[j] += factor * row[j];
    }
    for (int64_t i = 0; i < m; i++) {
      double *restrict const row = q + (k + 1 + i) * n + k + 1;
      const double factor = beta[k] * v[i];
      for (int64_t j = 0; j < m; j++) row[j] -= factor * t[j];
    }
  }
  for (int64_t i = 0; i < n; i++) {
    for (int64_t j = 0; j < i; j++) {
      const double other = q[i * n + j];
      q[i * n + j] = q[j * n + i];
      q[j * n + i] = other;
    }
  }
}

/// Turns rows last − 1, last − 2, …, first each with the row behind it, some columns at a time that stay in a cache.
CLONES static void rotate(double *q, int64_t n, int64_t first, int64_t last, const double *c, const double *s) {
  enum { block = 128 };
  for (int64_t start = 0; start < n; start += block) {
    const int64_t count = n - start < block ? n - start : block;
    for (int64_t i = last - 1; i >= first; i--) {
      double *restrict const upper = q + i * n + start;
      double *restrict const lower = q + (i + 1) * n + start;
      const double cosine = c[i], sine = s[i];
      for (int64_t k = 0; k < count; k++) {
        const double value = lower[k];
        lower[k] = sine * upper[k] + cosine * value;
        upper[k] = cosine * upper[k] - sine * value;
      }
    }
  }
}

bool cinch_symmetric_eigen(double *a, int64_t n, double *d, double *q, double *work) {
  // Of usual matrices each eigenvalue takes two.
  enum { most = 100 };
  double *const e = work, *const beta = work + n, *const p = work + 2 * n;
  double *const c = work + 3 * n, *const s = work + 4 * n;
  reduce(a, n, d, e, beta, p);
  accumulate(a, n, beta, q, p);
  double norm = 0;
  for (int64_t i = 0; i < n; i++) norm = fmax(norm, fabs(d[i]) + fabs(e[i]));
  for (int64_t l = 0; l < n; l++) {
    for (int iteration = 0;; iteration++) {
      int64_t m = l;
      for (; m < n - 1; m++) {
        // Held against the norm, and not the two eigenvalues beside it: where these are 0 but for rounding, so is e, and
        // does not become smaller than they.
        if (norm + fabs(e[m]) == norm) break;
      }
      if (m == l) break;
      if (iteration == most) return false;
      double g = (d[l + 1] - d[l]) / (2 * e[l]);
      double r = length(g, 1);
      g = d[m] - d[l] + e[l] / (g + (g < 0 ? -r : r));
      double sine = 1, cosine = 1, shift = 0;
      int64_t i = m - 1;
      for (; i >= l; i--) {
        const double f = sine * e[i], b = cosine * e[i];
        r = length(f, g);
        e[i + 1] = r;
        if (r == 0) {
          d[i + 1] -= shift;
          e[m] = 0;
          break;
        }
        sine = f / r;
        cosine = g / r;
        g = d[i + 1] - shift;
        r = (d[i] - g) * sine + 2 * cosine * b;
        shift = sine * r;
        d[i + 1] = g + shift;
        g = cosine * r - b;
        c[i] = cosine;
        s[i] = sine;
      }
      rotate(q, n, i + 1, m, c, s);
      if (i >= l) continue;
      d[l] -= shift;
      e[l] = g;
      e[m] = 0;
    }
  }
  return true;
}
