import CinchBackend
import CinchCore
import CinchData

/// A picture that a run keeps, of how it ended and, on request, of its epochs.
package enum RunPicture: String, CaseIterable {
  case filters, features, reconstructions

  var file: RunFolder.File {
    switch self {
    case .filters: .filters
    case .features: .features
    case .reconstructions: .reconstructions
    }
  }

  /// - Parameter samples: as the model takes them; nil leaves what needs some.
  /// - Returns: nil where the model or its samples have nothing to show.
  /// - Throws: `CinchError.usage` where the picture cannot be drawn.
  package func drawn(_ model: Autoencoder, of samples: Dataset?, _ config: RunConfig) throws -> RasterImage? {
    if case .filters = self {
      guard let (image, caption) = try RunFolder.filters(of: model, shape: config.shape) else { return nil }
      return try ImageGrid.captioned(image, "\(model.recipe.name): \(caption)")
    }
    guard let samples else { return nil }
    switch self {
    case .features: return try RunFolder.features(model, of: samples, shape: config.shape)
    case .reconstructions where model.recipe.classifier == nil:
      return try RunFolder.reconstructions(model, of: samples, config)
    case .filters, .reconstructions: return nil
    }
  }
}

extension RunFolder {
  /// Writes a picture of the model, where there is one.
  /// - Throws: as `RunPicture.drawn`, and `CinchError.inputOutput`.
  func write(
    _ picture: RunPicture, to path: String? = nil, of model: Autoencoder, samples: Dataset?, _ config: RunConfig
  ) throws {
    guard let image = try picture.drawn(model, of: samples, config) else { return }
    try PNG.write(image, texts: config.identity?.metadata ?? [:], to: path ?? self.path(of: picture.file))
  }

  /// The most tiles of `filters.png`, and of one layer in `features.png`.
  private static let mostFilters = 400
  private static let mostMaps = 128
  /// Pixels that a picture may have; fewer tiles are shown of larger samples.
  private static let mostPixels = 1 << 26
  /// What a small tile is enlarged to, so that maps of different layers are about as large.
  private static let tileSide = 56

  /// The first layer's weights as tiles, each scaled to its own range: a dense layer's rows in the sample's shape, a
  /// convolution's kernels, in colour where they look at three channels, and one for each channel where at another number.
  ///
  /// - Parameter mostPixels: fewer tiles are shown where they would have more.
  /// - Returns: the picture and what it shows; nil where there is nothing to show.
  static func filters(
    of model: Autoencoder, shape: Shape, mostPixels: Int = mostPixels
  ) throws -> (picture: RasterImage, caption: String)? {
    guard let weight = try model.parameters().first else { return nil }
    let tile: Shape
    let magnification: Int
    let isKernel = weight.shape.dimensions.count == 4
    if isKernel {
      let kernel = Array(weight.shape.dimensions.dropFirst())
      tile = kernel[0] == 3 ? Shape(kernel) : Shape(Array(kernel.dropFirst()))
      magnification = min(max(48 / max(kernel[1], kernel[2]), 1), 64)
    } else {
      tile = Self.tile(shape)
      magnification = Self.magnification(shape, narrow: 3)
    }
    let count = min(
      weight.values.count / tile.count, mostFilters, mostPixels / (tile.count * magnification * magnification)
    )
    guard count > 0 else { return nil }
    let image = try ImageGrid.tiles(
      Array(weight.values.prefix(count * tile.count)), tileShape: tile, magnification: magnification,
      gap: isKernel ? magnification / 2 + 1 : 1)
    let all = weight.values.count / tile.count
    let units = max(weight.shape.dimensions.first ?? 1, 1)
    let tiles = isKernel && all != units ? "kernels (\(units) units x \(all / units) channels)" : "units"
    return (image, "weights of the first layer's \(some(count, all)) \(tiles), each scaled to its own range")
  }

  /// Samples that pass together for the feature maps of one: a device compiles kernels for very little work that nothing
  /// else of a run needs.
  static func featureSamples(_ data: Dataset) -> Int { max(1, min(64, (1 << 18) / data.features)) }

