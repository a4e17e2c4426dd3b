import CinchBackend
import CinchCore
import CinchData

/// What `config.json` of a run folder holds: everything that evaluating, encoding and going on with a run need
/// beside the numbers.
public struct RunConfig: Sendable, Hashable {
  /// The version of Cinch that wrote it.
  public var cinch: String
  /// The network and how it is trained: seed and number of epochs included.
  public var recipe: Recipe
  /// Where the training samples came from; nil where a program made them.
  public var data: DataSource?
  /// Where held-out samples came from, unless they were split off.
  public var validation: DataSource?
  /// What turns raw values into what the model was trained on.
  public var scaling: Scaling?
  /// One sample's shape, for pictures and decoded files.
  public var sampleShape: [Int]
  public var device: DeviceInfo
  /// Each process that trained it, the first one first; nil in runs of 0.1.
  public var provenance: [Provenance]?
  /// What its files have in common; nil in runs of 0.1.
  public var identity: RunIdentity?
  /// How many samples it was started with; nil where a model was saved without a run, and in runs of 0.1.
  public var samples: Samples?
  /// What a classifier's classes are called in the data; nil where they are 0 ..< classes there, too.
  public var classes: [String]?
  /// Which run its first weights come from; nil where they were drawn.
  public var origin: Origin?
  /// Labelled samples that are looked at once, when training has ended.
  public var test: DataSource?
  /// What the code's units do for the samples that the run ended on; nil before that.
  public var code: CodeUsage?
  /// Whether training has ended, so that the weights are the run's result.
  public var isFinal: Bool

  /// A configuration; see its members.
  ///
  /// - Parameters:
  ///   - recipe: the network and how it is trained.
  ///   - data: where the training samples came from.
  ///   - validation: where held-out samples came from.
  ///   - scaling: what raw values were scaled by.
  ///   - sampleShape: nil takes the recipe's image, or plain features.
  ///   - device: where it trained.
  ///   - identity: what its files have in common.
  ///   - samples: how many it was started with.
  ///   - isFinal: whether training has ended.
  public init(
    recipe: Recipe, data: DataSource? = nil, validation: DataSource? = nil, scaling: Scaling? = nil,
    sampleShape: Shape? = nil, device: DeviceInfo, identity: RunIdentity? = nil,
    samples: Samples? = nil, isFinal: Bool = true
  ) {
    cinch = CinchVersion.current
    self.recipe = recipe
    self.data = data
    self.validation = validation
    self.scaling = scaling
    self.sampleShape = sampleShape?.dimensions ?? recipe.inputShape.extents
    self.device = device
    self.identity = identity
    self.samples = samples
    self.isFinal = isFinal
  }

  /// Where a run's first weights come from.
  public struct Origin: Sendable, Hashable, Codable {
    /// The run's folder.
    public var folder: String
    /// As its files say it; nil in runs of 0.1.
    public var run: String?
  }

  /// The samples that a run was started with.
  public struct Samples: Sendable, Hashable, Codable {
    public var training: Int
    public var validation: Int
    /// Whether the held-out samples were passed, and not split off.
    public var isGiven: Bool
    /// Tells the samples, before they are scaled and split, from others; nil in runs of 0.1.
    public var fingerprint: String?
    /// The same of test samples; nil where there are none that can be loaded again.
    public var testFingerprint: String?

    init(training: Int, validation: Int, isGiven: Bool, fingerprint: String, testFingerprint: String?) {
      self.training = training
      self.validation = validation
      self.isGiven = isGiven
      self.fingerprint = fingerprint
      self.testFingerprint = testFingerprint
    }
  }

  /// One sample's shape; the recipe's where the file's own does not fit it.
  public var shape: Shape {
    guard let shape = Shape(checking: sampleShape), shape.count == recipe.input else {
      return recipe.inputShape.sampleShape
    }
    return shape
  }

