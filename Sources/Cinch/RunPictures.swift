import CinchBackend
import CinchCore

extension RunFolder {
  /// The most tiles of `filters.png`.
  private static let mostFilters = 400
  /// Pixels that a picture may have; fewer tiles are shown of larger samples.
  private static let mostPixels = 1 << 26

  /// The first layer's weight rows as tiles in the sample's shape, each scaled to its own range.
  package func writeFilters(_ model: Autoencoder, shape: Shape) throws {
    guard let weight = try model.parameters().first else { return }
    let magnification = Self.magnification(shape, narrow: 3)
    let count = min(
      weight.shape.rows, Self.mostFilters, Self.mostPixels / (shape.count * magnification * magnification))
    guard count > 0 else { return }
    let image = try ImageGrid.tiles(
      Array(weight.values.prefix(count * shape.count)), tileShape: shape, magnification: magnification)
    try PNG.write(image, to: path(of: .filters))
  }

  /// Sixteen samples: originals, what the encoder saw of them where the recipe corrupts, and reconstructions.
  package func writeReconstructions(_ model: Autoencoder, of data: Dataset, shape: Shape) throws {
    let magnification = Self.magnification(shape, narrow: 2)
    let count = min(16, data.count, Self.mostPixels / (3 * shape.count * magnification * magnification))
    guard count > 0 else { return }
    let samples = try data.prefix(count)
    let corrupted = model.recipe.corruption == nil ? nil : try model.corrupt(samples).values
    let reconstructions = try model.reconstruct(samples).values
    let image = try ImageGrid.reconstructions(
      originals: samples.values, corrupted: corrupted, reconstructions: reconstructions, tileShape: shape,
      contrast: .fixed(Self.range(samples.values)), magnification: magnification)
    try PNG.write(image, to: path(of: .reconstructions))
  }

  /// Small tiles are enlarged to be seen.
  private static func magnification(_ shape: Shape, narrow: Int) -> Int {
    let side = Double(shape.count).squareRoot()
    return side <= 40 ? narrow : side <= 128 ? 2 : 1
  }

  private static func range(_ values: [Float]) -> ClosedRange<Float> {
    let low = values.min() ?? 0
    let high = values.max() ?? 1
    return low >= 0 && high <= 1 ? 0...1 : low...high
  }
}
