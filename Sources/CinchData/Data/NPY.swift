import CinchBackend

/// NumPy's .npy format, versions 1 to 3: one array in C order.
public enum NPY {
  /// Reads an array of float32, float64, uint8 or signed integers; bytes stay 0…255.
  ///
  /// - Returns: the values in row-major order, and the shape, of rank 1 or more.
  /// - Throws: `CinchError.badData` if the file is damaged, in Fortran order, of another type, or holds a value that
  ///   is not finite; `.inputOutput` if it cannot be read.
  public static func read(_ path: String) throws -> (values: [Float], shape: Shape) {
    let array = try read(try FileContents(contentsOf: path), scalesBytes: false, path: path)
    try HostMemory.require(4 * array.shape.count, for: "the numbers in '\(path)'")
    return (array.values, array.shape)
  }

  /// Writes version 1.0, `<f4`, C order, with the data aligned to 64 bytes.
  ///
  /// - Parameters:
  ///   - values: `shape.count` values in row-major order.
  ///   - shape: any rank.
  /// - Throws: `CinchError.usage` if the sizes disagree, `.inputOutput` if the file cannot be written.
  public static func write(values: [Float], shape: Shape, to path: String) throws {
    guard values.count == shape.count else {
      throw CinchError.usage("\(values.count) values do not fill the shape \(shape): pass one value per element.")
    }
    let extents = shape.dimensions.map { "\($0)," }.joined(separator: " ")
    var header = "{'descr': '<f4', 'fortran_order': False, 'shape': (\(extents)), }"
    header += String(repeating: " ", count: 63 - (10 + header.utf8.count) % 64) + "\n"
    guard let length = UInt16(exactly: header.utf8.count) else {
      throw CinchError.usage("A shape of rank \(shape.dimensions.count) does not fit a .npy header: flatten it.")
    }
    try AtomicFile.write(to: path) { file in
      try file.write(magic + [1, 0, UInt8(length & 0xFF), UInt8(length >> 8)] + Array(header.utf8))
      try values.withUnsafeBytes(file.write)
    }
  }

  private static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)

  static func isNPY(_ bytes: [UInt8]) -> Bool { bytes.starts(with: magic) }

  static func read(_ bytes: [UInt8], scalesBytes: Bool, path: String) throws -> NumericArray {
    try read(FileContents(bytes), scalesBytes: scalesBytes, path: path)
  }

  static func read(_ contents: FileContents, scalesBytes: Bool, path: String) throws -> NumericArray {
    // A header of more bytes would name more axes than anybody has.
    let bytes = contents.prefix(1 << 17)
    guard isNPY(bytes) else {
      throw CinchError.badData("'\(path)' is not a .npy file (it should begin with \\x93NUMPY): check its format.")
    }
    guard bytes.count >= 10 else { throw truncated(path) }
    let version = bytes[6]
    guard (1...3).contains(version) else {
      throw CinchError.badData("'\(path)' is a .npy file of version \(version): save it with version 1, 2 or 3.")
    }
    let lengthBytes = version == 1 ? 2 : 4
    let start = 8 + lengthBytes
    guard bytes.count >= start else { throw truncated(path) }
    let length = bytes[8..<start].reversed().reduce(0) { $0 << 8 | Int($1) }
    guard length <= contents.count - start else { throw truncated(path) }
    guard length <= bytes.count - start else {
      throw CinchError.badData("'\(path)' has a .npy header of \(length) bytes, which is not sensible: save it again.")
    }

    var parser = HeaderParser(bytes: bytes[start..<(start + length)], path: path)
    let header = try parser.parse()
    guard !header.isFortranOrder else {
      throw CinchError.badData("'\(path)' is in Fortran order: save it again after numpy.ascontiguousarray(array).")
    }
    guard !header.extents.isEmpty else {
      throw CinchError.badData("'\(path)' holds a single number: save an array with one row per sample.")
    }
    let (type, bigEndian) = try elementType(header.descriptor, path: path)
    return try NumericArray(
      contents, from: start + length, extents: header.extents, type: type, bigEndian: bigEndian,
      scalesBytes: scalesBytes, path: path)
  }

  private static func elementType(_ descriptor: String, path: String) throws -> (ElementType, bigEndian: Bool) {
    switch descriptor {
    case "<f4", "=f4": (.float32, false)
    case ">f4": (.float32, true)
    case "<f8", "=f8": (.float64, false)
    case ">f8": (.float64, true)
    case "|u1", "<u1", ">u1", "=u1": (.uint8, false)
    case "|i1", "<i1", ">i1", "=i1": (.int8, false)
    case "<i2", "=i2": (.int16, false)
    case ">i2": (.int16, true)
    case "<i4", "=i4": (.int32, false)
    case ">i4": (.int32, true)
    case "<i8", "=i8": (.int64, false)
    case ">i8": (.int64, true)
    default: throw refusal(of: descriptor, path)
    }
  }

  private static func refusal(of descriptor: String, _ path: String) -> CinchError {
    let type = excerpt(descriptor.utf8)
    switch descriptor.first(where: { !"<>=|".contains($0) }) {
    case "U", "S", "O":
      return .badData(
        "'\(path)' holds elements of type \(type), texts or objects, which are no numbers: save numbers, or a table as CSV."
      )
    case "c":
      return .badData(
        "'\(path)' holds elements of type \(type), complex numbers: save their real and imaginary parts as numbers of their own."
      )
    default:
      return .badData(
        "'\(path)' holds elements of type \(type), which is not supported: save it again after array.astype('float32')."
      )
    }
  }

  private static func truncated(_ path: String) -> CinchError {
    .badData("'\(path)' ends inside its .npy header: fetch or write it again.")
  }
}

