import CinchBackend
import CinchData

// Settings named without the part of the recipe that they belong to.
extension Recipe {
  /// The architecture where it is an autoencoder's; setting it replaces any other. Nothing happens where one sets nil.
  public var autoencoder: AutoencoderArchitecture? {
    get { if case .autoencoder(let autoencoder) = architecture { autoencoder } else { nil } }
    set { if let newValue { architecture = .autoencoder(newValue) } }
  }

  /// The architecture where it is a classifier's; setting it replaces any other. Nothing happens where one sets nil.
  public var classifier: ClassifierArchitecture? {
    get { if case .classifier(let classifier) = architecture { classifier } else { nil } }
    set { if let newValue { architecture = .classifier(newValue) } }
  }

  /// What one sample looks like to the first layer.
  public var inputShape: FeatureShape { architecture.inputShape }

  /// The features of one sample.
  public var input: Int { inputShape.count }

  /// What a sample is where it is an image, as convolutions need.
  public var image: ImageShape? { inputShape.image }

  /// From the input to the code, inclusive.
  public var encoder: [LayerSpec] { architecture.encoder }

  /// Behind the code.
  public var decoder: [LayerSpec] { architecture.decoder }

  /// Whether decoder layers use the weights of the encoder layers that they mirror.
  public var tied: Bool { autoencoder?.tied ?? false }

  /// Whether the network takes images, not vectors.
  public var isOfImages: Bool { autoencoder?.isOfImages ?? false }

  /// The network that the recipe's layers make, with what its loss learns.
  /// - Throws: `CinchError.usage` where they make none, naming the layer and the setting to change.
  public func resolved() throws -> ResolvedNetwork {
    var network = try architecture.resolved()
    try objective.addParameters(to: &network)
    return network
  }

  /// The recipe for images of another shape; see `AutoencoderArchitecture.adopting`.
  /// - Throws: `CinchError.usage` where the encoder is not possible on such images.
  public func adopting(image: ImageShape) throws -> Recipe {
    var recipe = self
    recipe.architecture = try architecture.adopting(image: image)
    return recipe
  }

  /// The recipe for vectors of another length, the layers between input and output staying as they are.
  public func adopting(features: Int) -> Recipe {
    var recipe = self
    recipe.architecture = architecture.adopting(features: features)
    return recipe
  }

  /// The recipe with other activations behind its layers, but for the output layer; a decoder's hidden layers follow the
  /// encoder's.
  ///
  /// - Parameters:
  ///   - hidden: of every layer with weights but the code and the output.
  ///   - code: of the last encoder layer with weights.
  public func settingActivations(hidden: Activation, code: Activation) throws -> Recipe {
    var recipe = self
    recipe.architecture = try architecture.settingActivations(hidden: hidden, code: code)
    return recipe
  }

  /// The recipe with another activation behind its code alone: the last encoder layer with weights.
  public func settingCodeActivation(_ activation: Activation) -> Recipe {
    var recipe = self
    recipe.architecture = architecture.settingCodeActivation(activation)
    return recipe
  }

  /// The recipe with another activation behind its output layer.
  /// - Throws: `CinchError.usage` where that is softmax's.
  public func settingOutputActivation(_ activation: Activation) throws -> Recipe {
    var recipe = self
    recipe.architecture = try architecture.settingOutputActivation(activation)
    return recipe
  }
}

extension Recipe {
  public var loss: Loss {
    get { objective.loss }
    set { objective.loss = newValue }
  }

  public var sigma: Double? {
    get { objective.sigma }
    set { objective.sigma = newValue }
  }

  public var penalties: Penalties {
    get { objective.penalties }
    set { objective.penalties = newValue }
  }

  public var corruption: Corruption? {
    get { objective.corruption }
    set { objective.corruption = newValue }
  }
}

extension Recipe {
  public var optimizer: Optimizer {
    get { training.optimizer }
    set { training.optimizer = newValue }
  }

  public var schedule: Schedule {
    get { training.schedule }
    set { training.schedule = newValue }
  }

  public var gradientClip: Double? {
    get { training.gradientClip }
    set { training.gradientClip = newValue }
  }

  public var batchSize: Int {
    get { training.batchSize }
    set { training.batchSize = newValue }
  }

  public var epochs: Int {
    get { training.epochs }
    set { training.epochs = newValue }
  }

  public var seed: UInt64 {
    get { training.seed }
    set { training.seed = newValue }
  }

  public var validationSplit: Double {
    get { training.validationSplit }
    set { training.validationSplit = newValue }
  }

  public var patience: Int? {
    get { training.patience }
    set { training.patience = newValue }
  }
}
