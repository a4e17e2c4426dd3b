import Logging
import Synchronization

/// Diagnostics on standard error: notices unless `--quiet`, more with `--verbose`.
struct Diagnostics: LogHandler {
  var metadata: Logger.Metadata = [:]
  var logLevel: Logger.Level

  /// Whether `--quiet` was given.
  static let isQuiet = Atomic(false)

  static func logger(quiet: Bool = false, verbose: Bool = false) -> Logger {
    if quiet { isQuiet.store(true, ordering: .relaxed) }
    return Logger(label: "cinch") { _ in Diagnostics(logLevel: verbose ? .debug : quiet ? .warning : .notice) }
  }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    // A progress bar may stand on the line.
    let clear = Terminal.standardError.isInteractive ? "\r\u{1B}[K" : ""
    Output.note(clear + (event.level == .notice ? "" : "\(event.level)  ") + "\(event.message)")
  }
}
