import CinchBackend

/// Where a max-pool found its values, for the layers that put something back there; grows with the batches.
final class PoolSwitches<B: Backend> {
  private let geometry: PoolingGeometry
  private let backend: B
  private var places: Tensor<B.Buffer>?

  init(_ geometry: PoolingGeometry, on backend: B) {
    self.geometry = geometry
    self.backend = backend
  }

  /// Makes room for batches of so many samples.
  func reserve(rows: Int) throws {
    if places?.rows ?? 0 < rows { places = try backend.tensor(geometry.small(rows)) }
  }

  /// Those of the samples at hand.
  func prefix(rows: Int) throws -> Tensor<B.Buffer> {
    guard let places, places.rows >= rows else {
      throw BackendError.invalidArgument("There is no room for the switches of \(rows) samples.")
    }
    return places.prefix(rows: rows)
  }
}

/// Pooling, unpooling and upsampling: layers without parameters.
struct PoolingLayer<B: Backend>: Layer {
  enum Kind {
    case maxPool(switches: PoolSwitches<B>)
    case unpool(switches: PoolSwitches<B>)
    case average
    case upsample
  }

  let resolved: ResolvedLayer
  let geometry: PoolingGeometry
  let kind: Kind
  let backend: B

  func forward(_ x: Tensor<B.Buffer>, into h: Tensor<B.Buffer>) throws {
    switch kind {
    case .maxPool(let switches): try backend.maxPool(x, geometry, into: h, switches: switches.prefix(rows: x.rows))
    case .unpool(let switches):
      try backend.unpool(x, switches: switches.prefix(rows: x.rows), geometry, into: h, below: nil)
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
      try backend.unpool(delta, switches: switches.prefix(rows: delta.rows), geometry, into: result, below: below)
    case .unpool(let switches):
      try backend.pickSwitches(delta, switches: switches.prefix(rows: delta.rows), geometry, into: result, below: below)
    case .average: try backend.poolSpread(delta, geometry, mean: true, into: result, below: below)
    case .upsample: try backend.poolSum(delta, geometry, mean: false, into: result, below: below)
    }
  }
}
