import CinchBackend

/// Pooling, unpooling and upsampling: layers without parameters.
struct PoolingLayer<B: Backend>: Layer {
  enum Kind {
    case maxPool(switches: Tensor<B.Buffer>)
    case unpool(switches: Tensor<B.Buffer>)
    case average
    case upsample
  }

  let resolved: ResolvedLayer
  let geometry: PoolingGeometry
  let kind: Kind
  let backend: B

  /// The places of the samples at hand.
  private func part(_ switches: Tensor<B.Buffer>, _ x: Tensor<B.Buffer>) -> Tensor<B.Buffer> {
    switches.prefix(rows: x.rows)
  }

  func forward(_ x: Tensor<B.Buffer>, into h: Tensor<B.Buffer>) throws {
    switch kind {
    case .maxPool(let switches): try backend.maxPool(x, geometry, into: h, switches: part(switches, x))
    case .unpool(let switches): try backend.unpool(x, switches: part(switches, x), geometry, into: h, below: nil)
    case .average: try backend.poolSum(x, geometry, mean: true, into: h, below: nil)
    case .upsample: try backend.poolSpread(x, geometry, mean: false, into: h, below: nil)
    }
  }

  func inputGradient(
    delta: Tensor<B.Buffer>, below: ActivationGradient<B.Buffer>, into result: Tensor<B.Buffer>
  ) throws {
    // Nothing is left to do at a linear layer without penalties.
    let below = below.isPlain ? nil : below
    switch kind {
    case .maxPool(let switches):
      try backend.unpool(delta, switches: part(switches, delta), geometry, into: result, below: below)
    case .unpool(let switches):
      try backend.pickSwitches(delta, switches: part(switches, delta), geometry, into: result, below: below)
    case .average: try backend.poolSpread(delta, geometry, mean: true, into: result, below: below)
    case .upsample: try backend.poolSum(delta, geometry, mean: false, into: result, below: below)
    }
  }
}
