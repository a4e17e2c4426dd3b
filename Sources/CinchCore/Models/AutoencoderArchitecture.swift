import CinchBackend
import CinchData

/// A chain of layers from a sample to its code and back.
public struct AutoencoderArchitecture: Sendable, Hashable {
  /// What the code's width must be, which `Recipe.validate` checks.
  public var constraint: Constraint?
  /// The features of one sample.
  public var input: Int
  /// What a sample is where it is an image, as convolutions need; `input` is its size.
  public var image: ImageShape?
  /// From the input to the code, inclusive.
  public var encoder: [LayerSpec]
  /// From the code back to `input` features; empty where the encoder has no mirror, which `resolved` refuses, or where
  /// the images to mirror it on are not known yet.
  public var decoder: [LayerSpec]
  /// The function that the output layer will have, while `decoder` is empty.
  var openOutputActivation: Activation?
  /// W′ = Wᵀ: each decoder layer uses the weight of the encoder layer it mirrors, with a bias of its own.
  public var tied: Bool

  /// How wide a code must be.
  public enum Constraint: String, Sendable, Hashable, Codable, CaseIterable {
    /// Narrower than the input.
    case undercomplete
    /// Wider than the input.
    case overcomplete
  }

  /// A dense stack and its mirror.
  ///
  /// - Parameters:
  ///   - layers: units from the input to the code: `[784, 128, 32]` is 784-128-32-128-784.
  ///   - activation: of every hidden layer, the code included unless `codeActivation` says otherwise.
  public init(
    layers: [Int], activation: Activation, codeActivation: Activation? = nil, outputActivation: Activation,
    tied: Bool = false
  ) {
    constraint = nil
    input = 0
    image = nil
    encoder = []
    decoder = []
    self.tied = tied
    setLayers(layers, activation: activation, codeActivation: codeActivation, outputActivation: outputActivation)
  }

  /// Replaces the network by the dense stack `layers` and its mirror. A code that is drawn stays so.
  public mutating func setLayers(
    _ layers: [Int], activation: Activation, codeActivation: Activation? = nil, outputActivation: Activation
  ) {
    let isDrawn = encoder.last == .sampling
    input = layers.first ?? 0
    image = nil
    openOutputActivation = nil
    encoder = LayerSpec.dense(layers, activation: activation, codeActivation: codeActivation)
    if isDrawn { drawCode() }
    decoder = LayerSpec.dense(layers.reversed(), activation: activation, codeActivation: outputActivation)
  }

  /// Has the code drawn from N(μ, diag eˢ), for which its last dense layer gives twice as many numbers.
  mutating func drawCode() {
    guard case .dense(let code)? = encoder.last else { return }
    encoder[encoder.count - 1] = .dense(
      units: LayerSpec.Sampling.inputs(drawing: code.units), activation: .linear)
    encoder.append(.sampling)
  }

  /// Replaces the network by layers of any kind.
  ///
  /// - Parameter decoder: nil mirrors the encoder.
  /// - Throws: `CinchError.usage` where a layer is not possible, or has no mirror.
  public mutating func setLayers(
    image: ImageShape, encoder: [LayerSpec], decoder: [LayerSpec]? = nil, outputActivation: Activation,
    pools: PoolInverse = .upsample
  ) throws {
    let isDrawn = self.encoder.last == .sampling && encoder.last != .sampling
    self.image = image
    input = image.count
    openOutputActivation = nil
    self.encoder = encoder
    if isDrawn {
      guard case .dense? = encoder.last else {
        throw CinchError.usage(
          "A code that is drawn is a vector: end \(.layers) with a dense layer, such as \"dense 20\".")
      }
      drawCode()
    }
    self.decoder =
      try decoder
      ?? LayerSpec.mirror(of: self.encoder, from: inputShape, outputActivation: outputActivation, pools: pools)
  }

  /// The function of the output layer.
  var outputActivation: Activation { decoder.last?.activation ?? openOutputActivation ?? .sigmoid }

  /// What one sample looks like to the first layer.
  public var inputShape: FeatureShape { image.map(FeatureShape.image) ?? .flat(input) }

  /// The encoder's mirror, or no layers where it has none: `resolved` then says why.
  static func mirrorIfAny(
    of encoder: [LayerSpec], from input: FeatureShape, outputActivation: Activation, pools: PoolInverse
  ) -> [LayerSpec] {
    (try? LayerSpec.mirror(of: encoder, from: input, outputActivation: outputActivation, pools: pools)) ?? []
  }
}

