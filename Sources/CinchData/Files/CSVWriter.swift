/// A table of text that is written as CSV (RFC 4180, lines ending in LF).
public struct CSVWriter: Sendable, Hashable {
  public let columns: [String]
  /// Rows in the order they were appended.
  public private(set) var rows: [[String]] = []

  public init(columns: [String]) { self.columns = columns }

  /// Adds a row.
  ///
  /// - Throws: `CinchError.usage` unless it has one field per column.
  public mutating func append(_ row: [String]) throws {
    guard row.count == columns.count else {
      throw Self.misfit(row.count, columns.count)
    }
    rows.append(row)
  }

  /// Writes header and rows, atomically: a table that grows is written whole each time, so a reader or a crash
  /// never finds half a row. Throws `CinchError.inputOutput`.
  public func write(to path: String) throws {
    let lines = ([columns] + rows).map { row in row.map(Self.field).joined(separator: ",") + "\n" }
    try AtomicFile.write(lines.joined(), to: path)
  }

  /// Writes a table, atomically, a row at a time.
  ///
  /// - Parameters:
  ///   - columns: their names.
  ///   - count: of rows.
  ///   - path: the file.
  ///   - row: the fields of a row, counted from 0.
  /// - Throws: `CinchError.usage` unless a row has one field per column, `.inputOutput`.
  package static func write(
    columns: [String], rows count: Int, to path: String, _ row: (Int) throws -> [String]
  ) throws {
    let header = columns.map(field).joined(separator: ",") + "\n"
    try write(header, width: columns.count, rows: count, to: path, row)
  }

  /// The same without names.
  /// - Parameter width: how many columns there are.
  package static func write(
    width: Int, rows count: Int, to path: String, _ row: (Int) throws -> [String]
  ) throws {
    try write("", width: width, rows: count, to: path, row)
  }

  private static func write(
    _ header: String, width: Int, rows count: Int, to path: String, _ row: (Int) throws -> [String]
  ) throws {
    try AtomicFile.write(to: path) { file in
      var text = header
      for index in 0..<count {
        let fields = try row(index)
        guard fields.count == width else { throw misfit(fields.count, width) }
        text += fields.map(field).joined(separator: ",") + "\n"
        if text.utf8.count > 1 << 20 {
          try file.write(text)
          text.removeAll(keepingCapacity: true)
        }
      }
      try file.write(text)
    }
  }

  private static func misfit(_ fields: Int, _ columns: Int) -> CinchError {
    .usage("A row of \(fields) fields does not fit \(columns) columns: give one per column.")
  }

  /// Writes a matrix, atomically, each number in the fewest digits that read back as the same float.
  ///
  /// - Parameters:
  ///   - values: rows × `features`, row-major.
  ///   - columnNames: a header of `features` names, or none.
  /// - Throws: `CinchError.usage` if sizes disagree, `.inputOutput`.
  public static func write(values: [Float], features: Int, columnNames: [String]? = nil, to path: String) throws {
    guard features >= 1, values.count % features == 0 else {
      throw CinchError.usage("\(values.count) values are not rows of \(features) features: correct the count.")
    }
    guard columnNames.map({ $0.count == features }) ?? true else {
      throw CinchError.usage("\(columnNames?.count ?? 0) column names do not fit \(features) features: give one each.")
    }
    try AtomicFile.write(to: path) { file in
      if let columnNames { try file.write(columnNames.map(field).joined(separator: ",") + "\n") }
      var text: [UInt8] = []
      for (index, value) in values.enumerated() {
        text += Array(value.description.utf8)
        text.append(UInt8(ascii: (index + 1) % features == 0 ? "\n" : ","))
        if text.count > 1 << 20 {
          try file.write(text)
          text.removeAll(keepingCapacity: true)
        }
      }
      try file.write(text)
    }
  }

  /// A field, quoted where RFC 4180 asks for it.
  static func field(_ text: String) -> String {
    let special: StaticString = ",;\t\"\r\n"
    guard special.withUTF8Buffer({ special in text.utf8.contains(where: special.contains) }) else { return text }
    return "\"" + text.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
  }
}
