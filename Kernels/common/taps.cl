// Sums of a weight's taps over boxes. A work-item takes elements of the result, each a sum of a few: weights are small
// beside the images that they meet.

// result[u, v] = Σ of weight[u − top ..< u − top + boxY, v − left ..< v − left + boxX], a matrix of channels each. `turned`
// puts it transposed to the tap that lies opposite.
kernel GROUP_1D void tapSums(
  const global float *weight, ulong weight0, global float *result, ulong result0, int rows, int columns, int channels,
  int outputs, int resultRows, int resultColumns, int boxY, int boxX, int top, int left, int turned, int chunk,
  long count) {
  weight += weight0;
  result += result0;
  int matrix = channels * outputs, taps = resultRows * resultColumns;
  FOR_ITEMS(i, count, chunk) {
    int tap = (int)(i / matrix), place = (int)(i % matrix);
    int c = turned ? place % channels : place / outputs, k = turned ? place / channels : place % outputs;
    if (turned) tap = taps - 1 - tap;
    int u = tap / resultColumns - top, v = tap % resultColumns - left;
    float sum = 0.0f;
    for (int row = max(u, 0); row < min(u + boxY, rows); row++)
      for (int column = max(v, 0); column < min(v + boxX, columns); column++)
        sum += weight[((long)(row * columns + column) * channels + c) * outputs + k];
    result[i] = sum;
  }
}
