import CinchBackend
import Conformance
import Testing

/// Convolution and pooling on the reference: numbers worked out by hand, and the identities that relate the ops.
@Suite("Reference convolution and pooling") struct ConvolutionTests {
  let backend = ReferenceBackend()

  /// A 4 × 4 image and a 3 × 3 kernel, both of one channel.
  private static let geometry = ConvolutionGeometry(
    height: 4, width: 4, channels: 1, outputHeight: 2, outputWidth: 2, outputChannels: 1, kernel: (3, 3))
  private static let kernel: [Double] = [1, 2, 3, 4, 5, 6, 7, 8, 9]
  private static let image: [Double] = [2, 1, 0, 3, 0, 0, 1, 2, 3, 1, 2, 0, 0, 2, 2, 1]
  private static let small: [Double] = [1, 0, 2, 1]

  @Test("The cost is counted whatever the extents are")
  func flops() {
    #expect(Self.geometry.flops == 2 * 4 * 9)
    var large = Self.geometry
    large.outputHeight = .max
    #expect(large.flops == 2 * Double(Int.max) * 2 * 9)
  }

  @Test("The worked example: a convolution")
  func convolution() throws {
    let x = try backend.tensor([1, 4, 4, 1], Self.image), w = try backend.tensor([3, 3, 1, 1], Self.kernel)
    let y = try backend.tensor([1, 2, 2, 1])
    try backend.convolve(x, w, Self.geometry, into: y, epilogue: .none)
    #expect(try backend.read(y) == [57, 50, 66, 61])
    #expect(dot(try backend.read(y), Self.small) == 250)
  }

  @Test("The worked example: a transposed convolution, which is the adjoint and no inverse")
  func transposed() throws {
    let y = try backend.tensor([1, 2, 2, 1], Self.small), w = try backend.tensor([3, 3, 1, 1], Self.kernel)
    let x = try backend.tensor([1, 4, 4, 1])
    try backend.convolveTransposed(y, w, Self.geometry, into: x, epilogue: .none)
    #expect(try backend.read(x) == [1, 2, 3, 0, 6, 10, 14, 3, 15, 22, 26, 6, 14, 23, 26, 9])
    #expect(dot(try backend.read(x), Self.image) == 250)
  }

  /// ⟨w ∗ x, y⟩ is linear in each of x, y and w, so all three modes are its derivatives.
  @Test("⟨Cx, y⟩ = ⟨x, Cᵀy⟩ = ⟨w, dW⟩", arguments: Conformance.convolutions.indices)
  func adjoint(_ index: Int) throws {
    let (g, n) = (Conformance.convolutions[index].geometry, Conformance.convolutions[index].samples)
    let x = try random(g.large(n), 101), y = try random(g.small(n), 102), w = try random(g.weightShape, 103)
    let forward = try backend.tensor(g.small(n)), back = try backend.tensor(g.large(n))
    let dW = try backend.tensor(g.weightShape), db = try backend.tensor([g.outputChannels])
    try backend.convolve(x, w, g, into: forward, epilogue: .none)
    try backend.convolveTransposed(y, w, g, into: back, epilogue: .none)
    try backend.convolutionGradient(
      x: x, y: y, g, weightGradient: dW, biasGradient: db, delta: .small, accumulate: false)
    let left = try dot(forward, y)
    try expect(dot(back, x), left, scale: magnitude(forward, y))
    try expect(dot(dW, w), left, scale: magnitude(forward, y))
  }

  @Test("⟨Px, y⟩ = ⟨x, Pᵀy⟩ with fixed switches, sums and means", arguments: Conformance.poolings.indices)
  func poolingAdjoint(_ index: Int) throws {
    let (g, n) = (Conformance.poolings[index].geometry, Conformance.poolings[index].samples)
    let x = try random(g.large(n), 104), y = try random(g.small(n), 105)
    let forward = try backend.tensor(g.small(n)), back = try backend.tensor(g.large(n))
    let switches = try backend.tensor(g.small(n)), largest = try backend.tensor(g.small(n))
    for mean in [false, true] {
      try backend.poolSum(x, g, mean: mean, into: forward, below: nil)
      try backend.poolSpread(y, g, mean: mean, into: back, below: nil)
      try expect(dot(back, x), dot(forward, y), scale: magnitude(forward, y))
    }
    try backend.maxPool(x, g, into: largest, switches: switches)
    try backend.pickSwitches(x, switches: switches, g, into: forward, below: nil)
    #expect(try backend.read(forward) == backend.read(largest))
    try backend.unpool(y, switches: switches, g, into: back, below: nil)
    try expect(dot(back, x), dot(forward, y), scale: magnitude(forward, y))
  }

