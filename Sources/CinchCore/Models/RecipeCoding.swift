import CinchBackend
import CinchData
import FoundationEssentials
import Glibc

/// `{"name": "mine", "layers": [784, 128, 32], "activation": "relu", …}` or, with each layer spelled out,
/// `"input": 784, "encoder": [{"type": "dense", "units": 128, "activation": "relu"}, …], "decoder": […]`.
/// What a file leaves out has the default of a plain undercomplete autoencoder; unknown keys are errors.
extension Recipe: Codable {
  private enum CodingKeys: String, CodingKey, CaseIterable {
    case name, constraint, input, image, encoder, decoder, tied, loss, penalties, corruption, optimizer, schedule,
      gradientClip
    case batchSize, epochs, seed, validationSplit, patience
    // Shorthand for a mirrored dense stack; never written.
    case layers, activation, codeActivation, outputActivation
  }

  public init(from decoder: any Decoder) throws {
    try decoder.refuseUnknownKeys(CodingKeys.self, in: "the recipe")
    let container = try decoder.container(keyedBy: CodingKeys.self)
    func value<T: Decodable>(_ key: CodingKeys, _ type: T.Type = T.self) throws -> T? {
      try container.decodeIfPresent(T.self, forKey: key)
    }
    try Self.refuseContradictions(container)
    let activation = try container.choiceIfPresent(.activation, as: Activation.self) ?? .relu
    let outputActivation = try container.choiceIfPresent(.outputActivation, as: Activation.self) ?? .sigmoid
    self.init(
      name: try value(.name) ?? "custom", layers: try Self.layers(container), activation: activation,
      codeActivation: try container.choiceIfPresent(.codeActivation), outputActivation: outputActivation,
      loss: try container.choiceIfPresent(.loss) ?? .bce, tied: try value(.tied) ?? false,
      penalties: try value(.penalties) ?? Penalties(), corruption: try value(.corruption),
      optimizer: try value(.optimizer) ?? Optimizer(), epochs: try container.wholeIfPresent(.epochs) ?? 20)
    if let layers: [LayerSpec] = try value(.encoder) {
      encoder = layers
      image = try value(.image)
      // Images may leave their size to the data.
      input = try container.wholeIfPresent(.input) ?? image?.count ?? (isOfImages ? 0 : container.whole(.input))
      self.decoder =
        try value(.decoder)
        ?? Self.mirrorIfAny(of: layers, from: inputShape, outputActivation: outputActivation, pools: .upsample)
    }
    constraint =
      container.contains(.constraint) ? try container.choiceIfPresent(.constraint) : Self.constraint(of: name)
    schedule = try value(.schedule) ?? schedule
    gradientClip = try value(.gradientClip)
    batchSize = try container.wholeIfPresent(.batchSize) ?? batchSize
    seed = try container.wholeIfPresent(.seed) ?? seed
    validationSplit = try value(.validationSplit) ?? validationSplit
    patience = try container.wholeIfPresent(.patience)
  }

  /// Cinch 0.1 wrote no constraint: it went by these two names.
  private static func constraint(of name: String) -> Constraint? { Constraint(rawValue: name) }

  private static func layers(_ container: KeyedDecodingContainer<CodingKeys>) throws -> [Int] {
    guard container.contains(.layers) else { return [] }
    if let layers = try? container.decode([Int].self, forKey: .layers) { return layers }
    throw DecodingError.dataCorruptedError(
      forKey: .layers, in: container, debugDescription: "Expected a list of whole numbers such as [784, 32]")
  }

  /// `layers` and `encoder` are two ways to say the same; what only the other one reads must not be ignored in silence.
  private static func refuseContradictions(_ container: KeyedDecodingContainer<CodingKeys>) throws {
    let spelledOut = container.contains(.encoder)
    var unread: [CodingKeys] = spelledOut ? [.layers, .activation, .codeActivation] : [.decoder, .image, .input]
    if spelledOut && container.contains(.decoder) { unread.append(.outputActivation) }
    guard let key = unread.first(where: container.contains) else { return }
    throw DecodingError.dataCorruptedError(
      forKey: key, in: container,
      debugDescription: spelledOut
        ? "'\(key.nameInFile)' says nothing beside an 'encoder' and 'decoder' that spell their layers out"
        : "'\(key.nameInFile)' needs an 'encoder' that spells its layers out, in place of 'layers'")
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(name, forKey: .name)
    // No key would stand for the constraint that the name had in Cinch 0.1.
    if constraint != nil || Self.constraint(of: name) != nil { try container.encode(constraint, forKey: .constraint) }
    try container.encode(input, forKey: .input)
    try container.encodeIfPresent(image, forKey: .image)
    try container.encode(self.encoder, forKey: .encoder)
    try container.encode(decoder, forKey: .decoder)
    try container.encode(tied, forKey: .tied)
    try container.encode(loss, forKey: .loss)
    try container.encode(penalties, forKey: .penalties)
    try container.encodeIfPresent(corruption, forKey: .corruption)
    try container.encode(optimizer, forKey: .optimizer)
    try container.encode(schedule, forKey: .schedule)
    try container.encodeIfPresent(gradientClip, forKey: .gradientClip)
    try container.encode(batchSize, forKey: .batchSize)
    try container.encode(epochs, forKey: .epochs)
    try container.encode(seed, forKey: .seed)
    try container.encode(validationSplit, forKey: .validationSplit)
    try container.encodeIfPresent(patience, forKey: .patience)
  }

  /// Reads a recipe file.
  /// - Throws: `CinchError.inputOutput` where it cannot be read, `CinchError.badData` where it is no recipe.
  public static func load(_ path: String) throws -> Recipe {
    let data: Data
    do { data = try Data(contentsOf: URL(fileURLWithPath: path)) } catch {
      throw CinchError.inputOutput("Cannot read the recipe file '\(path)': check that it exists and is readable.")
    }
    do { return try JSONCoding.decoder.decode(Recipe.self, from: data) } catch let error as DecodingError {
      throw CinchError.badData(
        "'\(path)' is not a recipe: \(JSONCoding.explain(error)); write one as \(.recipes) prints them.")
    }
  }
}
