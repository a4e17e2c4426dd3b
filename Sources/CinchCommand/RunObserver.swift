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

  func train() throws {
    let summary: Run.Summary?
    do { summary = try run.train(tell) } catch {
      report.clearProgress()
      throw error
    }
    guard summary == nil else { return }
    report.clearProgress()
    Output.note("cinch: Interrupted: go on with 'cinch train --resume \(Provenance.quoted(run.folder.path))'.")
    throw ExitCode(CinchError.interrupted.exitCode)
  }

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
