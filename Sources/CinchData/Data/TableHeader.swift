import CSamples
import CinchBackend

/// A table's first row.
struct TableHeader {
  /// As the row has them, where it has names.
  var names: [String]?
  /// The names, or else numbers from 1.
  var named: [String]
  var separator: UInt8
  /// Whether the first row has text and is taken for a sample nevertheless.
  var isDoubtful: Bool
  /// Where rows of cells begin, in unpacked bytes, and which line that is.
  var start: (position: Int, line: Int)

  init(_ file: FileContents, _ header: CSVHeader, path: String) throws {
    func read(_ bytes: UnsafeBufferPointer<UInt8>) throws -> TableHeader { try TableHeader(bytes, header, path: path) }
    guard Gzip.isGzip(file) else {
      self = try file.withUnsafeBytes { try read($0.assumingMemoryBound(to: UInt8.self)) }
      return
    }
    // As much as its first row takes.
    var count = 1 << 16
    while true {
      try HostMemory.require(2 * count, for: "the first row of '\(path)'")
      let bytes = try Gzip.prefix(of: file, count: count, path: path)
      if bytes.count < count || Self.hasWholeRow(bytes, path: path) {
        self = try bytes.withUnsafeBufferPointer(read)
        return
      }
      count *= 4
    }
  }

  private static func hasWholeRow(_ bytes: [UInt8], path: String) -> Bool {
    bytes.withUnsafeBufferPointer { bytes in
      var reader = CSVReader(bytes: bytes, path: path)
      reader.findSeparator()
      var (rows, lines): (Int64, Int64) = (0, 0)
      return cinch_rows(bytes.baseAddress, Int64(bytes.count), 1, false, reader.separator, &rows, &lines) > 0
    }
  }

  init(_ bytes: UnsafeBufferPointer<UInt8>, _ header: CSVHeader, path: String) throws {
    var reader = CSVReader(bytes: bytes, path: path)
    try reader.skipByteOrderMark()
    let first = try reader.firstRow()
    let isHeader =
      switch header {
      case .present: true
      case .absent: false
      case .automatic: first.allSatisfy { $0.isEmpty || number($0) == nil }
      }
    isDoubtful =
      header == .automatic && !isHeader
      && first.contains { number($0) == nil && !TableReader.missing.contains(String(decoding: $0, as: UTF8.self)) }
    if !isHeader { reader.rewind() }
    names = isHeader ? try reader.names(first) : nil
    named = names ?? (1...first.count).map { "\($0)" }
    separator = reader.separator
    start = (reader.position, reader.line)
  }

  /// A reader at the first row of cells.
  func rows(of bytes: UnsafeBufferPointer<UInt8>, path: String) -> CSVReader {
    var reader = CSVReader(bytes: bytes, path: path)
    reader.separator = separator
    (reader.position, reader.line) = start
    return reader
  }
}
