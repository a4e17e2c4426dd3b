import CinchBackend

extension LayerSpec {
  /// The adjoint of a convolution and a bias, with W `[channels, filters, rows, columns]`.
  public struct TransposedConvolution: ConvolutionDefinition {
    public var settings: ConvolutionSpec

    public init(_ settings: ConvolutionSpec) { self.settings = settings }
  }

  /// The adjoint of a convolution and a bias, with W `[channels, filters, rows, columns]`.
  public static func transposedConvolution(_ settings: ConvolutionSpec) -> LayerSpec {
    .transposedConvolution(TransposedConvolution(settings))
  }
}

/// `{"type": "transposed-convolution", "filters": 1, "stride": 2, "output_size": [28, 28], …}`.
extension LayerSpec.TransposedConvolution {
  static let typeName = "transposed-convolution"
  static var settings: [any CodingKey] { ConvolutionSpec.CodingKeys.allCases }

  public init(from decoder: any Decoder) throws { self.init(try ConvolutionSpec(layer: decoder)) }
  public func encode(to encoder: any Encoder) throws { try settings.encode(layer: encoder, transposed: true) }
}

extension LayerSpec.TransposedConvolution {
  var spec: LayerSpec { .transposedConvolution(self) }

  func resolve(
    _ input: FeatureShape, name: String, in network: inout NetworkShape
  ) throws -> (output: FeatureShape, kind: any ResolvedKind) {
    let geometry = try settings.transposedGeometry(name, input: image(input, name))
    let output = FeatureShape.image(channels: settings.filters, height: geometry.height, width: geometry.width)
    return (output, ConvolutionKind(geometry: geometry, isTransposed: true))
  }
}
