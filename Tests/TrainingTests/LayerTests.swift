import CinchBackend
import CinchData
import Foundation
import Testing

@testable import CinchCore

/// Layers as words and as JSON.
@Suite struct LayerTextTests {
  private func parsed(_ text: String) throws -> [LayerSpec] { try LayerText.parse(text, activation: .relu) }

  private func conv(_ filters: Int, _ change: (inout ConvolutionSpec) -> Void = { _ in }) -> LayerSpec {
    var spec = ConvolutionSpec(filters: filters)
    change(&spec)
    return .convolution(spec)
  }

  @Test func wordsMeanWhatTheySay() throws {
    #expect(try parsed("conv 16") == [conv(16)])
    #expect(
      try parsed("conv 16 3x3 s2, conv 32 5 s2x1") == [
        conv(16) { $0.stride = Extent(2) },
        conv(32) {
          $0.kernel = Extent(5)
          $0.stride = Extent(2, 1)
        },
      ])
    #expect(
      try parsed("  convolution  8 2x3   d2 valid tanh ") == [
        conv(8) {
          $0.kernel = Extent(2, 3)
          $0.dilation = Extent(2)
          $0.padding = .valid
          $0.activation = .tanh
        }
      ])
    #expect(
      try parsed("conv 8 same,conv 4 p1x2") == [
        conv(8), conv(4) { $0.padding = .explicit(top: 1, bottom: 1, left: 2, right: 2) },
      ])
    #expect(
      try parsed("maxpool 2, pool 3x2, avgpool 3 s2") == [
        .maxPool(PoolSpec(Extent(2))), .maxPool(PoolSpec(Extent(3, 2))),
        .averagePool(PoolSpec(Extent(3), stride: Extent(2))),
      ])
  }

  @Test func theCodeMayEndOtherwise() throws {
    let layers = try LayerText.parse(
      "conv 4, conv 8 tanh, conv 2, maxpool 2", activation: .relu, codeActivation: .sigmoid)
    #expect(layers.map(\.activation) == [.relu, .tanh, .sigmoid, .linear])
    #expect(try LayerText.parse("conv 4 tanh", activation: .relu, codeActivation: .sigmoid)[0].activation == .tanh)
  }

  @Test(arguments: [
    "", ",", "conv", "conv 16,", "conv x", "conv 0", "conv -4", "conv 99999999999999999999", "conv 16 3y3", "conv 16 x",
    "conv 16 3x", "conv 16 3x3x3", "conv 16 s", "conv 16 sx", "conv 16 q2", "conv 16 wide", "dense sixteen", "dropout",
    "dropout half", "dropout 0.5 0.5",
    "dense 16 17", "maxpool",
    "maxpool two", "maxpool 2 2", "maxpool 2 sx", "784,128",
  ])
  func otherWordsAreRefused(text: String) {
    #expect(throws: CinchError.self) { try parsed(text) }
  }

  @Test func layersSurviveJSON() throws {
    let layers: [LayerSpec] = [
      .dense(units: 3, activation: .tanh), conv(8), .maxPool(PoolSpec(Extent(2, 3), stride: Extent(1))),
      .averagePool(PoolSpec(Extent(2))), .unpool, .upsample(Extent(2, 3)), .dropout(0.25), .sampling,
      .dense(units: 24, activation: .relu, image: ImageShape(channels: 4, height: 3, width: 2)),
      .transposedConvolution(
        ConvolutionSpec(
          filters: 2, kernel: Extent(2, 5), stride: Extent(3), dilation: Extent(1, 2),
          padding: .explicit(top: 0, bottom: 1, left: 2, right: 3), outputPadding: Extent(1, 0),
          outputSize: Extent(9, 8), activation: .softplus)),
    ]
    let data = try JSONCoding.encoder.encode(layers)
    #expect(try JSONCoding.decoder.decode([LayerSpec].self, from: data) == layers)
  }

  /// A kind that is missing from `LayerSpec.kinds` could be written but not read.
  @Test func everyKindIsKnownByItsName() throws {
    let names = LayerSpec.kinds.map { $0.typeName }
    #expect(Set(names).count == names.count)
    let words = LayerSpec.kinds.flatMap { $0.words }
    #expect(Set(words).count == words.count)
    for layer in (Recipe.all + Variants.all).flatMap({ $0.encoder + $0.decoder }) {
      #expect(names.contains(type(of: layer.definition).typeName))
      #expect(layer.definition.spec == layer)
    }
  }

  @Test func jsonMayLeaveOutWhatIsUsual() throws {
    let text = """
      [{"type": "convolution", "filters": 4}, {"type": "max-pool", "size": 2},
       {"type": "transposed-convolution", "filters": 1, "stride": 2, "padding": 1, "output_padding": 1,
        "activation": "sigmoid"}]
      """
    let transposed = ConvolutionSpec(
      filters: 1, stride: Extent(2), padding: .all(1), outputPadding: Extent(1), activation: .sigmoid)
    #expect(
      try JSONCoding.decoder.decode([LayerSpec].self, from: Data(text.utf8)) == [
        conv(4), .maxPool(PoolSpec(Extent(2))), .transposedConvolution(transposed),
      ])
  }

  @Test(arguments: [
    #"{"type": "convolution"}"#, #"{"type": "convolution", "filters": 4, "size": 2, "x": 1}"#, #"{"type": "conv"}"#,
    #"{"type": "convolution", "filters": 4, "kernel": [1, 2, 3]}"#,
    #"{"type": "convolution", "filters": 4, "padding": "full"}"#,
    #"{"type": "convolution", "filters": 4, "padding": [1, 2]}"#, #"{"type": "max-pool"}"#,
  ])
  func otherJSONIsRefused(text: String) {
    #expect(throws: DecodingError.self) { try JSONCoding.decoder.decode(LayerSpec.self, from: Data(text.utf8)) }
  }

  @Test func recipesOfImagesSurviveJSON() throws {
    for recipe in Recipe.all + Variants.convolutional {
      let data = try JSONCoding.encoder.encode(recipe)
      #expect(try JSONCoding.decoder.decode(Recipe.self, from: data) == recipe)
    }
    let text =
      #"{"encoder": [{"type": "convolution", "filters": 4, "stride": 2}], "output_activation": "tanh", "loss": "sse"}"#
    let open = try JSONCoding.decoder.decode(Recipe.self, from: Data(text.utf8))
    #expect(open.image == nil && open.isOfImages)
    #expect(try JSONCoding.decoder.decode(Recipe.self, from: JSONCoding.encoder.encode(open)) == open)
    let linear = try open.settingOutputActivation(.linear)
    #expect(try linear.adopting(image: .fashion).decoder.last?.activation == .linear)
    #expect(throws: CinchError.self) { try open.validate() }
    let fitted = try open.adopting(image: ImageShape(channels: 3, height: 9, width: 6))
    try fitted.validate()
    #expect(fitted.decoder.last?.activation == .tanh)
    #expect(try fitted.resolved().shapes.map(\.description) == ["3×9×6", "4×5×3", "3×9×6"])
  }
}

