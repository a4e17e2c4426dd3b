import ArgumentParser
import Cinch
import Logging

/// Trains a run to its end, and tells of it.
struct RunObserver {
  let run: Run
  let report: TrainingReport
  let log: Logger
  private let start = ContinuousClock.now

  init(_ run: Run, _ report: TrainingReport, _ log: Logger) {
    self.run = run
    self.report = report
    self.log = log
  }

  /// Tells of the run before it trains.
  func begin() throws {
    do { try report.start(run) } catch is OutputClosed { throw unread }
  }

  func train() throws {
    let summary: Run.Summary?
    var hasEnded = false
    do {
      summary = try run.train { event in
        if case .ended = event { hasEnded = true }
        return try tell(event)
      }
    } catch {
      report.clearProgress()
      if error is OutputClosed, !hasEnded { throw unread }
      throw error
    }
    guard summary == nil else { return }
    report.clearProgress()
    Output.note("cinch: Interrupted: go on with 'cinch train --resume \(Provenance.quoted(run.folder.path))'.")
    throw ExitCode(CinchError.interrupted.exitCode)
  }

  private var unread: CinchError { .unread(goingOn: "cinch train --resume \(Provenance.quoted(run.folder.path))") }

  /// - Returns: whether training goes on.
  private func tell(_ event: Run.Event) throws -> Bool {
    switch event {
    case .progress(let progress): report.progress(progress)
    case .epoch(let epoch): try report.finished(epoch, of: run.recipe.epochs)
    case .checkpoint(let step):
      log.debug("wrote a checkpoint at step \(step)")
      return true
    case .noPicture(let error): log.warning("no picture: \(error.typed)")
    case .ended(let summary): try report.end(run, summary, seconds: (ContinuousClock.now - start).seconds)
    }
    return !Interruption.isRequested
  }
}

extension CinchError {
  /// Why training stops where nobody reads its results: without a word it would pass for training that has ended.
  static func unread(goingOn command: String) -> CinchError {
    .inputOutput("Nobody reads standard output any more, so training has stopped: go on with '\(command)'.")
  }
}
