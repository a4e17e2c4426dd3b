import CinchBackend

/// What the columns of a table mean: which of them are features, and how text becomes numbers.
///
/// A run keeps the schema of its training table, so that later tables are read alike: columns are found by name, in any
/// order, and a text that was not there in training is refused.
public struct TableSchema: Sendable, Hashable, Codable {
  /// The columns that are features, in their order.
  public var columns: [TableColumn]
  /// A column that names the rows, and is no feature.
  public var idColumn: String?
  /// What a cell is that has no value, beside those that always are; nil for no more.
  public var missing: [String]?

  public init(columns: [TableColumn], idColumn: String? = nil, missing: [String]? = nil) {
    self.columns = columns
    self.idColumn = idColumn
    self.missing = missing
  }

  /// - Throws: `DecodingError` where no table has such columns.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    columns = try container.decode([TableColumn].self, forKey: .columns)
    idColumn = try container.decodeIfPresent(String.self, forKey: .idColumn)
    missing = try container.decodeIfPresent([String].self, forKey: .missing)
    if let fault {
      throw DecodingError.dataCorruptedError(forKey: .columns, in: container, debugDescription: fault)
    }
  }

  /// Why it is no table's, as a part of a sentence; nil where it may be one's.
  private var fault: String? {
    columns.isEmpty ? "there are no columns" : columns.lazy.compactMap(\.fault).first
  }

  /// - Throws: `CinchError.usage` where no table has such columns.
  func validate() throws {
    guard let fault else { return }
    throw CinchError.usage("No table can be read by its schema, for \(fault): correct the schema, or leave it out.")
  }

  /// A name for each number of a sample: the column's, or, of a category, `column=category`.
  public var featureNames: [String] { columns.flatMap(\.featureNames) }

  /// Numbers in a sample.
  public var features: Int { columns.reduce(0) { $0 + $1.width } }

  /// Where in a sample the numbers of each column are.
  package var ranges: [Range<Int>] {
    var start = 0
    return columns.map { column in
      defer { start += column.width }
      return start..<start + column.width
    }
  }

  /// A sample as cells of the table.
  ///
  /// - Parameter rounded: whether numbers have no more digits after the point than the column's own.
  package func cells(_ values: ArraySlice<Float>, rounded: Bool = false) -> [String] {
    var start = values.startIndex
    return columns.map { column in
      defer { start += column.width }
      return column.cell(values[start..<start + column.width], rounded: rounded)
    }
  }

  /// Whether every column is a number.
  public var isPlain: Bool { idColumn == nil && missing == nil && columns.allSatisfy { $0.kind == .number } }
}

/// One column of a table.
public struct TableColumn: Sendable, Hashable, Codable {
  public var name: String
  public var kind: Kind
  /// What stands for a missing number: the mean of the training table's. For a missing text stands none: 0.5 for a binary one,
  /// 0 for each text of a category, which is what masking makes of it.
  public var fill: Double?
  /// Digits after the point that numbers are written with: as many as any cell of the training table has; nil for as many
  /// as a number needs.
  public var decimals: Int?
  /// Whether a text that was not there in training counts as the last one, `other`.
  public var takesUnseen = false

  /// What its cells are.
  public enum Kind: Sendable, Hashable {
    /// A number, as it is.
    case number
    /// One of two texts: 0 for the first, 1 for the second.
    case binary([String])
    /// One of several texts: a number for each of them, 1 for the cell's and 0 for the others.
    case category([String])
  }

  /// More digits after the point than this are written as they come.
  static let mostDecimals = 9

  /// What a category is called that stands for rare texts, and for those that were not there in training.
  public static let other = "other"

  /// A column as it is typed in a list of columns: by name, or by its number from 1 where a shell or the list would take the name
  /// apart.
  static func typed(_ name: String, place: Int) -> String {
    let isPlain = name.allSatisfy { $0.isLetter || $0.isNumber || "_-.".contains($0) }
    return isPlain && !name.isEmpty && !name.hasPrefix("-") ? name : "\(place + 1)"
  }

  public init(name: String, kind: Kind, fill: Double? = nil, decimals: Int? = nil, takesUnseen: Bool = false) {
    self.name = name
    self.kind = kind
    self.fill = fill
    self.decimals = decimals
    self.takesUnseen = takesUnseen
  }

