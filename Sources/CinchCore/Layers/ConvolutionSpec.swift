import CinchBackend
import CinchData

/// The settings of a convolution or transposed convolution.
public struct ConvolutionSpec: Sendable, Hashable {
  public var filters: Int
  public var kernel: Extent
  public var stride: Extent
  public var dilation: Extent
  public var padding: Padding
  /// Rows and columns that a transposed convolution adds at the end, as in PyTorch.
  public var outputPadding: Extent
  /// A transposed convolution's output, where its other settings leave it open: a mirrored layer's input.
  public var outputSize: Extent?
  public var activation: Activation

  public init(
    filters: Int, kernel: Extent = Extent(3), stride: Extent = Extent(1), dilation: Extent = Extent(1),
    padding: Padding = .same, outputPadding: Extent = Extent(0), outputSize: Extent? = nil,
    activation: Activation = .relu
  ) {
    self.filters = filters
    self.kernel = kernel
    self.stride = stride
    self.dilation = dilation
    self.padding = padding
    self.outputPadding = outputPadding
    self.outputSize = outputSize
    self.activation = activation
  }
}

/// What a convolution and its adjoint have in common.
protocol ConvolutionDefinition: LayerDefinition {
  var settings: ConvolutionSpec { get set }
}

extension ConvolutionDefinition {
  static var hasParameters: Bool { true }
  static var needsImage: Bool { true }
  var activation: Activation { settings.activation }

  func ending(with activation: Activation) -> LayerSpec {
    var layer = self
    layer.settings.activation = activation
    return layer.spec
  }

  func giving(units: Int) -> LayerSpec {
    var layer = self
    layer.settings.filters = units
    return layer.spec
  }
}

// In files.
extension ConvolutionSpec {
  enum CodingKeys: String, CodingKey, CaseIterable {
    case filters, kernel, stride, dilation, padding, activation, outputPadding, outputSize
  }

  init(layer decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    func extent(_ key: CodingKeys, _ standard: Int) throws -> Extent {
      try container.decodeIfPresent(Extent.self, forKey: key) ?? Extent(standard)
    }
    self.init(
      filters: try container.whole(.filters), kernel: try extent(.kernel, 3), stride: try extent(.stride, 1),
      dilation: try extent(.dilation, 1),
      padding: try container.decodeIfPresent(Padding.self, forKey: .padding) ?? .same,
      outputPadding: try extent(.outputPadding, 0),
      outputSize: try container.decodeIfPresent(Extent.self, forKey: .outputSize),
      activation: try container.choiceIfPresent(.activation) ?? .relu)
  }

  func encode(layer encoder: any Encoder, transposed: Bool) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(filters, forKey: .filters)
    try container.encode(kernel, forKey: .kernel)
    try container.encode(stride, forKey: .stride)
    try container.encode(dilation, forKey: .dilation)
    try container.encode(padding, forKey: .padding)
    if transposed {
      try container.encode(outputPadding, forKey: .outputPadding)
      try container.encodeIfPresent(outputSize, forKey: .outputSize)
    }
    try container.encode(activation, forKey: .activation)
  }
}

// Shapes.
extension ConvolutionSpec {
  func check(_ name: String) throws {
    guard (1...65_536).contains(filters) else {
      throw CinchError.usage("Layer \(name) has \(filters) filters: give it 1 to 65536.")
    }
    for (what, extent, least) in [
      ("kernel", kernel, 1), ("stride", stride, 1), ("dilation", dilation, 1), ("output padding", outputPadding, 0),
    ] where extent.height < least || extent.width < least || extent.height > 4096 || extent.width > 4096 {
      throw CinchError.usage("Layer \(name) has a \(what) of \(extent): use \(least) to 4096.")
    }
    if case .explicit(let top, let bottom, let left, let right) = padding,
      [top, bottom, left, right].contains(where: { $0 < 0 || $0 > 4096 })
    {
      throw CinchError.usage("Layer \(name) has \(padding): use 0 to 4096 on each side.")
    }
  }

