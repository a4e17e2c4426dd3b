import CinchBackend
import CinchCore
import CinchData

// The file: a header, then a block for every 1024 samples. Numbers are little-endian.
extension CodeStream {
  /// As PNG's: bytes that no text has, and line ends that a transfer as text would change.
  private static let magic: [UInt8] = [0x89] + Array("CINCH".utf8) + [0x0D, 0x0A]
  private static let version: UInt32 = 1
  private static let noRun = String(repeating: "0", count: 16)

  /// Reads a file of compressed samples; every checksum is looked at.
  ///
  /// - Parameter path: of a file that `write(to:)` made.
  /// - Throws: `CinchError.badData` where it is damaged or another kind of file, `.inputOutput` where it cannot be read,
  ///   `.unavailable` where there is no room for it.
  public init(contentsOf path: String) throws { try self.init(try FileBytes.read(path), name: path) }

  /// Writes the file, whole or not at all.
  ///
  /// - Parameter path: where it goes; a file that is there is replaced.
  /// - Throws: `CinchError.inputOutput`.
  public func write(to path: String) throws { try AtomicFile.write(bytes, to: path) }

  static func header(
    samples: Int, bits: Int, codeShape: Shape, sampleShape: Shape, origin: Origin, units: [Unit]
  ) throws -> [UInt8] {
    var body: [UInt8] = []
    for digits in [origin.run ?? noRun, origin.architecture, origin.weights] { body += Array(digits.utf8) }
    body.append(integer: UInt64(samples))
    body.append(UInt8(bits))
    for shape in [codeShape, sampleShape] {
      body.append(UInt8(shape.dimensions.count))
      for extent in shape.dimensions { body.append(integer: try small(extent)) }
    }
    for unit in units {
      body.append(float: unit.quantizer.low)
      body.append(float: unit.quantizer.step)
      body += unit.model?.bytes ?? []
    }
    var header = magic
    header.append(integer: version)
    header.append(integer: try small(body.count))
    header += body
    header.append(integer: CRC32.of(header))
    return header
  }

  private static func small(_ number: Int) throws -> UInt32 {
    guard let number = UInt32(exactly: number) else {
      throw CinchError.badData(
        "A file of codes has no room for a number as large as \(number): compress smaller samples.")
    }
    return number
  }

  static func append(_ block: [UInt8], index: Int, header: [UInt8], to bytes: inout [UInt8]) throws {
    let length = try small(block.count)
    bytes.append(integer: length)
    bytes.append(integer: checksum(of: block, index: index, length: length, header: header.suffix(4)))
    bytes += block
  }

  /// The header and the block's number count, so that no block stands for another.
  private static func checksum(
    of block: some Sequence<UInt8>, index: Int, length: UInt32, header: ArraySlice<UInt8>
  ) -> UInt32 {
    var before = Array(header)
    before.append(integer: UInt64(index))
    before.append(integer: length)
    return CRC32.of(block, after: CRC32.of(before))
  }

  /// - Parameters:
  ///   - bytes: of the whole file.
  ///   - name: for errors.
  /// - Throws: `CinchError.badData`.
  package init(_ bytes: [UInt8], name: String) throws {
    func damaged(_ why: CinchError.Message) -> CinchError {
      .badData("'\(name)' is damaged: \(why); use an intact copy, or compress the samples again.")
    }
    var reader = ByteReader(bytes[...])
    guard reader.bytes(Self.magic.count)?.elementsEqual(Self.magic) ?? false else {
      throw CinchError.badData("'\(name)' is no file of compressed samples: name one that was compressed by a run.")
    }
    guard let version = reader.integer(UInt32.self) else { throw damaged("it ends in its header") }
    guard version == Self.version else {
      throw CinchError.badData(
        "'\(name)' has format \(version), but this version of Cinch reads format \(Self.version): use a newer Cinch, or an "
          + "intact copy.")
    }
    guard let length = reader.integer(UInt32.self), let body = reader.bytes(Int(length)) else {
      throw damaged("it ends in its header")
    }
    guard let sum = reader.integer(UInt32.self), sum == CRC32.of(bytes.prefix(body.endIndex)) else {
      throw damaged("the checksum of its header is wrong")
    }
    let stream = try Self.parse(body, bytes: bytes, name: name, start: bytes.count - reader.count)
    guard let stream else { throw damaged("its header describes no codes") }
    try stream.forEachBlock { _, _, _ in }
    self = stream
  }

