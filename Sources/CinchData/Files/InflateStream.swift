import CZlib
import CinchBackend

/// Unpacks what deflate (RFC 1951) has packed, some bytes at a time, through zlib.
final class InflateStream {
  /// What stands around the packed bytes.
  enum Wrapper {
    /// A header, a checksum and a length (RFC 1952), once or several times: their contents follow one another.
    case gzip
    case none
  }

  /// Deflate spends at least one bit on 129 bytes, so no stream grows by more than this.
  static let largestRatio = 1032

  // zlib keeps a pointer back to its stream, which must therefore stay where it is.
  private let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
  private let source: UnsafeRawBufferPointer
  private let wrapper: Wrapper
  private let path: String
  private var position = 0
  private(set) var isAtEnd = false

  /// - Parameters:
  ///   - source: the packed bytes, which must outlive this object.
  ///   - path: what errors name.
  /// - Throws: `CinchError.unavailable` where zlib cannot start.
  init(_ source: UnsafeRawBufferPointer, _ wrapper: Wrapper, path: String) throws {
    self.source = source
    self.wrapper = wrapper
    self.path = path
    stream.initialize(to: z_stream())
    let windowBits: Int32 = wrapper == .gzip ? 15 + 16 : -15
    guard inflateInit2_(stream, windowBits, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
      throw CinchError.unavailable("Zlib cannot start: free some memory, or install zlib1g 1.2.9 or later.")
    }
  }

  deinit {
    inflateEnd(stream)
    stream.deallocate()
  }

  /// Fills `target` with the next bytes.
  ///
  /// - Returns: how many there were: fewer than `target` has room for at the end alone.
  /// - Throws: `CinchError.badData` if the stream is truncated, damaged or followed by other bytes.
  func read(into target: UnsafeMutableRawBufferPointer) throws -> Int {
    var count = 0
    while count < target.count, !isAtEnd {
      if stream.pointee.avail_in == 0, position < source.count {
        let part = min(source.count - position, LoadProgress.step / 8)
        stream.pointee.next_in = UnsafeMutablePointer(
          mutating: (source.baseAddress! + position).assumingMemoryBound(to: UInt8.self))
        stream.pointee.avail_in = UInt32(part)
        LoadProgress.tell("unpacking", path, position, of: source.count)
        position += part
      }
      let room = min(target.count - count, 1 << 30)
      stream.pointee.next_out = (target.baseAddress! + count).assumingMemoryBound(to: UInt8.self)
      stream.pointee.avail_out = UInt32(room)
      let status = inflate(stream, Z_NO_FLUSH)
      count += room - Int(stream.pointee.avail_out)
      switch status {
      case Z_OK: continue
      case Z_STREAM_END: try end()
      case Z_BUF_ERROR: throw CinchError.badData("'\(path)' ends in the middle of its \(name) stream: fetch it again.")
      case Z_MEM_ERROR:
        throw CinchError.unavailable("There is no memory left to decompress '\(path)': close other programs.")
      default:
        let reason = stream.pointee.msg.map { String(cString: $0) } ?? "status \(status)"
        throw CinchError.badData("'\(path)' is damaged (\(name): \(reason)): fetch it again.")
      }
    }
    return count
  }

  private var name: String { wrapper == .gzip ? "gzip" : "deflate" }

  private func end() throws {
    let rest = source[(position - Int(stream.pointee.avail_in))...]
    // The end, or the zeros some tools pad with.
    if wrapper == .gzip ? rest.allSatisfy({ $0 == 0 }) : rest.isEmpty {
      isAtEnd = true
      return
    }
    guard wrapper == .gzip, rest.starts(with: [0x1F, 0x8B]) else {
      throw CinchError.badData("'\(path)' has \(rest.count) bytes after its \(name) stream: fetch it again.")
    }
    inflateReset(stream)
  }
}
