import CSamples
import CinchBackend
import CinchCore
import CinchData

/// A model as a function of images in their own units, of the model's size or larger.
struct ImagePass {
  private let model: Autoencoder
  private let scaling: Scaling?
  /// What the model takes.
  let tile: ImageShape
  private let stride: ImageSize

  /// - Parameters:
  ///   - tile: what samples of a model are that does not say it.
  ///   - stride: from one tile to the next; nil is half a tile.
  ///   - scaling: what the model was trained on; nil takes the run's.
  init(_ model: Autoencoder, tile: ImageShape?, stride: ImageSize?, scaling: Scaling?) throws {
    guard model.recipe.classifier == nil else {
      throw CinchError.usage("A classifier has no decoder: ask it for classes or codes, or train an autoencoder.")
    }
    guard let image = model.recipe.image ?? tile ?? model.run.flatMap({ ImageShape($0.shape) }) else {
      throw CinchError.usage(
        "The model takes \(model.recipe.inputShape), which are no images: say of which shape they are.")
    }
    guard image.count == model.recipe.input else {
      throw CinchError.usage("Images of \(image) do not fit a model of \(model.recipe.inputShape): say their shape.")
    }
    self.model = model
    self.tile = image
    self.scaling = scaling ?? model.run?.scaling
    let half = ImageSize(height: max(image.height / 2, 1), width: max(image.width / 2, 1))
    self.stride = stride ?? half
    guard (1...image.height).contains(self.stride.height), (1...image.width).contains(self.stride.width) else {
      throw CinchError.usage(
        "Tiles of \(image.height)x\(image.width) that begin every \(self.stride) do not cover an image: use \(half).")
    }
  }

  /// What an image is that this can be applied to.
  /// - Throws: `CinchError.badData` where it has other channels, or is smaller than the model's; `.usage` where it has been
  ///   scaled by a fitted scaling.
  func shape(of images: Dataset) throws -> ImageShape {
    guard !(images.scaling?.kind.isFitted ?? false) else {
      throw CinchError.usage("'\(images.name)' has been scaled already: load it again, for it is scaled as the run's.")
    }
    guard let image = ImageShape(images.sampleShape) ?? (images.features == tile.count ? tile : nil) else {
      throw CinchError.badData(
        "Samples of '\(images.name)' are \(images.sampleShape), but the model takes images of \(tile): pass images.")
    }
    if images.features == tile.count { try model.recipe.requireImages(images) }
    guard image.channels == tile.channels else {
      throw CinchError.badData(
        "Images of '\(images.name)' are \(image), but the model takes \(tile), of other channels: pass images of as many, or "
          + "train on these.")
    }
    try Self.requireSize(ImageSize(height: image.height, width: image.width), tile, images.name)
    return image
  }

  static func requireSize(_ image: ImageSize, _ tile: ImageShape, _ name: String) throws {
    guard image.height >= tile.height, image.width >= tile.width else {
      throw CinchError.badData(
        "'\(name)' is \(image), smaller than the \(tile.height)x\(tile.width) that the model takes: bring it to that size "
          + "with \(.resize, "\(tile.height)x\(tile.width)").")
    }
  }

  /// What the model's units are in those of the images: bytes are kept in [0, 1].
  private func units(of images: Dataset) -> Float {
    scaling?.kind.isFitted ?? false && images.scaling?.kind == .bytes ? 1 / 255 : 1
  }

  /// Values of the model's units in the images' own, rows of the tile's.
  func restored(_ values: [Float], of images: Dataset) throws -> [Float] {
    guard let scaling, scaling.kind.isFitted else { return values }
    let restored = try scaling.invert(values)
    let units = units(of: images)
    return units == 1 ? restored : restored.map { $0 * units }
  }

  /// Images in the model's units.
  func scaled(_ images: Dataset) throws -> Dataset { try scaling?.apply(to: images) ?? images }

  /// The model's output for images, in their units and with channels first.
  func callAsFunction(_ images: Dataset) throws -> [Float] {
    let image = try shape(of: images)
    guard image != tile else { return try restored(try model.reconstruct(try scaled(images)).values, of: images) }
    let (bytes, overflow) = images.count.multipliedReportingOverflow(by: 4 * image.count)
    try HostMemory.require(overflow ? .max : bytes, for: "\(images.count) images of \(image)")
    if images.count == 1 { return try blended(images, image) }
    return try (0..<images.count).flatMap { try blended(try images.subset($0..<$0 + 1), image) }
  }

  /// One image as tiles, some at a time.
  private func blended(_ one: Dataset, _ image: ImageShape) throws -> [Float] {
    let rows = TileGrid(extent: image.height, tile: tile.height, stride: stride.height)
    let columns = TileGrid(extent: image.width, tile: tile.width, stride: stride.width)
    let count = rows.starts.count * columns.starts.count
    let together = max(1, min(256, (1 << 22) / tile.count))
    let window = cinch_window(
      planes: Int64(tile.channels), rows: Int64(tile.height), length: Int64(tile.width),
      plane_stride: Int64(image.height * image.width), row_stride: Int64(image.width))
    var sum = [Float](repeating: 0, count: image.count)
    for first in Swift.stride(from: 0, to: count, by: together) {
      let numbers = (first..<min(first + together, count)).map {
        $0.quotientAndRemainder(dividingBy: columns.starts.count)
      }
      let tiles = try one.tiles(
        ImageSize(height: tile.height, width: tile.width),
        at: numbers.map { (rows.starts[$0.quotient], columns.starts[$0.remainder]) })
      let values = try restored(try model.reconstruct(try scaled(tiles)).values, of: one)
      values.withUnsafeBufferPointer { values in
        sum.withUnsafeMutableBufferPointer { sum in
          for (index, number) in numbers.enumerated() {
            let start = rows.starts[number.quotient] * image.width + columns.starts[number.remainder]
            cinch_add_tile(
              values.baseAddress! + index * tile.count, window, rows.weights[number.quotient],
              columns.weights[number.remainder], sum.baseAddress! + start)
          }
        }
      }
    }
    return sum
  }
}
