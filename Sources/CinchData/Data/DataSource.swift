import CinchBackend
import FoundationEssentials

/// A data set by its name or path, and how to read it: enough to load it again.
public struct DataSource: Sendable, Hashable {
  /// `fashion-mnist`, or an absolute path.
  public var source: String
  public var options: Dataset.LoadOptions
  /// How many samples there were, to notice another file under the same name.
  public var samples: Int?

  public init(_ source: String, options: Dataset.LoadOptions = Dataset.LoadOptions()) {
    let names = ["fashion-mnist", "fashion-mnist-test"]
    self.source = names.contains(source) ? source : Self.absolute(source)
    self.options = options
    self.options.labels = options.labels.map(Self.absolute)
  }

  private static func absolute(_ path: String) -> String {
    URL(fileURLWithPath: path).standardizedFileURL.path
  }

  /// The same samples, whose files lie elsewhere now: read as they were.
  ///
  /// - Parameters:
  ///   - path: nil for where they lay.
  ///   - labels: likewise, where their labels have a file of their own.
  package func moved(to path: String?, labels: String?) -> DataSource {
    guard path != nil || labels != nil else { return self }
    var options = options
    options.labels = labels ?? options.labels
    var moved = DataSource(path ?? source, options: options)
    moved.samples = samples
    return moved
  }

  /// Whether a file or a folder is there; data sets by name are looked for in several places.
  package static func isThere(_ path: String) -> Bool { !path.hasPrefix("/") || FileBytes.exists(path) }

  /// - Throws: as `Dataset.load`; `CinchError.badData` where it has other samples than it had.
  public func load() throws -> Dataset {
    let data = try Dataset.load(source, options: options)
    if let samples, samples != data.count {
      throw CinchError.badData(
        "'\(source)' had \(samples) samples when the run was started and has \(data.count) now: "
          + "bring the old file back, or start a new run.")
    }
    return data
  }
}

/// `{"source": "/data/photos.npy", "options": {"layout": "nhwc", …}, "samples": 24}`. In runs of version 0.1 the options
/// lie beside `source`.
extension DataSource: Codable {
  private enum CodingKeys: String, CodingKey, CaseIterable { case source, options, samples }

  /// - Throws: `DecodingError` naming an option or a value that is not known.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    source = try container.decode(String.self, forKey: .source)
    samples = try container.wholeIfPresent(.samples)
    if container.contains(.options) {
      try decoder.refuseUnknownKeys(CodingKeys.self, in: "the data source")
      options = try container.decode(Dataset.LoadOptions.self, forKey: .options)
    } else {
      options = try Dataset.LoadOptions(from: decoder, beside: [CodingKeys.source, .samples])
      options.layout = options.layout ?? .nchw
    }
  }
}

extension Dataset.LoadOptions: Codable {
  private enum CodingKeys: String, CodingKey, CaseIterable {
    case split, array, header, labelColumn, labels, columns, drop, idColumn, categories, missing, rare, schema,
      sampleShape,
      layout, patches, resize,
      crop,
      colour
  }

  /// What is left out has its default.
  /// - Throws: `DecodingError` naming an option or a value that is not known.
  public init(from decoder: any Decoder) throws { try self.init(from: decoder, beside: [CodingKeys]()) }

  /// - Parameter others: keys that lie beside the options and belong to whoever asks.
  fileprivate init(from decoder: any Decoder, beside others: [some CodingKey]) throws {
    let keys = CodingKeys.allCases.map { $0 as any CodingKey } + others.map { $0 as any CodingKey }
    try decoder.refuseKeys(but: keys, in: "the options of a data source")
    let container = try decoder.container(keyedBy: CodingKeys.self)
    split = try container.choiceIfPresent(.split) ?? split
    array = try container.decodeIfPresent(String.self, forKey: .array)
    header = try container.choiceIfPresent(.header) ?? header
    labelColumn = try container.decodeIfPresent(String.self, forKey: .labelColumn)
    labels = try container.decodeIfPresent(String.self, forKey: .labels)
    columns = try container.decodeIfPresent([String].self, forKey: .columns)
    drop = try container.decodeIfPresent([String].self, forKey: .drop)
    idColumn = try container.decodeIfPresent(String.self, forKey: .idColumn)
    categories = try container.decodeIfPresent([String].self, forKey: .categories)
    missing = try container.decodeIfPresent([String].self, forKey: .missing)
    rare = try container.wholeIfPresent(.rare)
    schema = try container.decodeIfPresent(TableSchema.self, forKey: .schema)
    layout = try container.choiceIfPresent(.layout)
    patches = try container.decodeIfPresent(Dataset.Patches.self, forKey: .patches)
    resize = try container.decodeIfPresent(ImageSize.self, forKey: .resize)
    crop = try container.decodeIfPresent(ImageSize.self, forKey: .crop)
    colour = try container.choiceIfPresent(.colour)
    if let extents = try container.decodeIfPresent([Int].self, forKey: .sampleShape) {
      guard let shape = Shape(checking: extents) else {
        throw DecodingError.dataCorruptedError(
          forKey: .sampleShape, in: container, debugDescription: "No sample can have the shape \(extents)")
      }
      sampleShape = shape
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(split, forKey: .split)
    try container.encodeIfPresent(array, forKey: .array)
    try container.encode(header, forKey: .header)
    try container.encodeIfPresent(labelColumn, forKey: .labelColumn)
    try container.encodeIfPresent(labels, forKey: .labels)
    try container.encodeIfPresent(columns, forKey: .columns)
    try container.encodeIfPresent(drop, forKey: .drop)
    try container.encodeIfPresent(idColumn, forKey: .idColumn)
    try container.encodeIfPresent(categories, forKey: .categories)
    try container.encodeIfPresent(missing, forKey: .missing)
    try container.encodeIfPresent(rare, forKey: .rare)
    try container.encodeIfPresent(schema, forKey: .schema)
    try container.encodeIfPresent(sampleShape?.dimensions, forKey: .sampleShape)
    try container.encodeIfPresent(layout, forKey: .layout)
    try container.encodeIfPresent(patches, forKey: .patches)
    try container.encodeIfPresent(resize, forKey: .resize)
    try container.encodeIfPresent(crop, forKey: .crop)
    try container.encodeIfPresent(colour, forKey: .colour)
  }
}
