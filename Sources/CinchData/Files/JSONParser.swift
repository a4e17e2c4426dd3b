/// Parses RFC 8259 text, and nothing more lenient.
struct JSONParser {
  let bytes: [UInt8]
  var position = 0
  var depth = 0

  init(bytes: [UInt8]) { self.bytes = bytes }

  mutating func document() throws(JSON.Malformed) -> JSON {
    let value = try value()
    skipSpace()
    guard position == bytes.count else { throw malformed("text after the end") }
    return value
  }

  /// Of text with lines, which people write, the line is told.
  private func malformed(_ reason: String) -> JSON.Malformed {
    let newline = UInt8(ascii: "\n")
    guard bytes.contains(newline) else { return JSON.Malformed(reason: "\(reason) at byte \(position)") }
    let before = bytes[..<min(position, bytes.count)]
    let line = 1 + before.count { $0 == newline }
    let column = before.count - (before.lastIndex(of: newline).map { $0 + 1 } ?? 0) + 1
    return JSON.Malformed(reason: "\(reason) in line \(line), column \(column)")
  }

  private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func skipSpace() {
    while let byte = next, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { position += 1 }
  }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    skipSpace()
    guard next == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  private mutating func expect(_ character: Unicode.Scalar) throws(JSON.Malformed) {
    guard take(character) else { throw malformed("no “\(character)”") }
  }

  private mutating func value() throws(JSON.Malformed) -> JSON {
    // Nesting uses the stack, which a hostile file must not exhaust.
    guard depth < 32 else { throw malformed("nesting deeper than 32") }
    depth += 1
    defer { depth -= 1 }
    skipSpace()
    guard let next else { throw malformed("an early end") }
    switch next {
    case UInt8(ascii: "{"): return .object(try object())
    case UInt8(ascii: "["): return .array(try array())
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .numeral(try number())
    default:
      for word in ["true", "false", "null"] where bytes[position...].starts(with: word.utf8) {
        position += word.utf8.count
        return .literal(word)
      }
      throw malformed("no value")
    }
  }

  private mutating func object() throws(JSON.Malformed) -> [(key: String, value: JSON)] {
    var members: [(key: String, value: JSON)] = []
    try expect("{")
    if take("}") { return members }
    repeat {
      skipSpace()
      let key = try string()
      try expect(":")
      members.append((key, try value()))
    } while take(",")
    try expect("}")
    return members
  }

  private mutating func array() throws(JSON.Malformed) -> [JSON] {
    var elements: [JSON] = []
    try expect("[")
    if take("]") { return elements }
    repeat { elements.append(try value()) } while take(",")
    try expect("]")
    return elements
  }

  private mutating func number() throws(JSON.Malformed) -> String {
    let start = position
    if next == UInt8(ascii: "-") { position += 1 }
    let firstDigit = next
    let whole = digits()
    guard whole == 1 || (whole > 1 && firstDigit != UInt8(ascii: "0")) else { throw malformed("a bad number") }
    if next == UInt8(ascii: ".") {
      position += 1
      guard digits() > 0 else { throw malformed("a bad number") }
    }
    if let byte = next, byte | 0x20 == UInt8(ascii: "e") {
      position += 1
      if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { position += 1 }
      guard digits() > 0 else { throw malformed("a bad number") }
    }
    return String(decoding: bytes[start..<position], as: UTF8.self)
  }

  private mutating func digits() -> Int {
    let start = position
    while let byte = next, (0x30...0x39).contains(byte) { position += 1 }
    return position - start
  }

  private mutating func string() throws(JSON.Malformed) -> String {
    guard next == UInt8(ascii: "\"") else { throw malformed("no string") }
    position += 1
    var text: [UInt8] = []
    while let byte = next {
      position += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let decoded = String(validating: text, as: UTF8.self) else { throw malformed("a string not in UTF-8") }
        return decoded
      case UInt8(ascii: "\\"): text += Array(String(try escape()).utf8)
      case 0..<0x20: throw malformed("a control character in a string")
      default: text.append(byte)
      }
    }
    throw malformed("an early end")
  }

  private mutating func escape() throws(JSON.Malformed) -> Unicode.Scalar {
    guard let byte = next else { throw malformed("an early end") }
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
    case UInt8(ascii: "b"): return "\u{08}"
    case UInt8(ascii: "f"): return "\u{0C}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"):
      var code = try hexadecimal()
      if (0xD800..<0xDC00).contains(code), bytes[position...].starts(with: [UInt8(ascii: "\\"), UInt8(ascii: "u")]) {
        position += 2
        let low = try hexadecimal()
        guard (0xDC00..<0xE000).contains(low) else { throw malformed("half a surrogate pair") }
        code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
      }
      guard let scalar = Unicode.Scalar(code) else { throw malformed("half a surrogate pair") }
      return scalar
    default: throw malformed("an unknown escape")
    }
  }

  private mutating func hexadecimal() throws(JSON.Malformed) -> UInt32 {
    let digits = bytes[position...].prefix(4)
    guard digits.count == 4, digits.allSatisfy({ Unicode.Scalar($0).properties.isASCIIHexDigit }),
      let code = UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
    else { throw malformed("a bad \\u escape") }
    position += 4
    return code
  }
}