  /// A data set as the run's model takes it: scaled with the run's own scaling, not one fitted anew.
  /// - Throws: `CinchError.badData` where its features do not fit.
  public func prepare(_ data: Dataset) throws -> Dataset {
    guard data.features == recipe.input else {
      if let patches = self.data?.options.patches {
        throw CinchError.badData(
          "'\(data.name)' has samples of \(data.sampleShape), but this run's model takes patches of "
            + "\(patches.sizeText): cut some with \(.patches, patches.sizeText), or pass samples of that size.")
      }
      if let image = ImageShape(shape), let given = ImageShape(data.sampleShape) {
        // Image files alone have names without a column, and can be brought to a size as they are read.
        let isOfFiles = data.sampleNames.map { $0.column == nil } ?? false
        guard isOfFiles, given.channels == image.channels else {
          throw CinchError.badData(
            "Images of '\(data.name)' are \(given), but this run's model takes \(image): pass images of that shape.")
        }
        throw CinchError.badData(
          "Images of '\(data.name)' are \(given.size), but this run's model takes \(image.size): bring them to that size with "
            + "\(.resize, image.size).")
      }
      throw CinchError.badData(
        "'\(data.name)' has \(data.featuresText) per sample, but this run's model takes \(recipe.inputShape): "
          + "pass data as it was trained on.")
    }
    try recipe.requireImages(data)
    if let own = ImageShape(shape), let given = ImageShape(data.sampleShape), own != given {
      throw CinchError.badData(
        "Images of '\(data.name)' are \(given), but the run was trained on \(own): pass images of that shape.")
    }
    return try scaling?.apply(to: labelled(data)) ?? labelled(data)
  }

  /// What a class is called in the data.
  public func className(_ index: Int) -> String {
    classes.flatMap { $0.indices.contains(index) ? $0[index] : nil } ?? "\(index)"
  }

  /// Samples whose labels, if they have some, are those of the classifier.
  func labelled(_ data: Dataset) throws -> Dataset { try classes.map { try data.labelled(by: $0) } ?? data }

  /// Has other data read as the run's own were: ordered as they are, and of their shape where they are flat.
  ///
  /// - Parameters:
  ///   - hasLayout: whether `source` says how it is ordered.
  ///   - hasCount: whether it says how many patches there are.
  package func complete(_ source: inout DataSource, hasLayout: Bool, hasCount: Bool) {
    // Channels first is what is read unless something speaks against it, as it does not for the run's own shape.
    if !hasLayout, layout == .nhwc || ImageLayout.looksChannelsLast(shape) { source.options.layout = layout }
    if source.options.schema == nil { source.options.schema = data?.options.schema }
    if source.options.array == nil, Dataset.isArchive(source.source) { source.options.array = data?.options.array }
    if !hasCount, let own = data?.options.patches { source.options.patches?.count = own.count }
    completeImages(&source)
    // What it knows of a patch says nothing of the images.
    let isWhole = data?.options.patches == nil && source.options.patches == nil
    if isWhole, source.options.sampleShape == nil, source.options.layout == .nhwc, recipe.image != nil {
      source.options.sampleShape = shape
    }
  }

  /// Has the labels of another table read from the column that has those of the run's own, where nothing is said of them.
  package func completeLabels(_ source: inout DataSource) {
    guard let column = data?.options.labelColumn, source.options.labelColumn == nil, source.options.labels == nil,
      Dataset.isTable(source.source)
    else { return }
    source.options.labelColumn = column
  }

  /// Other samples, read as the run's own were in all that their file can follow, but for labels.
  ///
  /// - Parameter name: of a data set, or its path.
  package func source(_ name: String) -> DataSource {
    var source = DataSource(name)
    if let own = data?.options {
      source.options.sampleShape = own.sampleShape
      if Dataset.isTable(source.source) {
        source.options.header = own.header
        source.options.columns = own.columns
        source.options.drop = own.drop
      } else {
        source.options.patches = own.patches
      }
    }
    complete(&source, hasLayout: false, hasCount: true)
    return source
  }

  /// Has image files brought to the size and the colours that the run's own were brought to.
  private func completeImages(_ source: inout DataSource) {
    guard Dataset.isImageFiles(source.source) else { return }
    if source.options.resize == nil, source.options.crop == nil {
      source.options.resize = data?.options.resize
      source.options.crop = data?.options.crop
    }
    if source.options.colour == nil { source.options.colour = colour }
  }

  /// What image files must be for the run's model; nil where it takes neither grey nor RGB images.
  package var colour: ImageColour? {
    switch ImageShape(shape)?.channels {
    case 1: .grey
    case 3: .colour
    default: nil
    }
  }

  /// Whether image files pass through the run's model at their own size, unless somebody says how to bring them to another:
  /// the run's own were not resized, or cut into patches.
  package var takesImagesAsTheyAre: Bool { data?.options.resize == nil || data?.options.patches != nil }

  /// How the run's data order an image's values, and files of its output with them.
  public var layout: ImageLayout { data?.options.layout ?? .nchw }

  /// The model's output in the data's own units: undoes `minmax`, `standard` and `zca` scaling. Bytes stay in [0, 1].
  /// - Throws: as `Scaling.invert`.
  public func restore(_ values: [Float]) throws -> [Float] { try Self.restore(values, scaling) }

