import CSamples
import CinchBackend
import Glibc
import Synchronization

/// Reads a table's rows, block by block on several threads: what comes of it depends on the file alone.
///
/// Unchecked: what is here does not change once it is made.
final class TableScan: @unchecked Sendable {
  let path: String
  let names: [String]
  private let separator: UInt8
  private let uses: UnsafeMutableBufferPointer<cinch_use>
  private let places: UnsafeMutableBufferPointer<Int64>
  private let missing: UnsafeMutableBufferPointer<UInt8>
  private let missingEnds: UnsafeMutableBufferPointer<Int64>
  private let missingNumbers: UnsafeMutableBufferPointer<Double>
  private var table = cinch_table()

  /// Values in a row of a part.
  var width: Int { Int(table.width) }

  /// - Parameters:
  ///   - names: of all columns.
  ///   - uses: what becomes of each.
  ///   - features: the columns that are features, in the order of their values.
  ///   - missing: what a cell is that has no value.
  init(names: [String], uses: [cinch_use], features: [Int], missing: MissingCells, separator: UInt8, path: String) {
    self.path = path
    self.names = names
    self.separator = separator
    self.uses = .allocate(capacity: uses.count)
    _ = self.uses.initialize(from: uses)
    places = .allocate(capacity: uses.count)
    places.initialize(repeating: 0)
    for (place, column) in features.enumerated() { places[column] = Int64(place) }
    let texts = missing.texts.map { Array($0.utf8) }
    self.missing = .allocate(capacity: max(1, texts.joined().count))
    _ = self.missing.initialize(from: texts.joined())
    missingEnds = .allocate(capacity: max(1, texts.count))
    var end = 0
    for (index, text) in texts.enumerated() {
      end += text.count
      missingEnds[index] = Int64(end)
    }
    missingNumbers = .allocate(capacity: max(1, texts.count))
    _ = missingNumbers.initialize(from: missing.numbers)
    table.separator = separator
    table.columns = Int64(uses.count)
    table.uses = UnsafePointer(self.uses.baseAddress)
    table.places = UnsafePointer(places.baseAddress)
    table.width = Int64(features.count)
    table.missing = UnsafePointer(self.missing.baseAddress)
    table.missing_ends = UnsafePointer(missingEnds.baseAddress)
    let hasNumbers = missing.numbers.contains { !$0.isNaN }
    table.missing_numbers = hasNumbers ? UnsafePointer(missingNumbers.baseAddress) : nil
    table.missing_count = Int64(texts.count)
    table.longest_missing = Int64(texts.map(\.count).max() ?? -1)
    withUnsafeMutableBytes(of: &table.begins_missing) { begins in
      for byte in texts.compactMap(\.first) { begins[Int(byte)] = 1 }
    }
  }

  deinit {
    uses.deallocate()
    places.deallocate()
    missing.deallocate()
    missingEnds.deallocate()
    missingNumbers.deallocate()
  }

  /// Threads that read a table together.
  static var usualThreads: Int { min(max(sysconf(Int32(_SC_NPROCESSORS_ONLN)), 1), 16) }

  private struct State {
    var parts: [TablePart?] = []
    /// The first by its block.
    var failure: (index: Int, error: any Error)?
  }

  /// Blocks are taken one after the other.
  private final class Blocks: @unchecked Sendable {
    let blocks: TableBlocks
    let lock = Mutex(())
    init(_ blocks: TableBlocks) { self.blocks = blocks }
  }

  /// The parts of a table, in the order of its rows.
  /// - Throws: `CinchError.badData` naming line and column of what is wrong; `.unavailable` where there is no room.
  func read(_ blocks: TableBlocks, threads: Int) throws -> [TablePart] {
    let shared = Blocks(blocks)
    let state = Mutex(State())
    inParallel(threads) { _ in
      while true {
        guard state.withLock({ $0.failure == nil }) else { return }
        var taken = Int.max
        do {
          let next: TablePart? = try {
            guard let block = try shared.lock.withLock({ _ in try shared.blocks.next() }) else { return nil }
            taken = block.index
            defer { shared.blocks.release(block) }
            return try self.part(block)
          }()
          guard let part = next else { return }
          state.withLock { state in
            while state.parts.count <= part.index { state.parts.append(nil) }
            state.parts[part.index] = part
          }
        } catch {
          state.withLock { state in
            if state.failure.map({ taken < $0.index }) ?? true { state.failure = (taken, error) }
          }
          return
        }
      }
    }
    let (parts, failure) = state.withLock { ($0.parts.compactMap { $0 }, $0.failure) }
    // A row that is in a later block than a blank line before it.
    var blank: Int?
    for part in parts where part.index < failure?.index ?? .max {
      if let blank, part.rows > 0 { throw self.blank(line: blank) }
      blank = blank ?? part.blankLine
    }
    if let failure { throw failure.error }
    return parts
  }