/// Which shapes follow from which.
@Suite struct GeometryTests {
  private func output(
    _ size: Extent, _ spec: ConvolutionSpec, transposed: Bool = false
  ) throws -> FeatureShape? {
    let layer: LayerSpec = transposed ? .transposedConvolution(spec) : .convolution(spec)
    return try NetworkShape(
      input: .image(channels: 2, height: size.height, width: size.width), encoder: [layer], decoder: []
    ).layers.last?.output
  }

  /// TensorFlow's rule: ⌈size / stride⌉ outputs, the smaller half of the padding first.
  @Test(arguments: [
    (5, 3, 1, 1, 1, 1), (5, 3, 2, 1, 1, 1), (6, 3, 2, 1, 0, 1), (6, 2, 1, 1, 0, 1), (7, 5, 3, 1, 2, 2),
    (4, 1, 3, 1, 0, 0),
    (8, 3, 1, 2, 2, 2), (8, 3, 3, 3, 2, 3), (1, 4, 1, 1, 1, 2),
  ])
  func samePadding(size: Int, kernel: Int, stride: Int, dilation: Int, before: Int, after: Int) throws {
    let amounts = Padding.same.amounts(size: size, kernel: kernel, stride: stride, dilation: dilation, vertical: true)
    #expect(amounts == (before, after))
    let spec = ConvolutionSpec(
      filters: 3, kernel: Extent(kernel, 1), stride: Extent(stride, 1), dilation: Extent(dilation, 1))
    #expect(
      try output(Extent(size, 4), spec) == .image(channels: 3, height: (size + stride - 1) / stride, width: 4))
  }

  @Test func explicitPaddingMayDifferOnEachSide() throws {
    let spec = ConvolutionSpec(
      filters: 1, kernel: Extent(3, 2), padding: .explicit(top: 0, bottom: 2, left: 1, right: 0))
    let shape = try NetworkShape(
      input: .image(channels: 2, height: 5, width: 6), encoder: [.convolution(spec)], decoder: [])
    let geometry = try #require(shape.layers[0].kind as? ConvolutionKind).geometry
    #expect(geometry.top == 0 && geometry.left == 1)
    #expect(geometry.outputHeight == 5 && geometry.outputWidth == 6)
  }

  @Test func validPaddingDropsWhatNoWindowFits() throws {
    var spec = ConvolutionSpec(filters: 1, kernel: Extent(3), stride: Extent(2), padding: .valid)
    #expect(try output(Extent(8, 7), spec) == .image(channels: 1, height: 3, width: 3))
    spec.stride = Extent(1)
    spec.dilation = Extent(3)
    #expect(try output(Extent(8, 7), spec) == .image(channels: 1, height: 2, width: 1))
  }

  @Test func transposedConvolutionsGrowAsPyTorchs() throws {
    var spec = ConvolutionSpec(filters: 1, stride: Extent(2), padding: .all(1), outputPadding: Extent(1))
    #expect(try output(Extent(7, 4), spec, transposed: true) == .image(channels: 1, height: 14, width: 8))
    spec.outputPadding = Extent(0)
    #expect(try output(Extent(7, 4), spec, transposed: true) == .image(channels: 1, height: 13, width: 7))
    spec.padding = .same
    #expect(try output(Extent(7, 4), spec, transposed: true) == .image(channels: 1, height: 14, width: 8))
    spec.padding = .valid
    #expect(try output(Extent(7, 4), spec, transposed: true) == .image(channels: 1, height: 15, width: 9))
    spec.outputPadding = Extent(2)
    #expect(throws: CinchError.self) { try output(Extent(7, 4), spec, transposed: true) }
  }

  @Test(arguments: [
    ConvolutionSpec(filters: 0), ConvolutionSpec(filters: 70_000), ConvolutionSpec(filters: 1, kernel: Extent(0)),
    ConvolutionSpec(filters: 1, kernel: Extent(Int.max)), ConvolutionSpec(filters: 1, stride: Extent(0, 1)),
    ConvolutionSpec(filters: 1, stride: Extent(Int.max)), ConvolutionSpec(filters: 1, dilation: Extent(-1)),
    ConvolutionSpec(filters: 1, padding: .all(-1)), ConvolutionSpec(filters: 1, padding: .all(Int.max)),
    ConvolutionSpec(filters: 1, outputPadding: Extent(Int.max)),
    ConvolutionSpec(filters: 1, kernel: Extent(6), padding: .valid),
  ])
  func absurdConvolutionsAreRefused(_ spec: ConvolutionSpec) {
    #expect(throws: CinchError.self) { try output(Extent(5, 5), spec) }
    #expect(throws: CinchError.self) {
      var spec = spec
      if spec.padding == .valid { spec.outputSize = Extent(5) }
      _ = try output(Extent(5, 5), spec, transposed: true)
    }
  }
}

