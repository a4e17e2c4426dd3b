import CinchBackend
import Foundation
import TestSupport
import Testing

@testable import Cinch
@testable import CinchCore

/// What is missing of images is filled in, and nothing else is changed.
@Suite struct InpaintingTests {
  private static let image = ImageShape(channels: 3, height: 6, width: 8)

  private static func data(_ image: ImageShape = image, count: Int = 5) throws -> Dataset {
    var generator = FixedGenerator(state: 8)
    return try Dataset(
      values: (0..<count * image.count).map { _ in Float.random(in: 0...1, using: &generator) }, count: count,
      sampleShape: image.shape)
  }

  @Test func missingPixelsComeFromTheModelAndOthersStay() throws {
    let data = try Self.data()
    let mask = try ImageMask.blocks(
      ImageSize(height: 3, width: 2), of: ImageSize(height: 6, width: 8), count: 5, seed: 2)
    #expect(mask.count == 5 && mask.missing.filter { $0 }.count == 5 * 6)
    for recipe in [Recipe.convDenoising(image: Self.image, corruption: .block(0.2)), .conv(image: Self.image)] {
      let model = try Autoencoder(recipe, on: .reference)
      var holes = data.values
      let fill = Fill(mask, of: Self.image)
      if recipe.corruption == nil {
        fill.replaceByMeans(&holes)
      } else {
        fill.replace(&holes, by: [Float](repeating: 0, count: Self.image.count))
      }
      for rounds in 1...2 {
        let model1 = try model.reconstruct(try Dataset(values: holes, count: 5, sampleShape: data.sampleShape)).values
        let result = try model.inpaint(data, missing: mask, rounds: rounds)
        #expect(result.sampleShape == data.sampleShape)
        for place in 0..<data.values.count {
          let (sample, pixel) = (place / Self.image.count, place % 48)
          let isMissing = mask.missing[sample * 48 + pixel]
          #expect(result.values[place] == (isMissing ? model1[place] : data.values[place]), "round \(rounds)")
        }
        holes = result.values
      }
    }
  }

  /// Where an image's block lies does not depend on how many there are, nor on which come first.
  @Test func blocksFollowFromSeedAndNumber() throws {
    let (size, image) = (ImageSize(height: 2, width: 3), ImageSize(height: 7, width: 9))
    let all = try ImageMask.blocks(size, of: image, count: 200, seed: 5)
    let later = try ImageMask.blocks(size, of: image, count: 3, first: 100, seed: 5)
    #expect(Array(all.missing[100 * 63..<103 * 63]) == later.missing)
    #expect(try ImageMask.blocks(size, of: image, count: 200, seed: 6) != all)
    // Every pixel is missing of some image: each of 6 · 7 places has 200 draws.
    #expect((0..<63).allSatisfy { pixel in (0..<200).contains { all.isMissing(pixel, of: $0) } })
    #expect(throws: CinchError.self) { try ImageMask.blocks(ImageSize(height: 8, width: 1), of: image, count: 1) }
    #expect(throws: CinchError.self) { try ImageMask.blocks(ImageSize(height: 0, width: 1), of: image, count: 1) }
  }

