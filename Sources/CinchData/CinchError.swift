import CinchBackend
import FoundationEssentials
import Glibc

/// What went wrong, as a sentence that ends with what to do next.
///
/// It begins with a capital letter, a number, a setting, or a name in quotes, and ends with a full stop: whoever shows it
/// has nothing to add.
///
/// Each case has the process exit status of sysexits.h that a command should end with.
public enum CinchError: Error, Equatable, Sendable, CustomStringConvertible, LocalizedError {
  /// The request itself does not make sense: an option, a name or a count.
  case usage(Message)
  /// A file or data set does not hold what it should.
  case badData(Message)
  /// Something the request needs is not on this machine: a data set, a device, a library.
  case unavailable(Message)
  /// The system refused to read or write.
  case inputOutput(Message)
  /// The loss stopped being a number.
  case diverged(Message)
  /// The user asked to stop.
  case interrupted

  /// 64, 65, 69 and 74 as in sysexits.h; 130 as shells report SIGINT. A diverged run is bad data or settings: 65.
  public var exitCode: Int32 {
    switch self {
    case .usage: 64
    case .badData, .diverged: 65
    case .unavailable: 69
    case .inputOutput: 74
    case .interrupted: 130
    }
  }

  public var description: String { message.description }

  /// What went wrong, with the settings it names.
  public var message: Message {
    switch self {
    case .usage(let text), .badData(let text), .unavailable(let text), .inputOutput(let text), .diverged(let text): text
    case .interrupted: "Interrupted: resume from the last checkpoint to go on."
    }
  }

  public var errorDescription: String? { description }
}

extension CinchError {
  /// The error for a system call that set errno to `code` while doing `action`, such as "write runs/a.png".
  package static func system(_ code: Int32, _ action: String) -> CinchError {
    let reason =
      switch code {
      case ENOSPC: "the disk is full; free some space or choose a folder on another disk"
      case EDQUOT: "the disk quota is used up; free some space or choose another folder"
      case EROFS: "the file system is read-only; choose another folder"
      case EACCES, EPERM: "permission denied; change the permissions or choose another place"
      case ENOENT: "there is no such file or folder; check the path, or create the folder first"
      case ENOTDIR: "a part of the path is a file, not a folder; check the path"
      case EISDIR: "it is a folder; name a file"
      case ENAMETOOLONG: "the name is too long; choose a shorter one"
      case EMFILE, ENFILE: "too many files are open; close some or raise the limit (ulimit -n)"
      case EFBIG: "the file would be larger than the system allows; raise the limit (ulimit -f)"
      case EIO: "the device reported an input/output error; check the disk"
      default: "\(String(cString: strerror(code))) (errno \(code)); correct that and try again"
      }
    return .inputOutput("Cannot \(action): \(reason).")
  }
}

extension HostMemory {
  /// - Parameters:
  ///   - freeing: how many bytes are given back while the new ones are filled, which are mapped by then.
  ///   - what: as a sentence has it: "the file 'x.npy'".
  /// - Throws: `CinchError.unavailable` where there is no room for so many bytes.
  package static func require(_ bytes: Int, freeing: Int = 0, for what: @autoclosure () -> String) throws {
    guard !fits(bytes, freeing: freeing) else { return }
    let left = byteText(max(available, 0))
    throw CinchError.unavailable(
      "There is no room for \(what()), which takes \(byteText(bytes)) of memory where \(left) are left: close other "
        + "programs, raise the limit, or use fewer samples.")
  }
}
