import CinchBackend
import Foundation
import TestSupport
import Testing

@testable import Cinch
@testable import CinchCore

/// Images larger than a model's, as overlapping tiles.
@Suite struct TileTests {
  /// f(x) = x, on images of so many values.
  private static func identity(_ image: ImageShape) throws -> Autoencoder {
    let count = image.count
    let model = try Autoencoder(.linear(layers: [count, count]), on: .reference)
    let weights = (0..<count * count).map { Float($0 % (count + 1) == 0 ? 1 : 0) }
    try model.setParameters(
      try model.parameters().map { parameter in
        var parameter = parameter
        parameter.values = parameter.shape.count == weights.count ? weights : parameter.values.map { _ in 0 }
        return parameter
      })
    return model
  }

  /// f(x) is the mean of x everywhere.
  private static func mean(_ image: ImageShape) throws -> Autoencoder {
    let model = try Autoencoder(.linear(layers: [image.count, 1]), on: .reference)
    try model.setParameters(
      try model.parameters().map { parameter in
        var parameter = parameter
        let value: Float = parameter.name == "encoder.0.weight" ? 1 / Float(image.count) : 1
        parameter.values = parameter.values.map { _ in parameter.shape.dimensions.count == 2 ? value : 0 }
        return parameter
      })
    return model
  }

  private static func photograph(_ image: ImageShape, count: Int = 1) throws -> Dataset {
    var generator = FixedGenerator(state: 4)
    let values = (0..<count * image.count).map { _ in Float.random(in: 0...1, using: &generator) }
    return try Dataset(values: values, count: count, sampleShape: image.shape)
  }

  /// Weights add up to 1 and are never negative, so what is exact on tiles is exact on the whole: each value is the sum of
  /// up to ⌈h/s⌉⌈w/s⌉ products, each rounded once to 24 bits.
  @Test(arguments: [nil, (1, 1), (3, 2), (4, 5)] as [(Int, Int)?])
  func anIdentityGivesThePhotographBack(stride: (height: Int, width: Int)?) throws {
    let tile = ImageShape(channels: 2, height: 4, width: 5)
    let model = try Self.identity(tile)
    for (height, width) in [(4, 5), (4, 6), (5, 5), (13, 11), (8, 10), (31, 5)] {
      let data = try Self.photograph(ImageShape(channels: 2, height: height, width: width), count: 2)
      let result = try model.reconstructTiles(
        data, tile: tile, stride: stride.map { ImageSize(height: $0.height, width: $0.width) })
      #expect(result.sampleShape == data.sampleShape && result.count == 2)
      let error = zip(result.values, data.values).map { abs($0 - $1) }.max() ?? 1
      #expect(error <= 20 * 0x1p-24, "\(height) x \(width): \(error)")
      // Each image passes by itself.
      let second = try model.reconstructTiles(
        try data.subset(1..<2), tile: tile, stride: stride.map { ImageSize(height: $0.height, width: $0.width) })
      #expect(second.values == Array(result.values.suffix(second.features)))
    }
  }

