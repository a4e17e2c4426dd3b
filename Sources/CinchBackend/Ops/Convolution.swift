/// Two-dimensional convolution in its three modes. The transposed convolution is the convolution's input gradient
/// and the reverse, so one set of kernels serves both layers.
///
/// Every image is channels last. For an epilogue an image counts as a matrix of one row per pixel
/// (`samples · height · width`) and one column per channel: biases, KL columns and norms are `[channels]`.
public protocol ConvolutionOps: MatmulOps {
  /// y = epilogue(x ∗ w): a convolution's forward pass, and a transposed convolution's input gradient.
  ///
  /// - Parameters:
  ///   - x: `geometry.large(n)`.
  ///   - weight: `geometry.weightShape`.
  ///   - y: `geometry.small(n)`; overlaps neither.
  /// - Throws: `BackendError.invalidArgument` where shapes do not fit.
  func convolve(
    _ x: Tensor<Buffer>, _ weight: Tensor<Buffer>, _ geometry: ConvolutionGeometry, into y: Tensor<Buffer>,
    epilogue: Epilogue<Buffer>) throws

  /// x = epilogue(the adjoint of x ∗ w at y): a transposed convolution's forward pass, and a convolution's input
  /// gradient. Pixels that no weight reaches get the epilogue of 0.
  func convolveTransposed(
    _ y: Tensor<Buffer>, _ weight: Tensor<Buffer>, _ geometry: ConvolutionGeometry, into x: Tensor<Buffer>,
    epilogue: Epilogue<Buffer>) throws

  /// dW[u, v, c, k] = Σ over samples and pixels of x·y where weight (u, v, c, k) makes them meet, and the sum of one
  /// side over samples and pixels.
  ///
  /// - Parameters:
  ///   - x: a convolution's input, or a transposed convolution's δ: `geometry.large(n)`.
  ///   - y: a convolution's δ, or a transposed convolution's input: `geometry.small(n)`.
  ///   - weightGradient: overlaps neither.
  ///   - biasGradient: the sums of `delta`'s channels.
  ///   - delta: which side is δ.
  ///   - accumulate: adds to `weightGradient` instead of overwriting it.
  ///   - accumulateBias: adds to `biasGradient` instead of overwriting it.
  func convolutionGradient(
    x: Tensor<Buffer>, y: Tensor<Buffer>, _ geometry: ConvolutionGeometry, weightGradient: Tensor<Buffer>,
    biasGradient: Tensor<Buffer>, delta: ConvolutionSide, accumulate: Bool, accumulateBias: Bool) throws

  /// Sums of a kernel's taps over a box of sʸ × sˣ of them, a matrix of channels each, 0 outside:
  ///
  ///     result[u, v] = Σ_{a < sʸ, b < sˣ} weight[u + a − pʸ, v + b − pˣ]
  ///
  /// p = s − 1 where the result has s − 1 taps more than the weight, and 0 where it has as many fewer: the adjoint of the
  /// former. Nearest-neighbour upsampling by s and a convolution of stride 1 behind it are one transposed convolution of
  /// stride s whose weight this makes, and whose gradient this takes back.
  ///
  /// - Parameters:
  ///   - weight: `[rows, columns, channels, outputChannels]`.
  ///   - turned: whether the sum goes to `[U − 1 − u, V − 1 − v, outputChannels, channels]` of a result of U × V taps: to
  ///     the weight that makes the adjoint's outputs where this one makes a convolution's.
  ///   - result: does not overlap the weight.
  /// - Throws: `BackendError.invalidArgument` where shapes do not fit.
  func tapSums(
    _ weight: Tensor<Buffer>, box: (height: Int, width: Int), turned: Bool, into result: Tensor<Buffer>) throws

  /// How many partial sums the `loss` epilogue writes: for `convolve` (`side` is `.small`) or `convolveTransposed`.
  func lossPartialCount(_ geometry: ConvolutionGeometry, samples: Int, result side: ConvolutionSide) -> Int
}

extension ConvolutionOps {
  /// With a bias gradient that is overwritten.
  public func convolutionGradient(
    x: Tensor<Buffer>, y: Tensor<Buffer>, _ geometry: ConvolutionGeometry, weightGradient: Tensor<Buffer>,
    biasGradient: Tensor<Buffer>, delta: ConvolutionSide, accumulate: Bool
  ) throws {
    try convolutionGradient(
      x: x, y: y, geometry, weightGradient: weightGradient, biasGradient: biasGradient, delta: delta,
      accumulate: accumulate, accumulateBias: false)
  }
}

/// One of the two images a convolution relates.
public enum ConvolutionSide: Sendable, Hashable { case large, small }