/// Parses the Python dictionary of a .npy header: strings, booleans and tuples of integers.
private struct HeaderParser {
  var bytes: ArraySlice<UInt8>
  let path: String

  struct Header {
    var descriptor: String
    var isFortranOrder: Bool
    var extents: [Int]
  }

  mutating func parse() throws -> Header {
    var descriptor: String?
    var isFortranOrder: Bool?
    var extents: [Int]?
    try expect("{")
    while !take("}") {
      let key = try string()
      try expect(":")
      switch key {
      case "descr" where descriptor == nil: descriptor = try typeDescriptor()
      case "fortran_order" where isFortranOrder == nil: isFortranOrder = try boolean()
      case "shape" where extents == nil: extents = try tuple()
      default: throw malformed("the key \(excerpt(key.utf8)) is unknown or appears twice")
      }
      if !take(",") {
        try expect("}")
        break
      }
    }
    skipSpace()
    guard bytes.isEmpty else { throw malformed("there is text after it") }
    guard let descriptor, let isFortranOrder, let extents else {
      throw malformed("descr, fortran_order or shape is missing")
    }
    return Header(descriptor: descriptor, isFortranOrder: isFortranOrder, extents: extents)
  }

  private func malformed(_ why: String) -> CinchError {
    .badData("The .npy header of '\(path)' is malformed: \(why); write the file again.")
  }

  /// What is left without the blanks that fill a header up.
  private var rest: some Sequence<UInt8> { bytes.split { $0 <= 0x20 }.joined(separator: [0x20]) }

  private mutating func skipSpace() {
    bytes = bytes.drop { $0 == 0x20 || (0x09...0x0D).contains($0) }
  }

  private mutating func take(_ word: StaticString) -> Bool {
    skipSpace()
    let text = word.withUTF8Buffer(Array.init)
    guard bytes.starts(with: text) else { return false }
    bytes = bytes.dropFirst(text.count)
    return true
  }

  private mutating func expect(_ word: StaticString) throws {
    guard take(word) else { throw malformed("\(word) is missing before \(excerpt(rest))") }
  }

  private mutating func string() throws -> String {
    skipSpace()
    guard let quote = bytes.first, quote == UInt8(ascii: "'") || quote == UInt8(ascii: "\""),
      let end = bytes.dropFirst().firstIndex(of: quote)
    else { throw malformed("a quoted name is missing before \(excerpt(rest))") }
    let text = bytes[(bytes.startIndex + 1)..<end]
    bytes = bytes[(end + 1)...]
    return String(decoding: text, as: UTF8.self)
  }

  private mutating func typeDescriptor() throws -> String {
    skipSpace()
    guard bytes.first != UInt8(ascii: "[") else {
      throw CinchError.badData(
        "'\(path)' holds records with named fields: save a plain array, for example array['field'].astype('float32').")
    }
    return try string()
  }

  private mutating func boolean() throws -> Bool {
    if take("True") { return true }
    try expect("False")
    return false
  }

  private mutating func tuple() throws -> [Int] {
    var extents: [Int] = []
    try expect("(")
    while !take(")") {
      skipSpace()
      let digits = bytes.prefix { (0x30...0x39).contains($0) }
      guard let extent = Int(String(decoding: digits, as: UTF8.self)) else {
        let word = bytes.prefix { $0 != UInt8(ascii: ",") && $0 != UInt8(ascii: ")") && $0 > 0x20 }
        throw malformed("\(excerpt(word)) is not an extent")
      }
      bytes = bytes.dropFirst(digits.count)
      _ = take("L")  // Python 2 wrote long integers so.
      extents.append(extent)
      if !take(",") {
        try expect(")")
        break
      }
    }
    return extents
  }
}

/// A short quotation of untrusted bytes for an error message: printable, at most 40 characters.
func excerpt(_ bytes: some Sequence<UInt8>) -> String {
  var text = ""
  var count = 0
  for scalar in String(decoding: Array(bytes.prefix(160)), as: UTF8.self).unicodeScalars {
    if count == 40 { return "“\(text)…”" }
    text.unicodeScalars.append(scalar.value < 0x20 || scalar.value == 0x7F ? "\u{FFFD}" : scalar)
    count += 1
  }
  return "“\(text)”"
}
