import CinchBackend

/// Which columns of a table are read, and as what.
struct TableSelection {
  /// By name or number from 1; nil for all.
  var columns: [String]?
  var drop: [String] = []
  var labelColumn: String?
  var idColumn: String?
  /// Of an earlier table, by whose names and texts this one is read.
  var schema: TableSchema?

  init(_ options: Dataset.LoadOptions) {
    columns = options.columns
    drop = options.drop ?? []
    labelColumn = options.labelColumn
    idColumn = options.idColumn
    schema = options.schema
  }
}

/// A table with columns of text: their texts become numbers.
struct TableReader {
  private(set) var values: [Float] = []
  private(set) var labels: Labels?
  private(set) var schema = TableSchema(columns: [])
  private let path: String
  private let bytes: UnsafeBufferPointer<UInt8>
  private let header: CSVHeader
  /// Where in a row the feature columns are, in the order of the schema.
  private var places: [Int] = []
  private var labelPlace: Int?
  private var width = 0

  /// What a cell is that has no value.
  static let missing: Set<String> = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "?"]
  /// The most different texts of a column: each is an input of the network.
  static let mostTexts = 1000

  /// - Throws: `CinchError.badData` naming line and column; `.usage` where a column that is named is not there.
  init(
    _ bytes: UnsafeBufferPointer<UInt8>, header: CSVHeader, _ selection: TableSelection, path: String
  ) throws {
    self.bytes = bytes
    self.path = path
    self.header = header
    var (reader, names) = try start()
    let named = names ?? (1...width).map { "\($0)" }
    labelPlace = try selection.labelColumn.map { try find($0, in: named) }
    let id = try selection.idColumn.map { try find($0, in: named) }
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
    } else {
      let dropped = try Set(selection.drop.map { try find($0, in: named) })
      let wanted = try selection.columns?.map { try find($0, in: named) } ?? Array(0..<width)
      places = wanted.filter { $0 != labelPlace && $0 != id && !dropped.contains($0) }
      guard !places.isEmpty else {
        throw CinchError.usage("No column of '\(path)' is left as a feature: leave fewer out.")
      }
      guard Set(places).count == places.count else {
        throw CinchError.usage("A column of '\(path)' is named twice in \(.columns): name each once.")
      }
      schema = TableSchema(columns: try kinds(&reader, named), idColumn: id.map { named[$0] })
      (reader, _) = try start()
    }
    try read(&reader)
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
  private func kinds(_ reader: inout CSVReader, _ names: [String]) throws -> [TableColumn] {
    var texts = [[String: Int]](repeating: [:], count: places.count)
    var numbers = [Int](repeating: 0, count: places.count)
    var firstText = [(line: Int, text: String)?](repeating: nil, count: places.count)
    var missing: (count: Int, line: Int, column: String)?
    var rows = 0
    while try reader.beginRow() {
      let (line, cells) = (reader.line, try row(&reader))
      rows += 1
      for (index, place) in places.enumerated() {
        let cell = cells[place]
        let text = String(decoding: cell, as: UTF8.self)
        if Self.missing.contains(text) {
          missing = missing.map { ($0.count + 1, $0.line, $0.column) } ?? (1, line, names[place])
        } else if CSV.parse(cell) != nil {
          numbers[index] += 1
        } else {
          if firstText[index] == nil { firstText[index] = (line, text) }
          if texts[index].count <= Self.mostTexts { texts[index][text, default: 0] += 1 }
        }
      }
    }
    if let missing {
      throw CinchError.badData(
        "'\(path)' has \(missing.count == 1 ? "1 missing cell" : "\(missing.count) missing cells"), the first in line \(missing.line), column '\(missing.column)': complete "
          + "them, or leave their columns out with \(.drop).")
    }
    guard rows > 0 else { throw CinchError.badData("'\(path)' has a header but no rows: add at least one.") }
    return try places.indices.map { index in
      let name = names[places[index]]
      guard let first = firstText[index] else { return TableColumn(name: name, kind: .number) }
      guard numbers[index] == 0 else {
        throw CinchError.badData(
          "'\(path)', line \(first.line) holds '\(first.text)' in the column '\(name)', whose other cells are numbers: correct "
            + "it, or leave the column out with \(.drop).")
      }
      let known = texts[index].keys.sorted()
      guard known.count > 1 else {
        throw CinchError.badData(
          "The column '\(name)' of '\(path)' is '\(first.text)' in every row, which tells nothing: leave it out with \(.drop)."
        )
      }
      guard known.count <= Self.mostTexts, known.count <= max(20, rows / 2) else {
        throw CinchError.badData(
          "The column '\(name)' of '\(path)' has \(known.count > Self.mostTexts ? "more than \(Self.mostTexts)" : "\(known.count)") "
            + "different texts in \(rows) rows, which are no categories: leave it out with \(.drop), or name the rows by it with "
            + "\(.idColumn).")
      }
      return TableColumn(name: name, kind: known.count == 2 ? .binary(known) : .category(known))
    }
  }

  private func row(_ reader: inout CSVReader) throws -> [[UInt8]] {
    var cells: [[UInt8]] = []
    repeat { cells.append(try reader.text(column: cells.count)) } while reader.takeSeparator()
    try reader.endRow(found: cells.count, expected: width)
    return cells
  }

  private mutating func read(_ reader: inout CSVReader) throws {
    var labels = Labels.Builder()
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
    }
    guard !values.isEmpty else { throw CinchError.badData("'\(path)' has no rows: add at least one.") }
    if labelPlace != nil { self.labels = Labels(labels) }
  }

  private mutating func append(
    _ cell: [UInt8], _ column: TableColumn, _ code: [String: Int]?, _ line: Int
  ) throws {
    func refuse(_ what: String) -> CinchError { .badData("'\(path)', line \(line), column '\(column.name)' \(what)") }
    if values.count + column.width > values.capacity {
      let room = max(1 << 12, 2 * values.count)
      try HostMemory.require(4 * (values.count + room), for: "the numbers in '\(path)'")
      values.reserveCapacity(room)
    }
    let text = String(decoding: cell, as: UTF8.self)
    guard !Self.missing.contains(text) else { throw refuse("has a missing cell: complete it, or remove the row.") }
    guard let code else {
      guard let value = CSV.parse(cell), Float(value).isFinite else {
        throw refuse("holds '\(text)', which is no number that fits 32 bits: correct it.")
      }
      values.append(Float(value))
      return
    }
    guard let index = code[text] else {
      let known = (column.texts ?? []).prefix(8).joined(separator: ", ")
      throw refuse(
        "holds '\(text)', which is none of the run's \(known)\(column.width > 8 ? ", …" : ""): correct it, or train anew."
      )
    }
    if column.width == 1 {
      values.append(Float(index))
    } else {
      values += (0..<column.width).map { $0 == index ? 1 : 0 }
    }
  }
}
