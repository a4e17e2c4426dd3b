import CSamples
import CinchBackend
import CinchCore
import CinchData

extension Autoencoder {
  /// Fills in what is missing of images, M being 1 where a pixel is missing:
  ///
  ///     x⁽⁰⁾ = (1 − M)⊙x + M⊙a,  x⁽ʳ⁺¹⁾ = (1 − M)⊙x + M⊙f(x⁽ʳ⁾)
  ///
  /// Pixels that are there come back as they are. What is missing begins at a = 0 in the model's units where the recipe's
  /// corruption zeroes values (`masking`, `masking-exact`, `block`), as the model has seen it in training, and else at the
  /// mean of the image's other pixels, channel by channel. Images larger than the model's pass as `reconstructTiles` has them.
  ///
  /// Source of the task: Pathak et al., "Context encoders: feature learning by inpainting" (CVPR 2016); of the corruption:
  /// Vincent et al., "Extracting and composing robust features with denoising autoencoders" (ICML 2008).
  ///
  /// - Parameters:
  ///   - images: raw, `[channels, height, width]` or `[height, width]`; their values where pixels are missing do not count.
  ///   - mask: which pixels are missing, in all channels; one mask, or one for each image.
  ///   - rounds: how often images pass through the model, 1 or more.
  ///   - tile: as `reconstructTiles` takes it.
  ///   - scaling: as `reconstructTiles` takes it.
  /// - Returns: images of the same shape, in their own units: of bytes in [0, 1].
  /// - Throws: as `reconstructTiles`; `CinchError.badData` where the mask does not fit, `.usage` where `rounds` is less than 1.
  public func inpaint(
    _ images: Dataset, missing mask: ImageMask, rounds: Int = 2, tile: ImageShape? = nil, scaling: Scaling? = nil
  ) throws -> Dataset {
    guard (1...10_000).contains(rounds) else {
      throw CinchError.usage("\(rounds) rounds of inpainting are not possible: choose 1 to 10000.")
    }
    let pass = try ImagePass(self, tile: tile, stride: nil, scaling: scaling)
    let image = try pass.shape(of: images)
    try mask.requireFit(image, count: images.count, name: images.name)
    let fill = Fill(mask, of: image)
    let given = images.values
    var values = given
    switch recipe.corruption?.kind {
    case .masking, .maskingExact, .block:
      let zeros = try pass.restored([Float](repeating: 0, count: pass.tile.count), of: images)
      fill.replace(&values, by: image == pass.tile ? zeros : fill.spread(zeros, from: pass.tile))
    case nil, .gaussian, .saltPepper: fill.replaceByMeans(&values)
    }
    for _ in 0..<rounds {
      let output = try pass(try images.replacing(values, "in part"))
      fill.copy(output, into: &values)
    }
    return try images.replacing(values, "inpainted")
  }
}

/// Changes what is missing of images, channels first, and nothing else.
package struct Fill {
  private let mask: ImageMask
  private let image: ImageShape

  package init(_ mask: ImageMask, of image: ImageShape) {
    self.mask = mask
    self.image = image
  }

  private var pixels: Int { image.height * image.width }

  /// Calls `body` with the place of every missing value.
  private func forEach(of values: Int, _ body: (_ place: Int) -> Void) {
    for sample in 0..<values / image.count {
      for channel in 0..<image.channels {
        let start = (sample * image.channels + channel) * pixels
        for pixel in 0..<pixels where mask.isMissing(pixel, of: sample) { body(start + pixel) }
      }
    }
  }

  func copy(_ other: [Float], into values: inout [Float]) { forEach(of: values.count) { values[$0] = other[$0] } }

  /// By what one image has there.
  func replace(_ values: inout [Float], by one: [Float]) {
    forEach(of: values.count) { values[$0] = one[$0 % image.count] }
  }

  /// A smaller image's channels, each by its mean, as an image of this size.
  func spread(_ values: [Float], from other: ImageShape) -> [Float] {
    let others = other.height * other.width
    return (0..<image.channels).flatMap { channel in
      let sum = values[channel * others..<(channel + 1) * others].reduce(0.0) { $0 + Double($1) }
      return [Float](repeating: Float(sum / Double(others)), count: pixels)
    }
  }

  /// By the mean of what is there of the same image and channel; 0 where nothing is.
  package func replaceByMeans(_ values: inout [Float]) {
    for sample in 0..<values.count / image.count {
      for channel in 0..<image.channels {
        let start = (sample * image.channels + channel) * pixels
        var (sum, count) = (0.0, 0.0)
        for pixel in 0..<pixels where !mask.isMissing(pixel, of: sample) {
          sum += Double(values[start + pixel])
          count += 1
        }
        let mean = count > 0 ? Float(sum / count) : 0
        for pixel in 0..<pixels where mask.isMissing(pixel, of: sample) { values[start + pixel] = mean }
      }
    }
  }

  /// By diffusion from what is there, each channel for itself.
  package func diffuse(_ values: inout [Float]) {
    replaceByMeans(&values)
    values.withUnsafeMutableBufferPointer { values in
      mask.missing.withUnsafeBufferPointer { missing in
        for sample in 0..<values.count / image.count {
          for channel in 0..<image.channels {
            cinch_diffuse(
              values.baseAddress! + (sample * image.channels + channel) * pixels,
              missing.baseAddress! + (mask.count == 1 ? 0 : sample * pixels), Int64(image.height), Int64(image.width),
              500)
          }
        }
      }
    }
  }

  /// Σ (a − b)² over what is missing, and how many values that are.
  package func squaredError(_ a: [Float], _ b: [Float]) -> (sum: Double, count: Int) {
    var (sum, count) = (0.0, 0)
    forEach(of: a.count) { place in
      let difference = Double(a[place]) - Double(b[place])
      sum += difference * difference
      count += 1
    }
    return (sum, count)
  }
}
