import CZlib
import CinchBackend

/// Decompression of .gz files (RFC 1952), through zlib.
enum Gzip {
  static func isGzip(_ file: FileContents) -> Bool { file.prefix(2) == [0x1F, 0x8B] }

  /// Deflate spends at least one bit on 129 bytes, so no stream grows by more than this.
  static let largestRatio = 1032

  /// The first `count` decompressed bytes, fewer if there are no more. Nothing after them is checked.
  static func prefix(of input: FileContents, count: Int, path: String) throws -> [UInt8] {
    try input.withUnsafeBytes { try inflate($0, limit: count, stopsAtLimit: true, path: path) }
  }

  /// Everything, with length and CRC verified.
  ///
  /// Memory grows with what really comes out of the stream, never with what a header claims.
  ///
  /// - Throws: `CinchError.badData` if the stream is truncated, damaged, followed by other bytes, or longer than
  ///   `limit` bytes; `.unavailable` where there is no room for what it holds.
  static func inflate(_ input: FileContents, limit: Int, path: String) throws -> [UInt8] {
    try input.withUnsafeBytes { try inflate($0, limit: limit, stopsAtLimit: false, path: path) }
  }

  private static func inflate(
    _ source: UnsafeRawBufferPointer, limit: Int, stopsAtLimit: Bool, path: String
  ) throws -> [UInt8] {
    // zlib keeps a pointer back to its stream, which must therefore stay where it is.
    let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    stream.initialize(to: z_stream())
    defer { stream.deallocate() }
    let windowAndGzip: Int32 = 15 + 16
    guard inflateInit2_(stream, windowAndGzip, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
      throw CinchError.unavailable("Zlib cannot start: free some memory, or install zlib1g 1.2.9 or later.")
    }
    defer { inflateEnd(stream) }

    var output: [UInt8] = []
    var room = 0
    // One byte more than the limit shows that there are more.
    func makeRoom(for bytes: Int) throws {
      guard output.count + bytes > room else { return }
      room = min(max(2 * room, 4 * source.count, bytes), max(limit, 1 << 16)) + bytes
      try HostMemory.require(output.count + room, for: "what is packed in '\(path)'")
      output.reserveCapacity(room)
    }
    return try withUnsafeTemporaryAllocation(byteCount: 1 << 18, alignment: 1) { chunk in
      var position = 0
      while true {
        if stream.pointee.avail_in == 0, position < source.count {
          let count = min(source.count - position, LoadProgress.step / 8)
          stream.pointee.next_in = UnsafeMutablePointer(
            mutating: (source.baseAddress! + position).assumingMemoryBound(to: UInt8.self))
          stream.pointee.avail_in = UInt32(count)
          LoadProgress.tell("unpacking", path, position, of: source.count)
          position += count
        }
        stream.pointee.next_out = chunk.baseAddress!.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_out = UInt32(chunk.count)
        let status = CZlib.inflate(stream, Z_NO_FLUSH)
        try makeRoom(for: chunk.count - Int(stream.pointee.avail_out))
        output.append(contentsOf: chunk.prefix(chunk.count - Int(stream.pointee.avail_out)))
        if output.count > limit, !stopsAtLimit {
          throw CinchError.badData("'\(path)' holds more data than it should (over \(limit) bytes): fetch it again.")
        }
        if output.count >= limit, stopsAtLimit { return Array(output.prefix(limit)) }

        switch status {
        case Z_OK: continue
        case Z_STREAM_END:
          let rest = source[(position - Int(stream.pointee.avail_in))...]
          if rest.allSatisfy({ $0 == 0 }) { return output }  // The end, or the zeros some tools pad with.
          guard rest.starts(with: [0x1F, 0x8B]) else {
            throw CinchError.badData("'\(path)' has \(rest.count) bytes after its gzip stream: fetch it again.")
          }
          inflateReset(stream)  // Another member: their contents follow one another.
        case Z_BUF_ERROR:
          throw CinchError.badData("'\(path)' ends in the middle of its gzip stream: fetch it again.")
        case Z_MEM_ERROR:
          throw CinchError.unavailable("There is no memory left to decompress '\(path)': close other programs.")
        default:
          let reason = stream.pointee.msg.map { String(cString: $0) } ?? "status \(status)"
          throw CinchError.badData("'\(path)' is damaged (gzip: \(reason)): fetch it again.")
        }
      }
    }
  }
}
