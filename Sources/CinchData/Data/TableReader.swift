import CinchBackend

/// Which columns of a table are read, and as what.
struct TableSelection {
  /// By name or number from 1; nil for all.
  var columns: [String]?
  var drop: [String] = []
  var labelColumn: String?
  var idColumn: String?
  /// Columns whose cells are categories even where they are numbers.
  var categories: [String] = []
  /// Cells that are missing, beside `TableReader.missing`.
  var missing: [String]?
  /// Texts that are rarer in their column are one category, `other`.
  var rare: Int?
  /// Of an earlier table, by whose names and texts this one is read.
  var schema: TableSchema?

  init(_ options: Dataset.LoadOptions) {
    columns = options.columns
    drop = options.drop ?? []
    labelColumn = options.labelColumn
    idColumn = options.idColumn
    categories = options.categories ?? []
    missing = options.missing ?? options.schema?.missing
    rare = options.rare
    schema = options.schema
  }
}

/// A table with columns of text: their texts become numbers.
struct TableReader {
  private(set) var values: [Float] = []
  /// As `values`: 1 where a cell has a value, and 0 where it is missing. Nil where none is missing.
  private(set) var observed: [UInt8]?
  private(set) var labels: Labels?
  /// What the id column says of each row.
  private(set) var names: SampleNames?
  private(set) var schema = TableSchema(columns: [])
  private let path: String
  private let bytes: UnsafeBufferPointer<UInt8>
  private let header: CSVHeader
  /// Where in a row the feature columns are, in the order of the schema.
  private var places: [Int] = []
  private var labelPlace: Int?
  private var idPlace: Int?
  private var idName: String?
  /// Columns of the file.
  private(set) var width = 0
  /// At the first row of cells.
  private(set) var rows: CSVReader
  private let missing: Set<String>
  /// Bytes of the longest of them.
  private let longestMissing: Int

