import CinchBackend
import CinchData

/// One layer of a network, as data: what `config.json` stores and a recipe file spells out.
///
/// Each kind is a struct in a file of its own, which holds all there is to know of it: see `LayerDefinition`.
public enum LayerSpec: Sendable, Hashable {
  /// h = f(x Wᵀ + b), with W `[units, inputs]` and b `[units]`.
  case dense(Dense)
  /// h = f(x ∗ W + b), cross-correlation, with W `[filters, channels, rows, columns]`.
  case convolution(Convolution)
  /// The adjoint of a convolution and a bias, with W `[channels, filters, rows, columns]`.
  case transposedConvolution(TransposedConvolution)
  /// The largest value of each window, and where it was.
  case maxPool(MaxPool)
  /// The mean of each window.
  case averagePool(AveragePool)
  /// Puts values back where the mirrored max-pool found them; zeros elsewhere (Zeiler & Fergus 2014).
  case unpool(Unpool)
  /// Repeats every value over a rectangle: nearest-neighbour upsampling.
  case upsample(Upsample)
  /// Zeroes values at random in training (Srivastava et al. 2014).
  case dropout(Dropout)
  /// Draws the code from the distribution that the layer below describes (Kingma & Welling 2014).
  case sampling(Sampling)

  /// What knows all about the layer. No other code tells the kinds apart.
  var definition: any LayerDefinition {
    switch self {
    case .dense(let layer): layer
    case .convolution(let layer): layer
    case .transposedConvolution(let layer): layer
    case .maxPool(let layer): layer
    case .averagePool(let layer): layer
    case .unpool(let layer): layer
    case .upsample(let layer): layer
    case .dropout(let layer): layer
    case .sampling(let layer): layer
    }
  }

  /// The kinds that files and the command line may name.
  static let kinds: [any LayerDefinition.Type] = [
    Dense.self, Convolution.self, TransposedConvolution.self, MaxPool.self, AveragePool.self, Unpool.self,
    Upsample.self, Dropout.self, Sampling.self,
  ]

  /// What ends the layer; pooling layers are linear.
  public var activation: Activation { definition.activation }

  /// Whether it has weights.
  public var hasParameters: Bool { type(of: definition).hasParameters }
}

/// `{"type": "convolution", "filters": 16, "kernel": 3, "stride": 2, "padding": "same", "activation": "relu"}`, and
/// alike for the other kinds.
extension LayerSpec: Codable {
  /// A key by its name, so that each kind may have keys of its own.
  private struct Key: CodingKey {
    static let type = Key("type")

    let stringValue: String
    var intValue: Int? { nil }

    init(_ name: String) { stringValue = name }
    init?(stringValue: String) { self.init(stringValue) }
    init?(intValue: Int) { nil }
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    let name = try container.decode(String.self, forKey: .type)
    guard let kind = Self.kinds.first(where: { $0.typeName == name }) else {
      throw DecodingError.dataCorruptedError(
        forKey: .type, in: container,
        debugDescription: "'\(name)' is none of \(Self.kinds.map { $0.typeName }.joined(separator: ", "))")
    }
    try decoder.refuseKeys(
      but: [.type] + kind.settings.map { Key($0.stringValue) }, in: "a layer of type \(kind.typeName)")
    self = try kind.init(from: decoder).spec
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    try container.encode(type(of: definition).typeName, forKey: .type)
    try definition.encode(to: encoder)
  }
}
