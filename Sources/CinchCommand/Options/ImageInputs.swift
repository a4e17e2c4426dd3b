import Cinch

/// Images that a command works on, raw, one batch after the other: the samples of a data set at once, or image files at
/// their own sizes one by one.
struct ImageInputs {
  private enum Source {
    case data(Dataset)
    case files(ImageFiles, ImageColour?)
  }

  static let help = """
    A PNG or JPEG file that is larger than the model's images keeps its size and passes as overlapping tiles, blended so \
    that no seam is seen, unless --resize, --crop or --patches bring it to another, or the run's own files were resized.
    """

  private let source: Source
  /// The data set, unless its images are larger than the model's.
  let samples: Dataset?

  /// The images of `--data`, or the run's own, as a model takes them or larger.
  ///
  /// - Throws: as `Dataset.load`; `CinchError.badData` where some files are larger than the model's images and some smaller.
  init(_ options: DataOptions, _ config: RunConfig) throws {
    if let (files, colour) = try Self.files(options, config) {
      source = .files(files, colour)
      samples = nil
      return
    }
    let data = try options.loadRaw(for: config)
    source = .data(data)
    samples = Self.isLarger(data, than: config) ? nil : data
  }

  /// Whether samples are images larger than the model's; what else does not fit is refused as any data are.
  private static func isLarger(_ data: Dataset, than config: RunConfig) -> Bool {
    guard data.features != config.recipe.input, let image = ImageShape(config.shape),
      let other = ImageShape(data.sampleShape)
    else { return false }
    return other.channels == image.channels && other.height >= image.height && other.width >= image.width
  }

  /// Files whose images are not of the model's size, where nothing says that they are to be brought to it.
  private static func files(_ options: DataOptions, _ config: RunConfig) throws -> (ImageFiles, ImageColour?)? {
    guard let source = try options.source(), let image = ImageShape(config.shape),
      Dataset.isImageFiles(source.source), config.takesImagesAsTheyAre
    else { return nil }
    let reading = source.options
    guard reading.patches == nil, reading.sampleShape == nil, reading.resize == nil, reading.crop == nil else {
      return nil
    }
    let files = try LoadReport.observing(quiet: false) { try ImageFiles(source.source) }
    let size = ImageSize(height: image.height, width: image.width)
    guard files.sizes.contains(where: { $0 != size }) else { return nil }
    for (name, size) in zip(files.names, files.sizes) {
      guard size.height < image.height || size.width < image.width else { continue }
      throw CinchError.badData(
        "'\(name)' is \(size), smaller than the \(image.height)x\(image.width) that the model takes: bring all to one size "
          + "with \(.resize, "\(image.height)x\(image.width)").")
    }
    return (files, reading.colour ?? config.colour)
  }

  var count: Int {
    switch source {
    case .data(let data): data.count
    case .files(let files, _): files.count
    }
  }

  /// Names of image files.
  var names: [String]? {
    switch source {
    case .data(let data): data.sampleNames.flatMap { $0.column == nil ? Array($0) : nil }
    case .files(let files, _): files.names
    }
  }

  var batches: Int { if case .files(let files, _) = source { files.count } else { 1 } }

  func load(_ batch: Int) throws -> Dataset {
    switch source {
    case .data(let data): data
    case .files(let files, let colour): try files.load(batch, colour: colour)
    }
  }
}
