import CinchBackend
import CinchData
import Foundation
import Testing

@testable import CinchCore

/// What follows from a recipe's layers.
@Suite struct ResolvedNetworkTests {
  @Test func shapesParametersAndCost() throws {
    let network = try Recipe.deep(layers: [784, 128, 32]).resolved()
    #expect(network.widths == [784, 128, 32, 128, 784])
    #expect(network.codeShape == .flat(32) && network.codeUnits == 32)
    #expect(network.parameterCount == 2 * 784 * 128 + 2 * 128 * 32 + 128 + 32 + 128 + 784)
    #expect(try Recipe.conv().resolved().codeShape == .image(channels: 32, height: 7, width: 7))
  }

  @Test func tiedWeightsCountOnce() throws {
    var recipe = Recipe.deep(layers: [13, 7, 3])
    recipe.autoencoder?.tied = true
    #expect(try recipe.resolved().parameterCount == 13 * 7 + 7 * 3 + 7 + 3 + 7 + 13)
    recipe = .conv(image: ImageShape(channels: 1, height: 9, width: 7))
    recipe.autoencoder?.tied = true
    #expect(try recipe.resolved().parameterCount == 9 * 16 + 9 * 16 * 32 + 16 + 32 + 16 + 1)
    // A decoder of plain convolutions has the shapes of a mirror, but not its weights.
    try recipe.autoencoder?.setLayers(
      image: ImageShape(channels: 1, height: 9, width: 7), encoder: [.convolution(ConvolutionSpec(filters: 4))],
      decoder: [.convolution(ConvolutionSpec(filters: 1, activation: .sigmoid))], outputActivation: .sigmoid)
    #expect(throws: CinchError.self) { try recipe.resolved() }
    recipe.autoencoder?.tied = false
    #expect(try recipe.resolved().parameterCount == 2 * 9 * 4 + 4 + 1)
  }

  /// No size traps: what cannot be is an error that says what to change.
  @Test(arguments: [
    ([-1, 2], "each 1 or more"), ([0, 2], "each 1 or more"), ([], "each 1 or more"), ([7], "each 1 or more"),
    ([4, 0], "0 units"), ([4, -3], "-3 units"), ([4, .min], "units"), ([.min, 4], "each 1 or more"),
    ([4, .max], "fewer units"), ([.max, 4], "narrower samples"), ([.max, .max], "narrower samples"),
    ([1 << 30, 1 << 29, 1 << 30], "narrower layers"),
  ])
  func denseNetworksThatCannotBe(layers: [Int], part: String) throws {
    let recipe = Recipe.deep(layers: layers)
    let error = #expect(throws: CinchError.self) { try recipe.resolved() }
    #expect("\(try #require(error))".contains(part))
    #expect(throws: CinchError.self) { try recipe.validate() }
    #expect(throws: CinchError.self) { try Network(recipe, on: ReferenceBackend()) }
  }

  @Test(arguments: [
    ImageShape(channels: .max, height: 28, width: 28), ImageShape(channels: 1, height: .max, width: .max),
    ImageShape(channels: 0, height: 8, width: 8), ImageShape(channels: 1, height: -8, width: 8),
    ImageShape(channels: .min, height: .min, width: .min), ImageShape(channels: 70_000, height: 8, width: 8),
  ])
  func imagesThatCannotBe(image: ImageShape) throws {
    for recipe in [
      Recipe.conv(image: image), .convPool(image: image), .convUnpool(image: image), .convDenoising(image: image),
      .convSparse(image: image),
    ] {
      let error = #expect(throws: CinchError.self) { try recipe.resolved() }
      #expect("\(try #require(error))".contains("1 to 65536"))
    }
    #expect(throws: CinchError.self) { try Recipe.conv().adopting(image: image) }
  }

  /// Nor are those that a dense layer makes, though their extents multiply to its units.
  @Test(arguments: [
    (20, ImageShape(channels: -1, height: -5, width: 4)), (65_537, ImageShape(channels: 1, height: 1, width: 65_537)),
  ])
  func imagesThatNoLayerMakes(units: Int, image: ImageShape) throws {
    var recipe = Recipe.deep(layers: [8, units])
    recipe.autoencoder?.encoder = [.dense(units: units, activation: .relu, image: image)]
    let error = #expect(throws: CinchError.self) { try recipe.validate() }
    #expect("\(try #require(error))".contains("encoder.0 makes an image"))
  }

  @Test func imagesTooSmallToPoolNameTheLayer() throws {
    let recipe = Recipe.convUnpool(image: ImageShape(channels: 1, height: 2, width: 2))
    let error = #expect(throws: CinchError.self) { try recipe.resolved() }
    #expect("\(try #require(error))".contains("encoder.3"))
  }

  /// Each layer may be, all of them together fit no arena.
  @Test func tooManyWeightsAreRefused() throws {
    let image = ImageShape(channels: 65_536, height: 4096, width: 4096)
    var recipe = Recipe.conv(image: image)
    let layer = LayerSpec.convolution(ConvolutionSpec(filters: 65_536, kernel: Extent(4096)))
    try recipe.autoencoder?.setLayers(image: image, encoder: [layer], outputActivation: .sigmoid)
    #expect(try recipe.resolved().parameterCount > 1 << 56)
    try recipe.autoencoder?.setLayers(
      image: image, encoder: Array(repeating: layer, count: 10), outputActivation: .sigmoid)
    #expect(throws: CinchError.self) { try recipe.resolved() }
  }