  /// What a cell is that has no value, whatever else is said to be none.
  static let missing: Set<String> = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "?"]
  /// The most different texts of a column: each is an input of the network.
  static let mostTexts = 1000

  /// - Throws: `CinchError.badData` naming line and column; `.usage` where a column that is named is not there.
  init(
    _ bytes: UnsafeBufferPointer<UInt8>, header: CSVHeader, _ selection: TableSelection, path: String,
    readsCells: Bool = true
  ) throws {
    self.bytes = bytes
    self.path = path
    self.header = header
    missing = Self.missing.union(selection.missing ?? [])
    longestMissing = missing.map(\.utf8.count).max() ?? 0
    rows = CSVReader(bytes: bytes, path: path)
    var (reader, names) = try start()
    let named = names ?? (1...width).map { "\($0)" }
    labelPlace = try selection.labelColumn.map { try find($0, in: named) }
    idPlace = try idPlace(selection, named)
    idName = idPlace.map { named[$0] }
    if let known = selection.schema {
      places = try known.columns.map { column in
        guard let place = named.firstIndex(of: column.name) else {
          throw CinchError.badData(
            "'\(path)' has no column '\(column.name)', which the run was trained with: add it, or train anew without it."
          )
        }
        return place
      }
      schema = known
      if let labelPlace, places.contains(labelPlace) {
        throw CinchError.usage(
          "The column '\(named[labelPlace])' is one of the features that the run was trained with, so that it would be told by "
            + "itself: name other labels, or train anew with \(.drop, named[labelPlace]).")
      }
      if selection.columns == nil { note(named, but: selection.drop) }
    } else {
      let dropped = try Set(selection.drop.map { try find($0, in: named) })
      let wanted = try selection.columns?.map { try find($0, in: named) } ?? Array(0..<width)
      places = wanted.filter { $0 != labelPlace && $0 != idPlace && !dropped.contains($0) }
      guard !places.isEmpty else {
        throw CinchError.usage("No column of '\(path)' is left as a feature: leave fewer out.")
      }
      guard Set(places).count == places.count else {
        throw CinchError.usage("A column of '\(path)' is named twice in \(.columns): name each once.")
      }
      let categories = try Set(selection.categories.map { try find($0, in: named) })
      if let lost = categories.subtracting(places).min() {
        throw CinchError.usage(
          "The column '\(named[lost])' is named in \(.categories), but is no feature: leave it out there, or add it.")
      }
      if let rare = selection.rare, rare < 2 {
        throw CinchError.usage("\(.rare) says how often a text must occur: \(rare) means nothing, use 2 or more.")
      }
      schema = TableSchema(
        columns: try kinds(&reader, named, categories, rare: selection.rare), idColumn: idPlace.map { named[$0] },
        missing: selection.missing)
      (reader, _) = try start()
    }
    rows = reader
    if readsCells { try read(&reader) }
  }

  /// Where the rows' names are: in the column that is named, or else in that of the run's table.
  private func idPlace(_ selection: TableSelection, _ names: [String]) throws -> Int? {
    if let column = selection.idColumn, selection.schema?.idColumn != column { return try find(column, in: names) }
    guard let column = selection.schema?.idColumn ?? selection.idColumn, !selection.drop.contains(column) else {
      return nil
    }
    guard selection.schema != nil else { return try find(column, in: names) }
    guard let place = names.firstIndex(of: column) else {
      throw CinchError.badData(
        "'\(path)' has no column '\(column)', which names the rows of the run's table: add it, name another with \(.idColumn), "
          + "or do without it by \(.drop, column).")
    }
    return place
  }

  /// Tells which columns are passed over.
  private func note(_ names: [String], but expected: [String]) {
    let used = Set(places + [labelPlace, idPlace].compactMap { $0 })
    let ignored = names.indices.filter { !used.contains($0) && !expected.contains(names[$0]) }.map { names[$0] }
    guard !ignored.isEmpty else { return }
    let list = ignored.prefix(8).joined(separator: ", ") + (ignored.count > 8 ? ", …" : "")
    LoadProgress.note("ignored the column\(ignored.count == 1 ? "" : "s") \(list) of '\(path)'")
  }

  /// Where in a file the columns of a schema are, without a look at its cells.
  /// - Throws: as the other initialiser.
  init(places bytes: UnsafeBufferPointer<UInt8>, header: CSVHeader, _ selection: TableSelection, path: String) throws {
    try self.init(bytes, header: header, selection, path: path, readsCells: false)
  }

  /// The column of the schema that is at a place of a row.
  func column(at place: Int) -> Int? { places.firstIndex(of: place) }

  func isMissing(_ cell: [UInt8]) -> Bool {
    cell.count <= longestMissing && missing.contains(String(decoding: cell, as: UTF8.self))
  }

  /// A reader at the first row of cells, and the names of the columns.
  private mutating func start() throws -> (CSVReader, [String]?) {
    var reader = CSVReader(bytes: bytes, path: path)
    reader.skipByteOrderMark()
    let first = try reader.firstRow()
    width = first.count
    let isHeader =
      switch header {
      case .present: true
      case .absent: false
      // In a table with text a first row without numbers names the columns.
      case .automatic: first.allSatisfy { $0.isEmpty || CSV.parse($0) == nil }
      }
    guard isHeader else {
      reader.rewind()
      return (reader, nil)
    }
    let names = first.map { String(decoding: $0, as: UTF8.self) }
    if let twice = Dictionary(grouping: names, by: { $0 }).first(where: { $0.value.count > 1 })?.key {
      throw CinchError.badData("'\(path)' has two columns '\(twice)': give each a name of its own.")
    }
    return (reader, names)
  }

  private func find(_ wanted: String, in names: [String]) throws -> Int {
    if let index = names.firstIndex(of: wanted) { return index }
    if let number = Int(wanted), names.indices.contains(number - 1) { return number - 1 }
    throw CinchError.usage(
      "'\(path)' has no column '\(wanted)': name one of \(names.prefix(8).joined(separator: ", "))"
        + (names.count > 8 ? ", …" : "") + ", or a number from 1 to \(names.count).")
  }

  /// What the columns' cells are, by a look at all of them.
  private func kinds(
    _ reader: inout CSVReader, _ names: [String], _ categories: Set<Int>, rare: Int?
  ) throws -> [TableColumn] {
    var found = places.map { ColumnCells(isCategory: categories.contains($0)) }
    var rows = 0
    while try reader.beginRow() {
      let (line, cells) = (reader.line, try row(&reader))
      rows += 1
      for (index, place) in places.enumerated() where !isMissing(cells[place]) {
        found[index].add(cells[place], line: line)
      }
    }
    guard rows > 0 else { throw CinchError.badData("'\(path)' has a header but no rows: add at least one.") }
    return try zip(found, places).map { try $0.column(names[$1], rows: rows, rare: rare, path: path) }
  }

  private func row(_ reader: inout CSVReader) throws -> [[UInt8]] {
    var cells: [[UInt8]] = []
    repeat { cells.append(try reader.text(column: cells.count)) } while reader.takeSeparator()
    try reader.endRow(found: cells.count, expected: width)
    return cells
  }

  private mutating func read(_ reader: inout CSVReader) throws {
    var labels = Labels.Builder()
    var names = idPlace.map { _ in SampleNames(column: idName) }
    let codes = schema.columns.map { column in
      column.texts.map { texts in Dictionary(uniqueKeysWithValues: zip(texts, texts.indices)) }
    }
    var told = 0
    while try reader.beginRow() {
      if reader.position - told >= LoadProgress.step {
        told = reader.position
        LoadProgress.tell("reading", path, told, of: bytes.count)
      }
      let (line, cells) = (reader.line, try row(&reader))
      for (column, (place, code)) in zip(schema.columns, zip(places, codes)) {
        try append(cells[place], column, code, line)
      }
      if let labelPlace {
        guard !cells[labelPlace].isEmpty else {
          throw CinchError.badData("'\(path)', line \(line) has no label: complete it, or remove the row.")
        }
        labels.append(cells[labelPlace])
      }
      if let idPlace { try names?.append(cells[idPlace], path: path) }
    }
    guard !values.isEmpty else { throw CinchError.badData("'\(path)' has no rows: add at least one.") }
    if labelPlace != nil { self.labels = Labels(labels) }
    self.names = names
  }

  private mutating func append(
    _ cell: [UInt8], _ column: TableColumn, _ code: [String: Int]?, _ line: Int
  ) throws {
    func refuse(_ what: String) -> CinchError { .badData("'\(path)', line \(line), column '\(column.name)' \(what)") }
    if values.count + column.width > values.capacity {
      let room = max(1 << 12, 2 * values.count)
      try HostMemory.require(5 * (values.count + room), for: "the numbers in '\(path)'")
      values.reserveCapacity(room)
    }
    if isMissing(cell) {
      if observed == nil { observed = [UInt8](repeating: 1, count: values.count) }
      observed? += repeatElement(0, count: column.width)
      switch column.kind {
      case .number:
        guard let fill = column.fill else {
          throw refuse("has a missing cell, which the run's table says nothing of: complete it, or train anew.")
        }
        values.append(Float(fill))
      case .binary: values.append(0.5)
      case .category(let texts): values += repeatElement(0, count: texts.count)
      }
      return
    }
    observed? += repeatElement(1, count: column.width)
    guard let code else {
      guard let value = CSV.parse(cell), Float(value).isFinite else {
        throw refuse(
          "holds '\(String(decoding: cell, as: UTF8.self))', which is no number that fits 32 bits: correct it.")
      }
      return values.append(Float(value))
    }
    let text = String(decoding: cell, as: UTF8.self)
    let texts = column.texts ?? []
    guard let index = code[text] ?? column.place(ofNumber: cell) ?? (column.takesUnseen ? texts.count - 1 : nil) else {
      throw refuse(
        "holds '\(text)', which is none of the run's \(texts.prefix(8).joined(separator: ", "))\(texts.count > 8 ? ", …" : ""): correct it, "
          + "or train anew.")
    }
    append(Double(index), column)
  }

  /// A number, or the place of a text.
  private mutating func append(_ value: Double, _ column: TableColumn) {
    if column.width == 1 {
      values.append(Float(value))
    } else {
      for place in 0..<column.width { values.append(place == Int(value) ? 1 : 0) }
    }
  }
}

