import CinchBackend
import CinchCore
import CinchData
import Dispatch
import Synchronization

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
  public convenience init(_ recipe: Recipe, on device: Device = .automatic) throws {
    try self.init(recipe, on: device, profiler: nil)
  }

  init(_ recipe: Recipe, on device: Device, profiler: Profiler?) throws {
    model = try Autoencoder(recipe, on: device, run: nil, profiler: profiler)
  }

  /// Trains a model further from the weights it has, as a new run: moments, shuffles and counters start afresh.
  public init(_ model: Autoencoder) { self.model = model }

  /// The epochs of a training run. Nothing runs until the sequence is asked for its first epoch; each epoch
  /// runs when it is asked for, so between two of them the model holds exactly the weights of the last one. It runs on a
  /// thread of its own, so that other tasks go on; whoever asks the model for something meanwhile waits.
  ///
  /// Every call is a new run from the weights at hand, and ends the model's run before it.
  ///
  /// - Parameters:
  ///   - data: what is trained on, scaled.
  ///   - validation: held-out samples; nil splits off the recipe's `validationSplit`.
  ///   - epochs: nil takes the recipe's.
  ///   - options: beyond the recipe.
  ///
  /// The sequence throws `CinchError.badData` where the data do not fit the model, `CinchError.diverged` where
  /// the loss stops being a number, `CinchError.usage` where another run has begun on this model, and
  /// `CancellationError` where its task is cancelled.
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
      /// The model's count of runs, once this one is prepared.
      private var number: Int?

      init(run: Epochs) { self.run = run }

      public mutating func next() async throws -> Epoch? {
        try Task.checkCancellation()
        let run = run
        let number = try await prepared()
        let isCancelled = CancellationFlag()
        let outcome = try await withTaskCancellationHandler {
          try await onThread {
            try run.trainer.model.withRun(number) { session in
              try session.trainEpoch(epochs: run.epochs) { _ in !isCancelled.value }
            }
          }
        } onCancel: {
          isCancelled.set()
        }
        switch outcome {
        case .finished(let epoch): return epoch
        case .interrupted: throw CancellationError()
        case .complete: return nil
        }
      }

      private mutating func prepared() async throws -> Int {
        if let number { return number }
        let run = run
        let number = try await onThread {
          try run.trainer.prepare(run.data, validation: run.validation, options: run.options)
        }
        self.number = number
        return number
      }
    }
  }

  /// Makes data ready for `trainEpoch`: splits, checks and puts them on the device.
  /// - Returns: how many runs have begun on this model, this one included.
  @discardableResult
  public func prepare(
    _ data: Dataset, validation: Dataset? = nil, options: TrainingOptions = TrainingOptions()
  ) throws -> Int {
    let parts = try recipe.parts(of: data, validation: validation)
    return try model.withSession { session in
      try session.prepare(training: parts.training, validation: parts.validation, options: options)
      return session.runs
    }
  }

  /// Runs, or goes on with, one epoch; see `TrainingRun`. `prepare` comes first.
  ///
  /// - Parameters:
  ///   - epochs: after which the run is complete.
  ///   - observer: told of progress a few times a second; false stops between two updates. The model is
  ///     training meanwhile: what is asked of it throws `CinchError.usage`. Observers of a `Run` may use theirs.
  public func trainEpoch(epochs: Int, _ observer: (TrainingProgress) -> Bool = { _ in true }) throws -> EpochOutcome {
    try model.withSession { try $0.trainEpoch(epochs: epochs, observer) }
  }

  /// Finished epochs, position and history of the run.
  public var state: TrainingState {
    get throws { try model.withSession { $0.state } }
  }
}

/// Set from the task's cancellation, read from the thread that trains.
private final class CancellationFlag: Sendable {
  private let flag = Atomic(false)

  var value: Bool { flag.load(ordering: .relaxed) }
  func set() { flag.store(true, ordering: .relaxed) }
}

extension Autoencoder {
  /// - Parameter number: what `Trainer.prepare` returned.
  /// - Throws: `CinchError.usage` where another run has begun on this model.
  func withRun<T: Sendable>(_ number: Int, _ body: (any Session) throws -> T) throws -> T {
    try withSession { session in
      guard session.runs == number else {
        throw CinchError.usage("Another run has begun on this model: give each a model, or end one first.")
      }
      return try body(session)
    }
  }
}

/// Runs what takes long where it holds none of the few threads that tasks share.
func onThread<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
  try await withCheckedThrowingContinuation { continuation in
    DispatchQueue.global().async { continuation.resume(with: Result(catching: body)) }
  }
}
