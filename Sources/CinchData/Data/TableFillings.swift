import CSamples

/// What a part's cells become, column by column.
final class TableFillings: @unchecked Sendable {
  private let columns: UnsafeMutableBufferPointer<cinch_filling>
  private let places: UnsafeMutableBufferPointer<Int32>

  /// What a column's cells become.
  private struct Filling {
    let width: Int
    /// What stands for a missing cell.
    let fill: Float
    /// Of each of the part's texts among the column's.
    let places: [Int32]
  }

  /// - Parameter places: of the columns in a row of the table.
  /// - Throws: `CinchError.badData` where a cell is nothing that its column has.
  convenience init(_ part: TablePart, _ columns: [TableColumn], at places: [Int], path: String) throws {
    var refusal: (line: Int, error: CinchError)?
    func refuse(_ line: Int, _ column: TableColumn, _ what: String) {
      guard refusal.map({ line < $0.line }) ?? true else { return }
      refusal = (line, .badData("'\(path)', line \(line), column '\(column.name)' \(what)"))
    }
    let fillings = zip(columns, places).map { column, place -> Filling in
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
      return Filling(width: column.width, fill: fill, places: codes)
    }
    if let refusal { throw refusal.error }
    self.init(fillings)
  }

  private init(_ columns: [Filling]) {
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

extension TableColumn {
  /// The place of a text that spells the same number: programs write 1 as 1.0 where a column has missing cells.
  fileprivate func place(ofNumber text: String) -> Int? {
    guard let value = number(text.utf8) else { return nil }
    return texts?.firstIndex { number($0.utf8) == value }
  }
}
