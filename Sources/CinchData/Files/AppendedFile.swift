import Glibc

/// A file that grows: what is added is there whole, or not at all.
package enum AppendedFile {
  /// Adds bytes to the end of a file, which is made where there is none.
  ///
  /// On an error the file is cut to what it was. A process that is killed may leave a part of them.
  /// - Throws: `CinchError.inputOutput`.
  package static func append(_ bytes: [UInt8], to path: String) throws {
    let descriptor = retried { open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o666) }
    guard descriptor >= 0 else { throw CinchError.system(errno, "write '\(path)'") }
    defer { close(descriptor) }
    let size = lseek(descriptor, 0, SEEK_END)
    do { try FileOutput(descriptor: descriptor, path: path).write(bytes) } catch {
      if size >= 0 { _ = ftruncate(descriptor, size) }
      throw error
    }
  }
}
