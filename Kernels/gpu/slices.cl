// The second pass over a product in slices: C = epilogue(Σ slices), added in order.
kernel GROUP_1D void addSlices(
  const global float *slices, ulong slices0, global float *c, ulong c0, int m, int n, int count,
  EPILOGUE_ARGUMENTS) {
  Epilogue e = EPILOGUE(c + c0, m, n);
  size_t size = (size_t)m * n;
  Losses unused = {0.0f, 0.0f};
  FOR_ITEMS(at, size, 0) {
    float value = flags & ADD_TO_C ? e.c[at] : 0.0f;
    float product = 0.0f;
    for (int s = 0; s < count; s++) product += slices[slices0 + s * size + at];
    e.c[at] = finish(&e, value + scaled(&e, product), at / n, at % n, 1, &unused);
  }
}
