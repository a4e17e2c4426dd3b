import CinchBackend

/// Decompression of .gz files (RFC 1952).
enum Gzip {
  static func isGzip(_ file: FileContents) -> Bool { file.prefix(2) == [0x1F, 0x8B] }

  /// The first `count` decompressed bytes, fewer if there are no more. Nothing after them is checked.
  static func prefix(of input: FileContents, count: Int, path: String) throws -> [UInt8] {
    try input.withUnsafeBytes { source in
      let stream = try InflateStream(source, .gzip, path: path)
      var bytes = [UInt8](repeating: 0, count: count)
      let found = try bytes.withUnsafeMutableBytes(stream.read)
      return Array(bytes.prefix(found))
    }
  }

  /// Everything, with length and CRC verified.
  ///
  /// Memory grows with what really comes out of the stream, and not with what its end claims, but for what is small.
  ///
  /// - Throws: `CinchError.badData` if the stream is truncated, damaged, followed by other bytes, or longer than
  ///   `limit` bytes; `.unavailable` where there is no room for what it holds.
  static func inflate(_ input: FileContents, limit: Int, path: String) throws -> [UInt8] {
    try input.withUnsafeBytes { source in
      // The last four bytes are the length of the last stream, which nearly always is the only one.
      let size = source.suffix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
      if size <= limit, let output = WholeDeflate.unpack(source, .gzip, size: size) { return output }
      let stream = try InflateStream(source, .gzip, path: path)
      var output: [UInt8] = []
      var room = 0
      // One byte more than the limit shows that there are more.
      func makeRoom(for bytes: Int) throws {
        guard output.count + bytes > room else { return }
        room = min(max(2 * room, 4 * source.count, bytes), max(limit, 1 << 16)) + bytes
        try HostMemory.require(output.count + room, for: "what is packed in '\(path)'")
        output.reserveCapacity(room)
      }
      try withUnsafeTemporaryAllocation(byteCount: 1 << 18, alignment: 1) { chunk in
        while !stream.isAtEnd {
          let count = try stream.read(into: chunk)
          try makeRoom(for: count)
          output.append(contentsOf: chunk.prefix(count))
          guard output.count <= limit else {
            throw CinchError.badData("'\(path)' holds more data than it should (over \(limit) bytes): fetch it again.")
          }
        }
      }
      return output
    }
  }
}
