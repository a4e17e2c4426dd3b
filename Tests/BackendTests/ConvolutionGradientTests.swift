import CinchBackend
import Testing

/// Gradients through images, against central differences in Double.
@Suite("Gradients of images") struct ConvolutionGradientTests {
  @Test("Convolution by image, weight and bias", arguments: GradientCase.convolutions)
  func convolution(_ row: GradientCase) throws { #expect(try row.relativeError() <= 1e-6) }

  @Test("A convolutional autoencoder's whole objective by its parameters", arguments: GradientCase.autoencoders)
  func autoencoder(_ row: GradientCase) throws { #expect(try row.relativeError() <= 1e-6) }

  @Test("Max-pooling, away from ties", arguments: PoolingGeometry.samples.indices)
  func maxPool(_ index: Int) throws {
    #expect(try GradientCase.maxPool(PoolingGeometry.samples[index]).relativeError() <= 1e-6)
  }

  @Test("Pooling, unpooling, upsampling, with every term of the layer below", arguments: GradientCase.poolings)
  func pooling(_ row: GradientCase) throws { #expect(try row.relativeError() <= 1e-6) }
}

extension ConvolutionGeometry {
  fileprivate static let samples = [
    ConvolutionGeometry(
      height: 5, width: 4, channels: 2, outputHeight: 3, outputWidth: 2, outputChannels: 3, kernel: (3, 3)),
    ConvolutionGeometry(
      height: 6, width: 5, channels: 1, outputHeight: 3, outputWidth: 3, outputChannels: 2, kernel: (3, 3),
      stride: (2, 2), top: 1, left: 1),
    ConvolutionGeometry(
      height: 4, width: 7, channels: 2, outputHeight: 2, outputWidth: 6, outputChannels: 1, kernel: (2, 3),
      stride: (3, 1), dilation: (1, 2), top: 0, left: 1),
    ConvolutionGeometry(
      height: 1, width: 1, channels: 3, outputHeight: 1, outputWidth: 1, outputChannels: 2, kernel: (3, 3), top: 1,
      left: 1),
  ]
}

extension PoolingGeometry {
  fileprivate static let samples = [
    PoolingGeometry(height: 4, width: 6, channels: 2, outputHeight: 2, outputWidth: 3, kernel: (2, 2), stride: (2, 2)),
    PoolingGeometry(
      height: 5, width: 5, channels: 2, outputHeight: 3, outputWidth: 3, kernel: (3, 3), stride: (2, 2), top: 1,
      left: 1),
    PoolingGeometry(height: 7, width: 5, channels: 1, outputHeight: 2, outputWidth: 2, kernel: (2, 3), stride: (3, 2)),
    PoolingGeometry(height: 3, width: 5, channels: 3, outputHeight: 2, outputWidth: 3, kernel: (2, 2), stride: (2, 2)),
  ]
}

extension GradientCase {
  private static let n = 2

  static let convolutions = ConvolutionGeometry.samples.enumerated().flatMap { i, geometry in
    Activation.allCases.flatMap { activation in
      [ConvolutionSide.small, .large].map { convolution(geometry, activation, result: $0, step: UInt64(200 + 10 * i)) }
    }
  }

  /// ⟨u, f(image ∗ w + b)⟩, or the same of the transposed convolution, by all three.
  private static func convolution(
    _ g: ConvolutionGeometry, _ activation: Activation, result side: ConvolutionSide, step: UInt64
  ) -> GradientCase {
    let (from, to) = side == .small ? (g.large(n), g.small(n)) : (g.small(n), g.large(n))
    let channels = side == .small ? g.outputChannels : g.channels, weights = g.weightShape.count
    return GradientCase(
      name: "\(from) to \(to), \(activation.rawValue)",
      // Biases that leave a ReLU alive.
      start: numbers(from.count + weights, step: step) + numbers(channels, bound: 0.1, step: step + 2)
    ) { backend, values in
      let u = numbers(to.count, step: step + 1)
      let image = try backend.tensor(from, Array(values[..<from.count]))
      let w = try backend.tensor(g.weightShape, Array(values[from.count..<from.count + weights]))
      let b = try backend.tensor([channels], Array(values[(from.count + weights)...]))
      let h = try backend.tensor(to), delta = try backend.tensor(to, u), dImage = try backend.tensor(from)
      let dW = try backend.tensor(g.weightShape), db = try backend.tensor([channels])
      let forward = Epilogue<ReferenceBuffer>.forward(bias: b, activation: activation)
      switch side {
      case .small: try backend.convolve(image, w, g, into: h, epilogue: forward)
      case .large: try backend.convolveTransposed(image, w, g, into: h, epilogue: forward)
      }
      try backend.activationGradient(delta, ActivationGradient(activation, output: h), into: delta)
      switch side {
      case .small: try backend.convolveTransposed(delta, w, g, into: dImage, epilogue: .none)
      case .large: try backend.convolve(delta, w, g, into: dImage, epilogue: .none)
      }
      try backend.convolutionGradient(
        x: side == .small ? image : delta, y: side == .small ? delta : image, g, weightGradient: dW, biasGradient: db,
        delta: side, accumulate: false)
      return (
        dot(u, try backend.read(h)), try backend.read(dImage) + backend.read(dW) + backend.read(db)
      )
    }
  }

  static let autoencoders = ReconstructionLoss.allCases.flatMap { loss in
    [false, true].map { autoencoder(ConvolutionGeometry.samples[1], loss, tied: $0) }
  }

  /// Convolution, sigmoid, KL sparsity and L1, and back by a transposed convolution into the loss, by every
  /// parameter; tied, both use one weight.
  private static func autoencoder(_ g: ConvolutionGeometry, _ loss: ReconstructionLoss, tied: Bool) -> GradientCase {
    let weights = g.weightShape.count, l1 = 0.2, units = g.outputChannels
    let count = (tied ? 1 : 2) * weights + units + g.channels
    return GradientCase(
      name: "\(loss.rawValue)\(tied ? ", tied" : "")", start: numbers(count, step: 250)
    ) { backend, values in
      var rest = values[...]
      func parameter(_ shape: Shape) throws -> Tensor<ReferenceBuffer> {
        defer { rest = rest.dropFirst(shape.count) }
        return try backend.tensor(shape, Array(rest.prefix(shape.count)))
      }
      let encoder = try parameter(g.weightShape), bias = try parameter([units])
      let decoder = tied ? encoder : try parameter(g.weightShape)
      let outputBias = try parameter([g.channels])
      let x = try backend.tensor(g.large(n), numbers(g.large(n).count, step: 251).map(abs))
      let h = try backend.tensor(g.small(n)), output = try backend.tensor(g.large(n))
      let hidden = try backend.tensor(g.small(n))
      let pixels = h.reshaped([h.count / units, units])

      try backend.convolve(x, encoder, g, into: h, epilogue: .forward(bias: bias, activation: .sigmoid))
      let column = try backend.tensor([units]), penalties = try backend.tensor([units])
      try backend.klSparsity(
        pixels, KLSettings(rho: 0.1, beta: 2),
        KLResult(means: try backend.tensor([units]), column: column, values: penalties))
      let partials = try backend.tensor([backend.lossPartialCount(g, samples: n, result: .large)])
      let fused = FusedLoss(
        loss, activation: .sigmoid, bias: outputBias, target: x,
        logVariance: loss == .gaussian ? try backend.tensor([1], [-0.4]) : nil, gradientScale: 1 / Double(n),
        partials: partials)
      try backend.convolveTransposed(h, decoder, g, into: output, epilogue: .loss(fused))
      let value =
        try backend.read(partials).reduce(0, +) / Double(n) + backend.read(penalties).reduce(0, +)
        + l1 * backend.read(h).reduce(0, +)

      let dEncoder = try backend.tensor(g.weightShape), dBias = try backend.tensor([units])
      let dDecoder = tied ? dEncoder : try backend.tensor(g.weightShape)
      let dOutputBias = try backend.tensor([g.channels])
      let terms = ActivationGradient(.sigmoid, output: h, column: column, l1: l1)
      try backend.convolve(output, decoder, g, into: hidden, epilogue: .backward(terms))
      try backend.convolutionGradient(
        x: output, y: h, g, weightGradient: dDecoder, biasGradient: dOutputBias, delta: .large, accumulate: false)
      try backend.convolutionGradient(
        x: x, y: hidden, g, weightGradient: dEncoder, biasGradient: dBias, delta: .small, accumulate: tied)
      let gradient = try backend.read(dEncoder) + backend.read(dBias)
      return (value, gradient + (tied ? [] : try backend.read(dDecoder)) + (try backend.read(dOutputBias)))
    }
  }

  /// ⟨u, max-pool(x)⟩ by x, whose values differ by more than a step of the difference.
  static func maxPool(_ g: PoolingGeometry) -> GradientCase {
    let count = g.large(n).count
    // 37 divides no count here, so this is a permutation.
    let start = (0..<count).map { Double($0 * 37 % count) / Double(count) - 0.5 }
    return GradientCase(name: "max-pool", start: start) { backend, values in
      let u = numbers(g.small(n).count, step: 260)
      let x = try backend.tensor(g.large(n), values), y = try backend.tensor(g.small(n))
      let switches = try backend.tensor(g.small(n)), gradient = try backend.tensor(g.large(n))
      try backend.maxPool(x, g, into: y, switches: switches)
      try backend.unpool(
        try backend.tensor(g.small(n), u), switches: switches, g, into: gradient, below: nil)
      return (dot(u, try backend.read(y)), try backend.read(gradient))
    }
  }

  private enum Pooling: String, CaseIterable {
    case pick, unpool, sum, mean, spread
    case spreadMean = "spread of means"
  }

  static let poolings = Pooling.allCases.flatMap { kind in
    PoolingGeometry.samples.flatMap { g in
      [Activation.linear, .sigmoid, .tanh, .softplus].map { pooling(kind, g, below: $0) }
    }
  }

  /// ⟨u, op(h)⟩ + ⟨column, h⟩ + l1·Σ|h| + ½·factor·Σ norm·f′², with h = f(a), by a.
  private static func pooling(_ kind: Pooling, _ g: PoolingGeometry, below activation: Activation) -> GradientCase {
    let isUpward = [.pick, .sum, .mean].contains(kind)
    let (from, to) = isUpward ? (g.large(n), g.small(n)) : (g.small(n), g.large(n))
    return GradientCase(
      name: "\(kind.rawValue), \(from) to \(to), below \(activation.rawValue)", start: numbers(from.count, step: 270)
    ) { backend, values in
      let u = numbers(to.count, step: 271), column = numbers(g.channels, step: 272)
      let norms = numbers(g.channels, step: 273).map(abs), l1 = 0.3, factor = 0.7
      let h = try backend.tensor(from), y = try backend.tensor(to), cotangent = try backend.tensor(to, u)
      let gradient = try backend.tensor(from)
      try backend.activate(try backend.tensor(from, values), bias: nil, activation, into: h)
      let below = ActivationGradient(
        activation, output: h, column: try backend.tensor([g.channels], column), l1: l1,
        curvature: (norms: try backend.tensor([g.channels], norms), factor: factor))
      // Switches that stay as they are, those of another image.
      let switches = try backend.tensor(g.small(n)), unused = try backend.tensor(g.small(n))
      let other = try backend.tensor(g.large(n), numbers(g.large(n).count, step: 274))
      try backend.maxPool(other, g, into: unused, switches: switches)
      switch kind {
      case .pick:
        try backend.pickSwitches(h, switches: switches, g, into: y, below: nil)
        try backend.unpool(cotangent, switches: switches, g, into: gradient, below: below)
      case .unpool:
        try backend.unpool(h, switches: switches, g, into: y, below: nil)
        try backend.pickSwitches(cotangent, switches: switches, g, into: gradient, below: below)
      case .sum, .mean:
        try backend.poolSum(h, g, mean: kind == .mean, into: y, below: nil)
        try backend.poolSpread(cotangent, g, mean: kind == .mean, into: gradient, below: below)
      case .spread, .spreadMean:
        try backend.poolSpread(h, g, mean: kind == .spreadMean, into: y, below: nil)
        try backend.poolSum(cotangent, g, mean: kind == .spreadMean, into: gradient, below: below)
      }
      let outputs = try backend.read(h)
      var value = dot(u, try backend.read(y))
      for (i, h) in outputs.enumerated() {
        let slope = activation.slope(output: h), channel = i % g.channels
        value += column[channel] * h + l1 * abs(h) + factor / 2 * norms[channel] * slope * slope
      }
      return (value, try backend.read(gradient))
    }
  }
}
