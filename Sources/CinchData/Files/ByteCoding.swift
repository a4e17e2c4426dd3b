import CDeflate

/// Bytes of a file, read one after the other; nil where there are no more.
package struct ByteReader {
  private var rest: ArraySlice<UInt8>

  package init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

  package var count: Int { rest.count }

  package mutating func byte() -> UInt8? { rest.popFirst() }

  package mutating func bytes(_ count: Int) -> ArraySlice<UInt8>? {
    guard count >= 0, count <= rest.count else { return nil }
    defer { rest = rest.dropFirst(count) }
    return rest.prefix(count)
  }

  /// Little-endian.
  package mutating func integer<T: FixedWidthInteger & UnsignedInteger>(_ type: T.Type = T.self) -> T? {
    bytes(MemoryLayout<T>.size)?.reversed().reduce(0) { $0 << 8 | T($1) }
  }

  package mutating func float() -> Float? { integer(UInt32.self).map { Float(bitPattern: $0) } }
}

extension [UInt8] {
  /// Little-endian.
  package mutating func append<T: FixedWidthInteger>(integer value: T) {
    Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
  }

  package mutating func append(float value: Float) { append(integer: value.bitPattern) }
}

/// CRC-32 as zlib, gzip and PNG have it.
package enum CRC32 {
  /// - Parameter before: of what comes before these bytes.
  package static func of(_ bytes: some Sequence<UInt8>, after before: UInt32 = 0) -> UInt32 {
    let sum = bytes.withContiguousStorageIfAvailable { of(UnsafeRawBufferPointer($0), after: before) }
    return sum ?? Array(bytes).withUnsafeBytes { of($0, after: before) }
  }

  private static func of(_ bytes: UnsafeRawBufferPointer, after before: UInt32) -> UInt32 {
    // No address is taken for a request to begin anew.
    guard let start = bytes.baseAddress else { return before }
    return libdeflate_crc32(before, start, bytes.count)
  }
}

/// Bits, of each byte the highest first, and numbers in Exp-Golomb codes: v + 2ᵏ in binary, behind as many zeros as it has
/// digits more than k + 1.
struct BitWriter {
  private(set) var bytes: [UInt8] = []
  private var free = 0

  private mutating func put(_ bit: Bool) {
    if free == 0 {
      bytes.append(0)
      free = 8
    }
    free -= 1
    if bit { bytes[bytes.count - 1] |= 1 << UInt8(free) }
  }

  mutating func putGolomb(_ value: UInt32, order: Int) {
    let value = value + 1 << UInt32(order)
    let digits = 32 - value.leadingZeroBitCount
    for _ in order + 1..<digits { put(false) }
    for place in (0..<digits).reversed() { put(value >> UInt32(place) & 1 == 1) }
  }

  static func golombBits(_ value: UInt32, order: Int) -> Int {
    2 * (32 - (value + 1 << UInt32(order)).leadingZeroBitCount) - order - 1
  }
}

struct BitReader {
  private var bytes: ByteReader
  private var current: UInt8 = 0
  private var left = 0

  init(_ bytes: ByteReader) { self.bytes = bytes }

  private mutating func bit() -> UInt32? {
    if left == 0 {
      guard let next = bytes.byte() else { return nil }
      current = next
      left = 8
    }
    left -= 1
    return UInt32(current >> UInt8(left) & 1)
  }

  /// A number of up to 24 bits; nil where there is none.
  mutating func golomb(order: Int) -> UInt32? {
    var digits = order + 1
    while true {
      guard let bit = bit() else { return nil }
      if bit == 1 { break }
      digits += 1
      guard digits <= 24 else { return nil }
    }
    var value: UInt32 = 1
    for _ in 1..<digits {
      guard let bit = bit() else { return nil }
      value = value << 1 | bit
    }
    return value - 1 << UInt32(order)
  }

  /// What follows, from the next whole byte on; nil where the bits before that are not zero.
  mutating func end() -> ByteReader? {
    guard current & (1 << UInt8(left) - 1) == 0 else { return nil }
    return bytes
  }
}
