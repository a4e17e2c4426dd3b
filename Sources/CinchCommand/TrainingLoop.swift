import Cinch
import Logging

/// Runs a prepared trainer to its end and keeps the run folder in step with it.
final class TrainingLoop {
  private let trainer: Trainer
  private let folder: RunFolder
  private let setup: TrainingSetup
  private let device: DeviceInfo
  private let report: TrainingReport
  private let log: Logger
  private let start = ContinuousClock.now
  private var checkpointed = ContinuousClock.now

  /// Writing a large model after every short epoch would cost more than the epoch.
  private static let checkpointInterval = Duration.seconds(5)

  init(
    trainer: Trainer, folder: RunFolder, setup: TrainingSetup, device: DeviceInfo, report: TrainingReport, log: Logger
  ) {
    self.trainer = trainer
    self.folder = folder
    self.setup = setup
    self.device = device
    self.report = report
    self.log = log
  }

  private var recipe: Recipe { setup.recipe }

  /// Writes a new run's first files, so that a folder that cannot be written is noticed before training. The
  /// configuration makes the folder a run: it comes when there is something to resume.
  func begin() throws {
    Interruption.install()
    try writeCheckpoint()
    try folder.write(setup.config(device: device, isFinal: false))
    try folder.write(history: [], penalties: recipe.penalties.names)
    try report.start(setup, device: device, resumedFrom: nil)
  }

  func resume(from state: TrainingState) throws {
    Interruption.install()
    folder.removeLeftovers()
    try folder.write(setup.config(device: device, isFinal: false))
    try report.start(setup, device: device, resumedFrom: state)
  }

  func run() throws {
    let ended: EndReason
    do { ended = try trainToTheEnd() } catch let error as OutputClosed {
      // Nobody reads the results any more; what was learned so far is kept.
      try save()
      throw error
    } catch {
      report.clearProgress()
      throw error
    }
    try finish(ended)
  }

  private func trainToTheEnd() throws -> EndReason {
    while true {
      let outcome = try trainer.trainEpoch(epochs: recipe.epochs) { progress in
        report.progress(progress)
        return !Interruption.isRequested
      }
      switch outcome {
      case .complete(let reason): return reason
      case .interrupted: try stop()
      case .finished(let epoch):
        try folder.write(history: try trainer.state.history, penalties: recipe.penalties.names)
        if ContinuousClock.now - checkpointed >= Self.checkpointInterval { try writeCheckpoint() }
        try report.finished(epoch, of: recipe.epochs)
        if Interruption.isRequested { try stop() }
      }
    }
  }

  private func stop() throws -> Never {
    report.clearProgress()
    try save()
    report.interrupted(folder)
    throw CinchError.interrupted
  }

  private func save() throws {
    try writeCheckpoint()
    try folder.write(history: try trainer.state.history, penalties: recipe.penalties.names)
    try folder.writeModel(trainer.model)
  }

  private func finish(_ ended: EndReason) throws {
    try save()
    let shape = setup.sampleShape
    try picture { try folder.writeFilters(trainer.model, shape: shape) }
    let samples = setup.held ?? setup.training
    try picture { try folder.writeFeatures(trainer.model, of: samples, shape: shape) }
    try picture { try folder.writeReconstructions(trainer.model, of: samples, shape: shape) }
    try folder.write(setup.config(device: device, isFinal: true))
    let evaluation = try trainer.model.evaluate(samples)
    try report.end(
      TrainingReport.Result(
        folder: folder, ended: ended, state: try trainer.state, evaluation: evaluation, isHeld: setup.held != nil,
        recipe: recipe, seconds: (ContinuousClock.now - start).seconds))
  }

  /// A picture that cannot be drawn is no reason to lose a run; a full disk is.
  private func picture(_ draw: () throws -> Void) throws {
    do { try draw() } catch CinchError.usage(let text) { log.warning("no picture: \(CinchError.usage(text).typed)") }
  }

  private func writeCheckpoint() throws {
    let checkpoint = try trainer.model.withSession { try $0.checkpoint() }
    try folder.write(checkpoint)
    checkpointed = .now
    log.debug("wrote a checkpoint at step \(checkpoint.state.step)")
  }
}
