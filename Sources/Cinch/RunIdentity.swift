import CinchBackend
import CinchCore
import CinchData

/// What ties a run's files to one another: every file of a run folder carries it, and files that do not belong together
/// are refused.
///
/// It follows from what is trained, so that equal runs have equal files. `epochs` do not count, for they can grow.
public struct RunIdentity: Sendable, Hashable, Codable {
  /// Of the recipe, the samples and their scaling, or, of a model that was saved without a run, of its weights:
  /// 16 hexadecimal digits.
  public let run: String
  /// Of the layers: 16 hexadecimal digits.
  public let architecture: String

  /// - Parameters:
  ///   - fingerprint: of the samples.
  ///   - first: the weights that it begins with, where they do not follow from the recipe.
  init(_ recipe: Recipe, fingerprint: String, scaling: Scaling, first: [NamedParameter]? = nil) throws {
    var recipe = recipe
    recipe.epochs = 0
    var sum = Checksum()
    sum.add(try JSONCoding.line(recipe))
    sum.add(fingerprint)
    try scaling.add(to: &sum)
    for parameter in first ?? [] { parameter.values.withUnsafeBytes { sum.add($0) } }
    run = sum.text
    architecture = try Self.checksum(recipe.architecture)
  }

  /// Of a model without a run.
  init(_ recipe: Recipe, _ parameters: [NamedParameter]) throws {
    var sum = Checksum()
    sum.add(try JSONCoding.line(recipe))
    for parameter in parameters { parameter.values.withUnsafeBytes { sum.add($0) } }
    run = sum.text
    architecture = try Self.checksum(recipe.architecture)
  }

  /// As a file's metadata hold it; nil where they do not.
  init?(_ metadata: [String: String]) {
    guard let run = metadata[Self.runKey], let architecture = metadata[Self.architectureKey] else { return nil }
    self.run = run
    self.architecture = architecture
  }

  package var metadata: [String: String] { [Self.runKey: run, Self.architectureKey: architecture] }

  static let runKey = "run"
  private static let architectureKey = "architecture"

  /// Runs of one version are read by the next: what this gives for an architecture must never change.
  package static func checksum(_ architecture: Architecture) throws -> String {
    var sum = Checksum()
    sum.add(try JSONCoding.line(architecture))
    return sum.text
  }

  /// - Throws: `CinchError.badData` where a file with this identity, or none, is not of the run that `config` describes.
  static func require(_ identity: RunIdentity?, of path: String, in config: RunConfig) throws {
    guard identity != config.identity else { return }
    let isOtherNetwork = identity.map { $0.architecture != config.identity?.architecture } ?? false
    throw CinchError.badData(
      "'\(path)' belongs to another run than the \(RunFolder.File.config.rawValue) beside it"
        + (isOtherNetwork ? ", one with other layers" : "") + ": bring back the files that were saved together.")
  }
}

extension RunConfig {
  /// Whether `data` are others than those that the run was started with; false where nobody knows.
  ///
  /// - Parameter heldOut: whether they stand for the held-out samples that the run was given, not for its own.
  package func hasChanged(_ data: Dataset, heldOut: Bool = false) -> Bool {
    guard let parts = samples?.fingerprint?.split(separator: "-"), let known = heldOut ? parts.last : parts.first else {
      return false
    }
    return known != data.fingerprint(withLabels: recipe.classifier != nil)
  }
}

extension Dataset {
  /// Tells these samples from others of the same number.
  ///
  /// - Parameter withLabels: whether labels count.
  func fingerprint(withLabels: Bool) -> String {
    var sum = Checksum()
    add(to: &sum)
    if withLabels {
      labels?.withUnsafeBytes { sum.add($0) }
      for name in classLabels?.names ?? [] { sum.add(name) }
    }
    return sum.text
  }
}
