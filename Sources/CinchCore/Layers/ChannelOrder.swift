import CinchData

// Images come and go with channels first, as PyTorch and most files have them; on a device channels are last, where
// the inner loops of a convolution are contiguous. With one channel the two are the same. Nothing is put into another
// order twice: samples keep the order of their file until a device takes them, and rows leave a device in the order that
// is asked for.
extension FeatureShape {
  /// `[samples, channels, height, width]` to `[samples, height, width, channels]`.
  package func channelsLast<Value>(_ values: [Value]) -> [Value] { image?.channelsLast(values) ?? values }

  /// `[samples, height, width, channels]` to `[samples, channels, height, width]`.
  package func channelsFirst<Value>(_ values: [Value]) -> [Value] { image?.channelsFirst(values) ?? values }

  /// Samples as a device has them: free where they came with channels last.
  func channelsLast(_ data: Dataset) -> Dataset { image.map { data.ordered(.nhwc, as: $0) } ?? data.ordered(.nchw) }

  /// Rows as a device has them, in the order that is asked for: free where that is the device's own.
  func fromDevice<Value>(_ rows: [Value], in order: ImageLayout) -> [Value] {
    order == .nhwc ? rows : channelsFirst(rows)
  }

  /// Values of samples as a device has them.
  func channelsLast(valuesOf data: Dataset) -> [Float] { channelsLast(data).stored }
}
