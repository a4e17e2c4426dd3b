import CinchBackend
import Glibc

/// A file's bytes: read, or, where there are many, mapped, so that they take no memory until they are looked at.
///
/// A mapped file must not be made shorter by another program: what is then looked at ends the process by SIGBUS.
final class FileContents: Sendable {
  /// Files of at least so many bytes are mapped.
  static let mappedSize = 16 << 20

  private enum Place: @unchecked Sendable {
    case memory([UInt8])
    case mapped(UnsafeRawBufferPointer)
    case part(Range<Int>, of: FileContents)
  }

  private let place: Place
  let count: Int

  init(_ bytes: [UInt8]) {
    place = .memory(bytes)
    count = bytes.count
  }

  /// Some of a file's bytes, where they lie.
  init(_ range: Range<Int>, of file: FileContents) {
    place = .part(range, of: file)
    count = range.count
  }

  /// - Parameter isGlance: whether only a few bytes are looked at, for which none is copied.
  /// - Throws: as `FileBytes.read`.
  init(contentsOf path: String, isGlance: Bool = false) throws {
    let file = try OpenFile(path)
    count = file.size
    guard isGlance || file.size >= Self.mappedSize else {
      place = .memory(try file.read())
      return
    }
    guard let start = mmap(nil, file.size, PROT_READ, MAP_PRIVATE, file.descriptor, 0), start != MAP_FAILED else {
      throw CinchError.unavailable(
        "'\(path)' has \(byteText(file.size)), more than this process may map: raise the limit (ulimit -v).")
    }
    place = .mapped(UnsafeRawBufferPointer(start: start, count: file.size))
  }

  deinit {
    if case .mapped(let bytes) = place { munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count) }
  }

  var isMapped: Bool {
    switch place {
    case .memory: false
    case .mapped: true
    case .part(_, let file): file.isMapped
    }
  }

  func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
    switch place {
    case .memory(let bytes): try bytes.withUnsafeBytes(body)
    case .mapped(let bytes): try body(bytes)
    case .part(let range, let file):
      try file.withUnsafeBytes { try body(UnsafeRawBufferPointer(rebasing: $0[range])) }
    }
  }

  /// Says that a mapped file's bytes will not be looked at soon: they take no memory until then.
  func release(_ range: Range<Int>) {
    guard case .mapped(let bytes) = place, let start = bytes.baseAddress else { return }
    let page = sysconf(Int32(_SC_PAGESIZE))
    let (first, end) = ((range.lowerBound + page - 1) / page * page, range.upperBound / page * page)
    if first < end { madvise(UnsafeMutableRawPointer(mutating: start + first), end - first, MADV_DONTNEED) }
  }

  /// A copy of some bytes, no more than there are.
  func prefix(_ count: Int) -> [UInt8] { withUnsafeBytes { Array($0.prefix(count)) } }
}
