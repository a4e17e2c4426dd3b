import CDeflate

/// Tells contents apart that differ by accident: CRC-32 and Adler-32 of the same bytes, through libdeflate. It is no protection
/// against somebody who wants two contents to have the same.
package struct Checksum {
  private var crc = libdeflate_crc32(0, nil, 0)
  private var adler = libdeflate_adler32(1, nil, 0)

  package init() {}

  package mutating func add(_ bytes: UnsafeRawBufferPointer) {
    // No address is taken for a request to begin anew.
    guard let start = bytes.baseAddress else { return }
    crc = libdeflate_crc32(crc, start, bytes.count)
    adler = libdeflate_adler32(adler, start, bytes.count)
  }

  package mutating func add(_ text: String) { Array(text.utf8).withUnsafeBytes { add($0) } }

  /// 16 hexadecimal digits.
  package var text: String { Self.digits(crc) + Self.digits(adler) }

  private static func digits(_ sum: UInt32) -> String {
    let digits = String(sum, radix: 16)
    return String(repeating: "0", count: 8 - digits.count) + digits
  }
}
