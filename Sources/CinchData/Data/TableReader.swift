import CSamples
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
  /// Whether anything is said of which columns are features, or of what their cells mean.
  var isSelective = false
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
    isSelective = options.selection.contains { $0.given }
  }
}

/// What says that a cell of a table has no value: texts, and the numbers that they spell, however a cell spells these.
struct MissingCells {
  /// In their order.
  let texts: [String]
  /// Of each text; NaN where it is none, and where it is NaN, which its spellings tell.
  let numbers: [Double]

  init(_ more: [String]?) {
    texts = TableReader.missing.union(more ?? []).sorted()
    numbers = texts.map { number($0.utf8) ?? .nan }
  }

  func contains(_ cell: [UInt8]) -> Bool {
    texts.contains { $0.utf8.elementsEqual(cell) } || number(cell).map(numbers.contains) ?? false
  }
}

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
  private let header: Header
  /// Which columns are features, in the order of the schema.
  private var places: [Int] = []
  private var labelPlace: Int?
  private var idPlace: Int?

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
    self.header = try Header(file, header, path: path)
    try choose(selection)
    if self.header.isDoubtful, selection.schema == nil {
      LoadProgress.note(
        "took line 1 of '\(path)' for a sample, as there are numbers in it: say that there is a header where it names the columns"
      )
    }
    let missing = MissingCells(selection.missing)
    let scan = try TableScan(
      names: self.header.named, uses: uses(selection), features: places,
      missing: missing, separator: self.header.separator, path: path)
    let parts = try file.withUnsafeBytes { [start = self.header.start, separator = self.header.separator] source in
      let blocks = try TableBlocks(file, source, from: start, separator: separator, size: blockSize, path: path)
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

  /// Where in a file, unpacked, the columns of a schema are, without a look at its cells.
  /// - Throws: as the other initialiser.
  init(places bytes: UnsafeBufferPointer<UInt8>, header: CSVHeader, _ selection: TableSelection, path: String) throws {
    self.path = path
    self.header = try Header(bytes, header, path: path)
    try choose(selection, isToldOnce: true)
  }

  /// A reader at the first row of cells.
  func rows(of bytes: UnsafeBufferPointer<UInt8>) -> CSVReader {
    var reader = CSVReader(bytes: bytes, path: path)
    reader.separator = header.separator
    (reader.position, reader.line) = header.start
    return reader
  }

  /// Columns of the file.
  var width: Int { header.named.count }

  /// The column of the schema that is at a place of a row.
  func column(at place: Int) -> Int? { places.firstIndex(of: place) }

  /// The first row.
  private struct Header {
    /// As the row has them, where it has names.
    var names: [String]?
    /// The names, or else numbers from 1.
    var named: [String]
    var separator: UInt8
    /// Whether the first row has text and is taken for a sample nevertheless.
    var isDoubtful: Bool
    /// Where rows of cells begin, in unpacked bytes, and which line that is.
    var start: (position: Int, line: Int)

    init(_ file: FileContents, _ header: CSVHeader, path: String) throws {
      func read(_ bytes: UnsafeBufferPointer<UInt8>) throws -> Header { try Header(bytes, header, path: path) }
      guard Gzip.isGzip(file) else {
        self = try file.withUnsafeBytes { try read($0.assumingMemoryBound(to: UInt8.self)) }
        return
      }
      // As much as its first row takes.
      var count = 1 << 16
      while true {
        try HostMemory.require(2 * count, for: "the first row of '\(path)'")
        let bytes = try Gzip.prefix(of: file, count: count, path: path)
        if bytes.count < count || Self.hasWholeRow(bytes, path: path) {
          self = try bytes.withUnsafeBufferPointer(read)
          return
        }
        count *= 4
      }
    }

    private static func hasWholeRow(_ bytes: [UInt8], path: String) -> Bool {
      bytes.withUnsafeBufferPointer { bytes in
        var reader = CSVReader(bytes: bytes, path: path)
        reader.findSeparator()
        var (rows, lines): (Int64, Int64) = (0, 0)
        return cinch_rows(bytes.baseAddress, Int64(bytes.count), 1, false, reader.separator, &rows, &lines) > 0
      }
    }

    init(_ bytes: UnsafeBufferPointer<UInt8>, _ header: CSVHeader, path: String) throws {
      var reader = CSVReader(bytes: bytes, path: path)
      try reader.skipByteOrderMark()
      let first = try reader.firstRow()
      let isHeader =
        switch header {
        case .present: true
        case .absent: false
        case .automatic: first.allSatisfy { $0.isEmpty || number($0) == nil }
        }
      isDoubtful =
        header == .automatic && !isHeader
        && first.contains { number($0) == nil && !TableReader.missing.contains(String(decoding: $0, as: UTF8.self)) }
      if !isHeader { reader.rewind() }
      names = isHeader ? try reader.names(first) : nil
      named = names ?? (1...first.count).map { "\($0)" }
      separator = reader.separator
      start = (reader.position, reader.line)
    }
  }

  /// Finds the columns.
  ///
  /// - Parameter isToldOnce: whether what is passed over has been told.
  private mutating func choose(_ selection: TableSelection, isToldOnce: Bool = false) throws {
    let named = header.named
    labelPlace = try selection.labelColumn.map { try find($0) }
    idPlace = try idPlace(selection)
    if let labelPlace, labelPlace == idPlace {
      throw CinchError.usage(
        "The column '\(named[labelPlace])' of '\(path)' cannot both hold the labels and name the rows: name another with "
          + "\(.labelColumn), or with \(.idColumn).")
    }
    let others = named.indices.filter { $0 != labelPlace && $0 != idPlace }
    if let known = selection.schema {
      try known.validate()
      schema = known
      try requireAgreement(of: selection, with: known)
      if known.columns.map(\.name) == others.map({ named[$0] }) {
        places = others
        return
      }
      try requireDifferentNames()
      places = try known.columns.map { column in
        guard let place = named.firstIndex(of: column.name) else {
          throw CinchError.badData(
            "'\(path)' has no column '\(column.name)', which the run was trained with: add it, or train anew without it."
          )
        }
        return place
      }
      guard Set(places).count == places.count else {
        throw CinchError.badData(
          "The run was trained with two columns of one name, which only a table of the same columns in the same order can have: "
            + "give '\(path)' those, or train anew with names that differ.")
      }
      if let labelPlace, places.contains(labelPlace) {
        throw CinchError.usage(
          "The column '\(named[labelPlace])' is one of the features that the run was trained with, so that it would be told by "
            + "itself: name other labels, or train anew with \(.drop, named[labelPlace]).")
      }
      if let idPlace, places.contains(idPlace) {
        throw CinchError.usage(
          "The column '\(named[idPlace])' is one of the features that the run was trained with: name the rows by another with "
            + "\(.idColumn), or train anew with \(.drop, named[idPlace]).")
      }
      if selection.columns == nil, !isToldOnce { note(but: selection.drop) }
      return
    }
    let dropped = try Set(selection.drop.map { try find($0) })
    let wanted = try selection.columns?.map { try find($0) } ?? Array(named.indices)
    places = wanted.filter { $0 != labelPlace && $0 != idPlace && !dropped.contains($0) }
    guard !places.isEmpty else {
      throw CinchError.usage("No column of '\(path)' is left as a feature: leave fewer out.")
    }
    guard Set(places).count == places.count else {
      throw CinchError.usage("A column of '\(path)' is named twice in \(.columns): name each once.")
    }
    let categories = try Set(selection.categories.map { try find($0) })
    if let lost = categories.subtracting(places).min() {
      throw CinchError.usage(
        "The column '\(named[lost])' is named in \(.categories), but is no feature: leave it out there, or add it.")
    }
    if let rare = selection.rare, rare < 2 {
      throw CinchError.usage("\(.rare) says how often a text must occur: \(rare) means nothing, use 2 or more.")
    }
  }

  /// A run's columns, and what they mean, are settled: refuses by name what would change them.
  private func requireAgreement(of selection: TableSelection, with schema: TableSchema) throws {
    let names = Set(schema.columns.map(\.name))
    if let lost = selection.drop.first(where: names.contains) {
      throw CinchError.usage(
        "The column '\(lost)' is one of the features that the run was trained with: give it, or train anew with \(.drop, lost)."
      )
    }
    if let columns = selection.columns, columns.allSatisfy(header.named.contains),
      let lost = schema.columns.first(where: { !columns.contains($0.name) })
    {
      throw CinchError.usage(
        "The run was trained with the column '\(lost.name)', too: name it in \(.columns), or train anew without it.")
    }
    if let number = schema.columns.first(where: { $0.kind == .number && selection.categories.contains($0.name) }) {
      throw CinchError.usage(
        "The run was trained with numbers in the column '\(number.name)': leave it out of \(.categories), or train anew."
      )
    }
  }

  private func find(_ wanted: String) throws -> Int {
    let names = header.named
    if let index = names.firstIndex(of: wanted) { return index }
    if let number = Int(wanted), number > 0, number <= names.count { return number - 1 }
    let some = names.prefix(8).joined(separator: ", ") + (names.count > 8 ? ", …" : "")
    throw CinchError.usage(
      "'\(path)' has no column '\(wanted)'\(Suggestion.text(for: wanted, among: names)): name one of \(some), or a number "
        + "from 1 to \(names.count).")
  }

  private func requireDifferentNames() throws {
    if let twice = Dictionary(grouping: header.named, by: { $0 }).first(where: { $0.value.count > 1 })?.key {
      throw CinchError.badData("'\(path)' has two columns '\(twice)': give each a name of its own.")
    }
  }

  /// Where the rows' names are: in the column that is named, or else in that of the run's table.
  private func idPlace(_ selection: TableSelection) throws -> Int? {
    if let column = selection.idColumn, selection.schema?.idColumn != column { return try find(column) }
    guard let column = selection.schema?.idColumn ?? selection.idColumn, !selection.drop.contains(column) else {
      return nil
    }
    guard selection.schema != nil else { return try find(column) }
    guard let place = header.named.firstIndex(of: column) else {
      throw CinchError.badData(
        "'\(path)' has no column '\(column)', which names the rows of the run's table: add it, name another with \(.idColumn), "
          + "or do without it by \(.drop, column).")
    }
    return place
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

  /// Tells which columns are passed over.
  private func note(but expected: [String]) {
    let names = header.named
    let used = Set(places + [labelPlace, idPlace].compactMap { $0 })
    let ignored = names.indices.filter { !used.contains($0) && !expected.contains(names[$0]) }.map { names[$0] }
    guard !ignored.isEmpty else { return }
    let list = ignored.prefix(8).joined(separator: ", ") + (ignored.count > 8 ? ", …" : "")
    LoadProgress.note("ignored the column\(ignored.count == 1 ? "" : "s") \(list) of '\(path)'")
  }

  private func uses(_ selection: TableSelection) throws -> [cinch_use] {
    var uses = [cinch_use](repeating: cinch_skip, count: header.named.count)
    let categories = try Set(selection.categories.map { try find($0) })
    for (index, place) in places.enumerated() {
      let isText = selection.schema.map { $0.columns[index].texts != nil } ?? categories.contains(place)
      uses[place] = isText ? cinch_text : cinch_number
    }
    if let labelPlace { uses[labelPlace] = cinch_label }
    if let idPlace { uses[idPlace] = cinch_name }
    return uses
  }

  /// What the columns are: as the run's table had them, or by all of their cells.
  private mutating func columns(of parts: [TablePart], _ selection: TableSelection) throws -> [TableColumn] {
    if let schema {
      columnNames = schema.featureNames
      return schema.columns
    }
    let categories = try Set(selection.categories.map { try find($0) })
    let rows = parts.reduce(0) { $0 + $1.rows }
    let cells = places.map { place in
      var cells = ColumnCells(isCategory: categories.contains(place))
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
    try requireDifferentNames()
    let columns = try zip(cells, places).map {
      try $0.column(header.named[$1], place: $1, rows: rows, rare: selection.rare, path: path)
    }
    let schema = TableSchema(columns: columns, idColumn: idPlace.map { header.named[$0] }, missing: selection.missing)
    self.schema = schema
    columnNames = schema.featureNames
    return columns
  }

  /// Puts the parts' cells together, as numbers.
  private mutating func take(_ parts: [TablePart], _ columns: [TableColumn]) throws {
    let features = columns.reduce(0) { $0 + $1.width }
    self.features = features
    let rows = parts.reduce(0) { $0 + $1.rows }
    let isWhole = !parts.contains { part in places.contains { part.column($0).missing > 0 } }
    let fillings = try parts.map { try self.fillings(of: $0, columns) }
    guard let size = checkedProduct([rows, features, isWhole ? 4 : 5]), let count = checkedProduct([rows, features])
    else { throw CinchError.badData("'\(path)' makes more numbers than there can be: use fewer rows.") }
    // The parts give their own back one after the other.
    try HostMemory.require(size, freeing: rows * places.count * 4, for: "the numbers in '\(path)'")
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

  /// What a part's cells become, column by column.
  private final class Fillings: @unchecked Sendable {
    private let columns: UnsafeMutableBufferPointer<cinch_filling>
    private let places: UnsafeMutableBufferPointer<Int32>

    /// - Parameter columns: width and fill of each, and the place of each of its texts.
    init(_ columns: [(width: Int, fill: Float, places: [Int32])]) {
      self.columns = .allocate(capacity: columns.count)
      places = .allocate(capacity: max(1, columns.reduce(0) { $0 + $1.places.count }))
      _ = places.initialize(from: columns.lazy.flatMap(\.places))
      var start = 0
      for (index, column) in columns.enumerated() {
        let places = places.baseAddress.map { UnsafePointer($0 + start) }
        self.columns.initializeElement(
          at: index, to: cinch_filling(width: Int64(column.width), fill: column.fill, places: places))
        start += column.places.count
      }
    }

    deinit {
      columns.deallocate()
      places.deallocate()
    }

    func fill(_ part: TablePart, _ values: UnsafeMutablePointer<Float>, _ observed: UnsafeMutablePointer<UInt8>?) {
      cinch_fill_rows(
        part.values, Int64(part.rows), Int64(columns.count), columns.baseAddress, values, observed)
    }
  }

  private func fillings(of part: TablePart, _ columns: [TableColumn]) throws -> Fillings {
    var refusal: (line: Int, error: CinchError)?
    func refuse(_ line: Int, _ column: TableColumn, _ what: String) {
      guard refusal.map({ line < $0.line }) ?? true else { return }
      refusal = (line, .badData("'\(path)', line \(line), column '\(column.name)' \(what)"))
    }
    let fillings = zip(columns, places).map { column, place in
      let cells = part.column(place)
      if cells.missing > 0, column.kind == .number, column.fill == nil {
        refuse(
          Int(cells.missing_line), column,
          "has a missing cell, which the run's table says nothing of: complete it, or train anew.")
      }
      let texts = part.texts(place)
      let known = column.texts.map { Dictionary(uniqueKeysWithValues: zip($0, $0.indices)) }
      let codes = texts.indices.map { index -> Int32 in
        let text = texts[index]
        guard let known, let all = column.texts else {
          refuse(texts.uses(index).line, column, "holds '\(text)', which is no number that fits 32 bits: correct it.")
          return 0
        }
        let code = known[text] ?? column.place(ofNumber: text) ?? (column.takesUnseen ? all.count - 1 : nil)
        if code == nil {
          refuse(
            texts.uses(index).line, column,
            "holds '\(text)', which is none of the run's \(all.prefix(8).joined(separator: ", "))\(all.count > 8 ? ", …" : ""): "
              + "correct it, or train anew.")
        }
        return Int32(code ?? 0)
      }
      // No text stands for a missing one.
      let fill: Float =
        switch column.kind {
        case .number: Float(column.fill ?? 0)
        case .binary: 0.5
        case .category: -1
        }
      return (width: column.width, fill: fill, places: codes)
    }
    if let refusal { throw refusal.error }
    return Fillings(fillings)
  }

  private mutating func takeLabels(_ parts: [TablePart]) {
    guard let labelPlace else { return }
    var labels = Labels.Builder()
    for part in parts {
      let texts = part.texts(labelPlace)
      labels.append(part.labels, of: Array(texts))
    }
    self.labels = Labels(labels)
  }

  private mutating func takeNames(_ parts: [TablePart]) throws {
    guard let idPlace else { return }
    var names = SampleNames(column: header.named[idPlace])
    let all = parts.map { $0.texts(idPlace).all }
    try names.reserve(
      names: all.reduce(0) { $0 + $1.ends.count }, bytes: all.reduce(0) { $0 + $1.bytes.count }, path: path)
    for (bytes, ends) in all { names.append(bytes, ends: ends) }
    rowNames = names
  }
}

extension TableColumn {
  /// The place of a text that spells the same number: programs write 1 as 1.0 where a column has missing cells.
  fileprivate func place(ofNumber text: String) -> Int? {
    guard let value = number(text.utf8) else { return nil }
    return texts?.firstIndex { number($0.utf8) == value }
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
    let wanted = name.isEmpty ? "\(place + 1)" : name
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
    guard numbers == 0 else {
      throw CinchError.badData(
        "'\(path)', line \(first.line) holds '\(first.text)' in the column '\(name)', whose other cells are numbers: "
          + (first.line == 1
            ? "say that line 1 names the columns with \(.header, CSVHeader.present.rawValue), or " : "")
          + "correct it, say that it is a missing cell with \(.missing), take all of them as categories with "
          + "\(.categories), or leave the column out with \(.drop).")
    }
    if !isCategory, texts.keys.allSatisfy({ number($0.replacing(",", with: ".").utf8) != nil }) {
      throw CinchError.badData(
        "'\(path)', line \(first.line) holds '\(first.text)' in the column '\(name)', which has a comma where numbers have a point: "
          + "write points, or take the column as categories with \(.categories).")
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
