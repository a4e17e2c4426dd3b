import CinchBackend

extension LayerSpec {
  /// The largest value of each window, and where it was.
  public struct MaxPool: LayerDefinition {
    public var settings: PoolSpec

    public init(_ settings: PoolSpec) { self.settings = settings }
  }

  /// The largest value of each window, and where it was.
  public static func maxPool(_ settings: PoolSpec) -> LayerSpec { .maxPool(MaxPool(settings)) }
}

/// `{"type": "max-pool", "size": 2, "stride": 2}`, or `maxpool SIZE [sS]` on the command line.
extension LayerSpec.MaxPool {
  static let typeName = "max-pool"
  static var settings: [any CodingKey] { PoolSpec.CodingKeys.allCases }
  static let words = ["maxpool", "pool"]

  public init(from decoder: any Decoder) throws { self.init(try PoolSpec(from: decoder)) }
  public func encode(to encoder: any Encoder) throws { try settings.encode(to: encoder) }

  static func parse(_ words: ArraySlice<String>, name: String, activation: Activation) throws -> LayerSpec {
    .maxPool(try PoolSpec(words, name: name))
  }
}

extension LayerSpec.MaxPool {
  static let needsImage = true
  var spec: LayerSpec { .maxPool(self) }

  func resolve(
    _ input: FeatureShape, name: String, in network: inout NetworkShape
  ) throws -> (output: FeatureShape, kind: any ResolvedKind) {
    let geometry = try settings.geometry(name, input: image(input, name), keepsPlaces: true)
    network.unmatchedPools.append(network.layers.count)
    return (geometry.pooled, MaxPoolKind(geometry: geometry))
  }

  func mirror(of layer: ResolvedLayer, activation: Activation, pools: PoolInverse) throws -> [LayerSpec] {
    [pools == .unpool ? .unpool : try settings.upsampling(layer)]
  }
}

struct MaxPoolKind: ResolvedKind {
  let geometry: PoolingGeometry

  var picksInputs: Bool { true }
  var leftOut: String? { geometry.leftOut }

  func joined(with below: ResolvedLayer, isFirst: Bool) -> (any ResolvedKind)? {
    isFirst ? PooledConvolutionKind(below, self) : nil
  }

  func operators(of layer: ResolvedLayer, on x: String, in graph: inout GraphBuilder) throws -> String {
    let results = graph.add("MaxPool", [x], geometry.attributes, outputs: graph.needsSwitches ? 2 : 1)
    if results.count > 1 { graph.switches[graph.index] = (x, results[1]) }
    return results[0]
  }

  func modules(of layer: ResolvedLayer) throws -> [TorchModule] { [TorchModule("MaxPool2d(\(geometry.arguments))")] }

  func make<B: Backend>(_ layer: ResolvedLayer, at site: LayerSite<B>) throws -> any Layer<B> {
    MaxPoolLayer(
      resolved: layer, geometry: geometry, switches: PoolSwitches(geometry, on: site.backend), backend: site.backend)
  }
}

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

struct MaxPoolLayer<B: Backend>: Layer {
  let resolved: ResolvedLayer
  let geometry: PoolingGeometry
  let switches: PoolSwitches<B>
  let backend: B

  func reserve(rows: Int) throws { try switches.reserve(rows: rows) }

  func forward(_ x: Tensor<B.Buffer>, into h: Tensor<B.Buffer>, _ pass: Pass) throws {
    try backend.maxPool(x, geometry, into: h, switches: switches.prefix(rows: x.rows))
  }

  func inputGradient(
    delta: Tensor<B.Buffer>, below: ActivationGradient<B.Buffer>, into result: Tensor<B.Buffer>,
    _ pass: Pass
  ) throws {
    try backend.unpool(
      delta, switches: switches.prefix(rows: delta.rows), geometry, into: result, below: below.unlessPlain)
  }
}
