// x = value.
kernel GROUP_1D void fill(global float *x, ulong x0, float value, int chunk, long count) {
  x += x0;
  FOR_EACH(i, count, chunk) storePart((V)value, x + i, PART(i));
}
