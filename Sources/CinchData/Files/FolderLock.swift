import Glibc

/// The right of one process, and of one owner in it, to write in a folder. The system ends it with its process, however
/// that ends.
///
/// It is `flock` on a file in the folder, which says who holds it.
package final class FolderLock: Sendable {
  private static let name = ".cinch-lock"

  private let path: String
  /// -1 where the file system has no locks.
  private let descriptor: Int32

  /// - Throws: `CinchError.unavailable` where somebody has the folder already, naming them; `.inputOutput` where it
  ///   cannot be written.
  package init(_ folder: String) throws {
    path = folder + "/" + Self.name
    while true {
      let descriptor = retried { [path] in open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666) }
      guard descriptor >= 0 else { throw CinchError.system(errno, "write '\(path)'") }
      guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
        let code = errno
        let holder = Self.text(of: descriptor)
        close(descriptor)
        if code == EINTR { continue }
        guard code == EWOULDBLOCK else {
          // Some network file systems have none: a run is worth more than its lock.
          self.descriptor = -1
          return
        }
        throw CinchError.unavailable(
          "'\(folder)' is in use by \(holder): wait until that has ended, or stop it first.")
      }
      // Who held it may have removed the file between our opening it and locking it.
      guard Self.isSame(descriptor, path) else {
        close(descriptor)
        continue
      }
      self.descriptor = descriptor
      write()
      return
    }
  }

  deinit {
    guard descriptor >= 0 else { return }
    // Before it is let go, so that nobody locks a file that is being removed. Where the folder was moved away, another's
    // lock may lie at the path by now.
    if Self.isSame(descriptor, path) { unlink(path) }
    close(descriptor)
  }

  private func write() {
    var host = [CChar](repeating: 0, count: 256)
    gethostname(&host, host.count - 1)
    let name = String(decoding: host.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let text = Array("process \(getpid()) on \(name)".utf8)
    // What it says is a help, not the lock itself.
    _ = ftruncate(descriptor, 0)
    _ = pwrite(descriptor, text, text.count, 0)
  }

  private static func text(of descriptor: Int32) -> String {
    var bytes = [UInt8](repeating: 0, count: 300)
    let count = pread(descriptor, &bytes, bytes.count, 0)
    let text = String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self)
    return text.hasPrefix("process ") ? text : "another process"
  }

  private static func isSame(_ descriptor: Int32, _ path: String) -> Bool {
    var (mine, there) = (stat(), stat())
    return fstat(descriptor, &mine) == 0 && stat(path, &there) == 0 && mine.st_ino == there.st_ino
      && mine.st_dev == there.st_dev
  }
}

/// Which contents a path holds, without reading them: another after each time that the file is replaced or written.
package struct FileStamp: Sendable, Hashable {
  private let numbers: [Int]

  /// Nil where there is no file.
  package init?(_ path: String) {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    numbers = [
      Int(status.st_ino), Int(status.st_size), status.st_mtim.tv_sec, status.st_mtim.tv_nsec,
    ]
  }
}
