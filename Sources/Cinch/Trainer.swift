import CinchBackend
import CinchCore

/// Trains an autoencoder of any variant on any device.
///
/// ```swift
/// let images = try Dataset.fashionMNIST()
/// let trainer = try Trainer(.sparse(layers: [784, 196], rho: 0.05, beta: 3), on: .automatic)
/// for try await epoch in trainer.fit(images, epochs: 20) {
///   print(epoch.number, epoch.reconstruction.perElement, epoch.samplesPerSecond)
/// }
/// let codes = try trainer.model.encode(images)
/// ```
public final class Trainer: Sendable {
  public let model: Autoencoder

  public var recipe: Recipe { model.recipe }
  public var device: DeviceInfo { model.device }

  /// - Throws: `CinchError.usage` where the recipe makes no model, `CinchError.unavailable` where the device
  ///   does not exist.
  public init(_ recipe: Recipe, on device: Device = .automatic) throws {
    model = try Autoencoder(recipe, on: device)
  }

  /// The epochs of a training run. Nothing runs until the sequence is asked for its first epoch; each epoch
  /// runs when it is asked for, so between two of them the model holds exactly the weights of the last one.
  ///
  /// - Parameters:
  ///   - validation: held-out samples; nil splits off the recipe's `validationSplit`.
  ///   - epochs: nil takes the recipe's.
  ///
  /// The sequence throws `CinchError.badData` where the data do not fit the model, `CinchError.diverged` where
  /// the loss stops being a number, and `CancellationError` where its task is cancelled.
  public func fit(
    _ data: Dataset, validation: Dataset? = nil, epochs: Int? = nil, options: TrainingOptions = TrainingOptions()
  ) -> Epochs {
    Epochs(trainer: self, data: data, validation: validation, epochs: epochs ?? recipe.epochs, options: options)
  }

  /// The epochs of one call of `fit`.
  public struct Epochs: AsyncSequence, Sendable {
    public typealias Element = Epoch

    let trainer: Trainer
    let data: Dataset
    let validation: Dataset?
    let epochs: Int
    let options: TrainingOptions

    public func makeAsyncIterator() -> Iterator { Iterator(run: self) }

    public struct Iterator: AsyncIteratorProtocol {
      let run: Epochs
      var isPrepared = false

      public mutating func next() async throws -> Epoch? {
        try Task.checkCancellation()
        if !isPrepared {
          try run.trainer.prepare(run.data, validation: run.validation, options: run.options)
          isPrepared = true
        }
        let outcome = try run.trainer.trainEpoch(epochs: run.epochs) { _ in !Task.isCancelled }
        switch outcome {
        case .finished(let epoch): return epoch
        case .interrupted: throw CancellationError()
        case .complete: return nil
        }
      }
    }
  }

  /// Makes data ready for `trainEpoch`: splits, checks and puts them on the device.
  public func prepare(
    _ data: Dataset, validation: Dataset? = nil, options: TrainingOptions = TrainingOptions()
  ) throws {
    var (training, held) = (data, validation)
    if held == nil && recipe.validationSplit > 0 {
      let parts = try data.split(validation: recipe.validationSplit, seed: recipe.seed)
      (training, held) = (parts.training, parts.validation)
    }
    let (chosen, kept) = (training, held)
    try model.withSession { try $0.prepare(training: chosen, validation: kept, options: options) }
  }

  /// Runs, or goes on with, one epoch; see `TrainingRun`. `prepare` comes first.
  ///
  /// - Parameter observer: told of progress a few times a second; false stops between two updates.
  public func trainEpoch(epochs: Int, _ observer: (TrainingProgress) -> Bool = { _ in true }) throws -> EpochOutcome {
    try model.withSession { try $0.trainEpoch(epochs: epochs, observer) }
  }

  /// Finished epochs, position and history of the run.
  public var state: TrainingState {
    get throws { try model.withSession { $0.state } }
  }
}
