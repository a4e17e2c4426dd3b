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
