import CSamples
import CinchBackend

/// A table: numbers, and columns of text, whose texts become numbers.
struct TableReader {
  private(set) var values: [Float] = []
  /// As `values`: 1 where a cell has a value, and 0 where it is missing. Nil where none is missing.
  private(set) var observed: [UInt8]?
  private(set) var labels: Labels?
  /// What the id column says of each row.
  private(set) var rowNames: SampleNames?
  /// What the columns mean; nil of a table that is nothing but numbers.
  private(set) var schema: TableSchema?
  /// Numbers in a row of `values`.
  private(set) var features = 0
  /// One name for each of them, where the table has some.
  private(set) var columnNames: [String]?
  private let path: String
  private let choice: ColumnChoice

  /// What a cell is that has no value, whatever else is said to be none.
  static let missing: Set<String> = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "?"]
  /// The most different texts of a column: each is an input of the network.
  static let mostTexts = 1000

  /// - Parameters:
  ///   - file: gzipped or not.
  ///   - blockSize: bytes of the blocks that threads read at a time.
  ///   - threads: how many.
  /// - Throws: `CinchError.badData` naming line and column; `.usage` where a column that is named is not there.
  init(
    _ file: FileContents, header: CSVHeader, _ selection: TableSelection, path: String,
    blockSize: Int = TableBlocks.usualSize, threads: Int = TableScan.usualThreads
  ) throws {
    self.path = path
    let header = try TableHeader(file, header, path: path)
    choice = try ColumnChoice(header, selection, path: path)
    schema = selection.schema
    if header.isDoubtful, selection.schema == nil {
      LoadProgress.note(
        "took line 1 of '\(path)' for a sample, as there are numbers in it: say that there is a header where it names the columns"
      )
    }
    let missing = MissingCells(selection.missing)
    let scan = TableScan(
      names: header.named, uses: choice.uses(selection), features: choice.features, missing: missing,
      separator: header.separator, path: path)
    let parts = try file.withUnsafeBytes { source in
      let blocks = try TableBlocks(
        file, source, from: header.start, separator: header.separator, size: blockSize, path: path)
      let isSmall = source.count <= blockSize
      return try scan.read(blocks, threads: isSmall ? 1 : threads)
    }
    guard parts.contains(where: { $0.rows > 0 }) else {
      throw CinchError.badData("'\(path)' has a header but no rows: add at least one.")
    }
    // Later tables of a run may well have none.
    if selection.schema == nil { note(selection.missing ?? [], of: missing, notIn: parts) }
    let columns = try columns(of: parts, selection)
    try take(parts, columns)
    takeLabels(parts)
    try takeNames(parts)
  }

  /// Tells which texts for missing cells no cell is.
  private func note(_ given: [String], of missing: MissingCells, notIn parts: [TablePart]) {
    let unmet = given.filter { text in
      guard let index = missing.texts.firstIndex(of: text) else { return false }
      return !parts.contains { $0.hasMissing(index) }
    }
    guard !unmet.isEmpty else { return }
    let list = unmet.map { "'\($0)'" }.joined(separator: " or ")
    LoadProgress.note("no cell of '\(path)' is \(list), which missing ones were said to be")
  }

  /// What the columns are: as the run's table had them, or by all of their cells.
  private mutating func columns(of parts: [TablePart], _ selection: TableSelection) throws -> [TableColumn] {
    if let schema {
      columnNames = schema.featureNames
      return schema.columns
    }
    let (header, places) = (choice.header, choice.features)
    let rows = parts.reduce(0) { $0 + $1.rows }
    let cells = places.map { place in
      var cells = ColumnCells(isCategory: choice.categories.contains(place))
      for part in parts { cells.add(part.column(place), part.texts(place)) }
      return cells
    }
    // Numbers that nothing is said of stay numbers, 0 and 1 among them.
    if !selection.isSelective, cells.allSatisfy({ $0.isPlain(rows: rows) }) {
      let names = header.names.map { names in places.map { names[$0] } }
      let columns = zip(places, cells).map { TableColumn(name: header.named[$0], kind: .number, fill: $1.mean) }
      columnNames = names
      if names != nil { schema = TableSchema(columns: columns) }
      return columns
    }
    try choice.requireDifferentNames()
    let columns = try zip(cells, places).map {
      try $0.column(header.named[$1], place: $1, rows: rows, rare: selection.rare, path: path)
    }
    let schema = TableSchema(
      columns: columns, idColumn: choice.idPlace.map { header.named[$0] }, missing: selection.missing)
    self.schema = schema
    columnNames = schema.featureNames
    return columns
  }

  /// Puts the parts' cells together, as numbers.
  private mutating func take(_ parts: [TablePart], _ columns: [TableColumn]) throws {
    let features = columns.reduce(0) { $0 + $1.width }
    self.features = features
    let rows = parts.reduce(0) { $0 + $1.rows }
    let isWhole = !parts.contains { part in choice.features.contains { part.column($0).missing > 0 } }
    let fillings = try parts.map { try TableFillings($0, columns, at: choice.features, path: path) }
    guard let size = checkedProduct([rows, features, isWhole ? 4 : 5]), let count = checkedProduct([rows, features])
    else { throw CinchError.badData("'\(path)' makes more numbers than there can be: use fewer rows.") }
    // The parts give their own back one after the other.
    try HostMemory.require(size, freeing: rows * choice.features.count * 4, for: "the numbers in '\(path)'")
    let starts = parts.reduce(into: [0]) { $0.append(($0.last ?? 0) + $1.rows * features) }
    let isPlain = columns.allSatisfy { $0.width == 1 && $0.texts == nil } && isWhole
    var observed = isWhole ? [] : [UInt8](repeating: 1, count: count)
    values = observed.withUnsafeMutableBufferPointer { observed in
      nonisolated(unsafe) let known = isWhole ? nil : observed.baseAddress
      return [Float](unsafeUninitializedCapacity: count) { values, initialised in
        nonisolated(unsafe) let values = values
        // Each part has a place of its own.
        inParallel(parts.count) { index in
          guard let start = values.baseAddress.map({ $0 + starts[index] }) else { return }
          let part = parts[index]
          if isPlain {
            start.update(from: part.values, count: part.rows * features)
          } else {
            fillings[index].fill(part, start, known.map { $0 + starts[index] })
          }
          part.giveBack()
        }
        initialised = count
      }
    }
    if !isWhole { self.observed = observed }
  }

  private mutating func takeLabels(_ parts: [TablePart]) {
    guard let labelPlace = choice.labelPlace else { return }
    var labels = Labels.Builder()
    for part in parts {
      let texts = part.texts(labelPlace)
      labels.append(part.labels, of: Array(texts))
    }
    self.labels = Labels(labels)
  }

  private mutating func takeNames(_ parts: [TablePart]) throws {
    guard let idPlace = choice.idPlace else { return }
    var names = SampleNames(column: choice.header.named[idPlace])
    let all = parts.map { $0.texts(idPlace).all }
    try names.reserve(
      names: all.reduce(0) { $0 + $1.ends.count }, bytes: all.reduce(0) { $0 + $1.bytes.count }, path: path)
    for (bytes, ends) in all { names.append(bytes, ends: ends) }
    rowNames = names
  }
}
