import CinchBackend
import CinchData

/// A variant of autoencoder and how it is trained, as data: every variant is a recipe of one trainer.
///
/// The objective is the mean over samples of the reconstruction loss *per sample* (summed over features)
/// plus the penalties. Recipes are values: start from a named one and change what differs. A setting can be named with
/// the part that it belongs to or without: `recipe.training.optimizer` is `recipe.optimizer`.
///
/// ```swift
/// var recipe = Recipe.denoising(layers: [784, 1024], corruption: .masking(0.3))
/// recipe.optimizer.learningRate = 3e-4
/// ```
public struct Recipe: Sendable, Hashable {
  public var name: String
  /// What is trained.
  public var architecture: Architecture
  /// What is minimised.
  public var objective: Objective
  /// How it is minimised.
  public var training: TrainingSettings

  public init(
    name: String, architecture: Architecture, objective: Objective, training: TrainingSettings = TrainingSettings()
  ) {
    self.name = name
    self.architecture = architecture
    self.objective = objective
    self.training = training
  }

  /// A dense autoencoder with mirrored decoder.
  ///
  /// - Parameters:
  ///   - layers: units from the input to the code: `[784, 128, 32]` is 784-128-32-128-784.
  ///   - activation: of every hidden layer, the code included unless `codeActivation` says otherwise.
  public init(
    name: String, layers: [Int], activation: Activation, codeActivation: Activation? = nil,
    outputActivation: Activation, loss: Loss, tied: Bool = false, penalties: Penalties = Penalties(),
    corruption: Corruption? = nil, optimizer: Optimizer = Optimizer(), epochs: Int = 20
  ) {
    self.init(
      name: name,
      architecture: .autoencoder(
        AutoencoderArchitecture(
          layers: layers, activation: activation, codeActivation: codeActivation, outputActivation: outputActivation,
          tied: tied)),
      objective: Objective(loss, penalties: penalties, corruption: corruption),
      training: TrainingSettings(optimizer: optimizer, epochs: epochs))
  }
}
