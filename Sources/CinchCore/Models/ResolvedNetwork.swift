import CinchBackend
import CinchData

/// A recipe's network and what follows from its layers: shapes, parameters, cost. The layers of a value of this type fit
/// each other, and lead from a sample to what its architecture promises: a sample again, or a logit per class.
public struct ResolvedNetwork: Sendable {
  let layers: [ResolvedLayer]
  /// Whether the output is a logit per class, not a sample.
  let isClassifier: Bool
  /// How many of `layers` make the encoder.
  let encoderCount: Int
  var parameters: ParameterList
  /// What one sample looks like to the first layer.
  public let input: FeatureShape

  /// What passes between the layers, from input to output.
  public var shapes: [FeatureShape] { [input] + layers.map(\.output) }

  /// The features between the layers, from input to output: `[784, 196, 784]`.
  public var widths: [Int] { shapes.map(\.count) }

  /// What the encoder gives.
  public var codeShape: FeatureShape { layers[encoderCount - 1].output }

  /// The features of the code.
  public var codeUnits: Int { codeShape.count }

  /// What is learned: weights and biases, those of tied layers once, and what the loss learns.
  public var parameterCount: Int { parameters.trainedCount }

  /// Every parameter's shape under its name in files.
  package var fileShapes: [(name: String, shape: Shape)] {
    parameters.uses.map { ($0.name, parameters.fileShape($0)) }
  }

  /// The products of one training step, per sample: forward, weight gradients, and input gradients of all layers but the
  /// first; 2 for a multiply-add.
  package var stepFlops: Double {
    let products = layers.map(\.flops)
    return 3 * products.reduce(0, +) - products[0]
  }

  /// - Throws: `CinchError.usage` where codes alone do not tell a sample.
  func requireDecoder() throws {
    guard !isClassifier else {
      throw CinchError.usage("A classifier has no decoder: ask it for classes or codes, or train an autoencoder.")
    }
    if let layer = layers[encoderCount...].first(where: { $0.kind.source.map { $0 < encoderCount } ?? false }) {
      throw CinchError.usage(
        "Layer \(layer.name) puts values where the encoder's max-pool found them, which codes alone do not "
          + "tell: use reconstruct, or a recipe that upsamples.")
    }
  }

  /// Its convolutions as they are computed, each by itself.
  package var convolutions: [ConvolutionLayerShape] {
    stages(of: layers.indices).compactMap { _, layer in
      let (geometry, isTransposed): (ConvolutionGeometry, Bool)
      var (activation, pooling): (Activation, PoolingGeometry?) = (layer.spec.activation, nil)
      switch layer.kind {
      case let kind as ConvolutionKind: (geometry, isTransposed) = (kind.geometry, kind.isTransposed)
      case let kind as UpsampledConvolutionKind: (geometry, isTransposed) = (kind.geometry, true)
      case let kind as PooledConvolutionKind:
        (geometry, isTransposed) = (kind.convolution.geometry, false)
        (activation, pooling) = (kind.activation, kind.pooling.geometry)
      default: return nil
      }
      return ConvolutionLayerShape(
        name: layer.name, geometry: geometry, isTransposed: isTransposed, activation: activation, pooling: pooling)
    }
  }
}

/// A convolution of a network by itself, for measuring.
package struct ConvolutionLayerShape: Sendable {
  package var name: String
  package var geometry: ConvolutionGeometry
  package var isTransposed: Bool
  package var activation: Activation
  /// Of the pooling that is computed with it.
  package var pooling: PoolingGeometry?
}

extension AutoencoderArchitecture {
  /// The network that the layers make.
  /// - Throws: `CinchError.usage` where they make none, naming the layer and the setting to change.
  public func resolved() throws -> ResolvedNetwork { try ResolvedNetwork(self) }
}

extension ClassifierArchitecture {
  /// The network that the layers make.
  /// - Throws: `CinchError.usage` where they make none, naming the layer and the setting to change.
  public func resolved() throws -> ResolvedNetwork { try ResolvedNetwork(self) }
}

extension ResolvedNetwork {
  fileprivate init(_ architecture: ClassifierArchitecture) throws {
    input = architecture.inputShape
    isClassifier = true
    encoderCount = architecture.encoder.count
    guard architecture.input > 0, !architecture.encoder.isEmpty else {
      throw CinchError.usage(
        "The layers [\(architecture.input)] make no classifier: give at least an input and a hidden layer, each 1 or more "
          + "(\(.layers, "784,500")).")
    }
    if let image = architecture.image, image.count != architecture.input {
      throw CinchError.usage(
        "An image of \(image) has \(image.count) values, but the input has \(architecture.input) features.")
    }
    guard architecture.classes > 1 else {
      throw CinchError.usage("A classifier of \(architecture.classes) classes tells nothing apart: give it 2 or more.")
    }
    layers = try NetworkShape(
      input: input, encoder: architecture.encoder, decoder: [architecture.output], called: "classifier"
    ).layers
    parameters = try Self.parameters(of: layers, ties: [:], zeroed: layers.count - 1)
  }

