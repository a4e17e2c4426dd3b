import CinchData

// Images come and go with channels first, as PyTorch and most files have them; on a device channels are last, where
// the inner loops of a convolution are contiguous. With one channel the two are the same.
extension FeatureShape {
  /// `[samples, channels, height, width]` to `[samples, height, width, channels]`.
  package func channelsLast<Value>(_ values: [Value]) -> [Value] { image?.channelsLast(values) ?? values }

  /// `[samples, height, width, channels]` to `[samples, channels, height, width]`.
  package func channelsFirst<Value>(_ values: [Value]) -> [Value] { image?.channelsFirst(values) ?? values }

  func channelsLast(_ data: Dataset) throws -> Dataset {
    guard case .image(let channels, _, _) = self, channels > 1, data.features == count else { return data }
    return try Dataset(
      values: channelsLast(data.values), count: data.count, sampleShape: data.sampleShape, labels: data.labels,
      name: data.name, scaling: data.scaling)
  }

  /// The image that this is; nil for a vector.
  var image: ImageShape? {
    guard case .image(let channels, let height, let width) = self else { return nil }
    return ImageShape(channels: channels, height: height, width: width)
  }
}