  /// Samples in the data's own units, to be looked at.
  package func restored(_ samples: Dataset) throws -> Dataset {
    guard scaling?.kind.isFitted ?? false else { return samples }
    return try Dataset(
      values: try restore(samples.values), count: samples.count, sampleShape: samples.sampleShape, name: samples.name)
  }

  private static func restore(_ values: [Float], _ scaling: Scaling?) throws -> [Float] {
    guard let scaling, scaling.kind.isFitted else { return values }
    return try scaling.invert(values)
  }

  /// The model's output as rows of the run's table: numbers in its units, and texts. Nil where it is no table with names.
  package func tableRows(_ samples: Dataset) throws -> (names: [String], row: (Int) -> [String])? {
    guard let schema = data?.options.schema, schema.features == samples.features else { return nil }
    let values = try restore(samples.values)
    let features = schema.features
    return (schema.columns.map(\.name), { schema.cells(values[$0 * features..<($0 + 1) * features]) })
  }

  /// The numbers of the run's columns, from 1, where its table has no row of names: they are told by their places. Nil of any
  /// other table.
  package var columnNumbers: [Int]? {
    // Without being told, a row of numbers is not taken for names.
    guard let options = data?.options, let schema = options.schema, options.header != .present else { return nil }
    let numbers = schema.columns.compactMap { Int($0.name) }.filter { (1...Self.mostColumns).contains($0) }
    return Set(numbers).count == schema.columns.count ? numbers : nil
  }

  /// Places that a row without names is written with at most.
  package static var mostColumns: Int { 1 << 20 }

  /// The model's output as a file of it holds it: in the units, the shape and the order of the run's data.
  ///
  /// - Returns: the values, and one sample's shape.
  package func inFiles(_ samples: Dataset) throws -> (values: [Float], shape: Shape) {
    guard shape.dimensions.count == 3, let image = ImageShape(shape) else {
      return (try restore(samples.values), shape)
    }
    let values = samples.values(in: layout, as: image)
    return (try Self.restore(values, scaling?.ordered(layout, as: image)), image.shape(in: layout))
  }
}

/// `{"format": 2, "recipe": {…}, …}`; Cinch 0.1 wrote no format.
extension RunConfig: Codable {
  /// The format that is written.
  public static let format = 2

  private enum CodingKeys: String, CodingKey {
    case format, cinch, recipe, data, validation, scaling, sampleShape, device, provenance, identity, samples,
      classes, origin, test, code, isFinal
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    _ = try container.format(.format, current: Self.format, of: "run")
    cinch = try container.decode(String.self, forKey: .cinch)
    recipe = try container.decode(Recipe.self, forKey: .recipe)
    data = try container.decodeIfPresent(DataSource.self, forKey: .data)
    validation = try container.decodeIfPresent(DataSource.self, forKey: .validation)
    scaling = try container.decodeIfPresent(Scaling.self, forKey: .scaling)
    sampleShape = try container.decode([Int].self, forKey: .sampleShape)
    device = try container.decode(DeviceInfo.self, forKey: .device)
    provenance = try container.decodeIfPresent([Provenance].self, forKey: .provenance)
    identity = try container.decodeIfPresent(RunIdentity.self, forKey: .identity)
    samples = try container.decodeIfPresent(Samples.self, forKey: .samples)
    classes = try container.decodeIfPresent([String].self, forKey: .classes)
    origin = try container.decodeIfPresent(Origin.self, forKey: .origin)
    test = try container.decodeIfPresent(DataSource.self, forKey: .test)
    code = try container.decodeIfPresent(CodeUsage.self, forKey: .code)
    isFinal = try container.decode(Bool.self, forKey: .isFinal)
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(Self.format, forKey: .format)
    try container.encode(cinch, forKey: .cinch)
    try container.encode(recipe, forKey: .recipe)
    try container.encodeIfPresent(data, forKey: .data)
    try container.encodeIfPresent(validation, forKey: .validation)
    try container.encodeIfPresent(scaling, forKey: .scaling)
    try container.encode(sampleShape, forKey: .sampleShape)
    try container.encode(device, forKey: .device)
    try container.encodeIfPresent(provenance, forKey: .provenance)
    try container.encodeIfPresent(identity, forKey: .identity)
    try container.encodeIfPresent(samples, forKey: .samples)
    try container.encodeIfPresent(classes, forKey: .classes)
    try container.encodeIfPresent(origin, forKey: .origin)
    try container.encodeIfPresent(test, forKey: .test)
    try container.encodeIfPresent(code, forKey: .code)
    try container.encode(isFinal, forKey: .isFinal)
  }
}