  @Test func constraintsAreFieldsNotNames() throws {
    var recipe = Recipe.undercomplete(layers: [8, 8])
    #expect(throws: CinchError.self) { try recipe.validate() }
    recipe.autoencoder?.constraint = nil
    try recipe.validate()
    // Its name alone implied the constraint in files of Cinch 0.1.
    let data = try JSONCoding.encoder.encode(recipe)
    #expect(try JSONCoding.decoder.decode(Recipe.self, from: data) == recipe)
    var other = Recipe.deep(layers: [8, 8])
    try other.validate()
    other.autoencoder?.constraint = .overcomplete
    #expect(throws: CinchError.self) { try other.validate() }
    #expect(try JSONCoding.decoder.decode(Recipe.self, from: JSONCoding.encoder.encode(other)) == other)
  }

  @Test(arguments: [
    (#"{"name": "undercomplete", "layers": [8, 8]}"#, AutoencoderArchitecture.Constraint.undercomplete),
    (#"{"name": "overcomplete", "layers": [8, 8]}"#, .overcomplete),
    (#"{"name": "undercomplete", "layers": [8, 8], "constraint": null}"#, nil),
    (#"{"name": "mine", "layers": [8, 8], "constraint": "overcomplete"}"#, .overcomplete),
    (#"{"name": "mine", "layers": [8, 8]}"#, nil),
  ])
  func filesMayLeaveTheConstraintOut(text: String, constraint: AutoencoderArchitecture.Constraint?) throws {
    #expect(try JSONCoding.decoder.decode(Recipe.self, from: Data(text.utf8)).autoencoder?.constraint == constraint)
  }
}

/// One arena for everything that is learned or kept.
@Suite struct ParameterListTests {
  private func list() throws -> ParameterList {
    var list = ParameterList()
    let weight = try list.add(
      ParameterSpec("weight", .weight, shape: [2, 3], initial: .uniform(limit: 1)), owner: "encoder.0", stage: 0)
    try list.add(ParameterSpec("mean", .buffer, shape: [2], initial: .constant(0.5)), owner: "encoder.0", stage: 0)
    try list.add(ParameterSpec("bias", .bias, shape: [2]), owner: "encoder.0", stage: 0)
    list.share(weight, as: "weight", fileAxes: [1, 0], owner: "decoder.0", stage: 1)
    try list.add(ParameterSpec("bias", .bias, shape: [3]), owner: "decoder.0", stage: 1)
    // As a loss with a learned variance has it.
    try list.add(
      ParameterSpec("log_variance", .bias, shape: [1], initial: .constant(-1)), owner: "loss", stage: 2)
    return list
  }

  @Test func weightsThenBiasesThenBuffers() throws {
    let list = try list()
    #expect((list.weightCount, list.trainedCount, list.count) == (6, 12, 14))
    #expect(list.uses.map { list.range($0.parameter) } == [0..<6, 12..<14, 6..<8, 0..<6, 8..<11, 11..<12])
    let values = list.initialValues(seed: 3)
    #expect(Array(values[6...]) == [0, 0, 0, 0, 0, -1, 0.5, 0.5])
    #expect(Array(values[..<6]) == Initialization.uniform(count: 6, limit: 1, seed: 3, index: 0))
  }

  @Test func extremeWeightsAreDrawnWithoutOverflow() {
    #expect(Initialization.limit(inputs: .max, outputs: 1, activation: .tanh, isOutput: false) > 0)
    #expect(Initialization.uniform(count: -9, limit: 1, seed: 3, index: 0).isEmpty)
    #expect(Initialization.uniform(count: 5, limit: 1, seed: 3, index: -1).allSatisfy { abs($0) <= 1 })
  }

  /// The first user in the backward pass overwrites the gradient, those below it add.
  @Test func gradientsOfSharedParametersAccumulate() throws {
    let list = try list()
    #expect(list.uses.map(list.accumulates) == [true, false, false, false, false, false])
    #expect(list.uses(at: 1).map(\.isShared) == [true, false])
  }

  @Test func filesHaveEveryUseAndReadTheOwners() throws {
    let list = try list()
    let arena = (0..<14).map { Float($0) }
    let named = list.named(arena)
    #expect(
      named.map(\.name) == [
        "encoder.0.weight", "encoder.0.mean", "encoder.0.bias", "decoder.0.weight", "decoder.0.bias",
        "loss.log_variance",
      ])
    #expect(named[3].shape == [3, 2] && named[3].values == [0, 3, 1, 4, 2, 5])
    #expect(try list.arena(named) == arena)
    #expect(throws: CinchError.self) { try list.arena(named.filter { $0.name != "loss.log_variance" }) }
  }

  @Test func severalDrawsOfOneStageDiffer() throws {
    var list = ParameterList()
    for name in ["query", "key"] {
      try list.add(
        ParameterSpec(name, .weight, shape: [4, 4], initial: .uniform(limit: 1)), owner: "encoder.0", stage: 0)
    }
    let values = list.initialValues(seed: 0)
    #expect(values[..<16] != values[16...])
  }

  @Test func convolutionsAreReorderedForFiles() throws {
    let network = try Recipe.conv(image: ImageShape(channels: 3, height: 8, width: 8)).resolved()
    let use = network.parameters.uses[0]
    #expect(network.parameters.fileShape(use) == [16, 3, 3, 3])
    // Filter 5, channel 2, row 1, column 0 of [filters, channels, rows, columns] and of [rows, columns, channels, filters].
    let (file, device): (Int, Int) = (((5 * 3 + 2) * 3 + 1) * 3, (1 * 9 + 2) * 16 + 5)
    #expect(network.parameters.offsets(use)[file] == device)
  }
}
