import CinchBackend

/// One layer of a network, as data: what `config.json` stores and a recipe file spells out.
public enum LayerSpec: Sendable, Hashable {
  /// h = f(x Wᵀ + b), with W `[units, inputs]` and b `[units]`.
  case dense(units: Int, activation: Activation)

  /// The features of one output sample.
  public var units: Int {
    switch self {
    case .dense(let units, _): units
    }
  }

  public var activation: Activation {
    switch self {
    case .dense(_, let activation): activation
    }
  }
}

extension LayerSpec: Codable {
  private enum CodingKeys: String, CodingKey { case type, units, activation }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    let type = try container.decode(String.self, forKey: .type)
    guard type == "dense" else {
      throw DecodingError.dataCorruptedError(
        forKey: .type, in: container, debugDescription: "Unknown layer type '\(type)'; layers are 'dense'.")
    }
    self = .dense(
      units: try container.decode(Int.self, forKey: .units),
      activation: try container.decode(Activation.self, forKey: .activation))
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    switch self {
    case .dense(let units, let activation):
      try container.encode("dense", forKey: .type)
      try container.encode(units, forKey: .units)
      try container.encode(activation, forKey: .activation)
    }
  }
}
