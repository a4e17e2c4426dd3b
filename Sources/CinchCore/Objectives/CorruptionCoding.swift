import CinchBackend
import CinchData

extension Corruption {
  /// The kinds by the names the command line and recipe files use.
  public enum Kind: String, CaseIterable, Sendable, Codable {
    case masking
    case maskingExact = "masking-exact"
    case gaussian
    case saltPepper = "salt-pepper"
  }

  public init(_ kind: Kind, level: Double) {
    self =
      switch kind {
      case .masking: .masking(level)
      case .maskingExact: .maskingExact(level)
      case .gaussian: .gaussian(level)
      case .saltPepper: .saltPepper(level)
      }
  }

  public var kind: Kind {
    switch self {
    case .masking: .masking
    case .maskingExact: .maskingExact
    case .gaussian: .gaussian
    case .saltPepper: .saltPepper
    }
  }

  /// ν, or σ for Gaussian noise.
  public var level: Double {
    switch self {
    case .masking(let level), .maskingExact(let level), .gaussian(let level), .saltPepper(let level): level
    }
  }
}

extension Corruption: Codable {
  private enum CodingKeys: String, CodingKey, CaseIterable { case kind, level }

  public init(from decoder: any Decoder) throws {
    try decoder.refuseUnknownKeys(CodingKeys.self, in: "corruption")
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      try container.choice(.kind, as: Kind.self), level: try container.decode(Double.self, forKey: .level))
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(kind, forKey: .kind)
    try container.encode(level, forKey: .level)
  }
}
