import CinchData

/// Rows of a file that begin with the names of samples, where these have some.
struct NamedRows {
  private let names: SampleNames?

  init(_ names: SampleNames?) { self.names = names }

  /// Writes a table of columns behind the names.
  ///
  /// - Parameters:
  ///   - columns: what the others are called; one that is called as the names are is `feature_NAME`.
  ///   - count: of rows.
  ///   - path: a .csv file.
  ///   - row: a row's fields.
  /// - Throws: as `CSVWriter.write`.
  func write(columns: [String], rows count: Int, to path: String, _ row: (Int) -> [String]) throws {
    guard let names, names.count == count else {
      return try CSVWriter.write(columns: columns, rows: count, to: path, row)
    }
    let others = columns.map { $0 == names.title ? "feature_\($0)" : $0 }
    try CSVWriter.write(columns: [names.title] + others, rows: count, to: path) { [names[$0]] + row($0) }
  }

  /// Codes as `cinch encode` writes them, with the names of their samples.
  /// - Throws: as `Dataset.load`.
  static func codes(_ path: String) throws -> Dataset {
    var options = Dataset.LoadOptions()
    // Codes have no other order.
    options.layout = .nchw
    let columns = try Dataset.columnNames(of: path)
    if let columns, columns.count > 1, columns.dropFirst().first == "code_1" { options.idColumn = columns[0] }
    return try Dataset.load(path, options: options)
  }
}
