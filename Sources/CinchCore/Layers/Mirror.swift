import CinchBackend
import CinchData

/// What undoes a max-pool in a mirrored decoder.
public enum PoolInverse: Sendable, Hashable {
  /// Nearest-neighbour upsampling.
  case upsample
  /// Unpooling by the max-pool's switches.
  case unpool
}

extension LayerSpec {
  /// The decoder that leads back through an encoder, layer by layer: dense to dense, convolution to transposed
  /// convolution of the same geometry, pooling to its inverse. Each layer ends with the activation of the encoder
  /// layer whose output it rebuilds, the last with `outputActivation`.
  /// - Throws: `CinchError.usage` where a layer has no mirror.
  static func mirror(
    of encoder: [LayerSpec], from input: FeatureShape, outputActivation: Activation, pools: PoolInverse
  ) throws -> [LayerSpec] {
    let layers = try NetworkShape(input: input, encoder: encoder, decoder: []).layers
    return try layers.indices.reversed().map { index in
      let layer = layers[index]
      let before = encoder[..<index].last { $0.hasParameters }
      let activation = before?.activation ?? outputActivation
      switch layer.spec {
      case .dense: return .dense(units: layer.input.count, activation: activation)
      case .convolution(let spec):
        guard case .image(let channels, let height, let width) = layer.input else { return layer.spec }
        var mirrored = spec
        mirrored.filters = channels
        mirrored.outputSize = Extent(height, width)
        mirrored.activation = activation
        return .transposedConvolution(mirrored)
      case .maxPool(let spec):
        return pools == .unpool ? .unpool : try upsample(layer, by: spec.stride)
      case .averagePool(let spec): return try upsample(layer, by: spec.stride)
      case .transposedConvolution, .unpool, .upsample:
        throw CinchError.usage(
          "Layer \(layer.name) has no mirror: spell the decoder out in a recipe file, or encode with convolutions "
            + "and pooling.")
      }
    }
  }

  private static func upsample(_ pool: ResolvedLayer, by factor: Extent) throws -> LayerSpec {
    guard case .image(_, let height, let width) = pool.input, case .image(_, let rows, let columns) = pool.output,
      height % factor.height == 0, height / factor.height == rows, width % factor.width == 0,
      width / factor.width == columns
    else {
      throw CinchError.usage(
        "Layer \(pool.name) pools \(pool.input) to \(pool.output), and upsampling by \(factor) does not lead back: use "
          + "pooling that divides the image evenly, or the recipe conv-unpool.")
    }
    return .upsample(factor)
  }
}
