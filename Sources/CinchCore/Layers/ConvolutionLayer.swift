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

  func joined(with below: ResolvedLayer, isFirst: Bool) -> (any ResolvedKind)? {
    (below.kind as? UpsampleKind).flatMap { UpsampledConvolutionKind($0, self) }
  }

  func operators(of layer: ResolvedLayer, on x: String, in graph: inout GraphBuilder) throws -> String {
    let (weight, bias) = (try graph.parameter(0), try graph.parameter(1))
    let (g, edges) = (geometry, edges)
    let pads = [g.top, g.left, max(edges.bottom, 0), max(edges.right, 0)]
    let inputs = [x, weight.name, bias.name]
    let y =
      if isTransposed {
        graph.add(
          "ConvTranspose", inputs,
          [
            "kernel_shape": .integers([g.kernelHeight, g.kernelWidth]),
            "strides": .integers([g.strideHeight, g.strideWidth]),
            "dilations": .integers([g.dilationHeight, g.dilationWidth]), "pads": .integers(pads),
            "output_padding": .integers([max(-edges.bottom, 0), max(-edges.right, 0)]),
          ])
      } else {
        graph.add(
          "Conv", inputs,
          [
            "kernel_shape": .integers([g.kernelHeight, g.kernelWidth]),
            "strides": .integers([g.strideHeight, g.strideWidth]),
            "dilations": .integers([g.dilationHeight, g.dilationWidth]), "pads": .integers(pads),
          ])
      }
    return graph.activation(layer.spec.activation, of: y)
  }

  /// What the windows reach beyond the large image at its end; negative where they leave something of it out. The large side of
  /// a transposed convolution is then padded by as much.
  private var edges: (bottom: Int, right: Int) {
    let g = geometry
    func edge(_ small: Int, _ large: Int, _ kernel: Int, _ stride: Int, _ dilation: Int, _ before: Int) -> Int {
      (small - 1) * stride + dilation * (kernel - 1) + 1 - before - large
    }
    return (
      edge(g.outputHeight, g.height, g.kernelHeight, g.strideHeight, g.dilationHeight, g.top),
      edge(g.outputWidth, g.width, g.kernelWidth, g.strideWidth, g.dilationWidth, g.left)
    )
  }

  /// PyTorch pads both sides of an axis alike: where these differ, a module before a convolution pads, and one behind a
  /// transposed convolution cuts.
  func modules(of layer: ResolvedLayer) throws -> [TorchModule] {
    let (g, edges) = (geometry, edges)
    func pair(_ height: Int, _ width: Int) -> String { "(\(height), \(width))" }
    let channels = "\(layer.input.units), \(layer.output.units), \(pair(g.kernelHeight, g.kernelWidth))"
    let steps =
      "stride=\(pair(g.strideHeight, g.strideWidth)), dilation=\(pair(g.dilationHeight, g.dilationWidth))"
    let more = (top: g.top - edges.bottom, left: g.left - edges.right)
    // So many rows more make no window more.
    let fits = 0..<g.strideHeight ~= more.top && 0..<g.strideWidth ~= more.left
    let padding = fits ? pair(g.top, g.left) : "0"
    let sides = [g.left, max(edges.right, 0), g.top, max(edges.bottom, 0)]
    func pad(_ sign: Int) -> [TorchModule] {
      fits ? [] : [TorchModule("ZeroPad2d((\(sides.map { "\(sign * $0)" }.joined(separator: ", "))))")]
    }
    let end = TorchModule.activation(layer.spec.activation)
    guard isTransposed else {
      return pad(1) + [TorchModule("Conv2d(\(channels), \(steps), padding=\(padding))", of: layer)] + end
    }
    let extra = fits ? pair(more.top, more.left) : pair(max(-edges.bottom, 0), max(-edges.right, 0))
    let module = "ConvTranspose2d(\(channels), \(steps), padding=\(padding), output_padding=\(extra))"
    return [TorchModule(module, of: layer)] + pad(-1) + end
  }

  func make<B: Backend>(_ layer: ResolvedLayer, at site: LayerSite<B>) throws -> any Layer<B> {
    ConvolutionLayer(
      resolved: layer, activation: layer.spec.activation, geometry: geometry, isTransposed: isTransposed,
      weight: site.parameters[0], bias: site.parameters[1], backend: site.backend)
  }
}

/// h = f(x ∗ W + b), or its adjoint where the layer is a transposed convolution. The two are each other's input
/// gradient, so one geometry and one weight layout serve both; a tied decoder layer uses its mirror's weight as it is.
struct ConvolutionLayer<B: Backend>: Layer {
  let resolved: ResolvedLayer
  let activation: Activation
  let geometry: ConvolutionGeometry
  let isTransposed: Bool
  /// `geometry.weightShape`.
  let weight: LayerParameter<B.Buffer>
  let bias: LayerParameter<B.Buffer>
  let backend: B

  func forward(_ x: Tensor<B.Buffer>, into h: Tensor<B.Buffer>, _ pass: Pass) throws {
    try run(x, into: h, .forward(bias: bias.value, activation: activation), isTransposed)
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
