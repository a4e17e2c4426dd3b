import CinchBackend
import CinchData

/// A kind of layer with its settings. What conforms to this is all there is to know of the kind: its JSON, its words on
/// the command line, which shapes follow from which, and what undoes it in a mirrored decoder. Once the shapes are
/// known, `resolve` gives what knows the rest.
protocol LayerDefinition: Sendable, Hashable, Codable {
  /// `"type"` in files.
  static var typeName: String { get }
  /// The keys of its settings in files, `"type"` left out; any other is refused.
  static var settings: [any CodingKey] { get }
  /// What it may be called on the command line; empty where it cannot be written there.
  static var words: [String] { get }
  /// Whether it has weights; a layer with weights has an activation too.
  static var hasParameters: Bool { get }
  /// Whether its input must be an image.
  static var needsImage: Bool { get }

  /// The layer that the command line writes as a name and `words`.
  /// - Throws: `LayerText.Refusal`.
  static func parse(_ words: ArraySlice<String>, name: String, activation: Activation) throws -> LayerSpec

  /// The case of `LayerSpec` that holds this.
  var spec: LayerSpec { get }
  /// What ends the layer.
  var activation: Activation { get }
  /// The layer with another activation; itself where it has none to change.
  func ending(with activation: Activation) -> LayerSpec
  /// The layer with another number of units or filters; itself where its input decides.
  func giving(units: Int) -> LayerSpec

  /// Its output, and what follows from the shapes.
  ///
  /// - Parameter network: the layers before it.
  /// - Throws: `CinchError.usage` naming layer, shapes and the setting to change.
  func resolve(
    _ input: FeatureShape, name: String, in network: inout NetworkShape
  ) throws -> (output: FeatureShape, kind: any ResolvedKind)

  /// The layers that lead back from its output to its input in a mirrored decoder; none where there is nothing to undo.
  ///
  /// - Parameters:
  ///   - layer: itself with its shapes.
  ///   - activation: of the layer whose output is rebuilt.
  /// - Throws: `CinchError.usage` where it has no mirror.
  func mirror(of layer: ResolvedLayer, activation: Activation, pools: PoolInverse) throws -> [LayerSpec]
}

extension LayerDefinition {
  static var settings: [any CodingKey] { [] }
  static var words: [String] { [] }
  static var hasParameters: Bool { false }
  static var needsImage: Bool { false }

  static func parse(_ words: ArraySlice<String>, name: String, activation: Activation) throws -> LayerSpec {
    throw LayerText.Refusal("the command line has no layer '\(name)'")
  }

  var activation: Activation { .linear }
  func ending(with activation: Activation) -> LayerSpec { spec }
  func giving(units: Int) -> LayerSpec { spec }

  func mirror(of layer: ResolvedLayer, activation: Activation, pools: PoolInverse) throws -> [LayerSpec] {
    throw CinchError.usage(
      "Layer \(layer.name) has no mirror: spell the decoder out in a recipe file, or encode with convolutions "
        + "and pooling.")
  }

  /// The input of a layer that works on images.
  func image(_ input: FeatureShape, _ name: String) throws -> ImageShape {
    guard let image = input.image else {
      throw CinchError.usage(
        "Layer \(name) works on images, but its input is a vector of \(input): say what the samples are with "
          + "\(.imageShape, "CHANNELS,HEIGHT,WIDTH"), and put dense layers elsewhere.")
    }
    return image
  }
}

/// What a kind of layer knows once its shapes are known: parameters, cost, and how it runs on a backend.
protocol ResolvedKind: Sendable {
  /// What it learns or keeps, in the order in which `make` finds them.
  ///
  /// - Parameter isOutput: whether it is the network's last layer.
  func parameters(of layer: ResolvedLayer, isOutput: Bool) -> [ParameterSpec]

  /// Of one sample forward, 2 for a multiply-add; the weight gradient and the input gradient take as many each.
  func flops(of layer: ResolvedLayer) -> Double

  /// The axes in files of the weights of `other`, an encoder layer between the same shapes, where this layer uses them
  /// the other way round; nil where it cannot.
  func tiedAxes(_ other: any ResolvedKind) -> [Int]?

  /// Whether `Layer.gradients` adds a `RowPull` to the gradient of its weight.
  var takesRowPull: Bool { get }

  /// Whether its outputs are values of its input, so that the slope of the layer below can be taken at them.
  var picksInputs: Bool { get }

  /// Whether it draws random numbers in training, so that the same weights give another loss at another update.
  var draws: Bool { get }

  /// The layer before it whose memory of the sample it needs, by its place in the network.
  var source: Int? { get }

  /// What its output has nothing of, such as "1 row"; nil where it covers its input.
  var leftOut: String? { get }

  /// Elements that it keeps on a device beside its parameters, whatever the batch.
  var keptCount: Int { get }

  /// What computes it and the layer below it in one, from that layer's input, with the parameters of the one that has
  /// some; nil where nothing does with less work.
  ///
  /// - Parameter isFirst: whether the layer below is the network's first, which hands no δ down.
  func joined(with below: ResolvedLayer, isFirst: Bool) -> (any ResolvedKind)?

  /// The operators that compute the layer where a model is used: nothing is drawn or dropped. Images have channels first.
  ///
  /// - Parameter x: the name of the layer's input.
  /// - Returns: the name of its output.
  func operators(of layer: ResolvedLayer, on x: String, in graph: inout GraphBuilder) throws -> String

  /// The modules of PyTorch that the layer is, in an `nn.Sequential`.
  /// - Throws: `CinchError.usage` where there are none.
  func modules(of layer: ResolvedLayer) throws -> [TorchModule]

  /// The layer on a backend.
  func make<B: Backend>(_ layer: ResolvedLayer, at site: LayerSite<B>) throws -> any Layer<B>
}

extension ResolvedKind {
  func parameters(of layer: ResolvedLayer, isOutput: Bool) -> [ParameterSpec] { [] }
  func flops(of layer: ResolvedLayer) -> Double { 0 }
  func tiedAxes(_ other: any ResolvedKind) -> [Int]? { nil }
  var takesRowPull: Bool { false }
  var picksInputs: Bool { false }
  var draws: Bool { false }
  var source: Int? { nil }
  var leftOut: String? { nil }
  var keptCount: Int { 0 }
  func joined(with below: ResolvedLayer, isFirst: Bool) -> (any ResolvedKind)? { nil }
}

/// Where a layer is made.
struct LayerSite<B: Backend> {
  let backend: B
  /// Its place in the network, which sets its draws apart from those of other layers.
  let index: Int
  /// As `ResolvedKind.parameters` lists them.
  let parameters: [LayerParameter<B.Buffer>]
  /// The layers made before it; of what computes several, those too.
  let layers: [any Layer<B>]
}
