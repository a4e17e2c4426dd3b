import CinchBackend
import Glibc

/// Whether the first row of a CSV file names the columns.
public enum CSVHeader: String, Sendable, Codable, CaseIterable {
  /// It does if one of its cells is neither a number nor empty.
  case automatic
  case present
  case absent
}

/// Numbers in text, separated by commas, semicolons or tabs; quoted as in RFC 4180.
///
/// The separator is the first of tab, semicolon and comma found in the first row outside quotes.
struct CSV {
  /// Rows of features, row-major.
  private(set) var values: [Float] = []
  private(set) var features = 0
  private(set) var columnNames: [String]?
  private(set) var labels: Labels?

  /// - Parameter labelColumn: the name of a column, or its number from 1, that holds labels, to be kept apart.
  /// - Throws: `CinchError.badData` naming line and column, counted from 1.
  init(_ file: [UInt8], header: CSVHeader = .automatic, labelColumn: String? = nil, path: String) throws {
    self = try file.withUnsafeBufferPointer { try CSV($0, header: header, labelColumn: labelColumn, path: path) }
  }

  init(
    _ bytes: UnsafeBufferPointer<UInt8>, header: CSVHeader = .automatic, labelColumn: String? = nil, path: String
  ) throws {
    var values: [Float] = []
    var labels = Labels.Builder()
    var columns = 0
    var names: [String]?
    var label: Int?
    var reader = CSVReader(bytes: bytes, path: path)
    reader.skipByteOrderMark()
    let first = try reader.firstRow()
    columns = first.count
    let isHeader =
      switch header {
      case .present: true
      case .absent: false
      case .automatic: try Self.areNames(first, labelColumn: labelColumn, path: path)
      }
    if isHeader {
      names = first.map { String(decoding: $0, as: UTF8.self) }
    } else {
      reader.rewind()
    }
    label = try labelColumn.map { try Self.find($0, in: names, columns: columns, path: path) }
    if columns == 1, label != nil {
      throw CinchError.badData("'\(path)' has only its label column: add columns of features.")
    }
    var room = 0
    var told = 0
    while try reader.beginRow() {
      var column = 0
      if reader.position - told >= LoadProgress.step {
        told = reader.position
        LoadProgress.tell("reading", path, told, of: bytes.count)
      }
      repeat {
        if column == label {
          let text = try reader.text(column: column)
          guard !text.isEmpty else {
            throw reader.failure("has no label: complete it, or remove the row.", column: column)
          }
          labels.append(text)
        } else {
          let value = try reader.number(column: column, columns: columns)
          if values.count == room { room = try Self.grow(&values, path: path) }
          let narrow = Float(value)
          guard narrow.isFinite else {
            throw reader.failure("holds \(value), which is too large for a 32-bit float: rescale it.", column: column)
          }
          values.append(narrow)
        }
        column += 1
      } while reader.takeSeparator()
      try reader.endRow(found: column, expected: columns)
    }
    guard !values.isEmpty else {
      throw CinchError.badData("'\(path)' has a header but no rows of numbers: add at least one.")
    }
    if let label {
      names?.remove(at: label)
      self.labels = Labels(labels)
    }
    self.values = values
    features = label == nil ? columns : columns - 1
    columnNames = names
  }

  /// The labels in a file with one on each line.
  /// - Throws: `CinchError.badData`.
  static func labels(_ bytes: UnsafeBufferPointer<UInt8>, path: String) throws -> Labels {
    var reader = CSVReader(bytes: bytes, path: path)
    reader.skipByteOrderMark()
    var labels = Labels.Builder()
    while try reader.beginRow() {
      let text = try reader.text(column: 0)
      guard !text.isEmpty else { throw reader.failure("has no label: complete it.", column: 0) }
      labels.append(text)
      guard !reader.takeSeparator() else {
        throw reader.failure("begins a second column: give a file with one label on each line.", column: 1)
      }
      try reader.endRow(found: 1, expected: 1)
    }
    return Labels(labels)
  }

  /// Makes room for twice as many values, where there is memory for both arrays.
  /// - Returns: how many there is room for.
  private static func grow(_ values: inout [Float], path: String) throws -> Int {
    let room = max(1 << 12, 2 * values.count)
    try HostMemory.require(4 * (values.count + room), for: "the numbers in '\(path)'")
    values.reserveCapacity(room)
    return room
  }

  private static func find(_ wanted: String, in names: [String]?, columns: Int, path: String) throws -> Int {
    if let index = names?.firstIndex(of: wanted) { return index }
    if let number = Int(wanted), (1...columns).contains(number) { return number - 1 }
    throw CinchError.usage(
      "'\(path)' has no column \(wanted) to take labels from: name one of its columns or a number from 1 to \(columns)."
    )
  }

  /// Whether a file's first row names its columns. One that mixes names and numbers may be a header, or samples of
  /// which one is damaged: that is not for us to guess.
  private static func areNames(_ row: [[UInt8]], labelColumn: String?, path: String) throws -> Bool {
    // Labels may be names in a row of numbers.
    let label = labelColumn.flatMap { Int($0) }
    let cells = row.enumerated().filter { $0.offset + 1 != label }.map(\.element).filter { !$0.isEmpty }
    let names = cells.count { parse($0) == nil }
    guard names == 0 || names == cells.count else {
      throw CinchError.badData(
        "'\(path)', line 1 mixes names and numbers: say whether it is a header, with \(.header, CSVHeader.present.rawValue) or \(.header, CSVHeader.absent.rawValue)."
      )
    }
    return names > 0
  }

