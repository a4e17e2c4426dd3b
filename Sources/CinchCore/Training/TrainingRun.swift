import CinchBackend
import CinchData

/// What goes on from epoch to epoch, and can be stopped between two updates and resumed.
protocol TrainingRun<B>: AnyObject {
  associatedtype B: Backend

  var state: TrainingState { get }
  /// Every update's objective, where `TrainingOptions.keepsStepLosses` asked for it.
  var stepLosses: [Double] { get }
  var isStreamed: Bool { get }

  /// Runs, or goes on with, one epoch.
  ///
  /// - Parameter observer: told of progress between chunks; false stops the run there.
  /// - Throws: `CinchError.diverged` at the first number of the record that is not finite.
  func advance(epochs: Int, _ observer: (TrainingProgress) -> Bool) throws -> EpochOutcome

  /// The network's weights have been set from outside.
  func parametersChanged() throws

  /// What the model makes of the run's held-out samples, which there must be, or of its training samples; with
  /// `Evaluation.mseName` where the pass leaves what it takes.
  func evaluate(heldOut: Bool) throws -> Evaluation

  /// The state, and all that was kept, as the device's own scalars, so that nothing is rounded.
  func checkpoint() throws -> (state: TrainingState, arenas: [String: [B.Scalar]])
  func restore(_ state: TrainingState, _ arenas: [String: [B.Scalar]]) throws
}

extension TrainingRun {
  /// Nothing to do for runs that train networks of their own.
  func parametersChanged() {}
}

extension Recipe {
  /// The run that trains this recipe's network: the one place that tells runs apart.
  func makeRun<B: Backend>(
    _ network: Network<B>, training: Dataset, validation: Dataset?, options: TrainingOptions
  ) throws -> any TrainingRun<B> {
    if self.training.pretraining != nil {
      return try StackRun(network, training: training, validation: validation, options: options)
    }
    if let closedForm {
      return try ClosedFormRun(closedForm, network, training: training, validation: validation, options: options)
    }
    if self.training.frozenLayers != nil {
      return try FrozenRun(network, training: training, validation: validation, options: options)
    }
    return try GradientRun(
      network, training: .samples(training), validation: validation.map { .samples($0) }, options: options)
  }
}

extension CinchError {
  /// Of a checkpoint that no run of this recipe and these data can have come to.
  static let contradictoryCheckpoint = CinchError.badData(
    "The checkpoint's counters contradict each other or the run's data: start a new run, or resume with the data it "
      + "was started with.")
}

/// How a run is trained, beyond its recipe.
public struct TrainingOptions: Sendable, Hashable {
  /// Bytes of data kept on the device; more is streamed. Nil takes half the device's memory.
  public var residentBytes: Int?
  /// Keep every update's loss, for comparing runs.
  package var keepsStepLosses = false
  /// What a batch may leave between the layers, in bytes, for comparing runs. Nil takes what the device is best with.
  package var passBytes: Int?

  public init(residentBytes: Int? = nil) { self.residentBytes = residentBytes }

  /// Bytes of data that a device may keep.
  package func memoryLimit<B: Backend>(_ backend: B) -> Int { residentBytes ?? Feed.memoryLimit(backend) }

  package init(residentBytes: Int? = nil, keepsStepLosses: Bool, passBytes: Int? = nil) {
    self.residentBytes = residentBytes
    self.keepsStepLosses = keepsStepLosses
    self.passBytes = passBytes
  }
}

extension Duration {
  /// Seconds as a number.
  package var seconds: Double {
    Double(components.seconds) + Double(components.attoseconds) * 1e-18
  }
}