/// Floats tell 2²⁴ places in a window apart, which is no matter for means.
@Suite struct PoolPlaceTests {
  @Test func windowsOfTooManyPlacesAreRefused() throws {
    let image = ImageShape(channels: 1, height: 4097, width: 4097)
    let large = PoolSpec(Extent(4097, 4096))
    #expect(throws: CinchError.self) { try large.geometry("e1", input: image, keepsPlaces: true) }
    #expect(try large.geometry("e1", input: image).outputHeight == 1)
    #expect(try PoolSpec(Extent(4096)).geometry("e1", input: image, keepsPlaces: true).outputHeight == 1)
  }
}

/// Decoders that follow from encoders.
@Suite struct MirrorTests {
  /// What the suites of variants go through is whole.
  @Test func everyVariantIsMade() throws {
    let images = try Variants.madeConvolutional.get()
    #expect(!images.isEmpty && Variants.all.suffix(images.count).allSatisfy { $0.image != nil })
  }

  private func mirrored(
    _ text: String, _ image: ImageShape, pools: PoolInverse = .upsample
  ) throws -> Recipe {
    var recipe = Recipe.conv(image: image)
    try recipe.autoencoder?.setLayers(
      image: image, encoder: try LayerText.parse(text, activation: .relu), outputActivation: .sigmoid, pools: pools)
    try recipe.validate()
    return recipe
  }