  /// The sample with the most contrast of the first few, and below it the feature maps that each convolution of the
  /// encoder makes of it, each scaled to its own range.
  fileprivate static func features(_ model: Autoencoder, of data: Dataset, shape: Shape) throws -> RasterImage? {
    guard model.recipe.isOfImages else { return nil }
    let index = try distinct(data)
    let sample = Array(try data.sample(index))
    let first = index / featureSamples(data) * featureSamples(data)
    let few = try data.subset(first..<min(first + featureSamples(data), data.count))
    let layers = try model.withSession { try $0.featureMaps(few) }
    guard !layers.isEmpty else { return nil }
    let picture = try ImageGrid.tiles(
      sample, tileShape: tile(shape), contrast: .fixed(range(sample)), magnification: enlarged(shape))
    var pictures = [try ImageGrid.captioned(picture, "\(model.recipe.name): sample \(index + 1) (from 1)")]
    for layer in layers {
      let map = Shape(Array(layer.shape.sampleShape.dimensions.dropFirst()))
      let magnification = enlarged(layer.shape.sampleShape)
      let room = mostPixels / 4 / (map.count * magnification * magnification)
      let count = min(layer.shape.units, mostMaps, room)
      guard count > 0 else { continue }
      let picture = try ImageGrid.tiles(
        Array(layer.values.dropFirst((index - first) * layer.shape.count).prefix(count * map.count)), tileShape: map,
        columns: 16, magnification: magnification)
      let size = map.dimensions.map(String.init).joined(separator: " x ")
      pictures.append(
        try ImageGrid.captioned(
          picture,
          "layer \(layer.name): \(some(count, layer.shape.units)) maps of \(size), each scaled to its own range"))
    }
    return try ImageGrid.stacked(pictures)
  }

  /// Of the first samples the one with the most contrast: another may be almost black.
  private static func distinct(_ data: Dataset) throws -> Int {
    let contrasts = try (0..<min(64, data.count)).map { index -> Float in
      let sample = try data.sample(index)
      let mean = sample.reduce(0, +) / Float(sample.count)
      return sample.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    }
    return contrasts.indices.max { contrasts[$0] < contrasts[$1] } ?? 0
  }

  /// Sixteen samples in their own units: originals, corrupted copies where the recipe corrupts, and what is made of these.
  fileprivate static func reconstructions(
    _ model: Autoencoder, of data: Dataset, _ config: RunConfig
  ) throws -> RasterImage? {
    let shape = config.shape
    let magnification = magnification(shape, narrow: 2)
    let count = min(16, data.count, mostPixels / (3 * shape.count * magnification * magnification))
    guard count > 0 else { return nil }
    let samples = try data.prefix(count)
    let originals = try config.restore(samples.values)
    let corrupted = model.recipe.corruption == nil ? nil : try model.corrupt(samples)
    let reconstructions = try model.reconstruct(corrupted ?? samples)
    let image = try ImageGrid.compared(
      [originals] + [corrupted, reconstructions].compactMap { try $0.map { try config.restore($0.values) } },
      tileShape: tile(shape),
      contrast: .fixed(range(originals)), magnification: magnification)
    let rows = corrupted == nil ? "samples, reconstructed" : "samples, corrupted, reconstructed"
    return try ImageGrid.captioned(image, "\(model.recipe.name), from the top: \(rows)")
  }

  private static func some(_ count: Int, _ all: Int) -> String { count < all ? "first \(count) of \(all)" : "\(all)" }

  /// Samples side by side; as many as a picture holds.
  ///
  /// - Parameters:
  ///   - shape: of one sample.
  ///   - columns: samples in a row; near the square root of their number if nil.
  package static func picture(
    of samples: Dataset, shape: Shape, columns: Int? = nil, caption: String? = nil
  ) throws -> RasterImage {
    let magnification = magnification(shape, narrow: 2)
    let most = max(1, mostPixels / (shape.count * magnification * magnification))
    let values = try samples.prefix(most).values
    let image = try ImageGrid.tiles(
      values, tileShape: tile(shape), columns: columns, contrast: .fixed(range(values)), magnification: magnification)
    return try caption.map { try ImageGrid.captioned(image, $0) } ?? image
  }

