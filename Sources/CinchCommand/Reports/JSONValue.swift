import CinchCore
import CinchData
import FoundationEssentials
import Glibc

/// A JSON value whose objects keep the order they were written in, printed on one line.
enum JSONValue: CustomStringConvertible {
  case string(String)
  case integer(Int)
  case number(Double)
  case bool(Bool)
  case array([JSONValue])
  case object(KeyValuePairs<String, JSONValue>)
  case map([String: Double])
  case null

  /// Named numbers.
  static func metrics(_ metrics: Metrics?) -> JSONValue {
    metrics.map { .map(Dictionary(uniqueKeysWithValues: $0.map { ($0.name, $0.value) })) } ?? .null
  }

  static func optional(_ value: Double?) -> JSONValue { value.map { .number($0) } ?? .null }

  var description: String {
    switch self {
    case .string(let text): Self.quote(text)
    case .integer(let value): "\(value)"
    // JSON has no NaN and no infinity.
    case .number(let value): value.isFinite ? "\(value)" : "null"
    case .bool(let value): value ? "true" : "false"
    case .array(let values): "[" + values.map(\.description).joined(separator: ",") + "]"
    case .object(let members):
      // A member that says nothing is left out.
      "{"
        + members.compactMap { key, value in
          if case .null = value { nil } else { "\(Self.quote(key)):\(value)" }
        }.joined(separator: ",") + "}"
    case .map(let values):
      "{" + values.sorted { $0.key < $1.key }.map { "\(Self.quote($0.key)):\($0.value)" }.joined(separator: ",") + "}"
    case .null: "null"
    }
  }

  private static func quote(_ text: String) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .withoutEscapingSlashes
    return (try? encoder.encode(text)).map { String(decoding: $0, as: UTF8.self) } ?? "\"\""
  }

  /// A value that has its own coding, on one line.
  static func line(_ value: some Encodable) throws -> String {
    let encoder = JSONCoding.encoder
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }

  /// A pretty-printed document of a value that has its own coding.
  static func document(_ value: some Encodable) throws -> String {
    String(decoding: try JSONCoding.encoder.encode(value), as: UTF8.self)
  }
}