  /// The number a whole cell spells, NaN and infinities included, or nil.
  static func parse(_ cell: [UInt8]) -> Double? {
    cell.withUnsafeBufferPointer { bytes in
      var position = 0
      let value = scanNumber(bytes, &position)
      return position == bytes.count ? value : nil
    }
  }
}

/// Steps through the bytes of a CSV file, cell by cell.
struct CSVReader {
  let bytes: UnsafeBufferPointer<UInt8>
  let path: String
  var position = 0
  var line = 1
  var separator = UInt8(ascii: ",")
  var start = (position: 0, line: 1)

  init(bytes: UnsafeBufferPointer<UInt8>, path: String) {
    self.bytes = bytes
    self.path = path
  }

  mutating func skipByteOrderMark() {
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
    start.position = position
  }

  mutating func rewind() { (position, line) = start }

  func failure(_ what: String, column: Int) -> CinchError {
    .badData("'\(path)', line \(line), column \(column + 1) \(what)")
  }

  /// Finds the separator and takes the first row's cells, unquoted and trimmed.
  mutating func firstRow() throws -> [[UInt8]] {
    var found: Set<UInt8> = []
    var isQuoted = false
    for byte in bytes[position...] {
      if byte == UInt8(ascii: "\"") { isQuoted.toggle() }
      if byte == UInt8(ascii: "\n"), !isQuoted { break }
      if !isQuoted { found.insert(byte) }
    }
    separator = ["\t", ";", ","].map { UInt8(ascii: $0) }.first(where: found.contains) ?? UInt8(ascii: ",")
    guard try beginRow() else { throw CinchError.badData("'\(path)' has no rows: fetch or write it again.") }
    guard line == start.line else {
      throw CinchError.badData("'\(path)', line 1 is blank: remove it.")
    }
    var cells: [[UInt8]] = []
    repeat { cells.append(try text(column: cells.count)) } while takeSeparator()
    try endRow(found: cells.count, expected: cells.count)
    return cells
  }

  /// Whether another row follows; blank lines may only end the file.
  mutating func beginRow() throws -> Bool {
    let blankLine = line
    while true {
      skipBlanks()
      guard position < bytes.count else { return false }
      if bytes[position...].starts(with: [0x0D, 0x0A]) { position += 1 }
      guard bytes[position] == UInt8(ascii: "\n") else { break }
      line += 1
      position += 1
    }
    guard line == blankLine || blankLine == 1 else {
      throw CinchError.badData("'\(path)', line \(blankLine) is blank but rows follow it: remove it.")
    }
    return true
  }

  mutating func takeSeparator() -> Bool {
    guard position < bytes.count, bytes[position] == separator else { return false }
    position += 1
    return true
  }

  mutating func endRow(found: Int, expected: Int) throws {
    if position < bytes.count, bytes[position] == UInt8(ascii: "\r") { position += 1 }
    guard position == bytes.count || bytes[position] == UInt8(ascii: "\n") else {
      throw failure("is followed by \(excerpt(bytes[position...])): put a separator between cells.", column: found - 1)
    }
    guard found == expected else {
      throw CinchError.badData(
        "'\(path)', line \(line) has \(found) columns where the first row has \(expected): give every row as many.")
    }
    if position < bytes.count {
      position += 1
      line += 1
    }
  }

  /// The finite number in this cell.
  mutating func number(column: Int, columns: Int) throws -> Double {
    skipBlanks()
    let begin = position
    let isQuoted = position < bytes.count && bytes[position] == UInt8(ascii: "\"")
    if isQuoted { position += 1 }
    let value = scanNumber(bytes, &position)
    if isQuoted, value != nil {
      if position < bytes.count, bytes[position] == UInt8(ascii: "\"") { position += 1 } else { position = begin }
    }
    skipBlanks()
    guard let value, position != begin, atCellEnd else {
      throw notANumber(begin: begin, column: column, columns: columns)
    }
    guard value.isFinite else {
      let word = value.isNaN ? "NaN" : "infinite"
      throw failure("is \(word): clean or impute such values first.", column: column)
    }
    return value
  }

  private var atCellEnd: Bool {
    guard position < bytes.count else { return true }
    let byte = bytes[position]
    return byte == separator || byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r")
  }

  private func notANumber(begin: Int, column: Int, columns: Int) -> CinchError {
    let cell = bytes[begin...].prefix { $0 != separator && $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }
    if column >= columns {
      return failure("is one more than the \(columns) of the first row: give every row as many.", column: column)
    }
    if cell.allSatisfy({ $0 == 0x20 }) {
      return failure("is empty: clean or impute such values first.", column: column)
    }
    return failure(
      "holds \(excerpt(cell)), which is not a number: encode text as numbers first (the decimal mark is a point).",
      column: column)
  }

  /// This cell as text, with quotes taken off and doubled quotes made single.
  mutating func text(column: Int) throws -> [UInt8] {
    skipBlanks()
    var cell: [UInt8] = []
    guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else {
      while !atCellEnd {
        cell.append(bytes[position])
        position += 1
      }
      while cell.last == 0x20 || cell.last == 0x09 { cell.removeLast() }
      return cell
    }
    let openingLine = line
    position += 1
    while position < bytes.count {
      let byte = bytes[position]
      position += 1
      if byte == UInt8(ascii: "\"") {
        guard position < bytes.count, bytes[position] == byte else {
          skipBlanks()
          return cell
        }
        position += 1
      }
      if byte == UInt8(ascii: "\n") { line += 1 }
      cell.append(byte)
    }
    line = openingLine
    throw failure("opens a quote that is never closed: close it.", column: column)
  }

  private mutating func skipBlanks() {
    while position < bytes.count, bytes[position] == 0x20 || (bytes[position] == 0x09 && separator != 0x09) {
      position += 1
    }
  }
}