  fileprivate init(_ architecture: AutoencoderArchitecture) throws {
    input = architecture.inputShape
    isClassifier = false
    encoderCount = architecture.encoder.count
    try Self.checkInput(architecture)
    layers = try NetworkShape(input: input, encoder: architecture.encoder, decoder: architecture.decoder).layers
    let last = layers[layers.count - 1]
    guard last.output == input else {
      throw CinchError.usage(
        "The decoder ends with \(last.output), but a sample is \(input): \(Self.remedy(layers, encoderCount)).")
    }
    guard last.spec.hasParameters else {
      throw CinchError.usage(
        "The decoder ends with \(last.name), which has no weights to learn: begin the encoder with a convolution or a "
          + "dense layer.")
    }
    parameters = try Self.parameters(of: layers, ties: architecture.tied ? Self.ties(layers, encoderCount) : [:])
  }

  private static func checkInput(_ architecture: AutoencoderArchitecture) throws {
    func refuse(_ text: CinchError.Message) -> CinchError { .usage(text) }
    if architecture.isOfImages, architecture.image == nil {
      throw refuse("The layers work on images: say what the samples are with \(.imageShape, "CHANNELS,HEIGHT,WIDTH").")
    }
    // Refuses images of impossible extents.
    if let image = architecture.image { _ = try NetworkShape(input: .image(image), encoder: [], decoder: []) }
    guard architecture.input > 0, !architecture.encoder.isEmpty else {
      throw refuse(
        "The layers [\(architecture.input)] make no autoencoder: give at least an input and a code, each 1 or more "
          + "(\(.layers, "784,32")).")
    }
    guard architecture.input <= ParameterList.mostElements else {
      throw refuse("A sample of \(architecture.input) features is more than any device holds: use narrower samples.")
    }
    if let image = architecture.image, image.count != architecture.input {
      throw refuse("An image of \(image) has \(image.count) values, but the input has \(architecture.input) features.")
    }
    if architecture.decoder.isEmpty {
      // Says which layer of the encoder is not possible, if that is why.
      _ = try LayerSpec.mirror(
        of: architecture.encoder, from: architecture.inputShape, outputActivation: .linear, pools: .upsample)
      throw refuse("The recipe has no decoder: spell it out, or omit it to mirror the encoder.")
    }
  }

  /// What to change where the decoder does not lead back to the input's size.
  private static func remedy(_ layers: [ResolvedLayer], _ encoderCount: Int) -> String {
    for layer in layers[..<encoderCount] {
      guard let drop = layer.kind.leftOut else { continue }
      return "\(layer.name) pools \(layer.input) to \(layer.output) and leaves \(drop) out; use images whose sides its "
        + "stride divides, or other pooling"
    }
    let (down, up) = (layers[..<encoderCount], Array(layers[encoderCount...].reversed()))
    guard down.count == up.count, let index = down.indices.last(where: { down[$0].input != up[$0].output }) else {
      return "change the last layer, or strides and pooling that divide the image evenly"
    }
    return "\(down[index].name) makes \(down[index].output) of \(down[index].input), and \(up[index].name) makes "
      + "\(up[index].output) of it again; use images, or strides and pooling, that divide evenly"
  }

  /// The encoder layer whose weights a decoder layer uses the other way round, and their axes in files, by the decoder
  /// layer's index.
  private typealias Ties = [Int: (mirror: Int, axes: [Int])]

  private static func ties(_ layers: [ResolvedLayer], _ encoderCount: Int) throws -> Ties {
    func learned(_ range: Range<Int>) -> [Int] { range.filter { layers[$0].spec.hasParameters } }
    let down = learned(0..<encoderCount)
    let up = Array(learned(encoderCount..<layers.count).reversed())
    var ties: Ties = [:]
    for (below, above) in zip(down, up) {
      let (encoder, decoder) = (layers[below], layers[above])
      if encoder.input == decoder.output, encoder.output == decoder.input,
        let axes = decoder.kind.tiedAxes(encoder.kind)
      {
        ties[above] = (below, axes)
      }
    }
    guard down.count == up.count, ties.count == up.count else {
      let steps = ([layers[0].input] + layers.map(\.output)).map(\.description).joined(separator: " → ")
      throw CinchError.usage("Tied weights need a decoder that mirrors the encoder layer by layer, not \(steps).")
    }
    return ties
  }

  /// - Parameter zeroed: a layer whose weights begin at 0, as a softmax layer's do: logits that are all alike prefer no class.
  private static func parameters(of layers: [ResolvedLayer], ties: Ties, zeroed: Int? = nil) throws -> ParameterList {
    var list = ParameterList()
    for (index, layer) in layers.enumerated() {
      var weights =
        ties[index].map { list.uses(at: $0.mirror).filter { list.spec($0.parameter).role == .weight } } ?? []
      for var spec in layer.kind.parameters(of: layer, isOutput: index == layers.count - 1) {
        if index == zeroed { spec.initial = .constant(0) }
        if let tie = ties[index], spec.role == .weight, !weights.isEmpty {
          let parameter = weights.removeFirst().parameter
          list.share(parameter, as: spec.name, fileAxes: tie.axes, owner: layer.name, stage: index)
        } else {
          try list.add(spec, owner: layer.name, stage: index)
        }
      }
    }
    return list
  }
}
