import CinchBackend
import CinchData
import FoundationEssentials

/// `{"format": 2, "name": "mine", "architecture": {…}, "objective": {…}, "training": {…}}`. Without a format, all settings
/// lie side by side, as Cinch 0.1 wrote them. What a file leaves out has the default of a plain undercomplete autoencoder;
/// unknown keys are errors.
extension Recipe: Codable {
  /// The format that is written.
  public static let format = 2

  private enum CodingKeys: String, CodingKey, CaseIterable { case format, name, architecture, objective, training }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    guard try container.format(.format, current: Self.format, of: "recipe") != nil else {
      try self.init(flat: decoder)
      return
    }
    try decoder.refuseUnknownKeys(CodingKeys.self, in: "the recipe")
    let architecture = try container.decode(Architecture.self, forKey: .architecture)
    let standard = if case .classifier = architecture { Objective(.softmax) } else { Objective() }
    self.init(
      name: try container.decodeIfPresent(String.self, forKey: .name) ?? Self.unnamed, architecture: architecture,
      objective: try container.decodeIfPresent(Objective.self, forKey: .objective) ?? standard,
      training: try container.decodeIfPresent(TrainingSettings.self, forKey: .training) ?? TrainingSettings())
  }

  /// What a file without a name makes.
  private static let unnamed = "custom"

  private init(flat decoder: any Decoder) throws {
    let keys: [any CodingKey] =
      [CodingKeys.name] + AutoencoderArchitecture.CodingKeys.allCases + Objective.CodingKeys.allCases
      + TrainingSettings.CodingKeys.allCases
    try decoder.refuseKeys(but: keys, in: "the recipe")
    let name =
      try decoder.container(keyedBy: CodingKeys.self).decodeIfPresent(String.self, forKey: .name) ?? Self.unnamed
    var autoencoder = try AutoencoderArchitecture(settingsOf: decoder)
    // Cinch 0.1 wrote no constraint: it went by two names.
    if try !decoder.container(keyedBy: AutoencoderArchitecture.CodingKeys.self).contains(.constraint) {
      autoencoder.constraint = AutoencoderArchitecture.Constraint(rawValue: name)
    }
    self.init(
      name: name, architecture: .autoencoder(autoencoder), objective: try Objective(settingsOf: decoder),
      training: try TrainingSettings(settingsOf: decoder))
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(Self.format, forKey: .format)
    try container.encode(name, forKey: .name)
    try container.encode(architecture, forKey: .architecture)
    try container.encode(objective, forKey: .objective)
    try container.encode(training, forKey: .training)
  }

  /// A run's `config.json` has its recipe as a member.
  private struct Run: Decodable { var recipe: Recipe }

  /// Reads a recipe file, or the recipe of a run: from its folder, or its `config.json`.
  /// - Throws: `CinchError.inputOutput` where it cannot be read, `CinchError.badData` where it is no recipe.
  public static func load(_ path: String) throws -> Recipe {
    var isFolder = false
    let isThere = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
    let path = isThere && isFolder ? path + "/config.json" : path
    let data: Data
    do { data = try Data(contentsOf: URL(fileURLWithPath: path)) } catch {
      throw CinchError.inputOutput("Cannot read the recipe file '\(path)': check that it exists and is readable.")
    }
    let isRun = JSONCoding.hasMember("recipe", in: data)
    do {
      return isRun
        ? try JSONCoding.decoder.decode(Run.self, from: data).recipe
        : try JSONCoding.decoder.decode(Recipe.self, from: data)
    } catch let error as DecodingError {
      throw CinchError.badData(
        "'\(path)' is not a recipe: \(JSONCoding.fault(in: data) ?? JSONCoding.explain(error)); write one as \(.recipes) prints them."
      )
    }
  }
}