  @Test("Of a tie the first is chosen, of NaNs the first, and padding never")
  func switches() throws {
    let g = PoolingGeometry(
      height: 2, width: 6, channels: 1, outputHeight: 1, outputWidth: 4, kernel: (2, 2), stride: (2, 2), left: 1)
    let x = try backend.tensor([1, 2, 6, 1], [-3, 1, 2, .nan, 9, -.infinity, -4, 2, 2, 5, .nan, -.infinity])
    let y = try backend.tensor([1, 1, 4, 1]), switches = try backend.tensor([1, 1, 4, 1])
    try backend.maxPool(x, g, into: y, switches: switches)
    let largest = try backend.read(y)
    #expect(largest[0] == -3 && largest[1] == 2 && largest[2].isNaN && largest[3] == -.infinity)
    #expect(try backend.read(switches) == [1, 1, 0, 0])
  }

  @Test("An epilogue is the op it stands for", arguments: Conformance.convolutions.indices.prefix(12))
  func epilogues(_ index: Int) throws {
    let (g, n) = (Conformance.convolutions[index].geometry, Conformance.convolutions[index].samples)
    let shape = g.small(n), pixels: Shape = [shape.count / g.outputChannels, g.outputChannels]
    let x = try random(g.large(n), 106), w = try random(g.weightShape, 107), bias = try random([g.outputChannels], 108)
    let fused = try backend.tensor(shape), apart = try backend.tensor(shape), sums = try backend.tensor(shape)
    try backend.convolve(x, w, g, into: sums, epilogue: .none)

    try backend.convolve(x, w, g, into: fused, epilogue: .forward(bias: bias, activation: .tanh))
    try backend.activate(sums.reshaped(pixels), bias: bias, .tanh, into: apart.reshaped(pixels))
    #expect(try backend.read(fused) == backend.read(apart))

    let h = try backend.tensor(shape)
    try backend.copy(fused, to: h)
    var terms = ActivationGradient(.tanh, output: h, column: bias, l1: 0.3, curvature: (norms: bias, factor: 0.7))
    try backend.convolve(x, w, g, into: fused, epilogue: .backward(terms))
    terms.output = h.reshaped(pixels)
    try backend.activationGradient(sums.reshaped(pixels), terms, into: apart.reshaped(pixels))
    #expect(try backend.read(fused) == backend.read(apart))

    // One row a sample: mse divides by all of its features.
    let partials = try backend.tensor([backend.lossPartialCount(g, samples: n, result: .small)])
    let loss = FusedLoss(
      .mse, activation: .sigmoid, bias: nil, target: h, gradientScale: 0.5, partials: partials)
    try backend.convolve(x, w, g, into: fused, epilogue: .loss(loss))
    let together = try backend.read(partials)
    try backend.reconstructionLoss(sums, loss, gradient: apart)
    #expect(try backend.read(fused) == backend.read(apart))
    #expect(try backend.read(partials) == together)
  }

  @Test("A misplaced image is named with what was needed")
  func sentences() throws {
    let y = try backend.tensor([1, 2, 2, 1]), w = try backend.tensor([3, 3, 1, 1])
    let error = #expect(throws: BackendError.self) {
      try backend.convolve(
        try backend.tensor([1, 1, 4, 4]), w, Self.geometry, into: y, epilogue: .none)
    }
    #expect(
      error
        == .invalidArgument(
          "'convolve': the large image is 1 × 1 × 4 × 4, but 1 × 4 × 4 × 1 is needed, channels last."))
    // A batch of a data set has no extents but its features.
    try backend.convolve(try backend.tensor([1, 16], Self.image), w, Self.geometry, into: y, epilogue: .none)
  }

  private func random(_ shape: Shape, _ step: UInt64) throws -> Tensor<ReferenceBuffer> {
    try backend.tensor(shape, numbers(shape.count, step: step))
  }
  private func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
  private func dot(_ a: Tensor<ReferenceBuffer>, _ b: Tensor<ReferenceBuffer>) throws -> Double {
    dot(try backend.read(a), try backend.read(b))
  }
  private func magnitude(_ a: Tensor<ReferenceBuffer>, _ b: Tensor<ReferenceBuffer>) throws -> Double {
    dot(try backend.read(a).map(abs), try backend.read(b).map(abs))
  }
  private func expect(_ got: Double, _ want: Double, scale: Double) {
    #expect(abs(got - want) <= 1e-12 * scale)
  }
}
