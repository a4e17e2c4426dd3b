import CinchBackend
import CinchData
import Testing

@testable import CinchCore

/// A first convolution and the max-pooling behind it, computed in one.
@Suite struct PooledConvolutionTests {
  private static let image = ImageShape(channels: 2, height: 7, width: 6)

  private func recipe(_ spec: ConvolutionSpec, pool: PoolSpec) throws -> Recipe {
    var recipe = Recipe.conv(image: Self.image)
    recipe.autoencoder?.encoder = [.convolution(spec), .maxPool(pool), .convolution(ConvolutionSpec(filters: 2))]
    recipe.autoencoder?.decoder = [.dense(units: Self.image.count, activation: .sigmoid, image: Self.image)]
    return recipe
  }

  @Test("One stage does what the two layers do", arguments: [Activation.relu, .tanh, .linear, .leakyReLU])
  func equals(_ activation: Activation) throws {
    let spec = ConvolutionSpec(filters: 3, activation: activation), rows = 3
    let network = try Network(try recipe(spec, pool: PoolSpec(Extent(2))), on: ReferenceBackend())
    try network.reserve(rows: rows)
    let backend = network.backend, stages = try network.stages()
    #expect(stages.map(\.layers) == [0..<2, 2..<3, 3..<4])
    let pass = Pass(.training, step: 0, seed: 1, batchRows: rows)
    let (convolution, pool) = (network.layers[0], try #require(network.layers[1] as? MaxPoolLayer<ReferenceBackend>))
    func image(_ shape: FeatureShape, seed: UInt64? = nil) throws -> Tensor<ReferenceBuffer> {
      let tensor = try backend.tensor(shape.shape(rows: rows))
      guard let seed else { return tensor }
      let philox = Philox(seed: seed, stream: .test)
      let values = (0..<tensor.count).map { 2 * Double(Philox.uniform(philox.word(element: $0, step: 0))) - 1 }
      try backend.write(values, to: tensor)
      return tensor
    }
    let x = try image(convolution.resolved.input, seed: 1), between = try image(convolution.resolved.output)
    let (apart, joined) = (try image(pool.resolved.output), try image(pool.resolved.output))
    try convolution.forward(x, into: between, pass)
    try pool.forward(between, into: apart, pass)
    let places = try backend.read(pool.switches.prefix(rows: rows))
    try stages[0].layer.forward(x, into: joined, pass)
    #expect(try backend.read(joined) == backend.read(apart) && backend.read(joined).contains { $0 != 0 })
    // Where unpooling layers of the decoder look them up.
    #expect(try backend.read(pool.switches.prefix(rows: rows)) == places && Set(places).count == 4)

    let delta = try image(pool.resolved.output, seed: 2)
    try pool.inputGradient(
      delta: delta, below: ActivationGradient(.linear, output: between), into: between, pass)
    try convolution.gradients(delta: between, input: x, rowPull: nil)
    let gradients = try backend.read(network.gradients)
    try backend.fill(network.gradients, with: 0)
    try stages[0].layer.gradients(delta: delta, input: x, rowPull: nil)
    #expect(try backend.read(network.gradients) == gradients && gradients.contains { $0 != 0 })
  }

  /// A penalty on what lies between, windows that overlap, a layer that is not the network's first.
  @Test func layersAreComputedApartWhereTheImageIsNeeded() throws {
    func joins(_ recipe: Recipe, keeping kept: Set<Int> = []) throws -> Bool {
      let network = try recipe.resolved()
      return network.stages(of: network.layers.indices, keeping: kept).contains { $0.layers == 0..<2 }
    }
    let spec = ConvolutionSpec(filters: 3), pool = PoolSpec(Extent(2))
    #expect(try joins(recipe(spec, pool: pool)))
    #expect(try !joins(recipe(spec, pool: pool), keeping: [0]))
    #expect(try !joins(recipe(spec, pool: PoolSpec(Extent(2), stride: Extent(1)))))
    #expect(try !joins(recipe(spec, pool: PoolSpec(Extent(1), stride: Extent(2)))))
    var deeper = try recipe(spec, pool: pool)
    deeper.autoencoder?.encoder.insert(.convolution(spec), at: 0)
    let network = try deeper.resolved()
    #expect(network.stages(of: network.layers.indices).map(\.layers) == [0..<1, 1..<2, 2..<3, 3..<4, 4..<5])
  }
}
