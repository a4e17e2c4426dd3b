import Glibc

/// Reading whole files, with every refusal in a sentence.
enum FileBytes {
  /// The bytes of a regular file.
  ///
  /// - Throws: `CinchError.inputOutput` if it cannot be read, `.badData` if it is empty or larger than this
  ///   machine's memory.
  static func read(_ path: String) throws -> [UInt8] {
    // O_NONBLOCK: opening a pipe that nobody writes to must fail below, not hang here.
    let descriptor = retried { open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) }
    guard descriptor >= 0 else { throw CinchError.system(errno, "read '\(path)'") }
    defer { close(descriptor) }

    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw CinchError.system(errno, "read '\(path)'") }
    switch status.st_mode & S_IFMT {
    case S_IFREG: break
    case S_IFDIR: throw CinchError.system(EISDIR, "read '\(path)'")
    default: throw CinchError.inputOutput("Cannot read '\(path)': it is a pipe or a device; copy it into a file first.")
    }
    let size = Int(status.st_size)
    guard size > 0 else { throw CinchError.badData("'\(path)' is empty: fetch or write it again.") }
    guard size <= physicalMemory else {
      throw CinchError.badData("'\(path)' has \(size) bytes, more than this machine's memory: split it.")
    }

    var failure: Int32 = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      while count < size {
        let got = Glibc.read(descriptor, buffer.baseAddress! + count, size - count)
        if got > 0 {
          count += got
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

  /// Bytes of memory in this machine: no honest file needs more, so no header may ask for more.
  static let physicalMemory = max(1 << 30, sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE)))

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