extension TableColumn {
  /// The place of a text that spells the same number: programs write 1 as 1.0 where a column has missing cells.
  fileprivate func place(ofNumber cell: [UInt8]) -> Int? {
    guard let value = CSV.parse(cell) else { return nil }
    return texts?.firstIndex { CSV.parse(Array($0.utf8)) == value }
  }
}

/// What a column's cells turn out to be.
private struct ColumnCells {
  private let isCategory: Bool
  private var texts: [String: Int] = [:]
  private var firstText: (line: Int, text: String)?
  private var numbers = 0
  private var sum = 0.0
  private var decimals = 0
  private var isBinary = true

  init(isCategory: Bool) { self.isCategory = isCategory }

  mutating func add(_ cell: [UInt8], line: Int) {
    if !isCategory, let value = CSV.parse(cell) {
      numbers += 1
      sum += value
      if decimals <= TableColumn.mostDecimals { decimals = max(decimals, Self.decimals(cell)) }
      isBinary = isBinary && (value == 0 || value == 1)
      return
    }
    let text = String(decoding: cell, as: UTF8.self)
    if firstText == nil { firstText = (line, text) }
    if texts[text] != nil || texts.count <= TableReader.mostTexts { texts[text, default: 0] += 1 }
  }

  /// Digits after the point; too many to be written where there is an exponent.
  private static func decimals(_ cell: [UInt8]) -> Int {
    guard !cell.contains(where: { $0 | 0x20 == UInt8(ascii: "e") }) else { return TableColumn.mostDecimals + 1 }
    return cell.firstIndex(of: UInt8(ascii: ".")).map { cell.count - $0 - 1 } ?? 0
  }

