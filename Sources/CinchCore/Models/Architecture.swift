import CinchBackend
import CinchData

/// What is trained, by its kind.
///
/// Another kind is another case: the compiler then names what must know of it.
public enum Architecture: Sendable, Hashable {
  case autoencoder(AutoencoderArchitecture)
  case classifier(ClassifierArchitecture)
}

// What every kind has.
extension Architecture {
  /// What one sample looks like to the first layer.
  public var inputShape: FeatureShape {
    switch self {
    case .autoencoder(let autoencoder): autoencoder.inputShape
    case .classifier(let classifier): classifier.inputShape
    }
  }

  /// From the input to the code, inclusive.
  public var encoder: [LayerSpec] {
    switch self {
    case .autoencoder(let autoencoder): autoencoder.encoder
    case .classifier(let classifier): classifier.encoder
    }
  }

  /// Behind the code.
  public var decoder: [LayerSpec] {
    switch self {
    case .autoencoder(let autoencoder): autoencoder.decoder
    case .classifier(let classifier): [classifier.output]
    }
  }

  /// The network that the layers make.
  /// - Throws: `CinchError.usage` where they make none, naming the layer and the setting to change.
  public func resolved() throws -> ResolvedNetwork {
    switch self {
    case .autoencoder(let autoencoder): try autoencoder.resolved()
    case .classifier(let classifier): try classifier.resolved()
    }
  }

  /// The network, where it is what its kind promises.
  func validated() throws -> ResolvedNetwork {
    switch self {
    case .autoencoder(let autoencoder): try autoencoder.validated()
    case .classifier(let classifier): try classifier.resolved()
    }
  }

  /// The network for vectors of another length, the layers between input and output staying as they are.
  func adopting(features: Int) -> Architecture {
    switch self {
    case .autoencoder(let autoencoder): .autoencoder(autoencoder.adopting(features: features))
    case .classifier(let classifier): .classifier(classifier.adopting(features: features))
    }
  }

  /// See `AutoencoderArchitecture.adopting(image:)`.
  func adopting(image: ImageShape) throws -> Architecture {
    switch self {
    case .autoencoder(let autoencoder): .autoencoder(try autoencoder.adopting(image: image))
    case .classifier(let classifier):
      // Convolutions are of the images that they were learned on.
      classifier.image == nil ? adopting(features: image.count) : self
    }
  }

  /// The network with other activations behind its layers, but for the output layer.
  func settingActivations(hidden: Activation, code: Activation) throws -> Architecture {
    switch self {
    case .autoencoder(let autoencoder):
      .autoencoder(
        try autoencoder.settingActivations(hidden: hidden, code: code, output: autoencoder.outputActivation))
    case .classifier(let classifier): .classifier(classifier.settingActivations(hidden: hidden, code: code))
    }
  }

  /// The network with another activation behind its code alone. A mirrored decoder rebuilds the layers below the code, and
  /// stays as it is.
  func settingCodeActivation(_ activation: Activation) -> Architecture {
    switch self {
    case .autoencoder(var autoencoder):
      autoencoder.encoder = autoencoder.encoder.settingCodeActivation(activation)
      return .autoencoder(autoencoder)
    case .classifier(var classifier):
      classifier.encoder = classifier.encoder.settingCodeActivation(activation)
      return .classifier(classifier)
    }
  }

  /// The network with another activation behind its output layer.
  func settingOutputActivation(_ activation: Activation) throws -> Architecture {
    switch self {
    case .autoencoder(let autoencoder): .autoencoder(autoencoder.settingOutputActivation(activation))
    case .classifier:
      throw CinchError.usage("The output of a classifier ends in softmax: leave \(.outputActivation) out.")
    }
  }
}

/// `{"kind": "autoencoder", …}`, the rest as the kind has it. A file may leave the kind out: it is an autoencoder then.
extension Architecture: Codable {
  private enum Kind: String, CaseIterable, Codable { case autoencoder, classifier }
  private enum CodingKeys: String, CodingKey { case kind }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    func refuseKeys(but keys: [any CodingKey], _ kind: String) throws {
      try decoder.refuseKeys(but: [CodingKeys.kind] + keys, in: "\(kind)'s architecture")
    }
    switch try container.choiceIfPresent(.kind, as: Kind.self) ?? .autoencoder {
    case .autoencoder:
      try refuseKeys(but: AutoencoderArchitecture.CodingKeys.allCases, "an autoencoder")
      self = .autoencoder(try AutoencoderArchitecture(settingsOf: decoder))
    case .classifier:
      try refuseKeys(but: ClassifierArchitecture.CodingKeys.allCases, "a classifier")
      self = .classifier(try ClassifierArchitecture(settingsOf: decoder))
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    switch self {
    case .autoencoder(let autoencoder):
      try container.encode(Kind.autoencoder, forKey: .kind)
      try autoencoder.encode(settingsTo: encoder)
    case .classifier(let classifier):
      try container.encode(Kind.classifier, forKey: .kind)
      try classifier.encode(settingsTo: encoder)
    }
  }
}
