import CinchBackend

/// A table's file with some of its cells replaced, all other bytes as they are.
package struct TableRewriter {
  private let path: String
  private let contents: FileContents
  private let options: Dataset.LoadOptions
  /// What its feature columns are.
  package let schema: TableSchema

  /// - Parameters:
  ///   - source: a CSV file, gzipped or not.
  ///   - schema: its feature columns, which are found by name; of a file without names by number.
  /// - Throws: `CinchError.inputOutput` and `.badData` where the file cannot be read.
  package init(_ source: DataSource, _ schema: TableSchema) throws {
    path = source.source
    options = source.options
    self.schema = schema
    contents = try Dataset.inflated(try FileContents(contentsOf: path), path: path)
  }

  /// Whether tabs lie between its cells; nil where rows have one cell.
  package var isTabbed: Bool? {
    get throws {
      try contents.withUnsafeBytes { raw -> Bool? in
        let header = try TableHeader(raw.assumingMemoryBound(to: UInt8.self), options.header, path: path)
        return header.named.count > 1 ? header.separator == UInt8(ascii: "\t") : nil
      }
    }
  }

  /// Writes the file anew, atomically.
  ///
  /// - Parameter cell: what a feature column's cell becomes, from its row and the column's number, both from 0; nil leaves it as
  ///   it is. Cells are asked for row by row.
  /// - Throws: `CinchError.badData` where the file is no such table, `.inputOutput` where none can be written.
  package func write(
    to target: String, _ cell: (_ row: Int, _ column: Int, _ isMissing: Bool) throws -> String?
  ) throws {
    try contents.withUnsafeBytes { raw in
      let bytes = raw.assumingMemoryBound(to: UInt8.self)
      var selection = TableSelection(options)
      selection.schema = schema
      let missing = MissingCells(selection.missing)
      let header = try TableHeader(bytes, options.header, path: path)
      let choice = try ColumnChoice(header, selection, path: path, isToldOnce: true)
      try AtomicFile.write(to: target) { file in
        var reader = header.rows(of: bytes, path: path)
        var copied = 0
        var row = 0
        var text: [UInt8] = []
        while try reader.beginRow() {
          var found = 0
          repeat {
            let start = reader.position
            let old = try reader.text(column: found)
            if let column = choice.features.firstIndex(of: found),
              let new = try cell(row, column, missing.contains(old))
            {
              text += bytes[copied..<start]
              text += Array(CSVWriter.field(new).utf8)
              copied = reader.position
            }
            found += 1
          } while reader.takeSeparator()
          try reader.endRow(found: found, expected: header.named.count)
          row += 1
          if text.count > 1 << 20 {
            try file.write(text)
            text.removeAll(keepingCapacity: true)
          }
        }
        text += bytes[copied...]
        try file.write(text)
      }
    }
  }
}
