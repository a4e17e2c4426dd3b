import CinchBackend

extension OpenCLBackend: PooledConvolutionOps {
  public func convolvePooled(
    _ x: Tensor<OpenCLBuffer>, _ weight: Tensor<OpenCLBuffer>, _ geometry: ConvolutionGeometry,
    bias: Tensor<OpenCLBuffer>?, activation: Activation, _ pooling: PoolingGeometry, into y: Tensor<OpenCLBuffer>,
    switches: Tensor<OpenCLBuffer>
  ) throws {
    guard poolsBands(geometry, pooling) else {
      return try convolveThenPool(
        x, weight, geometry, bias: bias, activation: activation, pooling, into: y, switches: switches, room: room)
    }
    let samples = try checkPooledConvolution(x, weight, geometry, bias: bias, pooling, into: y, switches: switches)
    guard samples > 0 else { return }
    try correlate(
      .convolve, x, weight, geometry, samples, into: y,
      EpilogueArguments(.forward(bias: bias, activation: activation), features: y.count / samples),
      pooling: (pooling, switches))
  }

  public func pooledConvolutionGradient(
    x: Tensor<OpenCLBuffer>, delta: Tensor<OpenCLBuffer>, switches: Tensor<OpenCLBuffer>,
    _ geometry: ConvolutionGeometry, _ pooling: PoolingGeometry, weightGradient: Tensor<OpenCLBuffer>,
    biasGradient: Tensor<OpenCLBuffer>, accumulate: Bool
  ) throws {
    guard poolsBands(geometry, pooling) else {
      return try unpoolThenGradient(
        x: x, delta: delta, switches: switches, geometry, pooling, weightGradient: weightGradient,
        biasGradient: biasGradient, accumulate: accumulate, room: room)
    }
    let samples = try checkPooledGradient(
      x: x, delta: delta, switches: switches, geometry, pooling, weightGradient: weightGradient,
      biasGradient: biasGradient)
    guard samples > 0 else {
      if !accumulate { try fill(weightGradient, with: 0) }
      return try fill(biasGradient, with: 0)
    }
    try gradientOnCPU(
      x, delta, geometry, samples, weightGradient, biasGradient, .small, accumulate, false,
      pooling: (pooling, switches))
  }

  /// Room for the image between a convolution and its pooling, of either pass.
  private func room(_ geometry: ConvolutionGeometry) throws -> Tensor<OpenCLBuffer> {
    let count = geometry.pooledRoom
    if let unpooled, unpooled.count >= count { return Tensor(unpooled, shape: [count]) }
    let made = try allocate(count, isScratch: true)
    unpooled = made
    return Tensor(made, shape: [count])
  }
}
