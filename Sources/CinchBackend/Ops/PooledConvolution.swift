/// A convolution and the max-pooling behind it as one op. The image between the two, the largest of a network as a rule, is
/// then no tensor, and a device may keep it in its caches, some rows at a time.
///
/// Windows lie side by side, from the first pixel on: `PoolingGeometry.tiles`. Results are those of the ops one after the
/// other.
public protocol PooledConvolutionOps: ConvolutionOps, PoolingOps {
  /// y = the largest value of each window of h = f(x ∗ w + bias), and where it was: `maxPool` of a `convolve` that ends
  /// `forward`.
  ///
  /// - Parameters:
  ///   - x: `geometry.large(n)`.
  ///   - weight: `geometry.weightShape`.
  ///   - bias: `[geometry.outputChannels]`, or nil.
  ///   - pooling: its large image is the convolution's small one.
  ///   - y: `pooling.small(n)`; overlaps neither x nor weight.
  ///   - switches: like y, which they do not overlap either.
  /// - Throws: `BackendError.invalidArgument` where shapes do not fit, or windows overlap or leave gaps.
  func convolvePooled(
    _ x: Tensor<Buffer>, _ weight: Tensor<Buffer>, _ geometry: ConvolutionGeometry, bias: Tensor<Buffer>?,
    activation: Activation, _ pooling: PoolingGeometry, into y: Tensor<Buffer>, switches: Tensor<Buffer>) throws

  /// The gradients of its weight and bias: `convolutionGradient` of an `unpool`.
  ///
  /// - Parameters:
  ///   - x: the convolution's input, `geometry.large(n)`.
  ///   - delta: the gradient at the pre-activations that were picked, `pooling.small(n)`.
  ///   - switches: of `convolvePooled`.
  ///   - weightGradient: overlaps none of these.
  ///   - accumulate: adds to `weightGradient` instead of overwriting it.
  /// - Throws: `BackendError.invalidArgument` where shapes do not fit, or windows overlap or leave gaps.
  func pooledConvolutionGradient(
    x: Tensor<Buffer>, delta: Tensor<Buffer>, switches: Tensor<Buffer>, _ geometry: ConvolutionGeometry,
    _ pooling: PoolingGeometry, weightGradient: Tensor<Buffer>, biasGradient: Tensor<Buffer>, accumulate: Bool) throws
}

extension PoolingGeometry {
  /// Whether windows lie side by side, from the first pixel on.
  public var tiles: Bool {
    kernelHeight == strideHeight && kernelWidth == strideWidth && top == 0 && left == 0
  }
}

extension PooledConvolutionOps {
  /// The two ops one after the other, for devices that gain nothing by one.
  ///
  /// - Parameter room: for the image between them, of as many samples as it holds at a time. Asked for when all arguments
  ///   are known to fit.
  package func convolveThenPool(
    _ x: Tensor<Buffer>, _ weight: Tensor<Buffer>, _ geometry: ConvolutionGeometry, bias: Tensor<Buffer>?,
    activation: Activation, _ pooling: PoolingGeometry, into y: Tensor<Buffer>, switches: Tensor<Buffer>,
    room: (ConvolutionGeometry) throws -> Tensor<Buffer>
  ) throws {
    let samples = try checkPooledConvolution(x, weight, geometry, bias: bias, pooling, into: y, switches: switches)
    for part in parts(samples, of: geometry, in: try room(geometry)) {
      try convolve(
        x.rows(part), weight, geometry, into: part.between, epilogue: .forward(bias: bias, activation: activation))
      try maxPool(part.between, pooling, into: y.rows(part), switches: switches.rows(part))
    }
  }

  /// The two ops one after the other, for devices that gain nothing by one.
  ///
  /// - Parameter room: as for `convolveThenPool`.
  package func unpoolThenGradient(
    x: Tensor<Buffer>, delta: Tensor<Buffer>, switches: Tensor<Buffer>, _ geometry: ConvolutionGeometry,
    _ pooling: PoolingGeometry, weightGradient: Tensor<Buffer>, biasGradient: Tensor<Buffer>, accumulate: Bool,
    room: (ConvolutionGeometry) throws -> Tensor<Buffer>
  ) throws {
    let samples = try checkPooledGradient(
      x: x, delta: delta, switches: switches, geometry, pooling, weightGradient: weightGradient,
      biasGradient: biasGradient)
    for part in parts(samples, of: geometry, in: try room(geometry)) {
      try unpool(delta.rows(part), switches: switches.rows(part), pooling, into: part.between, below: nil)
      try convolutionGradient(
        x: x.rows(part), y: part.between, geometry, weightGradient: weightGradient, biasGradient: biasGradient,
        delta: .small, accumulate: accumulate || part.start > 0, accumulateBias: part.start > 0)
    }
  }
}

extension ConvolutionGeometry {
  /// Numbers of the image between a convolution and its pooling that such devices keep: for so many samples that a GPU is
  /// busy, and as many whatever the batch, so that a run's memory is known.
  package var pooledRoom: Int {
    let sample = small(1).count
    return sample * max((1 << 21) / max(sample, 1), 1)
  }
}

/// Some samples that pass together.
private struct Part<Buffer: AnyObject> {
  let start: Int
  let count: Int
  let between: Tensor<Buffer>
}

/// The samples in parts, one after the other; one empty part where there are none.
private func parts<Buffer>(
  _ samples: Int, of geometry: ConvolutionGeometry, in room: Tensor<Buffer>
) -> [Part<Buffer>] {
  let together = max(room.count / max(geometry.small(1).count, 1), 1)
  return stride(from: 0, to: max(samples, 1), by: together).map { start in
    let count = min(together, samples - start)
    return Part(start: start, count: count, between: room.slice(at: 0, shape: geometry.small(count)))
  }
}

extension Tensor {
  /// Those of a part.
  fileprivate func rows(_ part: Part<Buffer>) -> Tensor {
    let sample = count / max(self.rows, 1)
    return slice(at: part.start * sample, shape: Shape([part.count] + shape.dimensions.dropFirst()))
  }
}
