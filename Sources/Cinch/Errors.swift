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
      // As it is: what a driver's compiler says has lines.
      case .unavailable(let text), .device(let text): .unavailable(Message(text))
      case .outOfMemory(let text):
        .unavailable(
          text.contains("smaller batch") ? Message(text) : Message(text) + " Use a smaller batch or model.")
      case .invalidArgument(let text): .usage(Message(text))
      }
  }
}
