import CinchBackend
import CinchData
import Testing

@testable import CinchCore

/// An upsampling and the convolution behind it, computed as one transposed convolution.
@Suite struct UpsampledConvolutionTests {
  struct Pair: Sendable, CustomTestStringConvertible {
    var size = Extent(2)
    var spec = ConvolutionSpec(filters: 3, activation: .tanh)
    var isTransposed = false

    var testDescription: String {
      "\(isTransposed ? "transposed " : "")\(spec.kernel) \(spec.padding) behind upsampling by \(size)"
    }
    var layer: LayerSpec { isTransposed ? .transposedConvolution(spec) : .convolution(spec) }
  }

  static let pairs: [Pair] = [false, true].flatMap { isTransposed in
    [
      Pair(isTransposed: isTransposed),
      Pair(spec: ConvolutionSpec(filters: 1, kernel: Extent(5), activation: .sigmoid), isTransposed: isTransposed),
      Pair(size: Extent(3), isTransposed: isTransposed),
      Pair(size: Extent(2, 1), spec: ConvolutionSpec(filters: 4, kernel: Extent(3, 2)), isTransposed: isTransposed),
      Pair(
        size: Extent(2, 3), spec: ConvolutionSpec(filters: 2, kernel: Extent(2, 4), padding: .valid),
        isTransposed: isTransposed),
      Pair(
        spec: ConvolutionSpec(
          filters: 5, padding: .explicit(top: 0, bottom: 2, left: 1, right: 0), activation: .softplus),
        isTransposed: isTransposed),
    ]
  }

  private static let image = ImageShape(channels: 3, height: 4, width: 5)

  /// A network whose layers 1 and 2 are the pair, of what rows of small images are made.
  private func network(_ pair: Pair) throws -> Network<ReferenceBackend> {
    // Back to the sample's size by a dense layer, whatever the pair makes.
    var recipe = Recipe.conv(image: Self.image)
    recipe.autoencoder?.encoder = [.convolution(ConvolutionSpec(filters: 4, activation: .tanh))]
    recipe.autoencoder?.decoder = [
      .upsample(pair.size), pair.layer, .dense(units: Self.image.count, activation: .sigmoid, image: Self.image),
    ]
    return try Network(recipe, on: ReferenceBackend())
  }

  private func values(_ count: Int, _ seed: UInt64) -> [Double] {
    let philox = Philox(seed: seed, stream: .test)
    return (0..<count).map { 2 * Double(Philox.uniform(philox.word(element: $0, step: 0))) - 1 }
  }

  private func expectEqual(
    _ a: Tensor<ReferenceBuffer>, _ b: Tensor<ReferenceBuffer>, _ name: String, on backend: ReferenceBackend
  ) throws {
    let (a, b) = (try backend.read(a), try backend.read(b))
    try #require(a.count == b.count)
    // Both are sums of at most a few hundred products of the order of one.
    for (index, (x, y)) in zip(a, b).enumerated() where !(abs(x - y) <= 1e-12 * (1 + abs(y))) {
      Issue.record("\(name)[\(index)] is \(x), but the layers apart give \(y).")
      return
    }
    #expect(a.contains { $0 != 0 })
  }

