import CSamples
import CinchBackend

extension Dataset {
  /// Patches cut out of images at random: each of `count` takes one of all places in all images, uniformly and with
  /// replacement. So of images of different sizes a larger one gives more patches, about in proportion to its area.
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

    /// - Throws: `CinchError.usage` where a number is less than 1, or there are more than can be shuffled.
    func requirePossible() throws {
      guard height >= 1, width >= 1 else {
        throw CinchError.usage("Patches of \(sizeText) hold nothing: choose a size such as \(.patches, "8x8").")
      }
      guard (1...Permutation.largestCount).contains(count) else {
        throw CinchError.usage(
          "\(count) patches are not possible: choose a \(.patchCount) of 1 to \(Permutation.largestCount).")
      }
    }
  }

  /// Patches of these images, as a data set that reads them from the images where they lie: it takes no memory of its own
  /// for values. A patch has its image's channels, and its label where there is one.
  ///
  /// - Parameter patches: their size, how many, and where.
  /// - Throws: `CinchError.usage` where a number is less than 1, there are more than can be shuffled, a patch is larger than
  ///   an image, samples are no images, or the data have been scaled; `.unavailable` where there is no room for labels.
  public func patches(_ patches: Patches) throws -> Dataset {
    try patches.requirePossible()
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
    let shape = sampleShape.dimensions.dropLast(2) + [patches.height, patches.width]
    return Dataset(
      unchecked: SampleRows(windows, of: plain.storage), sampleShape: Shape(Array(shape)), layout: layout,
      labels: try classLabels.map { try windows.labels($0) }, name: name, scaling: scaling, columnNames: nil)
  }

  /// Parts of one image at given places, read from where it lies.
  ///
  /// - Parameters:
  ///   - size: of every part.
  ///   - places: the row and the column that each begins at, within the image.
  package func tiles(_ size: ImageSize, at places: [(row: Int, column: Int)]) throws -> Dataset {
    guard count == 1, let image = ImageShape(sampleShape) else {
      throw CinchError.usage("'\(name)' is not one image, of which there are tiles: pass images one by one.")
    }
    let plain = try rows.withoutChanges(name: name)
    let windows = SampleRows.Windows(size, at: places, of: image, layout, in: plain)
    let shape = sampleShape.dimensions.dropLast(2) + [size.height, size.width]
    return Dataset(
      unchecked: SampleRows(windows, of: plain.storage), sampleShape: Shape(Array(shape)), layout: layout, labels: nil,
      name: name, scaling: scaling, columnNames: nil)
  }
}

extension SampleRows {
  /// Patches as parts of a storage of images.
  struct Windows: Sendable {
    /// Images in a storage, of which each place of a patch has a number: image by image, row by row.
    private enum Images {
      /// Of one size; `selection` says which rows of the storage they are, nil for all.
      case alike(size: ImageSize, features: Int, selection: SampleRows.Selection?)
      /// Each with its first value, its size, and the number of its first place.
      case various([(start: Int, size: ImageSize, firstPlace: Int)])
    }

    private enum Choice {
      /// At random, out of so many places.
      case drawn(Philox, places: Int)
      case given([Int])
    }

    /// Values in a patch.
    let features: Int
    let count: Int
    private let size: ImageSize
    private let channels: Int
    private let isLast: Bool
    private let images: Images
    private let choice: Choice

    /// Patches of images of one size.
    init(_ patches: Dataset.Patches, of image: ImageShape, _ layout: ImageLayout, in images: SampleRows) {
      let size = ImageSize(height: patches.height, width: patches.width)
      let places = images.count * Self.places(size, in: ImageSize(height: image.height, width: image.width))
      self.init(
        size, patches.count, channels: image.channels, isLast: layout == .nhwc,
        .alike(
          size: ImageSize(height: image.height, width: image.width), features: images.features,
          selection: images.selection),
        .drawn(Philox(seed: patches.seed, stream: .patches), places: places))
    }

    /// Patches of images of their own sizes, which lie one after the other, channels first.
    init(_ patches: Dataset.Patches, of sizes: [ImageSize], channels: Int) {
      let size = ImageSize(height: patches.height, width: patches.width)
      var (start, place) = (0, 0)
      let images = sizes.map { image in
        defer {
          start += channels * image.height * image.width
          place += Self.places(size, in: image)
        }
        return (start: start, size: image, firstPlace: place)
      }
      self.init(
        size, patches.count, channels: channels, isLast: false, .various(images),
        .drawn(Philox(seed: patches.seed, stream: .patches), places: place))
    }

    /// Parts of one image.
    init(
      _ size: ImageSize, at places: [(row: Int, column: Int)], of image: ImageShape, _ layout: ImageLayout,
      in images: SampleRows
    ) {
      self.init(
        size, places.count, channels: image.channels, isLast: layout == .nhwc,
        .alike(
          size: ImageSize(height: image.height, width: image.width), features: images.features,
          selection: images.selection),
        .given(places.map { $0.row * (image.width - size.width + 1) + $0.column }))
    }

    private init(
      _ size: ImageSize, _ count: Int, channels: Int, isLast: Bool, _ images: Images, _ choice: Choice
    ) {
      self.size = size
      self.count = count
      self.channels = channels
      self.isLast = isLast
      self.images = images
      self.choice = choice
      features = channels * size.height * size.width
    }

    private static func places(_ patch: ImageSize, in image: ImageSize) -> Int {
      (image.height - patch.height + 1) * (image.width - patch.width + 1)
    }

    /// Drawn by the high word of 64 random bits times the number of places.
    private func place(_ patch: Int) -> Int {
      switch choice {
      case .given(let places): return places[patch]
      case .drawn(let philox, let places):
        let words = philox.block(index: patch, step: 0)
        let bits = UInt64(words.y) << 32 | UInt64(words.x)
        return Int(bits.multipliedFullWidth(by: UInt64(places)).high)
      }
    }

    /// The image of a place, and which of the image's own places that is.
    private func locate(_ place: Int) -> (image: Int, start: Int, size: ImageSize, place: Int) {
      switch images {
      case .alike(let size, let features, let selection):
        let (image, own) = place.quotientAndRemainder(dividingBy: Self.places(self.size, in: size))
        return (image, (selection?.place(image) ?? image) * features, size, own)
      case .various(let images):
        var (low, high) = (0, images.count)
        while high - low > 1 {
          let middle = (low + high) / 2
          if images[middle].firstPlace <= place { low = middle } else { high = middle }
        }
        return (low, images[low].start, images[low].size, place - images[low].firstPlace)
      }
    }

    func image(ofPatch patch: Int) -> Int { locate(place(patch)).image }

    /// Where in the storage a patch begins, and how it lies there.
    func part(_ patch: Int) -> (start: Int, window: cinch_window) {
      let (_, start, image, place) = locate(place(patch))
      let (row, column) = place.quotientAndRemainder(dividingBy: image.width - size.width + 1)
      let pixel = isLast ? channels : 1
      let window = cinch_window(
        planes: Int64(isLast ? 1 : channels), rows: Int64(size.height), length: Int64(size.width * pixel),
        plane_stride: Int64(image.height * image.width), row_stride: Int64(image.width * pixel))
      return (start + (row * image.width + column) * pixel, window)
    }

    /// Each patch's label: its image's.
    func labels(_ ofImages: Labels) throws -> Labels {
      try HostMemory.require(8 * count, for: "the labels of \(count) patches")
      return ofImages.gather((0..<count).lazy.map(image))
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
