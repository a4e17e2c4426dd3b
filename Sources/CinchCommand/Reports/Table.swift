/// Rows of text in columns, printed as they come: widths are fixed beforehand.
struct Table {
  enum Column {
    case text(String, width: Int)
    case number(String, width: Int)
  }

  private let columns: [Column]

  init(_ columns: [Column]) { self.columns = columns }

  var header: String {
    line(
      columns.map { column in
        switch column {
        case .text(let title, _), .number(let title, _): title
        }
      })
  }

  /// One row; a cell that is wider than its column pushes the others.
  func line(_ cells: [String]) -> String {
    let padded = zip(columns, cells).map { column, cell in
      switch column {
      case .text(_, let width): cell + String(repeating: " ", count: max(0, width - cell.count))
      case .number(_, let width): String(repeating: " ", count: max(0, width - cell.count)) + cell
      }
    }
    var line = padded.joined(separator: "  ")
    while line.last == " " { line.removeLast() }
    return line
  }
}