  @Test("One layer does what the two do, in Double", arguments: pairs)
  func equals(_ pair: Pair) throws {
    let network = try network(pair)
    let backend = network.backend, rows = 3
    let stages = try network.stages()
    #expect(stages.map(\.layers) == [0..<1, 1..<3, 3..<4])
    let (upsampling, convolution, joined) = (network.layers[1], network.layers[2], stages[1].layer)
    let (small, large) = (upsampling.resolved.input, convolution.resolved.output)
    let middle = upsampling.resolved.output
    let pass = Pass(.training, step: 0, seed: 1, batchRows: rows)
    func image(_ shape: FeatureShape, _ seed: UInt64? = nil) throws -> Tensor<ReferenceBuffer> {
      let shape = shape.shape(rows: rows)
      return try seed.map { try backend.tensor(shape, values(shape.count, $0)) } ?? backend.tensor(shape)
    }
    let x = try image(small, 1), delta = try image(large, 2)
    let up = try image(middle), (h, other) = (try image(large), try image(large))
    try upsampling.forward(x, into: up, pass)
    try convolution.forward(up, into: h, pass)
    try joined.forward(x, into: other, pass)
    try expectEqual(other, h, "h", on: backend)

    func loss(_ layer: any Layer<ReferenceBackend>, _ input: Tensor<ReferenceBuffer>) throws -> [Tensor<
      ReferenceBuffer
    >] {
      let partials = try backend.tensor([layer.lossPartialCount(samples: rows)])
      let result = try image(large)
      let target = try backend.tensor(result.shape, values(result.count, 3).map { ($0 + 1) / 2 })
      try layer.forward(
        input,
        loss: FusedLoss(
          .sse, activation: layer.resolved.spec.activation, bias: nil, target: target, gradientScale: 0.5,
          partials: partials), delta: result)
      return [result, partials]
    }
    for (one, two) in zip(try loss(joined, x), try loss(convolution, up)) {
      try expectEqual(one, two, "loss", on: backend)
    }

    try convolution.gradients(delta: delta, input: up, rowPull: nil)
    let apart = try backend.tensor(network.gradients.shape, try backend.read(network.gradients))
    try backend.fill(network.gradients, with: 0)
    try joined.gradients(delta: delta, input: x, rowPull: nil)
    let names = network.layout.uses(at: 2)
    #expect(names.map(\.name) == ["decoder.1.weight", "decoder.1.bias"])
    for use in names {
      let range = network.layout.range(use.parameter)
      try expectEqual(
        network.gradients.slice(at: range.lowerBound, shape: [range.count]),
        apart.slice(at: range.lowerBound, shape: [range.count]), use.name, on: backend)
    }

    let below = ActivationGradient(.tanh, output: x, l1: 0.1)
    let (between, gradient, same) = (try image(middle), try image(small), try image(small))
    try convolution.inputGradient(
      delta: delta, below: ActivationGradient(.linear, output: up), into: between, pass)
    try upsampling.inputGradient(delta: between, below: below, into: gradient, pass)
    try joined.inputGradient(delta: delta, below: below, into: same, pass)
    try expectEqual(same, gradient, "δ", on: backend)
  }

  @Test("What is reported, saved and learned is the network as it is written")
  func asWritten() throws {
    let resolved = try Recipe.convPool().resolved()
    let stages = resolved.stages(of: resolved.layers.indices)
    #expect(stages.map(\.layers).filter { $0.count > 1 } == [0..<2, 5..<7, 7..<9])
    let (joined, apart) = (stages.map { $0.layer.flops }, resolved.layers.map(\.flops))
    // 16 products for 36.
    #expect(joined[0] == apart[0] && 9 * joined[4] == 4 * apart[6] && 9 * joined[5] == 4 * apart[8])
    let taps = Double(28 * 28 * 9 * 16 + 14 * 14 * 9 * 16 * 8 + 7 * 7 * 9 * 64 + 14 * 14 * 9 * 64 + 28 * 28 * 9 * 8)
    #expect(resolved.stepFlops == 3 * 2 * taps - 2 * Double(28 * 28 * 9 * 16))
    #expect(resolved.fileShapes.first { $0.name == "decoder.4.weight" }?.shape == [1, 8, 3, 3])
  }

  @Test("Layers are computed apart where that is no more work, or where what lies between is asked for")
  func apart() throws {
    func joins(_ pair: Pair) throws -> Bool { try network(pair).stages().contains { $0.layers.count > 1 } }
    #expect(try joins(Pair()))
    for isTransposed in [false, true] {
      #expect(try !joins(Pair(spec: ConvolutionSpec(filters: 3, kernel: Extent(1)), isTransposed: isTransposed)))
      #expect(try !joins(Pair(spec: ConvolutionSpec(filters: 3, stride: Extent(2)), isTransposed: isTransposed)))
      #expect(try !joins(Pair(spec: ConvolutionSpec(filters: 3, dilation: Extent(2)), isTransposed: isTransposed)))
      #expect(try !joins(Pair(size: Extent(1), isTransposed: isTransposed)))
      // Blocks larger than the kernel: a weight of 18×18 taps, most of them alike.
      #expect(try !joins(Pair(size: Extent(16), isTransposed: isTransposed)))
    }
    let joining = try network(Pair())
    #expect(try joining.stages(keeping: [1]).map(\.layers) == [0..<1, 1..<2, 2..<3, 3..<4])
    #expect(try joining.stages(of: 0..<2).map(\.layers) == [0..<1, 1..<2])
    #expect(try joining.stages(of: 2..<4).map(\.layers) == [2..<3, 3..<4])
    // The code is what an upsampling gives, and a decoder begins behind it.
    var recipe = Recipe.conv(image: Self.image)
    recipe.autoencoder?.encoder = [.averagePool(PoolSpec(Extent(2, 5))), .upsample(Extent(2, 5))]
    recipe.autoencoder?.decoder = [.convolution(ConvolutionSpec(filters: 3, activation: .sigmoid))]
    #expect(try recipe.resolved().stages(of: 0..<3).map(\.layers) == [0..<1, 1..<2, 2..<3])
  }
}
