import CinchBackend
import CinchData

extension Corruption {
  /// The kinds by the names the command line and recipe files use.
  public enum Kind: String, CaseIterable, Sendable, Codable {
    case masking
    case maskingExact = "masking-exact"
    case gaussian
    case saltPepper = "salt-pepper"
    case block
  }

  public init(_ kind: Kind, level: Double) {
    self =
      switch kind {
      case .masking: .masking(level)
      case .maskingExact: .maskingExact(level)
      case .gaussian: .gaussian(level)
      case .saltPepper: .saltPepper(level)
      case .block: .block(level)
      }
  }

  public var kind: Kind {
    switch self {
    case .masking: .masking
    case .maskingExact: .maskingExact
    case .gaussian: .gaussian
    case .saltPepper: .saltPepper
    case .block: .block
    }
  }

  /// ν, or σ for Gaussian noise; for blocks the share of an image's area.
  public var level: Double {
    switch self {
    case .masking(let level), .maskingExact(let level), .gaussian(let level), .saltPepper(let level), .block(let level):
      level
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