  /// - Throws: `CinchError.badData` where they are neither numbers nor categories.
  func column(_ name: String, rows: Int, rare: Int?, path: String) throws -> TableColumn {
    guard let first = firstText else {
      guard numbers > 0 else {
        throw CinchError.badData(
          "The column '\(name)' of '\(path)' has no value in any row: leave it out with \(.drop, name).")
      }
      let mean = sum / Double(numbers)
      guard isBinary, decimals <= 1, sum > 0, sum < Double(numbers) else {
        return TableColumn(
          name: name, kind: .number, fill: mean, decimals: decimals > TableColumn.mostDecimals ? nil : decimals)
      }
      return TableColumn(name: name, kind: .binary(decimals == 0 ? ["0", "1"] : ["0.0", "1.0"]))
    }
    guard numbers == 0 else {
      throw CinchError.badData(
        "'\(path)', line \(first.line) holds '\(first.text)' in the column '\(name)', whose other cells are numbers: correct "
          + "it, say that it is a missing cell with \(.missing), take all of them as categories with \(.categories), or leave the "
          + "column out with \(.drop).")
    }
    guard texts.count > 1 || rare != nil else {
      throw CinchError.badData(
        "The column '\(name)' of '\(path)' is '\(first.text)' in every row, which tells nothing: leave it out with \(.drop, name)."
      )
    }
    guard texts.count <= TableReader.mostTexts else { throw tooMany(name, rows, path) }
    var counts = texts
    if let rare {
      let folded = counts.filter { $0.value < rare || $0.key == TableColumn.other }
      counts = counts.filter { folded[$0.key] == nil }
      counts[TableColumn.other] = folded.values.reduce(0, +)
    }
    guard counts.count <= max(20, rows / 2) else { throw tooMany(name, rows, path) }
    var known = counts.keys.sorted()
    if rare != nil {
      known.removeAll { $0 == TableColumn.other }
      known.append(TableColumn.other)
    }
    guard known.count > 1 else {
      throw CinchError.badData(
        "Every text of the column '\(name)' of '\(path)' is rare: give \(.rare) a smaller number, or leave the column out with "
          + "\(.drop, name).")
    }
    return TableColumn(
      name: name, kind: known.count == 2 ? .binary(known) : .category(known), takesUnseen: rare != nil)
  }

  private func tooMany(_ name: String, _ rows: Int, _ path: String) -> CinchError {
    .badData(
      "The column '\(name)' of '\(path)' has \(texts.count > TableReader.mostTexts ? "more than \(TableReader.mostTexts)" : "\(texts.count)") "
        + "different texts in \(rows) rows, which are no categories: leave it out with \(.drop, name), name the rows by it with "
        + "\(.idColumn), or make one category of what occurs less than, say, 10 times with \(.rare, "10").")
  }
}
