import Logging

/// Diagnostics on standard error, shown with `--verbose`.
struct Diagnostics: LogHandler {
  var metadata: Logger.Metadata = [:]
  var logLevel: Logger.Level

  static func logger(verbose: Bool) -> Logger {
    Logger(label: "cinch") { _ in Diagnostics(logLevel: verbose ? .debug : .warning) }
  }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    // A progress bar may stand on the line.
    let clear = Terminal.standardError.isInteractive ? "\r\u{1B}[K" : ""
    Output.note("\(clear)\(event.level)  \(event.message)")
  }
}
