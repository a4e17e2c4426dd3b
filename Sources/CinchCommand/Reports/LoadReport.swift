import Cinch
import FoundationEssentials
import Synchronization

/// Tells of data that take long to load: a line that is drawn again on a terminal, and elsewhere one every ten seconds.
final class LoadReport: Sendable {
  private let terminal = Terminal.standardError
  private let begin = ContinuousClock.now
  private let next: Mutex<ContinuousClock.Instant>

  init() {
    // Most data are there before anybody has begun to wait.
    next = Mutex(ContinuousClock.now + (terminal.isInteractive ? .seconds(1) : .seconds(10)))
  }

  /// - Parameter quiet: whether nothing is told.
  static func observing<R>(quiet: Bool, _ body: () throws -> R) rethrows -> R {
    guard !quiet else { return try body() }
    let report = LoadReport()
    defer { report.clear() }
    return try LoadProgress.observed(report.tell, noting: { Diagnostics.logger().notice("\($0.inOneLine)") }, body)
  }

  private func tell(_ progress: LoadProgress) {
    let isDue = next.withLock { next in
      guard ContinuousClock.now >= next else { return false }
      next = ContinuousClock.now + (terminal.isInteractive ? .milliseconds(100) : .seconds(10))
      return true
    }
    guard isDue else { return }
    let text = "\(progress.work) \(progress.path.inOneLine)  \(Int(100 * progress.fraction)) %"
    if terminal.isInteractive {
      Output.note("\r\u{1B}[K" + text.prefix(terminal.columns - 1), terminator: "")
    } else {
      Output.note(text)
    }
  }

  private func clear() {
    if terminal.isInteractive, ContinuousClock.now - begin > .seconds(1) { Output.note("\r\u{1B}[K", terminator: "") }
  }
}
