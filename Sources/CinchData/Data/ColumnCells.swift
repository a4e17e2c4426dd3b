import CSamples

/// What a column's cells turn out to be.
struct ColumnCells {
  private let isCategory: Bool
  private var texts: [String: Int] = [:]
  private var firstText: (line: Int, text: String)?
  private var numbers = 0
  private var sum = 0.0
  private var decimals = 0
  private var isBinary = true

  init(isCategory: Bool) { self.isCategory = isCategory }

  /// Adds cells that follow those before.
  mutating func add(_ column: cinch_table_column, _ more: TablePart.Texts) {
    numbers += Int(column.numbers)
    sum += column.sum
    decimals = max(decimals, column.has_exponent ? TableColumn.mostDecimals + 1 : Int(column.decimals))
    isBinary = isBinary && !column.has_others
    for index in more.indices {
      let (text, uses) = (more[index], more.uses(index))
      if firstText == nil { firstText = (uses.line, text) }
      if texts[text] != nil || texts.count <= TableReader.mostTexts { texts[text, default: 0] += uses.count }
    }
  }

  /// Whether every row has a number.
  func isPlain(rows: Int) -> Bool { !isCategory && firstText == nil && numbers == rows }

  var mean: Double { sum / Double(max(numbers, 1)) }

  /// - Throws: `CinchError.badData` where they are neither numbers nor categories.
  func column(_ name: String, place: Int, rows: Int, rare: Int?, path: String) throws -> TableColumn {
    let wanted = TableColumn.typed(name, place: place)
    guard let first = firstText else {
      guard numbers > 0 else {
        throw CinchError.badData(
          "The column '\(name)' of '\(path)' has no value in any row: leave it out with \(.drop, wanted).")
      }
      guard isBinary, decimals <= 1, sum > 0, sum < Double(numbers) else {
        return TableColumn(
          name: name, kind: .number, fill: mean, decimals: decimals > TableColumn.mostDecimals ? nil : decimals)
      }
      return TableColumn(name: name, kind: .binary(decimals == 0 ? ["0", "1"] : ["0.0", "1.0"]))
    }
    // Before anything is said of texts among numbers: whole numbers have no comma.
    if !isCategory, texts.keys.allSatisfy({ number($0.replacing(",", with: ".").utf8) != nil }) {
      throw CinchError.badData(
        "'\(path)', line \(first.line) holds '\(first.text)' in the column '\(name)', which has a comma where numbers have a point: "
          + "write points, or take the column as categories with \(.categories).")
    }
    guard numbers == 0 else {
      throw CinchError.badData(
        "'\(path)', line \(first.line) holds '\(first.text)' in the column '\(name)', whose other cells are numbers: "
          + (first.line == 1
            ? "say that line 1 names the columns with \(.header, CSVHeader.present.rawValue), or " : "")
          + "correct it, say that it is a missing cell with \(.missing), take all of them as categories with "
          + "\(.categories), or leave the column out with \(.drop).")
    }
    guard texts.count > 1 || rare != nil else {
      throw CinchError.badData(
        "The column '\(name)' of '\(path)' is '\(first.text)' in every row, which tells nothing: leave it out with \(.drop, wanted)."
      )
    }
    guard texts.count <= TableReader.mostTexts else { throw tooMany(name, wanted, rows, path) }
    var counts = texts
    if let rare {
      let folded = counts.filter { $0.value < rare || $0.key == TableColumn.other }
      counts = counts.filter { folded[$0.key] == nil }
      counts[TableColumn.other] = folded.values.reduce(0, +)
    }
    guard counts.count <= max(20, rows / 2) else { throw tooMany(name, wanted, rows, path) }
    var known = counts.keys.sorted()
    if rare != nil {
      known.removeAll { $0 == TableColumn.other }
      known.append(TableColumn.other)
    }
    guard known.count > 1 else {
      throw CinchError.badData(
        "Every text of the column '\(name)' of '\(path)' is rare: give \(.rare) a smaller number, or leave the column out with "
          + "\(.drop, wanted).")
    }
    return TableColumn(
      name: name, kind: known.count == 2 ? .binary(known) : .category(known), takesUnseen: rare != nil)
  }

  private func tooMany(_ name: String, _ wanted: String, _ rows: Int, _ path: String) -> CinchError {
    .badData(
      "The column '\(name)' of '\(path)' has \(texts.count > TableReader.mostTexts ? "more than \(TableReader.mostTexts)" : "\(texts.count)") "
        + "different texts in \(rows) rows, which are no categories: leave it out with \(.drop, wanted), name the rows by it with "
        + "\(.idColumn), or make one category of what occurs less than, say, 10 times with \(.rare, "10").")
  }
}
