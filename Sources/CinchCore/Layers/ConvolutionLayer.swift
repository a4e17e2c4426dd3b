import CinchBackend

/// A convolution or its adjoint, whose shapes are known.
struct ConvolutionKind: ResolvedKind {
  /// Relates the large image, a convolution's input, to the small one, a transposed convolution's input.
  let geometry: ConvolutionGeometry
  let isTransposed: Bool

  /// Files have PyTorch's `[small channels, large channels, rows, columns]`.
  private static let fileAxes = [3, 2, 0, 1]

  /// Fans are what one output sums over, and how many outputs one input feeds. A transposed convolution's output meets
  /// only every stride-th tap.
  func parameters(of layer: ResolvedLayer, isOutput: Bool) -> [ParameterSpec] {
    let g = geometry
    let taps = g.kernelHeight * g.kernelWidth
    let inputs =
      isTransposed
      ? max(1, taps * g.outputChannels / (g.strideHeight * g.strideWidth)) : taps * g.channels
    let outputs = taps * (isTransposed ? g.channels : g.outputChannels)
    let limit = Initialization.limit(
      inputs: inputs, outputs: outputs, activation: layer.spec.activation, isOutput: isOutput)
    return [
      ParameterSpec(
        "weight", .weight, shape: g.weightShape, fileAxes: Self.fileAxes, initial: .uniform(limit: limit)),
      ParameterSpec("bias", .bias, shape: [layer.output.units]),
    ]
  }

  func flops(of layer: ResolvedLayer) -> Double { geometry.flops }

  func tiedAxes(_ other: any ResolvedKind) -> [Int]? {
    guard let other = other as? ConvolutionKind, geometry == other.geometry, isTransposed != other.isTransposed else {
      return nil
    }
    return Self.fileAxes
  }

  func joined(with below: any ResolvedKind) -> (any ResolvedKind)? {
    (below as? UpsampleKind).flatMap { UpsampledConvolutionKind($0, self) }
  }

  func make<B: Backend>(_ layer: ResolvedLayer, at site: LayerSite<B>) throws -> any Layer<B> {
    ConvolutionLayer(
      resolved: layer, geometry: geometry, isTransposed: isTransposed, weight: site.parameters[0],
      bias: site.parameters[1], backend: site.backend)
  }
}

/// h = f(x ∗ W + b), or its adjoint where the layer is a transposed convolution. The two are each other's input
/// gradient, so one geometry and one weight layout serve both; a tied decoder layer uses its mirror's weight as it is.
struct ConvolutionLayer<B: Backend>: Layer {
  let resolved: ResolvedLayer
  let geometry: ConvolutionGeometry
  let isTransposed: Bool
  /// `geometry.weightShape`.
  let weight: LayerParameter<B.Buffer>
  let bias: LayerParameter<B.Buffer>
  let backend: B

  func forward(_ x: Tensor<B.Buffer>, into h: Tensor<B.Buffer>, _ pass: Pass) throws {
    try run(x, into: h, .forward(bias: bias.value, activation: resolved.spec.activation), isTransposed)
  }

  func forward(_ x: Tensor<B.Buffer>, loss: FusedLoss<B.Buffer>, delta: Tensor<B.Buffer>) throws {
    var loss = loss
    loss.terms.bias = bias.value
    try run(x, into: delta, .loss(loss), isTransposed)
  }

  func lossPartialCount(samples: Int) -> Int {
    backend.lossPartialCount(geometry, samples: samples, result: isTransposed ? .large : .small)
  }

  private func run(
    _ x: Tensor<B.Buffer>, into y: Tensor<B.Buffer>, _ epilogue: Epilogue<B.Buffer>, _ transposed: Bool
  ) throws {
    if transposed {
      try backend.convolveTransposed(x, weight.value, geometry, into: y, epilogue: epilogue)
    } else {
      try backend.convolve(x, weight.value, geometry, into: y, epilogue: epilogue)
    }
  }

  func gradients(delta: Tensor<B.Buffer>, input: Tensor<B.Buffer>, rowPull: RowPull<B.Buffer>?) throws {
    try backend.convolutionGradient(
      x: isTransposed ? delta : input, y: isTransposed ? input : delta, geometry, weightGradient: weight.gradient,
      biasGradient: bias.gradient, delta: isTransposed ? .large : .small, accumulate: weight.accumulates)
  }

  func inputGradient(
    delta: Tensor<B.Buffer>, below: ActivationGradient<B.Buffer>, into result: Tensor<B.Buffer>,
    _ pass: Pass
  ) throws {
    try run(delta, into: result, .backward(below), !isTransposed)
  }
}
