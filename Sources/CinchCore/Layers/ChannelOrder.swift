// Images come and go with channels first, as PyTorch and most files have them; on a device channels are last, where
// the inner loops of a convolution are contiguous. With one channel the two are the same.
extension FeatureShape {
  /// `[samples, channels, height, width]` to `[samples, height, width, channels]`.
  package func channelsLast<Value>(_ values: [Value]) -> [Value] { reordered(values, toLast: true) }

  /// `[samples, height, width, channels]` to `[samples, channels, height, width]`.
  package func channelsFirst<Value>(_ values: [Value]) -> [Value] { reordered(values, toLast: false) }

  func channelsLast(_ data: Dataset) throws -> Dataset {
    guard case .image(let channels, _, _) = self, channels > 1, data.features == count else { return data }
    return try Dataset(
      values: channelsLast(data.values), count: data.count, sampleShape: data.sampleShape, labels: data.labels,
      name: data.name, scaling: data.scaling)
  }

  private func reordered<Value>(_ values: [Value], toLast: Bool) -> [Value] {
    guard case .image(let channels, let height, let width) = self, channels > 1, height * width > 1 else {
      return values
    }
    let pixels = height * width
    return [Value](unsafeUninitializedCapacity: values.count) { result, initialised in
      for start in stride(from: 0, to: values.count, by: channels * pixels) {
        for channel in 0..<channels {
          for pixel in 0..<pixels {
            let first = start + channel * pixels + pixel
            let last = start + pixel * channels + channel
            let (target, source) = toLast ? (last, first) : (first, last)
            result.initializeElement(at: target, to: values[source])
          }
        }
      }
      initialised = values.count
    }
  }
}
