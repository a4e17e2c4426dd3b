import CinchBackend
import CinchCore
import CinchData

extension Autoencoder {
  /// x̂ of images as they are loaded, of the model's size or larger. A larger one passes as overlapping tiles f(xᵢ), which
  /// are blended by weights that add up to 1 and go to 0 at a tile's ends, so that no seam is seen:
  ///
  ///     x̂ = Σᵢ wᵢ f(xᵢ),  Σᵢ wᵢ = 1,  wᵢ = sin²(π (y + ½) / h) sin²(π (x + ½) / w) / Σⱼ …
  ///
  /// Each image passes by itself: its output does not depend on the others.
  ///
  /// ```swift
  /// let photographs = try ImageFiles("photos")
  /// for index in 0..<photographs.count {
  ///   let clean = try model.reconstructTiles(try photographs.load(index, colour: .colour))
  /// }
  /// ```
  ///
  /// - Parameters:
  ///   - images: raw, `[channels, height, width]` or `[height, width]`; they are scaled as the run's samples were.
  ///   - tile: what the model's samples are, where neither its recipe nor its run says it.
  ///   - stride: rows and columns from one tile to the next, at most a tile's; nil is half a tile. The last tiles lie at the
  ///     image's border.
  ///   - scaling: what the model's samples were scaled by; nil takes its run's.
  /// - Returns: images of the same shape, in their own units: of bytes in [0, 1].
  /// - Throws: `CinchError.badData` where an image is smaller than the model's or has other channels; `.usage` where the model
  ///   does not take images, or the stride leaves gaps; `.unavailable` where there is no room for the result.
  public func reconstructTiles(
    _ images: Dataset, tile: ImageShape? = nil, stride: ImageSize? = nil, scaling: Scaling? = nil
  ) throws -> Dataset {
    let pass = try ImagePass(self, tile: tile, stride: stride, scaling: scaling)
    return try images.replacing(try pass(images), "reconstructions")
  }
}

extension Autoencoder {
  /// Raw samples with the recipe's corruption, in their own units: of a model of samples of their size drawn as in training,
  /// of larger images over all of their pixels.
  ///
  /// - Parameters:
  ///   - seed: which numbers are drawn.
  ///   - number: of images that come one by one, which of them these are.
  /// - Throws: `CinchError.usage` where a scaling that was fitted to samples does not say what noise on larger images is.
  package func addingNoise(to images: Dataset, seed: UInt64, number: Int) throws -> Dataset {
    let pass = try ImagePass(self, tile: nil, stride: nil, scaling: nil)
    let step = UInt64(truncatingIfNeeded: number)
    guard images.features == recipe.input else {
      guard !(run?.scaling?.kind.isFitted ?? false) else {
        throw CinchError.usage(
          "The run's samples were scaled value by value, which says nothing of noise on larger images: pass images of "
            + "\(pass.tile), or train with \(.scaling, "bytes").")
      }
      return try images.replacing(try corrupted(images, seed: seed, step: step).values, "corrupted")
    }
    let noisy = try corrupted(try pass.scaled(images), seed: seed, step: step)
    return try images.replacing(try pass.restored(noisy.values, of: images), "corrupted")
  }
}

extension Dataset {
  /// Other values of the same shape and the same units, channels first.
  package func replacing(_ values: [Float], _ suffix: String) throws -> Dataset {
    try Dataset(values: values, count: count, sampleShape: sampleShape, name: "\(name) \(suffix)", scaling: scaling)
  }
}
