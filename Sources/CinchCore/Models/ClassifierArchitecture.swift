import CinchBackend
import CinchData

/// Layers from a sample to its code, and a dense one from the code to a logit per class. The `softmax` loss compares the
/// logits with labels; fine-tuning trains such a network from an autoencoder's encoder.
public struct ClassifierArchitecture: Sendable, Hashable {
  /// The features of one sample.
  public var input: Int
  /// What a sample is where it is an image, as convolutions need; `input` is its size.
  public var image: ImageShape?
  /// From the input to the code, inclusive.
  public var encoder: [LayerSpec]
  /// How many labels there are: 0 ..< `classes`.
  public var classes: Int

  /// - Parameters:
  ///   - layers: units from the input to the code: `[784, 500]` is 784-500-`classes`.
  ///   - activation: of every hidden layer, the code included unless `codeActivation` says otherwise.
  public init(layers: [Int], activation: Activation, codeActivation: Activation? = nil, classes: Int) {
    self.classes = classes
    input = 0
    encoder = []
    setLayers(layers, activation: activation, codeActivation: codeActivation)
  }

  /// What one sample looks like to the first layer.
  public var inputShape: FeatureShape { image.map(FeatureShape.image) ?? .flat(input) }

  /// Replaces the layers from the input to the code by dense ones.
  public mutating func setLayers(_ layers: [Int], activation: Activation, codeActivation: Activation? = nil) {
    input = layers.first ?? 0
    image = nil
    encoder = LayerSpec.dense(layers, activation: activation, codeActivation: codeActivation)
  }

  /// What gives the logits.
  var output: LayerSpec { .dense(units: classes, activation: .linear) }

  func adopting(features: Int) -> Self {
    var network = self
    network.input = features
    network.image = nil
    return network
  }

  func settingActivations(hidden: Activation, code: Activation) -> Self {
    var network = self
    network.encoder = encoder.settingActivations(hidden: hidden, code: code)
    return network
  }
}

/// `{"layers": [784, 500], "activation": "relu", "classes": 10}` or, with each layer spelled out,
/// `{"input": 784, "encoder": [{"type": "dense", "units": 500, "activation": "relu"}], "classes": 10}`.
extension ClassifierArchitecture {
  enum CodingKeys: String, CodingKey, CaseIterable {
    case input, image, encoder, classes
    // Shorthand for a dense stack; never written.
    case layers, activation
  }

  /// Reads the settings among others, which it passes over.
  init(settingsOf decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    let isSpelledOut = container.contains(.encoder)
    for key in isSpelledOut ? [CodingKeys.layers, .activation] : [.input, .image] where container.contains(key) {
      throw DecodingError.dataCorruptedError(
        forKey: key, in: container,
        debugDescription: isSpelledOut
          ? "'\(key.nameInFile)' says nothing beside an 'encoder' that spells its layers out"
          : "'\(key.nameInFile)' needs an 'encoder' that spells its layers out, in place of 'layers'")
    }
    self.init(
      layers: isSpelledOut ? [] : try container.decode([Int].self, forKey: .layers),
      activation: try container.choiceIfPresent(.activation, as: Activation.self) ?? .relu,
      classes: try container.whole(.classes))
    if isSpelledOut {
      input = try container.whole(.input)
      image = try container.decodeIfPresent(ImageShape.self, forKey: .image)
      encoder = try container.decode([LayerSpec].self, forKey: .encoder)
    }
  }

  func encode(settingsTo encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(input, forKey: .input)
    try container.encodeIfPresent(image, forKey: .image)
    try container.encode(self.encoder, forKey: .encoder)
    try container.encode(classes, forKey: .classes)
  }
}
