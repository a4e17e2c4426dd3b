import CinchBackend

/// The IDX format of MNIST: two zero bytes, a type code, the rank, that many big-endian 32-bit extents, then the
/// elements, big-endian, in row-major order.
enum IDX {
  /// Reads an array, gzipped or plain, of any rank from 1 and any of the format's six types.
  ///
  /// - Throws: `CinchError.badData`, `.inputOutput`.
  static func read(_ path: String) throws -> NumericArray {
    try read(try FileContents(contentsOf: path), path: path)
  }

  /// The labels in a file of unsigned bytes of rank 1.
  ///
  /// - Throws: `CinchError.badData`, `.inputOutput`.
  static func readLabels(_ path: String) throws -> [Int] {
    let file = try contents(try FileContents(contentsOf: path), path: path)
    let header = try Header(file.prefix(Header.largestSize), path: path)
    guard header.type == .uint8, header.extents.count == 1 else {
      throw CinchError.badData("'\(path)' does not hold labels (unsigned bytes of rank 1): name the labels file.")
    }
    let count = file.count - header.size
    try NumericArray.checkSize(extents: header.extents, type: .uint8, payloadBytes: count, path: path)
    return file.withUnsafeBytes { $0[header.size...].map { Int($0) } }
  }

  static func read(_ bytes: [UInt8], path: String) throws -> NumericArray { try read(FileContents(bytes), path: path) }

  static func read(_ file: FileContents, path: String) throws -> NumericArray {
    let file = try contents(file, path: path)
    let header = try Header(file.prefix(Header.largestSize), path: path)
    return try NumericArray(
      file, from: header.size, extents: header.extents, type: header.type, bigEndian: true, scalesBytes: true,
      path: path)
  }

  static func isIDX(_ bytes: [UInt8]) -> Bool {
    bytes.count >= 4 && bytes[0] == 0 && bytes[1] == 0 && Header.types[bytes[2]] != nil
  }

  /// The file's bytes, decompressed no further than its own header says.
  private static func contents(_ file: FileContents, path: String) throws -> FileContents {
    guard Gzip.isGzip(file) else { return file }
    let header = try Header(try Gzip.prefix(of: file, count: Header.largestSize, path: path), path: path)
    guard let data = checkedProduct(header.extents + [header.type.size]),
      data / InflateStream.largestRatio <= file.count
    else {
      throw CinchError.badData(
        "'\(path)' claims more data (\(Shape.text(header.extents))) than its \(file.count) bytes can hold: fetch it again."
      )
    }
    return FileContents(try Gzip.inflate(file, limit: header.size + data, path: path))
  }

  private struct Header {
    static let types: [UInt8: ElementType] = [
      0x08: .uint8, 0x09: .int8, 0x0B: .int16, 0x0C: .int32, 0x0D: .float32, 0x0E: .float64,
    ]
    static let largestSize = 4 + 4 * 255

    let type: ElementType
    let extents: [Int]
    /// The header's own bytes.
    let size: Int

    init(_ bytes: [UInt8], path: String) throws {
      guard bytes.count >= 4, bytes[0] == 0, bytes[1] == 0 else {
        throw CinchError.badData(
          "'\(path)' is not an IDX file (it should begin with two zero bytes): check its format.")
      }
      guard let type = Self.types[bytes[2]] else {
        throw CinchError.badData(
          "'\(path)' has the unknown IDX type code 0x\(String(bytes[2], radix: 16)): write it with 0x08 to 0x0E.")
      }
      let rank = Int(bytes[3])
      guard rank >= 1 else {
        throw CinchError.badData("'\(path)' is an IDX file of rank 0: write it with samples as its first dimension.")
      }
      size = 4 + 4 * rank
      guard bytes.count >= size else {
        throw CinchError.badData("'\(path)' ends inside its IDX header: fetch it again.")
      }
      self.type = type
      extents = (0..<rank).map { dimension in
        bytes[(4 + 4 * dimension)..<(8 + 4 * dimension)].reduce(0) { $0 << 8 | Int($1) }
      }
    }
  }
}

extension Shape {
  /// Nil where an extent is not positive or their product does not fit an Int.
  package init?(checking extents: [Int]) {
    guard extents.allSatisfy({ $0 > 0 }), checkedProduct(extents) != nil else { return nil }
    self.init(extents)
  }

  /// Extents as a shape is printed, without multiplying them (a file's may overflow).
  static func text(_ extents: [Int]) -> String { extents.map(String.init).joined(separator: " × ") }
}
