extension ReferenceBackend: PooledConvolutionOps {
  public func convolvePooled(
    _ x: Tensor<ReferenceBuffer>, _ weight: Tensor<ReferenceBuffer>, _ geometry: ConvolutionGeometry,
    bias: Tensor<ReferenceBuffer>?, activation: Activation, _ pooling: PoolingGeometry,
    into y: Tensor<ReferenceBuffer>, switches: Tensor<ReferenceBuffer>
  ) throws {
    try convolveThenPool(
      x, weight, geometry, bias: bias, activation: activation, pooling, into: y,
      switches: switches, room: room)
  }

  public func pooledConvolutionGradient(
    x: Tensor<ReferenceBuffer>, delta: Tensor<ReferenceBuffer>, switches: Tensor<ReferenceBuffer>,
    _ geometry: ConvolutionGeometry, _ pooling: PoolingGeometry, weightGradient: Tensor<ReferenceBuffer>,
    biasGradient: Tensor<ReferenceBuffer>, accumulate: Bool
  ) throws {
    try unpoolThenGradient(
      x: x, delta: delta, switches: switches, geometry, pooling, weightGradient: weightGradient,
      biasGradient: biasGradient, accumulate: accumulate, room: room)
  }
}
