import CZlib

/// Tells contents apart that differ by accident: CRC-32 and Adler-32 of the same bytes, through zlib. It is no protection
/// against somebody who wants two contents to have the same.
package struct Checksum {
  private var crc = crc32_z(0, nil, 0)
  private var adler = adler32_z(0, nil, 0)

  package init() {}

  package mutating func add(_ bytes: UnsafeRawBufferPointer) {
    // zlib takes no bytes for a request to begin anew.
    guard let start = bytes.baseAddress, !bytes.isEmpty else { return }
    let place = start.assumingMemoryBound(to: UInt8.self)
    crc = crc32_z(crc, place, bytes.count)
    adler = adler32_z(adler, place, bytes.count)
  }

  package mutating func add(_ text: String) { Array(text.utf8).withUnsafeBytes { add($0) } }

  /// 16 hexadecimal digits.
  package var text: String { Self.digits(crc) + Self.digits(adler) }

  private static func digits(_ sum: UInt) -> String {
    let digits = String(sum, radix: 16)
    return String(repeating: "0", count: 8 - digits.count) + digits
  }
}
