import TestSupport

/// A file as it may be found: damaged, cut off, put together from two, or with numbers that lie.
enum Mutation {
  /// The same for the same seed and index, whatever came before.
  static func apply(to files: [[UInt8]], of seed: Int, _ generator: inout FixedGenerator) -> [UInt8] {
    var bytes = files[seed]
    for _ in 0..<Int.random(in: 1...4, using: &generator) {
      guard !bytes.isEmpty else { return bytes }
      change(&bytes, files, &generator)
    }
    return bytes
  }

  private static func change(_ bytes: inout [UInt8], _ files: [[UInt8]], _ generator: inout FixedGenerator) {
    // Headers are small, and come first: every other change is among the first bytes.
    let near = Bool.random(using: &generator) ? min(bytes.count, 64) : bytes.count
    let at = Int.random(in: 0..<near, using: &generator)
    switch Int.random(in: 0..<12, using: &generator) {
    case 0, 1: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
    case 2: bytes[at] = UInt8.random(in: 0...255, using: &generator)
    case 3: bytes[at] = Array("\0\u{FF}\n\r\",;\t-.0 9eE{}[]:".utf8).randomElement(using: &generator) ?? 0
    case 4: bytes.removeSubrange(at..<min(at + Int.random(in: 1...8, using: &generator), bytes.count))
    case 5: bytes.insert(UInt8.random(in: 0...255, using: &generator), at: at)
    case 6: bytes.removeLast(Int.random(in: 1...bytes.count, using: &generator))
    case 7: splice(&bytes, at, files.randomElement(using: &generator) ?? bytes, &generator)
    case 8, 9: write(extreme(&generator), at, into: &bytes)
    case 10: replaceNumber(&bytes, at, &generator)
    default:
      let end = min(at + Int.random(in: 1...32, using: &generator), bytes.count)
      bytes.insert(contentsOf: bytes[at..<end], at: at)
    }
  }

  /// A part of one file in place of a part of another.
  private static func splice(
    _ bytes: inout [UInt8], _ at: Int, _ other: [UInt8], _ generator: inout FixedGenerator
  ) {
    guard !other.isEmpty else { return }
    let begin = Int.random(in: 0..<other.count, using: &generator)
    let end = Int.random(in: begin...other.count, using: &generator)
    let last = Int.random(in: at...bytes.count, using: &generator)
    bytes.replaceSubrange(at..<last, with: other[begin..<end])
  }

  /// A whole number at or beside the end of its range, of 1, 2, 4 or 8 bytes in either order.
  private static func extreme(_ generator: inout FixedGenerator) -> [UInt8] {
    let size = [1, 2, 4, 8].randomElement(using: &generator) ?? 4
    let top = UInt64.max >> UInt64(64 - 8 * size)
    let numbers = [0, 1, 2, top, top - 1, top / 2, top / 2 + 1, top / 4, UInt64(1) << UInt64(4 * size), 1000]
    let number = numbers.randomElement(using: &generator) ?? 0
    let bytes = Array(little(number).prefix(size))
    return Bool.random(using: &generator) ? bytes : bytes.reversed()
  }

  private static func write(_ number: [UInt8], _ at: Int, into bytes: inout [UInt8]) {
    for (index, byte) in number.enumerated() where at + index < bytes.count { bytes[at + index] = byte }
  }

  /// Digits from some place on become another number.
  private static func replaceNumber(_ bytes: inout [UInt8], _ at: Int, _ generator: inout FixedGenerator) {
    let isDigit = { (byte: UInt8) in (0x30...0x39).contains(byte) }
    guard let begin = bytes[at...].firstIndex(where: isDigit) else { return }
    let end = bytes[begin...].firstIndex { !isDigit($0) } ?? bytes.count
    let texts = [
      "", "0", "1", "-1", "2147483648", "4294967296", "9223372036854775807", "9223372036854775808",
      "99999999999999999999", "1e999", "1e-999", "0.0000000000000000000000000001", "nan", "-inf",
    ]
    bytes.replaceSubrange(begin..<end, with: Array((texts.randomElement(using: &generator) ?? "").utf8))
  }
}