  private func blank(line: Int) -> CinchError {
    .badData("'\(path)', line \(line) is blank but rows follow it: remove it.")
  }

  private func part(_ block: TableBlocks.Block) throws -> TablePart {
    // A row takes a byte for each of its columns at least, so bytes bound how many there can be.
    let rows = min(block.rows, block.bytes.count / max(names.count, 1)) + 2
    let part = try TablePart(
      index: block.index, rows: rows, width: width, columns: names.count, line: block.line,
      hasLabels: uses.contains(cinch_label), missing: Int(table.missing_count), path: path)
    let error = withUnsafePointer(to: table) {
      cinch_read_rows($0, block.bytes.baseAddress, Int64(block.bytes.count), &part.state)
    }
    part.trim()
    if part.state.row_after_blank { throw blank(line: Int(part.state.blank_line)) }
    guard error == cinch_no_error else { throw failure(error, part.state, block) }
    if let (line, column) = notUTF8(part, block) {
      throw CinchError.badData(
        "'\(path)', line \(line), column '\(names[column])' is not UTF-8: save the table as UTF-8.")
    }
    return part
  }

  /// Where the first text is that is not UTF-8, of those that are kept.
  private func notUTF8(_ part: TablePart, _ block: TableBlocks.Block) -> (line: Int, column: Int)? {
    var first: (line: Int, column: Int)?
    for column in uses.indices where uses[column] != cinch_skip {
      let texts = part.texts(column)
      guard let index = texts.firstNotUTF8 else { continue }
      let line = uses[column] == cinch_name ? self.line(ofRow: index, block) : texts.uses(index).line
      if first.map({ line < $0.line }) ?? true { first = (line, column) }
    }
    return first
  }

  /// Of a row that has been read: cells may have line ends in quotes.
  private func line(ofRow row: Int, _ block: TableBlocks.Block) -> Int {
    var reader = CSVReader(bytes: block.bytes, path: path)
    reader.separator = separator
    reader.line = block.line
    for _ in 0..<row { _ = try? reader.row(of: names.count) }
    return reader.line
  }

  private func failure(_ error: cinch_table_error, _ state: cinch_table_part, _ block: TableBlocks.Block) -> any Error {
    let line = Int(state.error_line)
    switch error {
    case cinch_malformed_row:
      var reader = CSVReader(bytes: block.bytes, path: path)
      reader.separator = separator
      (reader.position, reader.line) = (Int(state.error_position), line)
      do { _ = try reader.row(of: names.count) } catch { return error }
      return CinchError.badData("'\(path)', line \(line) is no row like the first: correct it.")
    case cinch_unfit_number:
      let text = TablePart.Texts(state.error_text).first ?? ""
      return CinchError.badData(
        "'\(path)', line \(line), column '\(names[Int(state.error_column)])' holds '\(text)', which is no number that fits 32 bits: "
          + "correct it.")
    case cinch_no_label:
      return CinchError.badData("'\(path)', line \(line) has no label: complete it, or remove the row.")
    default: return CinchError.unavailable("There is no memory left to read '\(path)': close other programs.")
    }
  }
}

/// Some rows of a table, as C has read them.
///
/// Unchecked: one thread makes it, and nothing changes it afterwards but what gives its values back.
final class TablePart: @unchecked Sendable {
  let index: Int
  fileprivate var state = cinch_table_part()
  private let columnCount: Int
  private let width: Int
  private var mapped: UnsafeMutableRawBufferPointer?

