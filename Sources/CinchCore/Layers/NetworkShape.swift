import CinchBackend
import CinchData

/// A layer whose shapes are known.
struct ResolvedLayer: Sendable {
  var spec: LayerSpec
  /// `encoder.0`, `decoder.2`: what files and messages call it.
  var name: String
  var input: FeatureShape
  var output: FeatureShape
  var kind: any ResolvedKind

  /// Of one sample forward, 2 for a multiply-add.
  var flops: Double { kind.flops(of: self) }
}

/// Follows a sample through a network, layer by layer.
struct NetworkShape: Sendable {
  private(set) var layers: [ResolvedLayer] = []
  /// The places of max-pools that no unpooling has undone yet.
  var unmatchedPools: [Int] = []

  /// - Parameter part: what files and messages call the layers behind the code.
  /// - Throws: `CinchError.usage` naming the first layer that is not possible, the shapes and the setting to change.
  init(input: FeatureShape, encoder: [LayerSpec], decoder: [LayerSpec], called part: String = "decoder") throws {
    if let image = input.image, !image.isPossible {
      throw CinchError.usage("An image of \(image) is not possible: each of its extents is 1 to 65536.")
    }
    var shape = input
    for (index, spec) in (encoder + decoder).enumerated() {
      let name = index < encoder.count ? "encoder.\(index)" : "\(part).\(index - encoder.count)"
      let (output, kind) = try spec.definition.resolve(shape, name: name, in: &self)
      layers.append(ResolvedLayer(spec: spec, name: name, input: shape, output: output, kind: kind))
      shape = output
    }
  }
}
