import CinchBackend
import CinchData

// Settings named without the part of the recipe that they belong to.
extension Recipe {
  /// The architecture as an autoencoder's, which is the only kind.
  public var autoencoder: AutoencoderArchitecture {
    get {
      switch architecture {
      case .autoencoder(let autoencoder): autoencoder
      }
    }
    set { architecture = .autoencoder(newValue) }
  }

  public var constraint: AutoencoderArchitecture.Constraint? {
    get { autoencoder.constraint }
    set { autoencoder.constraint = newValue }
  }

  public var input: Int {
    get { autoencoder.input }
    set { autoencoder.input = newValue }
  }

  public var image: ImageShape? {
    get { autoencoder.image }
    set { autoencoder.image = newValue }
  }

  public var encoder: [LayerSpec] {
    get { autoencoder.encoder }
    set { autoencoder.encoder = newValue }
  }

  public var decoder: [LayerSpec] {
    get { autoencoder.decoder }
    set { autoencoder.decoder = newValue }
  }

  public var tied: Bool {
    get { autoencoder.tied }
    set { autoencoder.tied = newValue }
  }

  /// What one sample looks like to the first layer.
  public var inputShape: FeatureShape { autoencoder.inputShape }

  /// Whether the network takes images, not vectors.
  public var isOfImages: Bool { autoencoder.isOfImages }

  /// What the decoder does where the encoder pools.
  public var poolInverse: PoolInverse { autoencoder.poolInverse }

  /// The network that the recipe's layers make, with what its loss learns.
  /// - Throws: `CinchError.usage` where they make none, naming the layer and the setting to change.
  public func resolved() throws -> ResolvedNetwork {
    var network = try autoencoder.resolved()
    try objective.addParameters(to: &network)
    return network
  }

  /// See `AutoencoderArchitecture.setLayers`.
  public mutating func setLayers(
    _ layers: [Int], activation: Activation, codeActivation: Activation? = nil, outputActivation: Activation
  ) {
    autoencoder.setLayers(
      layers, activation: activation, codeActivation: codeActivation, outputActivation: outputActivation)
  }

  /// See `AutoencoderArchitecture.setLayers`.
  /// - Throws: `CinchError.usage` where a layer cannot be, or has no mirror.
  public mutating func setLayers(
    image: ImageShape, encoder: [LayerSpec], decoder: [LayerSpec]? = nil, outputActivation: Activation,
    pools: PoolInverse = .upsample
  ) throws {
    try autoencoder.setLayers(
      image: image, encoder: encoder, decoder: decoder, outputActivation: outputActivation, pools: pools)
  }

  /// The recipe for images of another shape; see `AutoencoderArchitecture.adopting`.
  /// - Throws: `CinchError.usage` where the encoder cannot be on such images.
  public func adopting(image: ImageShape) throws -> Recipe {
    var recipe = self
    recipe.autoencoder = try autoencoder.adopting(image: image)
    return recipe
  }

  /// The recipe with other functions behind its layers; see `AutoencoderArchitecture.settingActivations`.
  public func settingActivations(hidden: Activation, code: Activation, output: Activation) throws -> Recipe {
    var recipe = self
    recipe.autoencoder = try autoencoder.settingActivations(hidden: hidden, code: code, output: output)
    return recipe
  }
}

extension Recipe {
  public var loss: ReconstructionLoss {
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
