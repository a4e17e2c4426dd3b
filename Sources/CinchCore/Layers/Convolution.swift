import CinchBackend

extension LayerSpec {
  /// h = f(x ∗ W + b), cross-correlation, with W `[filters, channels, rows, columns]`.
  public struct Convolution: ConvolutionDefinition {
    public var settings: ConvolutionSpec

    public init(_ settings: ConvolutionSpec) { self.settings = settings }
  }

  /// h = f(x ∗ W + b), cross-correlation, with W `[filters, channels, rows, columns]`.
  public static func convolution(_ settings: ConvolutionSpec) -> LayerSpec { .convolution(Convolution(settings)) }
}

/// `{"type": "convolution", "filters": 16, "kernel": 3, "stride": 2, "padding": "same", "activation": "relu"}`.
extension LayerSpec.Convolution {
  static let typeName = "convolution"
  static var settings: [any CodingKey] {
    ConvolutionSpec.CodingKeys.allCases.filter { ![.outputPadding, .outputSize].contains($0) }
  }

  public init(from decoder: any Decoder) throws { self.init(try ConvolutionSpec(layer: decoder)) }
  public func encode(to encoder: any Encoder) throws { try settings.encode(layer: encoder, transposed: false) }
}

/// `conv FILTERS [KxK] [sS] [dD] [valid, same or pP] [ACTIVATION]`.
extension LayerSpec.Convolution {
  static let words = ["conv", "convolution"]

  static func parse(_ words: ArraySlice<String>, name: String, activation: Activation) throws -> LayerSpec {
    let number = try LayerText.first(words, of: name)
    guard let filters = Int(number), filters > 0 else {
      throw LayerText.Refusal("'\(number)' is no number of filters")
    }
    var spec = ConvolutionSpec(filters: filters, activation: activation)
    var said: [String: String] = [:]
    for word in words.dropFirst() {
      guard let what = read(word, into: &spec) else {
        throw LayerText.Refusal("'\(word)' is no kernel, stride, dilation, padding or activation")
      }
      if let before = said.updateValue(word, forKey: what) {
        throw LayerText.Refusal("'\(before)' and '\(word)' both give its \(what)")
      }
    }
    return .convolution(spec)
  }

  /// Reads one word of a convolution, and tells what it gives; nil where it means nothing.
  private static func read(_ word: String, into spec: inout ConvolutionSpec) -> String? {
    if let activation = Activation(rawValue: word) {
      spec.activation = activation
      return "activation"
    }
    if word == "valid" || word == "same" {
      spec.padding = word == "same" ? .same : .valid
      return "padding"
    }
    if let kernel = LayerText.extent(word) {
      spec.kernel = kernel
      return "kernel"
    }
    guard let value = LayerText.extent(word.dropFirst()) else { return nil }
    switch word.first {
    case "s":
      spec.stride = value
      return "stride"
    case "d":
      spec.dilation = value
      return "dilation"
    case "p":
      spec.padding = .explicit(top: value.height, bottom: value.height, left: value.width, right: value.width)
      return "padding"
    default: return nil
    }
  }
}

extension LayerSpec.Convolution {
  var spec: LayerSpec { .convolution(self) }

  func resolve(
    _ input: FeatureShape, name: String, in network: inout NetworkShape
  ) throws -> (output: FeatureShape, kind: any ResolvedKind) {
    let geometry = try settings.geometry(name, input: image(input, name))
    let output = FeatureShape.image(
      channels: settings.filters, height: geometry.outputHeight, width: geometry.outputWidth)
    return (output, ConvolutionKind(geometry: geometry, isTransposed: false))
  }

  /// The transposed convolution of the same geometry.
  func mirror(of layer: ResolvedLayer, activation: Activation, pools: PoolInverse) throws -> [LayerSpec] {
    let image = try image(layer.input, layer.name)
    var mirrored = settings
    mirrored.filters = image.channels
    mirrored.outputSize = Extent(image.height, image.width)
    mirrored.activation = activation
    return [.transposedConvolution(mirrored)]
  }
}
