import CSamples
import CinchBackend

/// Whether the first row of a CSV file names the columns.
public enum CSVHeader: String, Sendable, Codable, CaseIterable {
  /// It does if none of its cells is a number.
  case automatic
  case present
  case absent
}

/// The number that a whole text spells, correctly rounded, NaN and infinities included; nil where it is none.
func number(_ text: some Collection<UInt8>) -> Double? {
  func scan(_ bytes: UnsafeBufferPointer<UInt8>) -> Double? {
    var value = 0.0
    let length = cinch_scan_number(bytes.baseAddress, Int64(bytes.count), &value)
    return length > 0 && length == bytes.count ? value : nil
  }
  return text.withContiguousStorageIfAvailable(scan) ?? Array(text).withUnsafeBufferPointer(scan)
}

/// Steps through text in cells, separated by commas, semicolons or tabs and quoted as in RFC 4180, cell by cell: the first row
/// of a table, files of labels, and what is to be named as wrong. `TableReader` has the rest read in C.
///
/// The separator is the first of tab, semicolon and comma that is as often in the second row as in the first, outside quotes, or
/// else the first of them in the first row.
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

  /// - Throws: `CinchError.badData` where the text is UTF-16.
  mutating func skipByteOrderMark() throws {
    if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) {
      throw CinchError.badData("'\(path)' is UTF-16: save it as UTF-8.")
    }
    if bytes.prefix(1024).contains(0) {
      throw CinchError.badData("'\(path)' has bytes of 0 in its text, as UTF-16 has: save it as UTF-8.")
    }
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
    start.position = position
  }

  mutating func rewind() { (position, line) = start }

  func failure(_ what: String, column: Int) -> CinchError {
    .badData("'\(path)', line \(line), column \(column + 1) \(what)")
  }

  /// The first row's cells as text.
  /// - Throws: `CinchError.badData` where one is not UTF-8.
  func names(_ cells: [[UInt8]]) throws -> [String] {
    try cells.enumerated().map { column, cell in
      guard let name = String(validating: cell, as: UTF8.self) else {
        throw CinchError.badData(
          "'\(path)', line \(start.line), column \(column + 1) is not UTF-8: save the table as UTF-8.")
      }
      return name
    }
  }

  /// Finds the separator.
  mutating func findSeparator() {
    let candidates = ["\t", ";", ","].map { UInt8(ascii: $0) }
    var counts = [[0, 0], [0, 0], [0, 0]]
    var (row, isQuoted) = (0, false)
    for byte in bytes[position...] {
      if byte == UInt8(ascii: "\"") { isQuoted.toggle() }
      guard !isQuoted else { continue }
      if byte == UInt8(ascii: "\n") { row += 1 }
      guard row < 2 else { break }
      if let place = candidates.firstIndex(of: byte) { counts[place][row] += 1 }
    }
    let found = candidates.indices.filter { counts[$0][0] > 0 }
    let place = found.first { counts[$0][0] == counts[$0][1] } ?? found.first
    separator = place.map { candidates[$0] } ?? UInt8(ascii: ",")
  }

  /// Finds the separator and takes the first row's cells, unquoted and trimmed.
  mutating func firstRow() throws -> [[UInt8]] {
    findSeparator()
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
    var hasReturn = false
    if position < bytes.count, bytes[position] == UInt8(ascii: "\r") {
      hasReturn = true
      position += 1
    }
    guard position == bytes.count || bytes[position] == UInt8(ascii: "\n") else {
      if hasReturn {
        throw CinchError.badData("'\(path)', line \(line) has a line end of CR alone: save it with LF.")
      }
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

  private var atCellEnd: Bool {
    guard position < bytes.count else { return true }
    let byte = bytes[position]
    return byte == separator || byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r")
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

  /// The next row's cells.
  mutating func row(of width: Int) throws -> [[UInt8]] {
    var cells: [[UInt8]] = []
    repeat { cells.append(try text(column: cells.count)) } while takeSeparator()
    try endRow(found: cells.count, expected: width)
    return cells
  }
}

extension Labels {
  /// The labels in a file with one on each line.
  /// - Throws: `CinchError.badData`.
  init(text bytes: UnsafeBufferPointer<UInt8>, path: String) throws {
    var reader = CSVReader(bytes: bytes, path: path)
    try reader.skipByteOrderMark()
    var labels = Labels.Builder()
    while try reader.beginRow() {
      let text = try reader.text(column: 0)
      guard !text.isEmpty else { throw reader.failure("has no label: complete it.", column: 0) }
      guard labels.append(text) else { throw reader.failure("is not UTF-8: save the file as UTF-8.", column: 0) }
      guard !reader.takeSeparator() else {
        throw reader.failure("begins a second column: give a file with one label on each line.", column: 1)
      }
      try reader.endRow(found: 1, expected: 1)
    }
    self.init(labels)
  }
}

/// A small table as text.
package enum CSVText {
  /// Rows of cells, the first among them, each of as many.
  /// - Throws: `CinchError.badData` where it has none, or one has other cells than the first; `.inputOutput`.
  package static func rows(_ path: String) throws -> [[String]] {
    try FileContents(contentsOf: path).withUnsafeBytes { bytes in
      var reader = CSVReader(bytes: bytes.assumingMemoryBound(to: UInt8.self), path: path)
      try reader.skipByteOrderMark()
      var rows = [try reader.firstRow()]
      while try reader.beginRow() { rows.append(try reader.row(of: rows[0].count)) }
      return rows.map { $0.map { String(decoding: $0, as: UTF8.self) } }
    }
  }
}
