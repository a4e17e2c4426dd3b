/// What went wrong on a device. Every description says what happened, where, and what to do next.
public enum BackendError: Error, Equatable, CustomStringConvertible {
  /// No such device, driver or platform.
  case unavailable(String)
  /// The device's memory does not hold what was asked for.
  case outOfMemory(String)
  /// The device or its driver failed: kernel compilation, launch or transfer.
  case device(String)
  /// The shapes or values given to an op do not fit it.
  case invalidArgument(String)

  public var description: String {
    switch self {
    case .unavailable(let text), .outOfMemory(let text), .device(let text), .invalidArgument(let text): text
    }
  }
}