  /// How many numbers it makes.
  public var width: Int {
    if case .category(let texts) = kind { texts.count } else { 1 }
  }

  var featureNames: [String] {
    switch kind {
    case .number: [name]
    case .binary(let texts): ["\(name)=\(texts.last ?? "")"]
    case .category(let texts): texts.map { "\(name)=\($0)" }
    }
  }

  /// Why no table has it, as a part of a sentence; nil where one may.
  fileprivate var fault: String? {
    guard (0...Self.mostDecimals).contains(decimals ?? 0), Float(fill ?? 0).isFinite else {
      return "no column has such numbers as '\(name)'"
    }
    let hasPossibleTexts =
      switch kind {
      case .number: true
      case .binary(let texts): texts.count == 2 && texts[0] != texts[1]
      case .category(let texts): texts.count > 2 && Set(texts).count == texts.count
      }
    return hasPossibleTexts ? nil : "the column '\(name)' cannot have the texts \(texts ?? [])"
  }

  /// The texts that its cells may have; nil where they are numbers.
  var texts: [String]? {
    switch kind {
    case .number: nil
    case .binary(let texts), .category(let texts): texts
    }
  }

  /// A number with no more digits after the point than the column has.
  private func numberText(_ value: Float) -> String {
    guard let decimals, value.isFinite else { return "\(value)" }
    var unit = 1.0
    for _ in 0..<decimals { unit *= 10 }
    let scaled = (abs(Double(value)) * unit).rounded()
    guard scaled < 9e15 else { return "\(value)" }
    let (whole, part) = Int(scaled).quotientAndRemainder(dividingBy: Int(unit))
    let sign = value < 0 && scaled > 0 ? "-" : ""
    guard decimals > 0 else { return "\(sign)\(whole)" }
    let digits = String(part)
    return "\(sign)\(whole)." + String(repeating: "0", count: decimals - digits.count) + digits
  }

  /// What numbers mean as a cell: the category whose number is largest.
  package func cell(_ values: ArraySlice<Float>, rounded: Bool) -> String {
    switch kind {
    case .number: rounded ? numberText(values.first ?? .nan) : "\(values.first ?? .nan)"
    case .binary(let texts): (values.first ?? 0) >= 0.5 ? texts[1] : texts[0]
    case .category(let texts):
      texts[(values.indices.max { values[$0] < values[$1] } ?? values.startIndex) - values.startIndex]
    }
  }
}

extension TableColumn.Kind {
  /// What it is to a network.
  public var output: OutputColumn {
    switch self {
    case .number: .number
    case .binary: .binary
    case .category(let texts): .category(texts.count)
    }
  }
}

/// `{"name": "island", "kind": "category", "texts": ["Biscoe", "Dream", "Torgersen"]}`.
extension TableColumn {
  private enum CodingKeys: String, CodingKey { case name, kind, texts, fill, decimals, takesUnseen }
  private enum Name: String, Codable { case number, binary, category }

  /// - Throws: `DecodingError` where no table has such a column.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    name = try container.decode(String.self, forKey: .name)
    fill = try container.decodeIfPresent(Double.self, forKey: .fill)
    decimals = try container.decodeIfPresent(Int.self, forKey: .decimals)
    takesUnseen = try container.decodeIfPresent(Bool.self, forKey: .takesUnseen) ?? false
    let kind = try container.decode(Name.self, forKey: .kind)
    self.kind =
      switch kind {
      case .number: .number
      case .binary: .binary(try container.decode([String].self, forKey: .texts))
      case .category: .category(try container.decode([String].self, forKey: .texts))
      }
    if let fault {
      throw DecodingError.dataCorrupted(
        DecodingError.Context(codingPath: container.codingPath, debugDescription: fault))
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(name, forKey: .name)
    switch kind {
    case .number: try container.encode(Name.number, forKey: .kind)
    case .binary: try container.encode(Name.binary, forKey: .kind)
    case .category: try container.encode(Name.category, forKey: .kind)
    }
    try container.encodeIfPresent(texts, forKey: .texts)
    try container.encodeIfPresent(fill, forKey: .fill)
    try container.encodeIfPresent(decimals, forKey: .decimals)
    if takesUnseen { try container.encode(true, forKey: .takesUnseen) }
  }
}

extension Dataset {
  /// Whether some of its columns are texts.
  package var hasTexts: Bool { textFeatures != nil }
}
