import Cinch
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

  /// Writes a table without a row of names, as the run's own is: each column at its own place, by which it is found, and those
  /// empty that are not there. Names that have no place of their own need a row that says what they are.
  ///
  /// - Parameter numbers: of the columns, from 1.
  /// - Throws: as the other method.
  func write(
    columns: [String], numbers: [Int]?, rows count: Int, to path: String, _ row: (Int) -> [String]
  ) throws {
    let names = names?.count == count ? names : nil
    let own = names?.column.flatMap { Int($0) }
    guard let numbers,
      names == nil || own.map({ (1...RunConfig.mostColumns).contains($0) && !numbers.contains($0) }) ?? false
    else { return try write(columns: columns, rows: count, to: path, row) }
    let width = (numbers + [own ?? 0]).max() ?? 0
    try CSVWriter.write(width: width, rows: count, to: path) { index in
      var fields = [String](repeating: "", count: width)
      for (number, field) in zip(numbers, row(index)) { fields[number - 1] = field }
      if let names, let own { fields[own - 1] = names[index] }
      return fields
    }
  }

  /// Codes as `cinch encode` writes them, with the names of their samples.
  /// - Throws: as `Dataset.load`.
  static func codes(_ path: String) throws -> Dataset {
    var options = Dataset.LoadOptions()
    // Codes have no other order.
    options.layout = .nchw
    let columns = try Dataset.columnNames(of: path)
    // The second where the names are called as the first code.
    if let columns, columns.count > 1, ["code_1", "feature_code_1"].contains(columns[1]) {
      options.idColumn = columns[0]
      // The names may be called by a number, as those of a table without names are.
      options.header = .present
    }
    return try Dataset.load(path, options: options)
  }
}
