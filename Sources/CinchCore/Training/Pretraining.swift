import CinchBackend
import CinchData

/// How one layer of a stack is trained before the layers above it: as an autoencoder or a Boltzmann machine of its own,
/// on what the layers below, which are no longer trained, make of the samples.
///
/// Sources: Hinton, Osindero and Teh, "A fast learning algorithm for deep belief nets", 2006; Bengio et al., "Greedy
/// layer-wise training of deep networks", 2007; Vincent et al., "Stacked denoising autoencoders", 2010.
public struct PretrainedLayer: Sendable, Hashable {
  /// What the layer's own training minimises, corruption and penalties included.
  public var objective: Objective
  public var optimizer: Optimizer
  public var epochs: Int
  /// Whether its decoder uses its weights, as a Boltzmann machine's does.
  public var tied: Bool

  /// - Parameters:
  ///   - objective: of the layer alone.
  ///   - optimizer: of the layer alone.
  ///   - epochs: over all samples.
  ///   - tied: whether W′ = Wᵀ.
  public init(objective: Objective, optimizer: Optimizer = Optimizer(), epochs: Int = 10, tied: Bool = false) {
    self.objective = objective
    self.optimizer = optimizer
    self.epochs = epochs
    self.tied = tied
  }

  /// What a recipe does with a network, as what is done with one layer.
  public init(_ recipe: Recipe) {
    self.init(
      objective: recipe.objective, optimizer: recipe.optimizer, epochs: recipe.epochs, tied: recipe.tied)
  }
}

/// `{"objective": {…}, "optimizer": {…}, "epochs": 10, "tied": false}`.
extension PretrainedLayer: Codable {
  private enum CodingKeys: String, CodingKey, CaseIterable { case objective, optimizer, epochs, tied }

  public init(from decoder: any Decoder) throws {
    try decoder.refuseUnknownKeys(CodingKeys.self, in: "a layer's pre-training")
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      objective: try container.decode(Objective.self, forKey: .objective),
      optimizer: try container.decodeIfPresent(Optimizer.self, forKey: .optimizer) ?? Optimizer(),
      epochs: try container.wholeIfPresent(.epochs) ?? 10,
      tied: try container.decodeIfPresent(Bool.self, forKey: .tied) ?? false)
  }
}

extension Recipe {
  /// A stack that is trained layer by layer. Its network is what the layers make when they are unrolled: all encoders, then
  /// all decoders (Hinton and Salakhutdinov 2006).
  ///
  /// - Parameters:
  ///   - layers: units from the input to the last layer's.
  ///   - codeActivation: of the last layer; nil is that of the others.
  ///   - modules: how each layer is trained, one for all or one for each. The first gives the stack its name and its
  ///     settings beyond layers; its activations are the stack's.
  /// - Throws: `CinchError.usage` where there are neither one module nor as many as layers, or a module is no dense
  ///   autoencoder, or has more epochs than can be run.
  public static func stack(
    layers: [Int], codeActivation: Activation? = nil, of modules: [Recipe]
  ) throws -> Recipe {
    let count = layers.count - 1
    guard let first = modules.first, modules.count == 1 || modules.count == count, count > 0 else {
      throw CinchError.usage(
        "A stack of \(max(count, 0)) layers is pre-trained by one recipe for all or one for each, not by \(modules.count): "
          + "give one or \(max(count, 1)).")
    }
    var network = first
    network.name = "stacked-\(first.name)"
    guard let activation = first.encoder.first?.activation, let output = first.decoder.last?.activation else {
      throw CinchError.usage("A layer of '\(first.name)' has no activation: pre-train layers as dense autoencoders.")
    }
    network.architecture = .autoencoder(
      AutoencoderArchitecture(
        layers: layers, activation: activation, codeActivation: codeActivation, outputActivation: output))
    // A Boltzmann machine's reconstructions are judged as it judges them itself.
    network.objective = Objective(first.loss, sigma: first.sigma)
    var pretrained = (0..<count).map { PretrainedLayer(modules.count == 1 ? first : modules[$0]) }
    for layer in pretrained.indices.dropFirst() where pretrained[layer].objective.chain == nil {
      // Its samples are the outputs of the layer below.
      pretrained[layer].objective.loss = activation == .sigmoid ? .bce : .sse
      pretrained[layer].objective.sigma = nil
    }
    network.training.pretraining = pretrained
    network.epochs = try pretrained.totalEpochs()
    return network
  }