/// `"layers": [784, 128, 32], "activation": "relu", …` or, with each layer spelled out,
/// `"input": 784, "encoder": [{"type": "dense", "units": 128, "activation": "relu"}, …], "decoder": […]`.
/// What a file leaves out has the default of a plain undercomplete autoencoder.
extension AutoencoderArchitecture {
  enum CodingKeys: String, CodingKey, CaseIterable {
    case constraint, input, image, encoder, decoder, tied
    // Shorthand for a mirrored dense stack; never written.
    case layers, activation, codeActivation, outputActivation
  }

  /// Reads the settings among others, which it passes over.
  init(settingsOf decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    try Self.refuseContradictions(container)
    let activation = try container.choiceIfPresent(.activation, as: Activation.self) ?? .relu
    let outputActivation = try container.choiceIfPresent(.outputActivation, as: Activation.self) ?? .sigmoid
    self.init(
      layers: try Self.layers(container), activation: activation,
      codeActivation: try container.choiceIfPresent(.codeActivation), outputActivation: outputActivation,
      tied: try container.decodeIfPresent(Bool.self, forKey: .tied) ?? false)
    if let layers = try container.decodeIfPresent([LayerSpec].self, forKey: .encoder) {
      encoder = layers
      image = try container.decodeIfPresent(ImageShape.self, forKey: .image)
      // Images may leave their size to the data.
      input = try container.wholeIfPresent(.input) ?? image?.count ?? (isOfImages ? 0 : container.whole(.input))
      self.decoder =
        try container.decodeIfPresent([LayerSpec].self, forKey: .decoder)
        ?? Self.mirrorIfAny(of: layers, from: inputShape, outputActivation: outputActivation, pools: .upsample)
      openOutputActivation = self.decoder.isEmpty ? outputActivation : nil
    }
    constraint = try container.choiceIfPresent(.constraint)
  }

  private static func layers(_ container: KeyedDecodingContainer<CodingKeys>) throws -> [Int] {
    guard container.contains(.layers) else { return [] }
    if let layers = try? container.decode([Int].self, forKey: .layers) { return layers }
    throw DecodingError.dataCorruptedError(
      forKey: .layers, in: container, debugDescription: "Expected a list of whole numbers such as [784, 32]")
  }

  /// `layers` and `encoder` are two ways to say the same; what only the other one reads must not be ignored in silence.
  private static func refuseContradictions(_ container: KeyedDecodingContainer<CodingKeys>) throws {
    let spelledOut = container.contains(.encoder)
    var unread: [CodingKeys] = spelledOut ? [.layers, .activation, .codeActivation] : [.decoder, .image, .input]
    if spelledOut && container.contains(.decoder) { unread.append(.outputActivation) }
    guard let key = unread.first(where: container.contains) else { return }
    throw DecodingError.dataCorruptedError(
      forKey: key, in: container,
      debugDescription: spelledOut
        ? "'\(key.nameInFile)' says nothing beside an 'encoder' and 'decoder' that spell their layers out"
        : "'\(key.nameInFile)' needs an 'encoder' that spells its layers out, in place of 'layers'")
  }

  func encode(settingsTo encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encodeIfPresent(constraint, forKey: .constraint)
    try container.encode(input, forKey: .input)
    try container.encodeIfPresent(image, forKey: .image)
    try container.encode(self.encoder, forKey: .encoder)
    if decoder.isEmpty, let openOutputActivation {
      try container.encode(openOutputActivation, forKey: .outputActivation)
    } else {
      try container.encode(decoder, forKey: .decoder)
    }
    try container.encode(tied, forKey: .tied)
  }
}

extension AutoencoderArchitecture {
  /// The network, where it keeps the constraint.
  func validated() throws -> ResolvedNetwork {
    let network = try resolved()
    try validateConstraint(codeUnits: network.codeUnits)
    return network
  }

  private func validateConstraint(codeUnits: Int) throws {
    if constraint == .undercomplete && codeUnits >= input {
      throw CinchError.usage(
        "An undercomplete code is narrower than its input, but \(codeUnits) units are not fewer than \(input): "
          + (input == 1
            ? "choose the overcomplete recipe, or samples of more features."
            : "choose \(.layers, "\(input),\(max(1, input / 4))"), or the overcomplete recipe."))
    }
    if constraint == .overcomplete && codeUnits <= input {
      throw CinchError.usage(
        "An overcomplete code is wider than its input, but \(codeUnits) units are not more than \(input): "
          + "choose \(.layers, "\(input),\(input * 2)"), or the undercomplete recipe.")
    }
  }
}
