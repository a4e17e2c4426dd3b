import FoundationEssentials

/// One way to write and read values that have a coding as JSON: snake_case keys, sorted, readable.
public enum JSONCoding {
  public static var encoder: JSONEncoder {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return encoder
  }

  public static var decoder: JSONDecoder {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return decoder
  }

  /// `value` as a file holds it, without the matrices of a whitening, which have a file of their own.
  package static func document(_ value: some Encodable) throws -> String {
    String(decoding: try withoutMatrices.encode(value), as: UTF8.self)
  }

  /// `value` on one line, likewise.
  package static func line(_ value: some Encodable) throws -> String {
    let encoder = withoutMatrices
    encoder.outputFormatting.remove(.prettyPrinted)
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }

  /// `value` as its members, likewise.
  package static func tree(_ value: some Encodable) throws -> JSON { try JSON(withoutMatrices.encode(value)) }

  private static var withoutMatrices: JSONEncoder {
    let encoder = encoder
    if let key = Whitening.Elsewhere.key { encoder.userInfo[key] = Whitening.Elsewhere(nil, path: "") }
    return encoder
  }

  /// What is wrong with text that is no JSON at all, as a part of a sentence, without its end; nil where it is some.
  package static func fault(in bytes: some Sequence<UInt8>) -> String? {
    do throws(JSON.Malformed) { _ = try JSON(bytes) } catch { return "it is not valid JSON, \(error.reason)" }
    return nil
  }

  /// Whether the text is an object with this member.
  package static func hasMember(_ name: String, in bytes: some Sequence<UInt8>) -> Bool {
    guard case .object(let members)? = try? JSON(bytes) else { return false }
    return members.contains { $0.key == name }
  }

  /// A decoding error as a part of a sentence, without its end, that names the place.
  public static func explain(_ error: DecodingError) -> String {
    func at(_ context: DecodingError.Context) -> String {
      let path = context.codingPath.map { $0.intValue.map(String.init) ?? $0.nameInFile }.joined(separator: ".")
      return path.isEmpty ? "" : " at '\(path)'"
    }
    switch error {
    case .keyNotFound(let key, let context): return "'\(key.nameInFile)' is missing\(at(context))"
    case .typeMismatch(let type, let context): return "expected \(name(type))\(at(context))"
    case .valueNotFound(let type, let context): return "expected \(name(type)), found null\(at(context))"
    case .dataCorrupted(let context):
      let text = context.debugDescription
      let part = text.hasSuffix(".") ? text.dropLast() : text[...]
      let place = at(context).dropFirst()
      return (place.isEmpty ? "" : "\(place), ") + part.prefix(1).lowercased() + part.dropFirst()
    @unknown default: return "\(error)"
    }
  }

  private static func name(_ type: Any.Type) -> String {
    switch type {
    case is any FixedWidthInteger.Type: "a whole number"
    case is any BinaryFloatingPoint.Type: "a number"
    case is Bool.Type: "true or false"
    case is String.Type: "text"
    default: "\(type)".hasPrefix("Array") ? "a list" : "an object"
    }
  }
}

extension CodingKey {
  /// The key as files spell it: batch_size of batchSize.
  package var nameInFile: String { stringValue.map { $0.isUppercase ? "_\($0.lowercased())" : "\($0)" }.joined() }
}