  /// The geometry of a convolution with these settings that looks at `input`.
  /// - Throws: `CinchError.usage` naming the layer.
  func geometry(_ name: String, input: ImageShape) throws -> ConvolutionGeometry {
    try check(name)
    func axis(_ size: Int, _ kernel: Int, _ stride: Int, _ dilation: Int, vertical: Bool) throws -> (Int, before: Int) {
      let padding = padding.amounts(
        size: size, kernel: kernel, stride: stride, dilation: dilation, vertical: vertical)
      let reach = dilation * (kernel - 1) + 1
      let padded = size + padding.before + padding.after
      guard reach <= padded else {
        throw CinchError.usage(
          "Layer \(name) has a kernel of \(self.kernel) with dilation \(self.dilation), which spans \(reach) "
            + "\(vertical ? "rows" : "columns"), but its image of \(input.height)×\(input.width) has \(padded) with "
            + "padding: use a smaller kernel\(name == "encoder.0" ? " or" : ", fewer strides before it, or") pad with "
            + "'same'.")
      }
      return ((padded - reach) / stride + 1, padding.before)
    }
    let (rows, top) = try axis(input.height, kernel.height, stride.height, dilation.height, vertical: true)
    let (columns, left) = try axis(input.width, kernel.width, stride.width, dilation.width, vertical: false)
    return ConvolutionGeometry(
      height: input.height, width: input.width, channels: input.channels, outputHeight: rows, outputWidth: columns,
      outputChannels: filters, kernel: kernel.pair, stride: stride.pair, dilation: dilation.pair, top: top, left: left)
  }

  /// The geometry of a transposed convolution with these settings that looks at `input`, the small image.
  /// - Throws: `CinchError.usage` naming the layer.
  func transposedGeometry(_ name: String, input: ImageShape) throws -> ConvolutionGeometry {
    try check(name)
    guard outputPadding == Extent(0) || (outputSize == nil && padding != .same) else {
      throw CinchError.usage(
        "Layer \(name) has an output padding beside \(padding == .same ? "'same'" : "an output size"), which "
          + "fixes its size already: leave one of them out.")
    }
    func size(_ small: Int, _ kernel: Int, _ stride: Int, _ dilation: Int, _ extra: Int, vertical: Bool) -> Int {
      let reach = dilation * (kernel - 1) + 1
      return switch padding {
      case .valid: (small - 1) * stride + reach + extra
      case .same: small * stride
      case .explicit(let top, let bottom, let left, let right):
        (small - 1) * stride + reach + extra - (vertical ? top + bottom : left + right)
      }
    }
    let (k, s, d, e) = (kernel, stride, dilation, outputPadding)
    let output =
      outputSize
      ?? Extent(
        size(input.height, k.height, s.height, d.height, e.height, vertical: true),
        size(input.width, k.width, s.width, d.width, e.width, vertical: false))
    guard (1...65_536).contains(output.height), (1...65_536).contains(output.width) else {
      throw CinchError.usage(
        "Layer \(name) would give an image of \(output) from \(input.height)×\(input.width): use less padding "
          + "or a larger kernel for an empty one.")
    }
    // The convolution it is the adjoint of must lead from that output back to this input.
    var forward = self
    forward.filters = input.channels
    let geometry = try forward.geometry(
      name, input: ImageShape(channels: filters, height: output.height, width: output.width))
    guard geometry.outputHeight == input.height, geometry.outputWidth == input.width else {
      throw CinchError.usage(
        "Layer \(name) cannot make \(output) of \(input.height)×\(input.width): a convolution with kernel \(k), stride "
          + "\(s) and \(padding) leads from \(output) to \(geometry.outputHeight)×\(geometry.outputWidth). "
          + "Keep the output padding below the stride, or change the output size.")
    }
    return geometry
  }
}
