// batch[r, :] = source[order(r), :].
kernel GROUP_2D void gather(
  const global float *source, ulong source0, float divisor, float inverse, global float *batch, ulong batch0, int rows,
  int columns, int chunk, long start, int permuted, uint count, uint4 key, uint halfBits) {
#if CPU_FAMILY
  long r = (long)get_global_id(1) * chunk;
  copyRows(
    source + source0, divisor, inverse, batch + batch0, r, min((long)rows, r + chunk), columns, start, permuted, count,
    key, halfBits);
#else
  FOR_ROWS(r, rows, chunk) {
    long from = sourceRow(r, start, permuted, count, key, halfBits) * columns;
    global float *to = batch + batch0 + r * columns;
    FOR_COLUMNS(c, columns) to[c] = loadSamples(source + source0, from + c, 1, divisor, inverse);
  }
#endif
}
