import CinchBackend
import CinchData

// Networks of images: convolutions and pooling.
extension AutoencoderArchitecture {
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

  /// The network for images of another shape. A mirrored decoder is mirrored anew; one of its own keeps its layers, and
  /// ends with the new image's channels.
  /// - Throws: `CinchError.usage` where the encoder is not possible on such images.
  public func adopting(image: ImageShape) throws -> Self {
    guard image != self.image else { return self }
    var network = self
    if isMirrored {
      try network.setLayers(
        image: image, encoder: encoder, outputActivation: outputActivation, pools: poolInverse)
      return network
    }
    network.image = image
    network.input = image.count
    if let last = decoder.last {
      network.decoder[decoder.count - 1] = last.definition.giving(units: image.channels)
    }
    return network
  }

  /// The network for vectors of another length, the layers between input and output staying as they are.
  func adopting(features: Int) -> Self {
    var network = self
    guard features != input, !decoder.isEmpty else { return self }
    network.input = features
    network.decoder[decoder.count - 1] = .dense(units: features, activation: outputActivation)
    return network
  }

  /// The network with another activation behind its output layer.
  func settingOutputActivation(_ activation: Activation) -> Self {
    var network = self
    guard let last = decoder.last else {
      network.openOutputActivation = activation
      return network
    }
    network.decoder[decoder.count - 1] = last.definition.ending(with: activation)
    return network
  }

  /// The network with other activations behind its layers; the decoder's hidden layers follow the encoder's where it is
  /// their mirror.
  ///
  /// - Parameters:
  ///   - hidden: of every layer with weights but the code and the output.
  ///   - code: of the last encoder layer with weights.
  public func settingActivations(hidden: Activation, code: Activation, output: Activation) throws -> Self {
    var network = self
    network.encoder = encoder.settingActivations(hidden: hidden, code: code)
    if isMirrored, let image {
      try network.setLayers(image: image, encoder: network.encoder, outputActivation: output, pools: poolInverse)
    } else {
      if decoder.isEmpty { network.openOutputActivation = output }
      network.decoder = decoder.enumerated().map { index, layer in
        layer.definition.ending(with: index == decoder.count - 1 ? output : hidden)
      }
    }
    return network
  }
}

extension [LayerSpec] {
  /// An encoder's layers with other activations behind them.
  func settingActivations(hidden: Activation, code: Activation) -> Self {
    let last = lastIndex(where: \.hasParameters)
    return enumerated().map { $1.definition.ending(with: $0 == last ? code : hidden) }
  }

  /// An encoder's layers with another activation behind the last one with weights.
  func settingCodeActivation(_ activation: Activation) -> Self {
    guard let code = lastIndex(where: \.hasParameters) else { return self }
    var layers = self
    layers[code] = layers[code].definition.ending(with: activation)
    return layers
  }
}
