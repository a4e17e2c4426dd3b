import CinchBackend

/// h = f(x ∗ W + b), or its adjoint where the layer is a transposed convolution. The two are each other's input
/// gradient, so one geometry and one weight layout serve both; a tied decoder layer uses its mirror's weight as it is.
struct ConvolutionLayer<B: Backend>: Layer {
  let resolved: ResolvedLayer
  let geometry: ConvolutionGeometry
  let isTransposed: Bool
  /// `weight` is `geometry.weightShape`.
  let parameters: LayerParameters<B.Buffer>
  let backend: B

  func forward(_ x: Tensor<B.Buffer>, into h: Tensor<B.Buffer>) throws {
    try run(x, into: h, .forward(bias: parameters.bias, activation: resolved.spec.activation), isTransposed)
  }

  func forward(_ x: Tensor<B.Buffer>, loss: FusedLoss<B.Buffer>, delta: Tensor<B.Buffer>) throws {
    var loss = loss
    loss.bias = parameters.bias
    try run(x, into: delta, .loss(loss), isTransposed)
  }

  func lossPartialCount(samples: Int) -> Int {
    backend.lossPartialCount(geometry, samples: samples, result: isTransposed ? .large : .small)
  }

  private func run(
    _ x: Tensor<B.Buffer>, into y: Tensor<B.Buffer>, _ epilogue: Epilogue<B.Buffer>, _ transposed: Bool
  ) throws {
    if transposed {
      try backend.convolveTransposed(x, parameters.weight, geometry, into: y, epilogue: epilogue)
    } else {
      try backend.convolve(x, parameters.weight, geometry, into: y, epilogue: epilogue)
    }
  }

  func gradients(delta: Tensor<B.Buffer>, input: Tensor<B.Buffer>, rowPull: RowPull<B.Buffer>?) throws {
    try backend.convolutionGradient(
      x: isTransposed ? delta : input, y: isTransposed ? input : delta, geometry,
      weightGradient: parameters.weightGradient, biasGradient: parameters.biasGradient,
      delta: isTransposed ? .large : .small, accumulate: parameters.accumulates)
  }

  func inputGradient(
    delta: Tensor<B.Buffer>, below: ActivationGradient<B.Buffer>, into result: Tensor<B.Buffer>
  ) throws {
    try run(delta, into: result, .backward(below), !isTransposed)
  }
}
