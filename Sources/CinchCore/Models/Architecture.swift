import CinchBackend
import CinchData

/// What is trained, by its kind.
///
/// Another kind is another case: the compiler then names what must know of it.
public enum Architecture: Sendable, Hashable {
  case autoencoder(AutoencoderArchitecture)
}

/// `{"kind": "autoencoder", …}`, the rest as the kind has it. A file may leave the kind out: it is an autoencoder then.
extension Architecture: Codable {
  private enum Kind: String, CaseIterable, Codable { case autoencoder }
  private enum CodingKeys: String, CodingKey { case kind }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    switch try container.choiceIfPresent(.kind, as: Kind.self) ?? .autoencoder {
    case .autoencoder:
      let keys: [any CodingKey] = [CodingKeys.kind] + AutoencoderArchitecture.CodingKeys.allCases
      try decoder.refuseKeys(but: keys, in: "an autoencoder's architecture")
      self = .autoencoder(try AutoencoderArchitecture(settingsOf: decoder))
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    switch self {
    case .autoencoder(let autoencoder):
      try container.encode(Kind.autoencoder, forKey: .kind)
      try autoencoder.encode(settingsTo: encoder)
    }
  }
}
