import CinchBackend
import Glibc

/// Reading whole files, with every refusal in a sentence.
package enum FileBytes {
  /// The bytes of a regular file.
  ///
  /// - Throws: `CinchError.inputOutput` if it cannot be read, `.badData` if it is empty, `.unavailable` if it does not fit
  ///   into memory.
  package static func read(_ path: String) throws -> [UInt8] { try OpenFile(path).read() }

  static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  /// The last component of a path.
  static func name(_ path: String) -> String {
    path.split(separator: "/").last.map(String.init) ?? path
  }

  /// The folder that holds `path`.
  static func folder(_ path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }
}

/// A system call's result, called again as long as signals interrupt it: on network file systems even `open` and `fsync`
/// wait long enough for that.
func retried(_ call: () -> Int32) -> Int32 {
  while true {
    let result = call()
    if result >= 0 || errno != EINTR { return result }
  }
}

/// The product of extents, or nil where it does not fit an Int or an extent is negative.
func checkedProduct(_ extents: some Sequence<Int>) -> Int? {
  var product = 1
  for extent in extents {
    let (value, overflow) = product.multipliedReportingOverflow(by: extent)
    guard extent >= 0, !overflow else { return nil }
    product = value
  }
  return product
}

/// A regular file that is open to be read.
final class OpenFile {
  let path: String
  let descriptor: Int32
  /// At least 1.
  let size: Int

  /// - Throws: as `FileBytes.read`.
  init(_ path: String) throws {
    // O_NONBLOCK: opening a pipe that nobody writes to must fail below, not hang here.
    let descriptor = retried { open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) }
    guard descriptor >= 0 else { throw CinchError.system(errno, "read '\(path)'") }
    do { size = try Self.size(descriptor, path) } catch {
      close(descriptor)
      throw error
    }
    self.path = path
    self.descriptor = descriptor
  }

  deinit { close(descriptor) }

  private static func size(_ descriptor: Int32, _ path: String) throws -> Int {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw CinchError.system(errno, "read '\(path)'") }
    switch status.st_mode & S_IFMT {
    case S_IFREG: break
    case S_IFDIR: throw CinchError.system(EISDIR, "read '\(path)'")
    default: throw CinchError.inputOutput("Cannot read '\(path)': it is a pipe or a device; copy it into a file first.")
    }
    guard status.st_size > 0 else { throw CinchError.badData("'\(path)' is empty: fetch or write it again.") }
    return Int(status.st_size)
  }

  /// All of it.
  func read() throws -> [UInt8] {
    try HostMemory.require(size, for: "the file '\(path)'")
    var failure: Int32 = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      while count < size {
        let got = Glibc.read(descriptor, buffer.baseAddress! + count, min(size - count, LoadProgress.step))
        if got > 0 {
          count += got
          LoadProgress.tell("reading", path, count, of: size)
        } else if got == 0 {
          break
        } else if errno != EINTR {
          failure = errno
          break
        }
      }
    }
    guard failure == 0 else { throw CinchError.system(failure, "read '\(path)'") }
    guard bytes.count == size else { throw CinchError.inputOutput("'\(path)' shrank while being read: try again.") }
    return bytes
  }
}
