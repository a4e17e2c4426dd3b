/// A JSON value: what a file format that is to be validated holds, and what is reported on one line.
///
/// It keeps the order of an object's members and their duplicates, and numbers as they are written, all of which general
/// coders drop. What has a coding of its own goes through `JSONCoding`.
package enum JSON {
  case object([(key: String, value: JSON)])
  case array([JSON])
  case string(String)
  /// A number as written.
  case numeral(String)
  /// `true`, `false` or `null`.
  case literal(String)

  /// Parses RFC 8259 text.
  ///
  /// - Throws: `Malformed`, which says what and where.
  init(_ bytes: some Sequence<UInt8>) throws(Malformed) {
    var parser = JSONParser(bytes: Array(bytes))
    self = try parser.document()
  }

  struct Malformed: Error {
    let reason: String
  }

  /// A number that is a non-negative integer in range, or nil.
  var size: Int? {
    guard case .numeral(let text) = self, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return Int(text)
  }

  var text: String? {
    guard case .string(let text) = self else { return nil }
    return text
  }
}

extension JSON {
  package static var null: JSON { .literal("null") }
  package static func boolean(_ value: Bool) -> JSON { .literal(value ? "true" : "false") }
  package static func integer(_ value: Int) -> JSON { .numeral("\(value)") }
  /// JSON has no NaN and no infinity: they are null.
  package static func number(_ value: Double) -> JSON { value.isFinite ? .numeral("\(value)") : .null }
  package static func optional(_ value: Double?) -> JSON? { value.map(number) }
  /// An object of numbers, by name.
  package static func map(_ values: [String: Double]) -> JSON {
    .object(values.sorted { $0.key < $1.key }.map { ($0.key, .number($0.value)) })
  }
  /// An object of what is known: a member that is nil is left out.
  package static func record(_ members: KeyValuePairs<String, JSON?>) -> JSON {
    .object(members.compactMap { key, value in value.map { (key, $0) } })
  }
}

extension JSON: CustomStringConvertible {
  /// On one line, without spaces.
  package var description: String {
    switch self {
    case .object(let members):
      "{" + members.map { "\(Self.quote($0.key)):\($0.value)" }.joined(separator: ",") + "}"
    case .array(let elements): "[" + elements.map(\.description).joined(separator: ",") + "]"
    case .string(let text): Self.quote(text)
    case .numeral(let text), .literal(let text): text
    }
  }

  /// `text` as a JSON string, quotes included.
  private static func quote(_ text: String) -> String {
    var quoted = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": quoted += "\\\""
      case "\\": quoted += "\\\\"
      case "\u{08}": quoted += "\\b"
      case "\u{0C}": quoted += "\\f"
      case "\n": quoted += "\\n"
      case "\r": quoted += "\\r"
      case "\t": quoted += "\\t"
      case "\u{00}"..."\u{1F}":
        let hex = String(scalar.value, radix: 16)
        quoted += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
      default: quoted.unicodeScalars.append(scalar)
      }
    }
    return quoted + "\""
  }
}