  /// What one layer of a stack is trained as: an autoencoder of that layer alone.
  ///
  /// The first layer's is trained as that recipe would be by itself, with the same random numbers.
  ///
  /// - Parameter layer: counted from 0.
  /// - Throws: `CinchError.usage` where the recipe has no such layer to pre-train.
  public func module(_ layer: Int) throws -> Recipe {
    let shapes = try architecture.resolved().shapes
    guard let layers = training.pretraining, layers.indices.contains(layer), encoder.indices.contains(layer),
      decoder.count == encoder.count
    else {
      throw CinchError.usage("The recipe '\(name)' pre-trains no layer \(layer + 1).")
    }
    let (settings, input) = (layers[layer], shapes[layer].count)
    var architecture = AutoencoderArchitecture(
      layers: [input, shapes[layer + 1].count], activation: encoder[layer].activation,
      outputActivation: decoder[decoder.count - 1 - layer].activation, tied: settings.tied)
    architecture.constraint = nil
    var training = training
    training.pretraining = nil
    training.validationSplit = 0
    training.optimizer = settings.optimizer
    training.epochs = settings.epochs
    // Layers of the same shape would begin and be corrupted alike.
    training.seed = seed &+ UInt64(layer) &* 0x9E37_79B9_7F4A_7C15
    return Recipe(
      name: "layer \(layer + 1) of \(name)", architecture: .autoencoder(architecture), objective: settings.objective,
      training: training)
  }

  /// What the layers of a stack are trained as; nil where all layers are trained together.
  package var modules: [Recipe]? {
    training.pretraining.map { layers in layers.indices.compactMap { try? module($0) } }
  }

  /// The network of a stack, to be trained as a whole: a deep autoencoder, by Adam at its own rate. Batches, epochs and the
  /// seed are the stack's; schedule, clipping, early stopping and held-out samples are not. What were Boltzmann machines of
  /// Bernoulli units is trained by cross-entropy, as Hinton and Salakhutdinov do.
  public func unrolled() -> Recipe {
    var recipe = self
    recipe.name = "unrolled"
    let wasDrawn = objective.chain != nil || training.pretraining?.first?.objective.chain != nil
    recipe.objective = Objective(
      wasDrawn && decoder.last?.activation == .sigmoid ? .bce : loss, sigma: sigma, columns: objective.columns)
    // A code that is drawn is nothing without its prior.
    recipe.penalties.prior = penalties.prior
    recipe.training = TrainingSettings(batchSize: batchSize, epochs: epochs, seed: seed)
    return recipe
  }

  /// - Throws: `CinchError.usage`, naming what makes no stack.
  func validatePretraining() throws {
    guard let layers = training.pretraining else { return }
    guard let autoencoder, autoencoder.encoder.allSatisfy(\.isDense), autoencoder.decoder.allSatisfy(\.isDense),
      !autoencoder.tied, autoencoder.decoder.count == autoencoder.encoder.count
    else {
      throw CinchError.usage(
        "Layers are pre-trained one by one where they are dense and each has a decoder layer of its own: give \(.layers) as "
          + "numbers of units.")
    }
    guard layers.count == autoencoder.encoder.count, try epochs == layers.totalEpochs() else {
      throw CinchError.usage(
        "The pre-training of \(layers.count) layers for \(epochs) epochs in all does not fit a stack of "
          + "\(autoencoder.encoder.count): give each layer its own, and their sum as the stack's.")
    }
    guard penalties.active.isEmpty, corruption == nil, objective.chain == nil else {
      throw CinchError.usage("The penalties and the corruption of a stack are those of its layers: give them to these.")
    }
    for layer in layers.indices { try module(layer).validate() }
  }
}

extension [PretrainedLayer] {
  /// - Throws: `CinchError.usage` where a layer cannot have its epochs, whose sum need not fit an Int.
  fileprivate func totalEpochs() throws -> Int {
    for layer in self { try TrainingSettings.requirePossible(epochs: layer.epochs) }
    return reduce(0) { $0 + $1.epochs }
  }
}

extension LayerSpec {
  fileprivate var isDense: Bool { if case .dense = self { true } else { false } }
}

extension Network {
  /// How the parameters of a module are called in the network of the whole stack.
  ///
  /// - Parameter layer: counted from 0.
  func names(ofModule layer: Int) -> [String: String] {
    let decoder = layers.count - encoderCount - 1 - layer
    var names: [String: String] = [:]
    for part in ["weight", "bias"] {
      names["encoder.0.\(part)"] = "encoder.\(layer).\(part)"
      names["decoder.0.\(part)"] = "decoder.\(decoder).\(part)"
    }
    return names
  }
}
