import CinchBackend
import CinchData

/// `{"type": "convolution", "filters": 16, "kernel": 3, "stride": 2, "padding": "same", "activation": "relu"}`, and
/// alike for the other kinds.
extension LayerSpec: Codable {
  private enum CodingKeys: String, CodingKey, CaseIterable {
    case type, units, activation, filters, kernel, stride, dilation, padding, outputPadding, outputSize, size
  }

  private enum Kind: String, Codable, CaseIterable {
    case dense, convolution
    case transposedConvolution = "transposed-convolution"
    case maxPool = "max-pool"
    case averagePool = "average-pool"
    case unpool, upsample

    var settings: [CodingKeys] {
      let convolution: [CodingKeys] = [.type, .filters, .kernel, .stride, .dilation, .padding, .activation]
      return switch self {
      case .dense: [.type, .units, .activation]
      case .convolution: convolution
      case .transposedConvolution: convolution + [.outputPadding, .outputSize]
      case .maxPool, .averagePool: [.type, .size, .stride]
      case .unpool: [.type]
      case .upsample: [.type, .size]
      }
    }
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    let kind = try container.choice(.type, as: Kind.self)
    try decoder.refuseKeys(but: kind.settings, in: "a layer of type \(kind.rawValue)")
    switch kind {
    case .dense:
      self = .dense(
        units: try container.whole(.units), activation: try container.choice(.activation))
    case .convolution: self = .convolution(try Self.convolution(container))
    case .transposedConvolution: self = .transposedConvolution(try Self.convolution(container))
    case .maxPool: self = .maxPool(try Self.pool(container))
    case .averagePool: self = .averagePool(try Self.pool(container))
    case .unpool: self = .unpool
    case .upsample: self = .upsample(try container.decode(Extent.self, forKey: .size))
    }
  }

  private static func convolution(_ container: KeyedDecodingContainer<CodingKeys>) throws -> ConvolutionSpec {
    func extent(_ key: CodingKeys, _ standard: Int) throws -> Extent {
      try container.decodeIfPresent(Extent.self, forKey: key) ?? Extent(standard)
    }
    return ConvolutionSpec(
      filters: try container.whole(.filters), kernel: try extent(.kernel, 3),
      stride: try extent(.stride, 1), dilation: try extent(.dilation, 1),
      padding: try container.decodeIfPresent(Padding.self, forKey: .padding) ?? .same,
      outputPadding: try extent(.outputPadding, 0),
      outputSize: try container.decodeIfPresent(Extent.self, forKey: .outputSize),
      activation: try container.choiceIfPresent(.activation) ?? .relu)
  }

  private static func pool(_ container: KeyedDecodingContainer<CodingKeys>) throws -> PoolSpec {
    PoolSpec(
      try container.decode(Extent.self, forKey: .size),
      stride: try container.decodeIfPresent(Extent.self, forKey: .stride))
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    switch self {
    case .dense(let units, let activation):
      try container.encode(Kind.dense, forKey: .type)
      try container.encode(units, forKey: .units)
      try container.encode(activation, forKey: .activation)
    case .convolution(let spec): try Self.encode(spec, .convolution, &container)
    case .transposedConvolution(let spec): try Self.encode(spec, .transposedConvolution, &container)
    case .maxPool(let spec): try Self.encode(spec, .maxPool, &container)
    case .averagePool(let spec): try Self.encode(spec, .averagePool, &container)
    case .unpool: try container.encode(Kind.unpool, forKey: .type)
    case .upsample(let size):
      try container.encode(Kind.upsample, forKey: .type)
      try container.encode(size, forKey: .size)
    }
  }

  private static func encode(
    _ spec: ConvolutionSpec, _ kind: Kind, _ container: inout KeyedEncodingContainer<CodingKeys>
  ) throws {
    try container.encode(kind, forKey: .type)
    try container.encode(spec.filters, forKey: .filters)
    try container.encode(spec.kernel, forKey: .kernel)
    try container.encode(spec.stride, forKey: .stride)
    try container.encode(spec.dilation, forKey: .dilation)
    try container.encode(spec.padding, forKey: .padding)
    if kind == .transposedConvolution {
      try container.encode(spec.outputPadding, forKey: .outputPadding)
      try container.encodeIfPresent(spec.outputSize, forKey: .outputSize)
    }
    try container.encode(spec.activation, forKey: .activation)
  }

  private static func encode(
    _ spec: PoolSpec, _ kind: Kind, _ container: inout KeyedEncodingContainer<CodingKeys>
  ) throws {
    try container.encode(kind, forKey: .type)
    try container.encode(spec.size, forKey: .size)
    try container.encode(spec.stride, forKey: .stride)
  }
}
