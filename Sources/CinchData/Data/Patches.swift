import CSamples
import CinchBackend

extension Dataset {
  /// Patches cut out of images at random: each of `count` takes one of all places in all images, uniformly and with
  /// replacement.
  ///
  /// Patch i is a pure function of the seed and i, so the same seed gives the same patches on every machine, and more of
  /// them begin with fewer.
  public struct Patches: Sendable, Hashable {
    /// How many patches are cut where nothing is said: as many as Ng, "Sparse autoencoder", CS294A (2011), takes.
    public static let usualCount = 10_000

    /// Rows of pixels in a patch.
    public var height: Int
    /// Pixels in a row.
    public var width: Int
    public var count: Int
    public var seed: UInt64

    /// Patches to cut.
    ///
    /// - Parameters:
    ///   - height: rows of pixels in a patch.
    ///   - width: pixels in a row.
    ///   - count: how many.
    ///   - seed: where they lie.
    public init(height: Int, width: Int, count: Int = usualCount, seed: UInt64 = 0) {
      self.height = height
      self.width = width
      self.count = count
      self.seed = seed
    }

    /// `8x8`.
    package var sizeText: String { "\(height)x\(width)" }
  }

  /// Patches of these images, as a data set that reads them from the images where they lie: it takes no memory of its own
  /// for values. A patch has its image's channels, and its label where there is one.
  ///
  /// - Parameter patches: their size, how many, and where.
  /// - Throws: `CinchError.usage` where a number is less than 1, there are more than can be shuffled, a patch is larger than
  ///   an image, samples are no images, or the data have been scaled; `.unavailable` where there is no room for labels.
  public func patches(_ patches: Patches) throws -> Dataset {
    guard patches.height >= 1, patches.width >= 1 else {
      throw CinchError.usage("Patches of \(patches.sizeText) hold nothing: choose a size such as \(.patches, "8x8").")
    }
    guard (1...Permutation.largestCount).contains(patches.count) else {
      throw CinchError.usage(
        "\(patches.count) patches are not possible: choose a \(.patchCount) of 1 to \(Permutation.largestCount).")
    }
    guard let image = ImageShape(sampleShape) else {
      throw CinchError.usage(
        "Samples of '\(name)' are no images but \(sampleShape), of which there are no patches: say what they are with "
          + "\(.imageShape).")
    }
    guard patches.height <= image.height, patches.width <= image.width else {
      // One image in colour looks like many narrow ones.
      let isColour = sampleShape.dimensions.count == 2 && image.width <= 4
      throw CinchError.usage(
        "Patches of \(patches.sizeText) do not fit into images of \(image.height)x\(image.width), as '\(name)' has them: "
          + (isColour ? "save one image in colour as array[None]." : "choose smaller ones."))
    }
    try requireRaw()
    let plain = try rows.withoutChanges(name: name)
    let windows = SampleRows.Windows(patches, of: image, layout, in: plain)
    var labels: Labels?
    if let classLabels {
      try HostMemory.require(8 * patches.count, for: "the labels of \(patches.count) patches")
      labels = classLabels.gather((0..<patches.count).lazy.map(windows.image))
    }
    let shape = sampleShape.dimensions.dropLast(2) + [patches.height, patches.width]
    return Dataset(
      unchecked: SampleRows(windows, of: plain.storage), sampleShape: Shape(Array(shape)), layout: layout,
      labels: labels, name: name, scaling: scaling, columnNames: nil)
  }
}

extension SampleRows {
  /// Patches as parts of a storage of images.
  struct Windows: Sendable {
    /// Values in a patch.
    let features: Int
    let count: Int
    /// A patch from its first value on.
    let window: cinch_window
    /// Which rows of the storage are the images; nil for all.
    private let selection: SampleRows.Selection?
    private let images: Int
    private let imageFeatures: Int
    /// Places in an image.
    private let rows: Int
    private let columns: Int
    private let rowStride: Int
    private let columnStride: Int
    private let philox: Philox

    init(_ patches: Dataset.Patches, of image: ImageShape, _ layout: ImageLayout, in images: SampleRows) {
      selection = images.selection
      self.images = images.count
      imageFeatures = images.features
      count = patches.count
      features = image.channels * patches.height * patches.width
      rows = image.height - patches.height + 1
      columns = image.width - patches.width + 1
      let isLast = layout == .nhwc
      columnStride = isLast ? image.channels : 1
      rowStride = image.width * columnStride
      window = cinch_window(
        planes: Int64(isLast ? 1 : image.channels), rows: Int64(patches.height),
        length: Int64(patches.width * columnStride), plane_stride: Int64(image.height * image.width),
        row_stride: Int64(rowStride))
      philox = Philox(seed: patches.seed, stream: .patches)
    }

    /// Which of all places in all images: the high word of 64 random bits times their number.
    private func draw(_ patch: Int) -> Int {
      let words = philox.block(index: patch, step: 0)
      let bits = UInt64(words.y) << 32 | UInt64(words.x)
      return Int(bits.multipliedFullWidth(by: UInt64(images * rows * columns)).high)
    }

    func image(ofPatch patch: Int) -> Int { draw(patch) / (rows * columns) }

    /// Where in the storage a patch begins.
    func start(_ patch: Int) -> Int {
      let (image, place) = draw(patch).quotientAndRemainder(dividingBy: rows * columns)
      let (row, column) = place.quotientAndRemainder(dividingBy: columns)
      return (selection?.place(image) ?? image) * imageFeatures + row * rowStride + column * columnStride
    }
  }

  /// The rows without scaling or another order, which a window could not see; as floats where there was any.
  fileprivate func withoutChanges(name: String) throws -> SampleRows {
    if isPlain, windows == nil { return self }
    try HostMemory.require(4 * count * features, for: "the images of '\(name)'")
    return SampleRows(SampleStorage(values), features: features)
  }
}

/// `{"height": 8, "width": 8, "count": 10000, "seed": 0}`.
extension Dataset.Patches: Codable {
  private enum CodingKeys: String, CodingKey, CaseIterable { case height, width, count, seed }

  /// - Throws: `DecodingError` naming a setting or a value that is not possible.
  public init(from decoder: any Decoder) throws {
    try decoder.refuseUnknownKeys(CodingKeys.self, in: "the patches of a data source")
    let container = try decoder.container(keyedBy: CodingKeys.self)
    func number(_ key: CodingKeys) throws -> Int {
      let number: Int = try container.whole(key)
      guard number >= 1 else {
        throw DecodingError.dataCorruptedError(
          forKey: key, in: container, debugDescription: "Expected a whole number of 1 or more")
      }
      return number
    }
    self.init(
      height: try number(.height), width: try number(.width), count: try number(.count),
      seed: try container.whole(.seed))
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(height, forKey: .height)
    try container.encode(width, forKey: .width)
    try container.encode(count, forKey: .count)
    try container.encode(seed, forKey: .seed)
  }
}
