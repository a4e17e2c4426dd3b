import CinchBackend

extension LayerSpec {
  /// The mean of each window.
  public struct AveragePool: LayerDefinition {
    public var settings: PoolSpec

    public init(_ settings: PoolSpec) { self.settings = settings }
  }

  /// The mean of each window.
  public static func averagePool(_ settings: PoolSpec) -> LayerSpec { .averagePool(AveragePool(settings)) }
}

/// `{"type": "average-pool", "size": 2, "stride": 2}`, or `avgpool SIZE [sS]` on the command line.
extension LayerSpec.AveragePool {
  static let typeName = "average-pool"
  static var settings: [any CodingKey] { PoolSpec.CodingKeys.allCases }
  static let words = ["avgpool"]

  public init(from decoder: any Decoder) throws { self.init(try PoolSpec(from: decoder)) }
  public func encode(to encoder: any Encoder) throws { try settings.encode(to: encoder) }

  static func parse(_ words: ArraySlice<String>, name: String, activation: Activation) throws -> LayerSpec {
    .averagePool(try PoolSpec(words, name: name))
  }
}

extension LayerSpec.AveragePool {
  static let needsImage = true
  var spec: LayerSpec { .averagePool(self) }

  func resolve(
    _ input: FeatureShape, name: String, in network: inout NetworkShape
  ) throws -> (output: FeatureShape, kind: any ResolvedKind) {
    let geometry = try settings.geometry(name, input: image(input, name))
    return (geometry.pooled, AveragePoolKind(geometry: geometry))
  }

  func mirror(of layer: ResolvedLayer, activation: Activation, pools: PoolInverse) throws -> [LayerSpec] {
    [try settings.upsampling(layer)]
  }
}

struct AveragePoolKind: ResolvedKind {
  let geometry: PoolingGeometry

  var leftOut: String? { geometry.leftOut }

  func operators(of layer: ResolvedLayer, on x: String, in graph: inout GraphBuilder) throws -> String {
    graph.add("AveragePool", [x], geometry.attributes)
  }

  func modules(of layer: ResolvedLayer) throws -> [TorchModule] { [TorchModule("AvgPool2d(\(geometry.arguments))")] }

  func make<B: Backend>(_ layer: ResolvedLayer, at site: LayerSite<B>) throws -> any Layer<B> {
    AveragePoolLayer(resolved: layer, geometry: geometry, backend: site.backend)
  }
}

struct AveragePoolLayer<B: Backend>: Layer {
  let resolved: ResolvedLayer
  let geometry: PoolingGeometry
  let backend: B

  func forward(_ x: Tensor<B.Buffer>, into h: Tensor<B.Buffer>, _ pass: Pass) throws {
    try backend.poolSum(x, geometry, mean: true, into: h, below: nil)
  }

  func inputGradient(
    delta: Tensor<B.Buffer>, below: ActivationGradient<B.Buffer>, into result: Tensor<B.Buffer>,
    _ pass: Pass
  ) throws {
    try backend.poolSpread(delta, geometry, mean: true, into: result, below: below.unlessPlain)
  }
}
