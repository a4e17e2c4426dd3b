import CinchBackend

/// Neighbouring layers that are computed in one, or a layer by itself.
struct Stage<B: Backend> {
  /// Their places in the network.
  let layers: Range<Int>
  /// What computes them: from the first one's input to the last one's output.
  let layer: any Layer<B>
}

extension ResolvedNetwork {
  /// How some layers are computed, in order: pairs that `ResolvedKind.joined` makes one of, and single layers. What lies
  /// inside a pair is never there, so that no pair holds the code, nor what is asked for.
  ///
  /// - Parameters:
  ///   - range: the layers, from the first of them, which has its input, to the last, whose output is there.
  ///   - kept: layers whose outputs are read.
  func stages(of range: Range<Int>, keeping kept: Set<Int> = []) -> [(layers: Range<Int>, layer: ResolvedLayer)] {
    var stages: [(layers: Range<Int>, layer: ResolvedLayer)] = []
    for index in range {
      guard let below = stages.last, below.layers.count == 1, let joined = joined(index), !kept.contains(index - 1)
      else {
        stages.append((index..<index + 1, layers[index]))
        continue
      }
      stages[stages.count - 1] = (index - 1..<index + 1, joined)
    }
    return stages
  }

  /// A layer and the one below it as one; nil where they are computed apart. A gradient that is added to another layer's is
  /// made in place.
  private func joined(_ index: Int) -> ResolvedLayer? {
    guard index > 0, index != encoderCount,
      let kind = layers[index].kind.joined(with: layers[index - 1], isFirst: index == 1),
      !parameters.uses(at: index).contains(where: parameters.accumulates)
    else { return nil }
    var layer = layers[index]
    layer.input = layers[index - 1].input
    layer.kind = kind
    return layer
  }
}

extension Network {
  /// The network's layers, or some of them, as they are computed; see `ResolvedNetwork.stages`.
  ///
  /// - Parameter endsLinear: whether the output layer goes without its activation: losses of single samples are taken of
  ///   that.
  func stages(
    of range: Range<Int>? = nil, keeping kept: Set<Int> = [], endsLinear: Bool = false
  ) throws -> [Stage<B>] {
    try resolved.stages(of: range ?? layers.indices, keeping: kept).map { stage in
      let last = stage.layers.upperBound - 1
      let isLinear = endsLinear && last == layers.count - 1
      if stage.layers.count == 1, !isLinear { return Stage(layers: stage.layers, layer: layers[last]) }
      var layer = stage.layer
      if isLinear { layer.spec = layer.spec.definition.ending(with: .linear) }
      return Stage(layers: stage.layers, layer: try layer.kind.make(layer, at: site(of: stage.layers)))
    }
  }
}
