import CinchBackend
import CinchCore
import CinchData

extension CinchError {
  /// A device's error in the words of the library.
  ///
  /// Memory that does not suffice is something this machine lacks, so it is `unavailable` as a missing or failing device
  /// is; the sentence names a smaller batch as the remedy. Arguments that no op takes are a request that makes no sense.
  package init(_ error: BackendError) {
    self =
      switch error {
      case .unavailable(let text), .device(let text): .unavailable("\(text)")
      case .outOfMemory(let text):
        .unavailable(text.contains("smaller batch") ? "\(text)" : "\(text) Use a smaller batch or model.")
      case .invalidArgument(let text): .usage("\(text)")
      }
  }
}
