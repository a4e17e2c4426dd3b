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
    return try layers.indices.reversed().flatMap { index in
      let before = encoder[..<index].last { $0.hasParameters }
      return try encoder[index].definition.mirror(
        of: layers[index], activation: before?.activation ?? outputActivation, pools: pools)
    }
  }
}