  /// Larger images pass as tiles, and rows of a dense model are images where somebody says so.
  @Test func largerImagesAreFilledIn() throws {
    let tile = ImageShape(channels: 1, height: 4, width: 4)
    let model = try Autoencoder(.denoising(layers: [16, 8]), on: .reference)
    let data = try Self.data(ImageShape(channels: 1, height: 9, width: 11), count: 1)
    let mask = try ImageMask((0..<99).map { $0 % 7 == 0 }, height: 9, width: 11)
    let result = try model.inpaint(data, missing: mask, tile: tile)
    for pixel in 0..<99 where pixel % 7 != 0 { #expect(result.values[pixel] == data.values[pixel]) }
    #expect((0..<99).contains { $0 % 7 == 0 && result.values[$0] != data.values[$0] })
    // A fitted scaling has a zero of its own.
    let patches = try data.patches(Dataset.Patches(height: 4, width: 4, count: 30))
    let scaled = try model.inpaint(data, missing: mask, tile: tile, scaling: try Scaling.fit(.standard, to: patches))
    for pixel in 0..<99 where pixel % 7 != 0 { #expect(scaled.values[pixel] == data.values[pixel]) }
  }

  /// Diffusion is exact for planes, which solve Laplace's equation, inside an image.
  @Test func baselinesAreWhatTheySay() throws {
    let shape = ImageShape(channels: 2, height: 9, width: 9)
    let values = (0..<162).map { (place: Int) -> Float in
      let (channel, row, column) = (place / 81, place % 81 / 9, place % 9)
      return 0.1 * Float(row) + (0.05 + 0.02 * Float(channel)) * Float(column)
    }
    let missing = (0..<81).map { (2...6).contains($0 / 9) && (3...7).contains($0 % 9) }
    let mask = try ImageMask(missing, height: 9, width: 9)
    let fill = Fill(mask, of: shape)
    var diffused = values
    fill.diffuse(&diffused)
    // Over-relaxation of 25 pixels has long settled; sums of four floats round by 2⁻²⁴ of a value below 2.
    #expect(zip(diffused, values).allSatisfy { abs($0 - $1) < 1e-5 })
    var means = values
    fill.replaceByMeans(&means)
    for channel in 0..<2 {
      let here: [Double] = (0..<81).filter { !missing[$0] }.map { Double(values[channel * 81 + $0]) }
      let mean = here.reduce(0, +) / Double(here.count)
      #expect(abs(Double(means[channel * 81 + 40]) - mean) < 1e-6)
    }
    let error = fill.squaredError(means, values)
    #expect(error.count == 50 && error.sum > 1)
    #expect(fill.squaredError(diffused, values).sum < 1e-8)
  }

  @Test func masksAreReadFromFiles() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("cinch-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    for channels in [1, 3] {
      var image = try RasterImage(width: 3, height: 2, channels: channels)
      for (pixel, level) in [0, 127, 128, 255, 10, 200].enumerated() {
        for channel in 0..<channels { image.pixels[pixel * channels + channel] = UInt8(level) }
      }
      try PNG.write(image, to: "\(folder)/mask.png")
      let mask = try ImageMask(contentsOf: "\(folder)/mask.png")
      #expect(mask.missing == [false, false, true, true, false, true] && mask.height == 2 && mask.width == 3)
    }
    for shape: Shape in [[2, 3], [1, 2, 3], [2, 2, 3], [2, 1, 2, 3]] {
      let values = (0..<shape.count).map { Float($0 % 2) }
      try NPY.write(values: values, shape: shape, to: "\(folder)/mask.npy")
      let mask = try ImageMask(contentsOf: "\(folder)/mask.npy")
      #expect(mask.count == shape.count / 6 && mask.missing == values.map { $0 != 0 })
    }
    try NPY.write(values: [1, 2], shape: [2], to: "\(folder)/flat.npy")
    #expect(throws: CinchError.self) { try ImageMask(contentsOf: "\(folder)/flat.npy") }
    try Data("no mask".utf8).write(to: URL(fileURLWithPath: "\(folder)/mask.txt"))
    #expect(throws: CinchError.self) { try ImageMask(contentsOf: "\(folder)/mask.txt") }
    #expect(throws: CinchError.self) { try ImageMask([true], height: 2, width: 1) }
    #expect(throws: CinchError.self) { try ImageMask([], height: 0, width: 1) }
    let model = try Autoencoder(.conv(image: Self.image), on: .reference)
    let (data, wrong) = (try Self.data(), try ImageMask([true, false], height: 1, width: 2))
    #expect(throws: CinchError.self) { try model.inpaint(data, missing: wrong) }
    let three = try ImageMask([Bool](repeating: true, count: 3 * 48), height: 6, width: 8)
    #expect(throws: CinchError.self) { try model.inpaint(data, missing: three) }
    let one = try ImageMask([Bool](repeating: true, count: 48), height: 6, width: 8)
    #expect(throws: CinchError.self) { try model.inpaint(data, missing: one, rounds: 0) }
    #expect(try model.inpaint(data, missing: one).count == 5)
  }
}
