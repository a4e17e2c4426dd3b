import Glibc

/// Reads the decimal number, NaN or infinity at `position` and moves past it; nil, not moving, where there is none.
///
/// Correctly rounded. Most numbers take the exact path of Clinger, "How to read floating point numbers accurately"
/// (PLDI 1990): up to 2⁵³ times or divided by a power of ten up to 10²², both exact, is one rounding. The rest go
/// to strtod.
func scanNumber(_ bytes: UnsafeBufferPointer<UInt8>, _ position: inout Int) -> Double? {
  let begin = position
  var at = position
  let isNegative = at < bytes.count && bytes[at] == UInt8(ascii: "-")
  if at < bytes.count, bytes[at] == UInt8(ascii: "-") || bytes[at] == UInt8(ascii: "+") { at += 1 }
  let unsigned = at

  var mantissa: UInt64 = 0
  var digits = 0
  var significant = 0
  var exponent = 0
  func digit(_ index: Int) -> UInt64? {
    guard index < bytes.count else { return nil }
    let value = bytes[index] &- UInt8(ascii: "0")
    return value < 10 ? UInt64(value) : nil
  }
  func take(_ value: UInt64) {
    digits += 1
    if significant > 0 || value > 0 { significant += 1 }
    if significant <= 18 { mantissa = mantissa &* 10 &+ value }
  }
  while let value = digit(at) {
    take(value)
    at += 1
  }
  if at < bytes.count, bytes[at] == UInt8(ascii: ".") {
    at += 1
    while let value = digit(at) {
      take(value)
      exponent -= 1
      at += 1
    }
  }
  guard digits > 0 else { return scanWord(bytes, &position, from: unsigned, isNegative) }

  if at < bytes.count, bytes[at] | 0x20 == UInt8(ascii: "e") {
    var ahead = at + 1
    let isSmall = ahead < bytes.count && bytes[ahead] == UInt8(ascii: "-")
    if ahead < bytes.count, bytes[ahead] == UInt8(ascii: "-") || bytes[ahead] == UInt8(ascii: "+") { ahead += 1 }
    if digit(ahead) != nil {
      var written = 0
      while let value = digit(ahead) {
        written = min(written * 10 + Int(value), 1_000_000)
        ahead += 1
      }
      exponent += isSmall ? -written : written
      at = ahead
    }
  }
  position = at

  if significant <= 18, mantissa <= 1 << 53, abs(exponent) <= 22 {
    let power = powersOfTen[abs(exponent)]
    let magnitude = exponent < 0 ? Double(mantissa) / power : Double(mantissa) * power
    return isNegative ? -magnitude : magnitude
  }
  return String(decoding: bytes[begin..<at], as: UTF8.self).withCString { strtod($0, nil) }
}

/// nan, inf or infinity, in any case, at `from`.
private func scanWord(
  _ bytes: UnsafeBufferPointer<UInt8>, _ position: inout Int, from: Int, _ isNegative: Bool
) -> Double? {
  let words: [(StaticString, Double)] = [("nan", .nan), ("infinity", .infinity), ("inf", .infinity)]
  for (word, value) in words {
    let text = word.withUTF8Buffer(Array.init)
    if bytes[from...].prefix(text.count).map({ $0 | 0x20 }) == text {
      position = from + text.count
      return isNegative ? -value : value
    }
  }
  return nil
}

private let powersOfTen: [Double] = [
  1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
  1e21, 1e22,
]
