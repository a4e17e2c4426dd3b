/// A key of any name, to find keys that no one reads.
private struct AnyKey: CodingKey {
  var stringValue: String
  var intValue: Int? { nil }
  init(stringValue: String) { self.stringValue = stringValue }
  init?(intValue: Int) { nil }
}

extension Decoder {
  /// A misspelt setting must not be ignored in silence.
  package func refuseUnknownKeys<Key: CodingKey & CaseIterable>(_ keys: Key.Type, in place: String) throws {
    try refuseKeys(but: Array(Key.allCases), in: place)
  }

  /// Neither must one that belongs elsewhere.
  package func refuseKeys(but keys: [any CodingKey], in place: String) throws {
    let known = Set(keys.map { $0.nameInFile })
    let container = try self.container(keyedBy: AnyKey.self)
    if let unknown = container.allKeys.first(where: { !known.contains($0.nameInFile) }) {
      throw DecodingError.dataCorruptedError(
        forKey: unknown, in: container,
        debugDescription:
          "Unknown setting '\(unknown.nameInFile)' in \(place), which knows \(known.sorted().joined(separator: ", "))")
    }
  }
}

// Foundation calls 1.5 or 1e30 invalid JSON where a whole number should be, and says neither where nor what is allowed.
extension KeyedDecodingContainer {
  package func whole<T: FixedWidthInteger & Decodable>(_ key: Key, as type: T.Type = T.self) throws -> T {
    do { return try decode(T.self, forKey: key) } catch {
      if let error = error as? DecodingError, case .keyNotFound = error { throw error }
      throw DecodingError.dataCorruptedError(
        forKey: key, in: self, debugDescription: "Expected a whole number\(T.isSigned ? "" : " of 0 or more")")
    }
  }

  package func wholeIfPresent<T: FixedWidthInteger & Decodable>(_ key: Key, as type: T.Type = T.self) throws -> T? {
    guard contains(key), try !decodeNil(forKey: key) else { return nil }
    return try whole(key, as: T.self)
  }

  package func choice<T: CaseIterable & RawRepresentable & Decodable>(
    _ key: Key, as type: T.Type = T.self
  ) throws -> T where T.RawValue == String {
    let text = try decode(String.self, forKey: key)
    if let value = T(rawValue: text) { return value }
    throw DecodingError.dataCorruptedError(
      forKey: key, in: self,
      debugDescription: "'\(text)' is none of \(T.allCases.map(\.rawValue).joined(separator: ", "))")
  }

  package func choiceIfPresent<T: CaseIterable & RawRepresentable & Decodable>(
    _ key: Key, as type: T.Type = T.self
  ) throws -> T? where T.RawValue == String {
    guard contains(key), try !decodeNil(forKey: key) else { return nil }
    return try choice(key, as: T.self)
  }

  /// The number of a file's format; nil where there is none, as in files of Cinch 0.1.
  /// - Throws: `CinchError.badData` where it is newer than `current`.
  package func format(_ key: Key, current: Int, of what: String) throws -> Int? {
    guard let format: Int = try wholeIfPresent(key) else { return nil }
    guard format <= current else {
      throw CinchError.badData(
        "The \(what) has format \(format), but this version of Cinch reads formats up to \(current): use a newer Cinch."
      )
    }
    guard format == current else {
      throw DecodingError.dataCorruptedError(
        forKey: key, in: self, debugDescription: "Expected \(current), or no format at all as in files of Cinch 0.1")
    }
    return format
  }
}