  @Test(arguments: [
    "conv 4 3x3 s2", "conv 4 3x3 s2 p1, conv 5 2x3 valid", "conv 4 5x5 s3, conv 3 2 d2",
    "conv 2 1, avgpool 2x1 s2x1, conv 3",
    "conv 4, avgpool 2x1, conv 3 s2 tanh",
  ])
  func everyMirrorLeadsBack(text: String) throws {
    for (height, width) in [(8, 8), (10, 7), (12, 13)] {
      let recipe = try mirrored(text, ImageShape(channels: 3, height: height, width: width))
      let shapes = try recipe.resolved().shapes
      #expect(shapes.last == recipe.inputShape)
      #expect(shapes == shapes.reversed())
      #expect(recipe.autoencoder?.isMirrored == true)
    }
  }

  @Test func unpoolingLeadsBackFromAnySize() throws {
    let recipe = try mirrored(
      "conv 4, maxpool 2, conv 2, maxpool 3 s2", ImageShape(channels: 1, height: 11, width: 7), pools: .unpool)
    #expect(recipe.autoencoder?.poolInverse == .unpool)
    let shapes = try recipe.resolved().shapes
    #expect(shapes == shapes.reversed())
    #expect(throws: CinchError.self) {
      try mirrored("conv 4, maxpool 2", ImageShape(channels: 1, height: 11, width: 8))
    }
    #expect(throws: CinchError.self) {
      try mirrored("conv 4, maxpool 3 s2", ImageShape(channels: 1, height: 8, width: 8))
    }
  }

  @Test func recipesFollowTheDatasImages() throws {
    let colour = ImageShape(channels: 3, height: 32, width: 24)
    for recipe in Recipe.all where recipe.isOfImages {
      let adopted = try recipe.adopting(image: colour)
      try adopted.validate()
      let shapes = try adopted.resolved().shapes
      #expect(shapes.first == shapes.last && adopted.image == colour)
      #expect(
        adopted.penalties == recipe.penalties && adopted.autoencoder?.poolInverse == recipe.autoencoder?.poolInverse)
      #expect(try adopted.adopting(image: .fashion) == recipe)
    }
    #expect(try Recipe.conv().adopting(image: colour) == .conv(image: colour))
    #expect(try Recipe.convPool().adopting(image: colour) == .convPool(image: colour))
    #expect(throws: CinchError.self) {
      try Recipe.convPool().adopting(image: ImageShape(channels: 1, height: 30, width: 30)).validate()
    }
  }

  @Test func functionsFollowToo() throws {
    let sparse = try Recipe.convSparse().settingActivations(hidden: .tanh, code: .sigmoid)
    #expect((sparse.encoder + sparse.decoder).map(\.activation) == [.tanh, .sigmoid, .tanh, .sigmoid])
    let pool = try Recipe.convPool().settingActivations(hidden: .tanh, code: .relu)
      .settingOutputActivation(.linear)
    #expect(
      (pool.encoder + pool.decoder).filter(\.hasParameters).map(\.activation) == [.tanh, .relu, .tanh, .tanh, .linear])
    #expect(pool.decoder.count == Recipe.convPool().decoder.count)
  }

  /// The figures that benchmarks quote.
  @Test func stepsCostWhatTheyDo() throws {
    #expect(try Recipe.conv().resolved().stepFlops == 2_991_744)
    #expect(try Recipe.convPool().resolved().stepFlops == 2_991_744)
    #expect(try Recipe.deep(layers: [784, 128, 32]).resolved().stepFlops == 1_052_672)
  }
}
