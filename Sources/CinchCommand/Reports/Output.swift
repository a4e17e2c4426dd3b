import CinchCore
import CinchData
import Glibc

/// Whoever read standard output has gone away: the program ends without a word, unless there was more to do.
struct OutputClosed: Error {}

/// Standard output, for results, and standard error, for everything else. Written directly, so that a full disk
/// or a reader that went away is noticed.
enum Output {
  /// A line of results.
  /// - Throws: `OutputClosed`, or `CinchError.inputOutput`.
  static func result(_ text: String) throws {
    let failure = write(text + "\n", to: STDOUT_FILENO)
    if failure == EPIPE { throw OutputClosed() }
    guard failure == 0 else {
      throw CinchError.inputOutput(
        "Cannot write to standard output (\(String(cString: strerror(failure)))): make room, or send it elsewhere.")
    }
  }

  /// Progress and diagnostics. There is nowhere to report that this failed.
  static func note(_ text: String, terminator: String = "\n") {
    _ = write(text + terminator, to: STDERR_FILENO)
  }

  /// 0, or the errno of the write that failed.
  private static func write(_ text: String, to descriptor: Int32) -> Int32 {
    let bytes = Array(text.utf8)
    var start = 0
    while start < bytes.count {
      let written = bytes.withUnsafeBytes {
        Glibc.write(descriptor, $0.baseAddress! + start, bytes.count - start)
      }
      if written >= 0 { start += written } else if errno != EINTR { return errno }
    }
    return 0
  }
}

/// What standard error can show.
struct Terminal {
  /// Whether a line can be drawn again.
  let isInteractive: Bool
  let hasColor: Bool

  static let standardError: Terminal = {
    let type = getenv("TERM").map { String(cString: $0) } ?? ""
    let interactive = isatty(STDERR_FILENO) == 1 && type != "dumb"
    let refused = getenv("NO_COLOR").map { $0.pointee != 0 } ?? false
    return Terminal(isInteractive: interactive, hasColor: interactive && !refused)
  }()

  /// Columns now; the window may have been resized.
  var columns: Int {
    var size = winsize()
    guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
    return Int(size.ws_col)
  }
}
