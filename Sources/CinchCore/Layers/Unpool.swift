import CinchBackend
import CinchData

extension LayerSpec {
  /// Puts values back where the mirrored max-pool found them; zeros elsewhere.
  /// Source: Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", 2014.
  public struct Unpool: LayerDefinition {
    public init() {}
  }

  /// Puts values back where the mirrored max-pool found them; zeros elsewhere.
  public static var unpool: LayerSpec { .unpool(Unpool()) }
}

/// `{"type": "unpool"}`.
extension LayerSpec.Unpool {
  static let typeName = "unpool"

  public init(from decoder: any Decoder) throws { self.init() }
  public func encode(to encoder: any Encoder) throws {}
}

extension LayerSpec.Unpool {
  static let needsImage = true
  var spec: LayerSpec { .unpool(self) }

  func resolve(
    _ input: FeatureShape, name: String, in network: inout NetworkShape
  ) throws -> (output: FeatureShape, kind: any ResolvedKind) {
    let small = try image(input, name)
    guard let index = network.unmatchedPools.popLast(), let pool = network.layers[index].kind as? MaxPoolKind else {
      throw CinchError.usage("Layer \(name) unpools, but no max-pool before it is left to take the places from.")
    }
    guard pool.geometry.pooled == .image(small) else {
      throw CinchError.usage(
        "Layer \(name) unpools \(input), but the max-pool \(network.layers[index].name) gave "
          + "\(network.layers[index].output): mirror the encoder's filters and sizes.")
    }
    return (pool.geometry.whole, UnpoolKind(geometry: pool.geometry, pool: index))
  }
}

struct UnpoolKind: ResolvedKind {
  let geometry: PoolingGeometry
  /// The place of the max-pool in the network.
  let pool: Int

  var source: Int? { pool }

  func operators(of layer: ResolvedLayer, on x: String, in graph: inout GraphBuilder) throws -> String {
    guard let (input, places) = graph.switches[pool] else {
      throw CinchError.usage("Layer \(layer.name) has no max-pool.")
    }
    let shape = graph.add("Shape", [input])
    if geometry.kernelHeight <= geometry.strideHeight, geometry.kernelWidth <= geometry.strideWidth {
      return graph.add("MaxUnpool", [x, places, shape], geometry.attributes)
    }
    // Windows overlap, and what several of them found in one place adds up, which MaxUnpool does not do.
    let all = graph.integers([-1], "all")
    let zeros = graph.add("ConstantOfShape", [graph.add("Shape", [graph.add("Reshape", [input, all])])])
    let (flat, flatPlaces) = (graph.add("Reshape", [x, all]), graph.add("Reshape", [places, all]))
    let sums = graph.add(
      "ScatterElements", [zeros, flatPlaces, flat], ["axis": .integer(0), "reduction": .text("add")])
    return graph.add("Reshape", [sums, shape])
  }

  func modules(of layer: ResolvedLayer) throws -> [TorchModule] {
    throw TorchModule.refusal(layer, "puts values where a max-pool found them")
  }

  func make<B: Backend>(_ layer: ResolvedLayer, at site: LayerSite<B>) throws -> any Layer<B> {
    guard let pool = site.layers[pool] as? MaxPoolLayer<B> else {
      throw CinchError.usage("Layer \(layer.name) has no max-pool.")
    }
    return UnpoolLayer(resolved: layer, geometry: geometry, switches: pool.switches, backend: site.backend)
  }
}

struct UnpoolLayer<B: Backend>: Layer {
  let resolved: ResolvedLayer
  let geometry: PoolingGeometry
  let switches: PoolSwitches<B>
  let backend: B

  func forward(_ x: Tensor<B.Buffer>, into h: Tensor<B.Buffer>, _ pass: Pass) throws {
    try backend.unpool(x, switches: switches.prefix(rows: x.rows), geometry, into: h, below: nil)
  }

  func inputGradient(
    delta: Tensor<B.Buffer>, below: ActivationGradient<B.Buffer>, into result: Tensor<B.Buffer>,
    _ pass: Pass
  ) throws {
    try backend.pickSwitches(
      delta, switches: switches.prefix(rows: delta.rows), geometry, into: result, below: below.unlessPlain)
  }
}
