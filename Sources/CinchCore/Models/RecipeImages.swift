import CinchBackend
import CinchData

// Recipes of images: networks of convolutions and pooling.
extension Recipe {
  /// Whether the network takes images, not vectors.
  public var isOfImages: Bool {
    image != nil || encoder.contains { type(of: $0.definition).needsImage }
  }

  /// What the decoder does where the encoder pools.
  public var poolInverse: PoolInverse { decoder.contains(.unpool) ? .unpool : .upsample }

  /// Whether the decoder is the encoder's mirror, and so follows it when it changes.
  var isMirrored: Bool {
    guard let last = decoder.last else { return true }
    let mirror = try? LayerSpec.mirror(
      of: encoder, from: inputShape, outputActivation: last.activation, pools: poolInverse)
    return mirror == decoder
  }

  /// The recipe for images of another shape. A mirrored decoder is mirrored anew; one of its own keeps its layers, and
  /// ends with the new image's channels.
  /// - Throws: `CinchError.usage` where the encoder cannot be on such images.
  public func adopting(image: ImageShape) throws -> Recipe {
    guard image != self.image else { return self }
    var recipe = self
    if isMirrored {
      try recipe.setLayers(
        image: image, encoder: encoder, outputActivation: decoder.last?.activation ?? .sigmoid, pools: poolInverse)
      return recipe
    }
    recipe.image = image
    recipe.input = image.count
    if let last = decoder.last {
      recipe.decoder[decoder.count - 1] = last.definition.giving(units: image.channels)
    }
    return recipe
  }

  /// The recipe with other functions behind its layers; the decoder's hidden layers follow the encoder's where it is
  /// their mirror.
  ///
  /// - Parameters:
  ///   - hidden: of every layer with weights but the code and the output.
  ///   - code: of the last encoder layer with weights.
  public func settingActivations(hidden: Activation, code: Activation, output: Activation) throws -> Recipe {
    var recipe = self
    let last = encoder.lastIndex(where: \.hasParameters)
    recipe.encoder = encoder.enumerated().map { $1.definition.ending(with: $0 == last ? code : hidden) }
    if isMirrored, let image {
      try recipe.setLayers(image: image, encoder: recipe.encoder, outputActivation: output, pools: poolInverse)
    } else {
      recipe.decoder = decoder.enumerated().map { index, layer in
        layer.definition.ending(with: index == decoder.count - 1 ? output : hidden)
      }
    }
    return recipe
  }

  /// - Throws: `CinchError.badData` where the data are images, but of another shape than the model's.
  public func requireImages(_ data: Dataset) throws {
    guard let image, let given = ImageShape(data.sampleShape), given != image else { return }
    let reversed = given.shape == image.shape(in: .nhwc)
    throw CinchError.badData(
      "Samples of \(data.name) are \(given), but the model takes images of \(image): "
        + (reversed ? "read them with \(.layout) nhwc." : "pass images of that shape."))
  }
}