  /// Nil where the header makes no sense.
  private static func parse(_ body: ArraySlice<UInt8>, bytes: [UInt8], name: String, start: Int) throws -> CodeStream? {
    var reader = ByteReader(body)
    func digits() -> String? {
      guard let text = reader.bytes(16), text.allSatisfy(isHexDigit) else { return nil }
      return String(decoding: text, as: UTF8.self)
    }
    func shape() -> Shape? {
      guard let rank = reader.byte(), (1...8).contains(rank) else { return nil }
      let extents = (0..<rank).compactMap { _ in reader.integer(UInt32.self).map(Int.init) }
      return extents.count == Int(rank) ? Shape(checking: extents) : nil
    }
    guard let run = digits(), let architecture = digits(), let weights = digits(),
      let samples = reader.integer(UInt64.self).flatMap(Int.init(exactly:)), samples > 0,
      let bits = reader.byte().map(Int.init), (1...16).contains(bits),
      let codeShape = shape(), let sampleShape = shape()
    else { return nil }
    // What it says is held against what is there before room is made for it.
    let count = Self.units(codeShape)
    guard count <= reader.count / 8 else { return nil }
    let blocks = (samples - 1) / blockSamples + 1
    guard blocks <= (bytes.count - start) / (8 + RANS.stateBytes) else {
      throw CinchError.badData(
        "'\(name)' is damaged: it ends before the last of its \(blocks) blocks; use an intact copy, or compress the "
          + "samples again.")
    }
    var units: [Unit] = []
    for _ in 0..<count {
      guard let low = reader.float(), let step = reader.float(),
        let quantizer = UniformQuantizer(low: low, step: step, bits: bits)
      else { return nil }
      var unit = Unit(quantizer: quantizer)
      if step > 0 {
        guard let model = SymbolModel(from: &reader, bits: bits) else { return nil }
        unit.model = model
      }
      units.append(unit)
    }
    guard reader.count == 0 else { return nil }
    return CodeStream(
      samples: samples, bits: bits, codeShape: codeShape, sampleShape: sampleShape, bytes: bytes, name: name,
      origin: Origin(run: run == noRun ? nil : run, architecture: architecture, weights: weights), units: units,
      start: start)
  }

  private static func isHexDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
  }

  /// Every block with its number and how many samples it holds, once its checksum has been looked at.
  func forEachBlock(_ body: (_ index: Int, _ samples: Int, UnsafeRawBufferPointer) throws -> Void) throws {
    let header = bytes[start - 4..<start]
    var reader = ByteReader(bytes[start...])
    for (index, first) in stride(from: 0, to: samples, by: Self.blockSamples).enumerated() {
      guard let length = reader.integer(UInt32.self), let sum = reader.integer(UInt32.self),
        let block = reader.bytes(Int(length)),
        sum == Self.checksum(of: block, index: index, length: length, header: header)
      else { throw damaged(block: index) }
      try block.withUnsafeBytes { try body(index, min(Self.blockSamples, samples - first), $0) }
    }
    guard reader.count == 0 else {
      throw CinchError.badData(
        "'\(name)' is damaged: bytes follow its last block; use an intact copy, or compress the samples again.")
    }
  }

  func damaged(block index: Int) -> CinchError {
    let (first, last) = (index * Self.blockSamples, min(samples, (index + 1) * Self.blockSamples))
    return .badData(
      "'\(name)' is damaged in block \(index + 1), samples \(first + 1) to \(last): use an intact copy, or compress the "
        + "samples again.")
  }

  var tooMany: CinchError {
    .badData("'\(name)' has more codes than there can be: use an intact copy, or compress the samples again.")
  }
}
