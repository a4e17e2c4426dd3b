import CSamples
import CinchBackend
import Glibc

/// The rows of a table in blocks, which are cut by the file alone: some megabytes of whole rows each.
///
/// A file that is mapped is read where it lies, and takes no memory once a block has been read; one that is gzipped is unpacked
/// a block at a time.
final class TableBlocks {
  struct Block {
    let index: Int
    let bytes: UnsafeBufferPointer<UInt8>
    /// No fewer than there are rows.
    let rows: Int
    /// Of the first row, counted from 1.
    let line: Int
    /// Where `bytes` are, if not in the file.
    fileprivate let unpacked: Bytes?
    /// Where they are in the file, if there.
    fileprivate let place: Range<Int>?
  }

  /// Bytes of a block that is unpacked.
  final class Bytes {
    let buffer: UnsafeMutableRawBufferPointer
    init(count: Int) { buffer = .allocate(byteCount: count, alignment: 1) }
    deinit { buffer.deallocate() }
  }

  static let usualSize = 4 << 20

  private let file: FileContents
  private let source: UnsafeRawBufferPointer
  private let separator: UInt8
  private let size: Int
  private let path: String
  private let stream: InflateStream?
  private let tell = LoadProgress.teller
  private var index = 0
  private var line: Int
  private var position: Int
  /// Unpacked bytes of a row that has only begun.
  private var begun: [UInt8] = []
  private var isAtEnd = false

  /// - Parameters:
  ///   - file: the table's; `source` are its bytes.
  ///   - start: where its rows begin, in unpacked bytes, and which line that is.
  init(
    _ file: FileContents, _ source: UnsafeRawBufferPointer, from start: (position: Int, line: Int), separator: UInt8,
    size: Int, path: String
  ) throws {
    self.file = file
    self.source = source
    self.separator = separator
    self.size = size
    self.path = path
    (position, line) = start
    stream = Gzip.isGzip(file) ? try InflateStream(source, .gzip, path: path) : nil
    if let stream {
      // What comes before the rows has been read.
      let before = Bytes(count: start.position)
      _ = try stream.read(into: before.buffer)
    }
  }

  /// Nil where there are no more.
  /// - Throws: as `InflateStream.read`; `CinchError.unavailable` where a row does not fit into memory.
  func next() throws -> Block? {
    if let stream { return try next(of: stream) }
    guard position < source.count else { return nil }
    tell("reading", path, position, source.count)
    let rest = UnsafeBufferPointer(rebasing: source.assumingMemoryBound(to: UInt8.self)[position...])
    let cut = cut(rest, wanted: size, isLast: true)
    let place = position..<position + cut.bytes.count
    position = place.upperBound
    return block(cut, unpacked: nil, place: place)
  }

  private func next(of stream: InflateStream) throws -> Block? {
    while !isAtEnd {
      let room = begun.count + max(size, begun.count)
      try HostMemory.require(2 * room, for: "a row of '\(path)'")
      let bytes = Bytes(count: room)
      bytes.buffer.copyBytes(from: begun)
      let more = UnsafeMutableRawBufferPointer(rebasing: bytes.buffer[begun.count...])
      let count = try begun.count + stream.read(into: more)
      isAtEnd = stream.isAtEnd
      let all = UnsafeBufferPointer(
        rebasing: UnsafeRawBufferPointer(bytes.buffer).assumingMemoryBound(to: UInt8.self)[..<count])
      let cut = cut(all, wanted: count, isLast: isAtEnd)
      begun = Array(all[cut.bytes.count...])
      if !cut.bytes.isEmpty { return block(cut, unpacked: bytes, place: nil) }
    }
    return nil
  }

  private typealias Cut = (bytes: UnsafeBufferPointer<UInt8>, rows: Int, lines: Int)

  private func cut(_ bytes: UnsafeBufferPointer<UInt8>, wanted: Int, isLast: Bool) -> Cut {
    var (rows, lines): (Int64, Int64) = (0, 0)
    let count = cinch_rows(bytes.baseAddress, Int64(bytes.count), Int64(wanted), isLast, separator, &rows, &lines)
    return (UnsafeBufferPointer(rebasing: bytes[..<Int(count)]), Int(rows), Int(lines))
  }

  private func block(_ cut: Cut, unpacked: Bytes?, place: Range<Int>?) -> Block {
    defer {
      index += 1
      line += cut.lines
    }
    return Block(index: index, bytes: cut.bytes, rows: cut.rows, line: line, unpacked: unpacked, place: place)
  }

  /// Says that a block has been read.
  func release(_ block: Block) {
    if let place = block.place { file.release(place) }
  }
}
