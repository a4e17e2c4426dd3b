import Glibc

/// Writes a file so that its path always holds either the old contents or the new, whole.
public enum AtomicFile {
  /// Writes through a temporary file in the same folder: body, fsync, rename, fsync of the folder.
  ///
  /// On any error the temporary file is removed and what was at `path` stays. A symbolic link is followed: the
  /// file it points to is replaced, or made. A file that is replaced keeps its permissions.
  ///
  /// - Parameters:
  ///   - path: where the file goes; its folder must exist.
  ///   - body: writes the contents.
  /// - Throws: `CinchError.inputOutput`, and whatever `body` throws.
  public static func write(to path: String, _ body: (FileOutput) throws -> Void) throws {
    let (target, mode) = try resolve(path)
    let folder = FileBytes.folder(target)
    let unique = String(UInt64.random(in: 0 ... .max), radix: 16)
    let temporary = "\(folder)/\(prefix)\(getpid())-\(unique)\(suffix)"
    let descriptor = retried { open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666) }
    guard descriptor >= 0 else { throw refusal(of: folder, path: path) }
    var isOpen = true
    do {
      // Before there is anything to read. Some file systems have no permissions to set.
      if let mode { _ = fchmod(descriptor, mode) }
      try body(FileOutput(descriptor: descriptor, path: path))
      guard retried({ fsync(descriptor) }) == 0 else { throw CinchError.system(errno, "write '\(path)'") }
      isOpen = false
      // Network file systems report a full disk as late as here.
      guard close(descriptor) == 0 else { throw CinchError.system(errno, "write '\(path)'") }
      guard rename(temporary, target) == 0 else { throw CinchError.system(errno, "write '\(path)'") }
    } catch {
      if isOpen { close(descriptor) }
      unlink(temporary)
      throw error
    }
    try synchronise(folder: folder, path: path)
  }

  /// Refuses a path that `write` could not write to, before there is anything to write: for want of the folder or of the right to
  /// write in it, or because the path is a folder or a device.
  /// - Throws: `CinchError.inputOutput`.
  package static func requireWritable(_ path: String) throws {
    let folder = FileBytes.folder(try resolve(path).target)
    // With the dot a file in its place is told as one.
    guard access(folder + "/.", W_OK | X_OK) == 0 else { throw refusal(of: folder, path: path) }
  }

  /// - Parameter folder: that a file cannot be made in, as `errno` says.
  private static func refusal(of folder: String, path: String) -> CinchError {
    errno == ENOENT
      ? .inputOutput("Cannot write '\(path)': the folder '\(folder)' does not exist; create it first.")
      : .system(errno, "write '\(path)'")
  }

  /// Writes `bytes` as the whole file. Throws as `write(to:_:)`.
  public static func write(_ bytes: [UInt8], to path: String) throws {
    try write(to: path) { try $0.write(bytes) }
  }

  /// Writes `text` in UTF-8 as the whole file. Throws as `write(to:_:)`.
  public static func write(_ text: String, to path: String) throws {
    try write(to: path) { try $0.write(text) }
  }

  private static let prefix = ".cinch-"
  private static let suffix = ".partial"

  /// The process that made a temporary file of this name; nil where the name is none.
  public static func writer(ofTemporary name: String) -> Int32? {
    guard name.hasPrefix(prefix), name.hasSuffix(suffix) else { return nil }
    return Int32(name.dropFirst(prefix.count).prefix { $0 != "-" })
  }

  /// The file that a write to `path` makes or replaces, by its one name: links are followed, also those to what is not
  /// there yet.
  package static func place(of path: String) -> String {
    if let whole = resolved(path) { return whole }
    // A folder that is to be made may be named with a slash behind it.
    let named = String(path.reversed().drop { $0 == "/" }.reversed())
    let end = (try? followed(named)) ?? named
    let folder = FileBytes.folder(end)
    guard !end.isEmpty, folder != end else { return path }
    let name = end.lastIndex(of: "/").map { end[end.index(after: $0)...] } ?? end[...]
    let parent = place(of: folder)
    return "\(parent)\(parent.hasSuffix("/") ? "" : "/")\(name)"
  }

  /// Where the rename should go, and the permissions of the file that is there. A rename would replace a device or a pipe
  /// by a file: those are refused.
  private static func resolve(_ path: String) throws -> (target: String, mode: mode_t?) {
    var status = stat()
    guard stat(path, &status) == 0 else {
      guard errno == ENOENT || errno == ELOOP else { return (path, nil) }
      return (try followed(path), nil)
    }
    switch status.st_mode & S_IFMT {
    case S_IFREG: break
    case S_IFDIR: throw CinchError.system(EISDIR, "write '\(path)'")
    default: throw CinchError.inputOutput("Cannot write '\(path)': it is a pipe or a device; name a file.")
    }
    return (resolved(path) ?? path, status.st_mode & 0o777)
  }

  /// The one name of what is there; nil where nothing is.
  private static func resolved(_ path: String) -> String? {
    guard let resolved = realpath(path, nil) else { return nil }
    defer { free(resolved) }
    return String(cString: resolved)
  }

  /// Where links end that lead to nothing.
  private static func followed(_ path: String) throws -> String {
    var end = path
    // As many as Linux follows.
    for _ in 0...40 {
      var status = stat()
      guard lstat(end, &status) == 0, status.st_mode & S_IFMT == S_IFLNK else { return end }
      var bytes = [CChar](repeating: 0, count: 4096)
      let count = readlink(end, &bytes, bytes.count)
      guard count > 0 else { return end }
      let target = String(decoding: bytes.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
      end = target.hasPrefix("/") ? target : FileBytes.folder(end) + "/" + target
    }
    throw CinchError.system(ELOOP, "write '\(path)'")
  }

  /// Makes the rename itself durable.
  private static func synchronise(folder: String, path: String) throws {
    let descriptor = retried { open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
    // A folder that may be written but not listed: the new file is in place, only a power cut could undo it.
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    guard retried({ fsync(descriptor) }) == 0 || errno == EINVAL || errno == ENOTSUP else {
      throw CinchError.system(errno, "write '\(path)'")
    }
  }
}

/// The temporary file that `AtomicFile` hands to its body.
public struct FileOutput {
  let descriptor: Int32
  let path: String

  /// Appends bytes. Throws `CinchError.inputOutput`.
  public func write(_ bytes: UnsafeRawBufferPointer) throws {
    var rest = bytes[...]
    while !rest.isEmpty {
      let written = Glibc.write(descriptor, rest.base.baseAddress! + rest.startIndex, rest.count)
      if written >= 0 {
        rest = rest.dropFirst(written)
      } else if errno != EINTR {
        throw CinchError.system(errno, "write '\(path)'")
      }
    }
  }

  /// Appends bytes. Throws `CinchError.inputOutput`.
  public func write(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes(write) }

  /// Appends text in UTF-8. Throws `CinchError.inputOutput`.
  public func write(_ text: String) throws { try write(Array(text.utf8)) }
}