  /// Along one axis the weights of two tiles are sin² and cos², whose slope is at most π/t. Of a photograph black on one half
  /// and white on the other neighbouring tiles have means that differ by up to 1/2, so steps are at most π/2t; without windows
  /// there would be steps of 1/2.
  @Test func tilesOfDifferentMeansLeaveNoSeams() throws {
    let tile = ImageShape(channels: 1, height: 8, width: 8)
    let model = try Self.mean(tile)
    let (height, width) = (24, 37)
    let values = (0..<height * width).map { Float($0 % width < 17 ? 0 : 1) }
    let data = try Dataset(values: values, count: 1, sampleShape: [height, width])
    let result = try model.reconstructTiles(data, tile: tile).values
    #expect(result.min()! < 1e-6 && result.max()! > 1 - 1e-6)
    let most = Float.pi / 16
    for row in 0..<height {
      for column in 1..<width {
        #expect(abs(result[row * width + column] - result[row * width + column - 1]) <= most + 1e-5)
      }
    }
    // Along an axis on which all tiles are alike nothing changes.
    for column in 0..<width {
      for row in 1..<height { #expect(abs(result[row * width + column] - result[column]) < 1e-6) }
    }
  }

  @Test func gridsCoverEveryPlace() {
    for (extent, tile, stride) in [(1, 1, 1), (10, 10, 5), (11, 10, 5), (100, 7, 3), (9, 4, 4), (1000, 64, 32)] {
      let grid = TileGrid(extent: extent, tile: tile, stride: stride)
      var sums = [Double](repeating: 0, count: extent)
      for (start, weights) in zip(grid.starts, grid.weights) {
        #expect(start >= 0 && start + tile <= extent && weights.allSatisfy { $0 > 0 && $0 <= 1 })
        for place in 0..<tile { sums[start + place] += weights[place] }
      }
      // Sums of up to tile/stride + 2 numbers that add up to 1.
      #expect(sums.allSatisfy { abs($0 - 1) < 10 * Double.ulpOfOne }, "\(extent), \(tile), \(stride)")
    }
  }

  /// Raw bytes are scaled as the run's, tile by tile, and come back in [0, 1].
  @Test func scalingsAreDoneAndUndone() throws {
    let tile = ImageShape(channels: 1, height: 3, width: 4)
    let model = try Self.identity(tile)
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("cinch-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    var image = try RasterImage(width: 11, height: 9)
    for pixel in image.pixels.indices { image.pixels[pixel] = UInt8(truncatingIfNeeded: pixel * 37) }
    try PNG.write(image, to: "\(folder)/a.png")
    let files = try ImageFiles(folder)
    #expect(files.count == 1 && files.names == ["a.png"] && files.sizes == [ImageSize(height: 9, width: 11)])
    let photograph = try files.load(0)
    let patches = try photograph.patches(Dataset.Patches(height: 3, width: 4, count: 50))
    for kind in Scaling.Kind.allCases {
      let scaling = try Scaling.fit(kind, to: patches)
      let result = try model.reconstructTiles(photograph, tile: tile, scaling: scaling)
      let error = zip(result.values, photograph.values).map { abs($0 - $1) }.max() ?? 1
      // In units of 1/255 the scalings of bytes err by some roundings of 255; whitening is undone by a product of matrices.
      #expect(error <= (kind == .zca ? 1e-3 : 1e-6), "\(kind): \(error)")
    }
    #expect(throws: CinchError.self) { try files.load(1) }
  }

  @Test func whatIsNotPossibleIsRefused() throws {
    let tile = ImageShape(channels: 1, height: 4, width: 4)
    let model = try Self.identity(tile)
    func refused(_ part: String, _ body: () throws -> Dataset) {
      do {
        _ = try body()
        Issue.record("nothing was refused, expected \(part)")
      } catch {
        #expect("\(error)".contains(part) && isSentence("\(error)"), "\(error)")
      }
    }
    let good = try Self.photograph(ImageShape(channels: 1, height: 9, width: 9))
    refused("smaller than the 4x4 that the model takes: bring it to that size with resize 4x4") {
      try model.reconstructTiles(try Self.photograph(ImageShape(channels: 1, height: 3, width: 9)), tile: tile)
    }
    refused("are 3×9×9, but the model takes 1×4×4, of other channels") {
      try model.reconstructTiles(try Self.photograph(ImageShape(channels: 3, height: 9, width: 9)), tile: tile)
    }
    refused("do not cover an image") {
      try model.reconstructTiles(good, tile: tile, stride: ImageSize(height: 5, width: 4))
    }
    refused("do not cover an image") {
      try model.reconstructTiles(good, tile: tile, stride: ImageSize(height: 0, width: 4))
    }
    refused("say of which shape they are") { try model.reconstructTiles(good) }
    refused("do not fit a model of") { try model.reconstructTiles(good, tile: .fashion) }
    let negative = ImageShape(channels: 1, height: -4, width: -4)
    refused("do not fit a model of") { try model.reconstructTiles(good, tile: negative) }
    let size = ImageSize(height: 9, width: 9)
    let mask = try ImageMask.blocks(ImageSize(height: 2, width: 2), of: size, count: 1)
    refused("do not fit a model of") { try model.inpaint(good, missing: mask, tile: negative) }
    refused("has been scaled already") {
      try model.reconstructTiles(try Scaling.fit(.minmax, to: good).apply(to: good), tile: tile)
    }
    refused("has no decoder") {
      try Autoencoder(.classifier(layers: [16, 4], classes: 2), on: .reference).reconstructTiles(good, tile: tile)
    }
  }
}
