// y = f(x + bias) for x [rows, columns], bias [columns]. y may be x.
kernel GROUP_2D void activateRows(
  const global float *x, ulong x0, const global float *bias, ulong bias0, global float *y, ulong y0, int rows,
  int columns, int chunk, int hasBias, int activation) {
  FOR_ROWS(r, rows, chunk) {
    const global float *from = x + x0 + r * columns;
    global float *to = y + y0 + r * columns;
    FOR_COLUMNS(c, columns) {
      int count = columns - c;
      V a = loadPart(from + c, count, 0.0f);
      if (hasBias) a += loadPart(bias + bias0 + c, count, 0.0f);
      storePart(activate(a, activation), to + c, count);
    }
  }
}

// δ = (g + column + l1·sign h)·f′ + curvature·norm·f′·f″; see `gradientAt`. δ may be g.
kernel GROUP_2D void activationGradient(
  const global float *g, ulong g0, const global float *h, ulong h0, const global float *column, ulong column0,
  const global float *norms, ulong norms0, global float *result, ulong result0, int rows, int columns, int chunk,
  int hasColumn, int hasNorms, int activation, float l1, float curvature) {
  FOR_ROWS(r, rows, chunk) {
    ulong at = r * columns;
    FOR_COLUMNS(c, columns) {
      int count = columns - c;
      V add = hasColumn ? loadPart(column + column0 + c, count, 0.0f) : (V)0.0f;
      V norm = hasNorms ? loadPart(norms + norms0 + c, count, 0.0f) : (V)0.0f;
      V gradient = loadPart(g + g0 + at + c, count, 0.0f);
      V output = loadPart(h + h0 + at + c, count, 0.0f);
      V value = gradientAt(gradient, output, add, norm, activation, l1, curvature);
      storePart(value, result + result0 + at + c, count);
    }
  }
}
