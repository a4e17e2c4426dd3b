import CinchBackend
import CinchData

extension LayerSpec {
  /// Repeats every value over a rectangle of `size`: nearest-neighbour upsampling.
  public struct Upsample: LayerDefinition {
    public var size: Extent

    public init(_ size: Extent) { self.size = size }
  }

  /// Repeats every value over a rectangle of `size`: nearest-neighbour upsampling.
  public static func upsample(_ size: Extent) -> LayerSpec { .upsample(Upsample(size)) }
}

/// `{"type": "upsample", "size": 2}`.
extension LayerSpec.Upsample {
  private enum CodingKeys: String, CodingKey, CaseIterable { case size }

  static let typeName = "upsample"
  static var settings: [any CodingKey] { CodingKeys.allCases }
}

extension LayerSpec.Upsample {
  static let needsImage = true
  var spec: LayerSpec { .upsample(self) }

  func resolve(
    _ input: FeatureShape, name: String, in network: inout NetworkShape
  ) throws -> (output: FeatureShape, kind: any ResolvedKind) {
    let small = try image(input, name)
    guard size.height > 0, size.width > 0, size.height <= 65_536 / small.height, size.width <= 65_536 / small.width
    else {
      throw CinchError.usage("Layer \(name) upsamples by \(size): use 1 or more, up to an image of 65536.")
    }
    let geometry = PoolingGeometry(
      height: small.height * size.height, width: small.width * size.width, channels: small.channels,
      outputHeight: small.height, outputWidth: small.width, kernel: size.pair, stride: size.pair)
    return (geometry.whole, UpsampleKind(geometry: geometry))
  }
}

struct UpsampleKind: ResolvedKind {
  let geometry: PoolingGeometry

  func operators(of layer: ResolvedLayer, on x: String, in graph: inout GraphBuilder) throws -> String {
    let scales = graph.floats([1, 1, Float(geometry.strideHeight), Float(geometry.strideWidth)], "scales")
    return graph.add(
      "Resize", [x, "", scales],
      [
        "mode": .text("nearest"), "coordinate_transformation_mode": .text("asymmetric"), "nearest_mode": .text("floor"),
      ])
  }

  func modules(of layer: ResolvedLayer) throws -> [TorchModule] {
    [TorchModule("Upsample(scale_factor=(\(geometry.strideHeight), \(geometry.strideWidth)))")]
  }

  func make<B: Backend>(_ layer: ResolvedLayer, at site: LayerSite<B>) throws -> any Layer<B> {
    UpsampleLayer(resolved: layer, geometry: geometry, backend: site.backend)
  }
}

struct UpsampleLayer<B: Backend>: Layer {
  let resolved: ResolvedLayer
  let geometry: PoolingGeometry
  let backend: B

  func forward(_ x: Tensor<B.Buffer>, into h: Tensor<B.Buffer>, _ pass: Pass) throws {
    try backend.poolSpread(x, geometry, mean: false, into: h, below: nil)
  }

  func inputGradient(
    delta: Tensor<B.Buffer>, below: ActivationGradient<B.Buffer>, into result: Tensor<B.Buffer>,
    _ pass: Pass
  ) throws {
    try backend.poolSum(delta, geometry, mean: false, into: result, below: below.unlessPlain)
  }
}