  fileprivate init(
    index: Int, rows: Int, width: Int, columns: Int, line: Int, hasLabels: Bool, missing: Int, path: String
  ) throws {
    self.index = index
    self.width = width
    columnCount = columns
    guard let values = checkedProduct([rows, max(width, 1), 4]) else {
      throw CinchError.badData("'\(path)' has more columns than can be read: leave some out.")
    }
    try HostMemory.require(values + (hasLabels ? 4 * rows : 0), for: "the rows of '\(path)'")
    // Memory of its own, which goes back to the system as soon as it is not needed.
    guard
      let place = mmap(nil, values, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0),
      place != MAP_FAILED
    else { throw CinchError.unavailable("There is no memory left to read '\(path)': close other programs.") }
    mapped = UnsafeMutableRawBufferPointer(start: place, count: values)
    state.values = place.assumingMemoryBound(to: Float.self)
    if hasLabels { state.labels = .allocate(capacity: rows) }
    state.missing_met = .allocate(capacity: max(1, missing))
    state.missing_met.initialize(repeating: false, count: missing)
    state.columns = .allocate(capacity: columns)
    state.columns.initialize(repeating: cinch_table_column(), count: columns)
    state.line = Int64(line)
  }

  deinit {
    giveBack()
    cinch_texts_free(&state.error_text)
    // Nil where there was no room for the rows.
    if let columns = state.columns {
      for column in 0..<columnCount { cinch_texts_free(&columns[column].texts) }
      columns.deallocate()
    }
    state.labels?.deallocate()
    state.missing_met?.deallocate()
  }

  /// Gives back the room that no row took.
  fileprivate func trim() {
    guard let whole = mapped, let start = whole.baseAddress else { return }
    let page = sysconf(Int32(_SC_PAGESIZE))
    let used = max(page, (rows * width * 4 + page - 1) / page * page)
    guard used < whole.count else { return }
    munmap(start + used, whole.count - used)
    mapped = UnsafeMutableRawBufferPointer(start: start, count: used)
  }

  /// Frees the values, which have been put elsewhere.
  func giveBack() {
    if let mapped { munmap(mapped.baseAddress, mapped.count) }
    mapped = nil
  }

  var rows: Int { Int(state.rows) }
  var blankLine: Int? { state.blank_line == 0 ? nil : Int(state.blank_line) }
  /// `rows × width`, tags among them.
  var values: UnsafePointer<Float> { UnsafePointer(state.values) }
  var labels: UnsafeBufferPointer<Int32> { UnsafeBufferPointer(start: state.labels, count: rows) }

  /// Whether a cell is what is said of missing ones, by its number among `MissingCells.texts`.
  func hasMissing(_ index: Int) -> Bool { state.missing_met[index] }

  func column(_ place: Int) -> cinch_table_column { state.columns[place] }
  func texts(_ place: Int) -> Texts { Texts(state.columns[place].texts) }

  /// A column's texts, in the order in which they are first met.
  struct Texts: RandomAccessCollection {
    private let texts: cinch_texts

    init(_ texts: cinch_texts) { self.texts = texts }

    var startIndex: Int { 0 }
    var endIndex: Int { Int(texts.count) }
    subscript(index: Int) -> String { String(decoding: bytes(index), as: UTF8.self) }

    func bytes(_ index: Int) -> UnsafeBufferPointer<UInt8> {
      let start = index == 0 ? 0 : Int(texts.ends[index - 1])
      return UnsafeBufferPointer(start: texts.bytes.map { $0 + start }, count: Int(texts.ends[index]) - start)
    }

    /// How often a text is met, and in which line first.
    func uses(_ index: Int) -> (count: Int, line: Int) { (Int(texts.counts[index]), Int(texts.lines[index])) }

    /// The first text that is not UTF-8. ASCII is.
    var firstNotUTF8: Int? {
      if all.bytes.allSatisfy({ $0 < 0x80 }) { return nil }
      return indices.first { String(validating: bytes($0), as: UTF8.self) == nil }
    }

    /// All bytes, and where each text ends.
    var all: (bytes: UnsafeBufferPointer<UInt8>, ends: UnsafeBufferPointer<Int64>) {
      let size = isEmpty ? 0 : Int(texts.ends[count - 1])
      return (
        UnsafeBufferPointer(start: texts.bytes, count: size), UnsafeBufferPointer(start: texts.ends, count: count)
      )
    }
  }
}