  /// Samples in their own units, below them their reconstructions, and |x̂ − x|, whose largest value is white.
  ///
  /// - Parameters:
  ///   - samples: as the model takes them.
  ///   - caption: a line below.
  package static func errorPicture(
    _ model: Autoencoder, of samples: Dataset, _ config: RunConfig, caption: String
  ) throws -> RasterImage {
    let shape = config.shape
    let magnification = magnification(shape, narrow: 2)
    let samples = try samples.prefix(max(1, mostPixels / (3 * shape.count * magnification * magnification)))
    let originals = try config.restore(samples.values)
    let reconstructions = try config.restore(try model.reconstruct(samples).values)
    let errors = zip(originals, reconstructions).map { abs($0 - $1) }
    let tile = tile(shape)
    let pictures = try [
      ImageGrid.compared(
        [originals, reconstructions], tileShape: tile, contrast: .fixed(range(originals)), magnification: magnification),
      ImageGrid.compared(
        [errors], tileShape: tile, contrast: .fixed(0...max(errors.max() ?? 0, .leastNormalMagnitude)),
        magnification: magnification),
    ]
    return try ImageGrid.captioned(try ImageGrid.stacked(pictures, gap: 1), caption)
  }

  /// Versions of images, before and after, in their own units: small ones of one size below each other, one column for each
  /// image; others side by side, one row for each.
  ///
  /// - Parameters:
  ///   - images: each with its versions, `[channels, height, width]`.
  ///   - caption: a line above.
  package static func comparison(
    _ images: [(shape: ImageShape, versions: [[Float]])], caption: (_ isBelow: Bool) -> String
  ) throws -> RasterImage {
    let range = range(images.flatMap { $0.versions.first ?? [] })
    let first = images.first?.shape ?? .fashion
    let isBelow = images.allSatisfy { $0.shape == first } && first.width * images.count <= 2048
    let picture: RasterImage
    if isBelow, let versions = images.first?.versions.count {
      picture = try ImageGrid.compared(
        (0..<versions).map { version in images.flatMap { $0.versions[version] } }, tileShape: tile(first.shape),
        contrast: .fixed(range), magnification: magnification(first.shape, narrow: 2))
    } else {
      let pictures = try images.map { image in
        try ImageGrid.tiles(
          image.versions.flatMap { $0 }, tileShape: tile(image.shape.shape), columns: image.versions.count,
          contrast: .fixed(range), magnification: magnification(image.shape.shape, narrow: 2))
      }
      picture = try ImageGrid.stacked(pictures, gap: 4)
    }
    return try ImageGrid.captioned(picture, caption(isBelow))
  }

  /// How many images of a size a comparison of so many versions holds.
  package static func comparable(_ image: ImageShape, versions: Int) -> Int {
    let magnification = magnification(image.shape, narrow: 2)
    let room = mostPixels / 4 / max(1, versions * image.count * magnification * magnification)
    return min(max(room, 1), image.width <= 128 ? 16 : 4)
  }

  /// Channels that are no colours stand below each other.
  static func tile(_ shape: Shape) -> Shape {
    let extents = shape.dimensions
    guard extents.count == 3, extents[0] != 1, extents[0] != 3 else { return shape }
    return [extents[0] * extents[1], extents[2]]
  }

  /// Small tiles are enlarged to be seen.
  private static func magnification(_ shape: Shape, narrow: Int) -> Int {
    let side = side(shape)
    return side <= 40 ? narrow : side <= 128 ? 2 : 1
  }

  private static func enlarged(_ shape: Shape) -> Int { max(tileSide / max(Int(side(shape)), 1), 1) }

  private static func side(_ shape: Shape) -> Double {
    let extents = shape.dimensions
    let pixels = extents.count == 3 ? extents[1] * extents[2] : shape.count
    return Double(pixels).squareRoot()
  }

  static func range(_ values: [Float]) -> ClosedRange<Float> {
    let low = values.min() ?? 0
    let high = values.max() ?? 1
    return low >= 0 && high <= 1 ? 0...1 : low...high
  }
}
