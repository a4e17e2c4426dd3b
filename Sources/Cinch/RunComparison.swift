import CinchBackend
import CinchCore
import CinchData

/// What differs between runs: settings of their recipes, data, devices and versions, by name.
public struct RunComparison: Sendable, Hashable {
  /// One setting that is not the same in all runs.
  public struct Difference: Sendable, Hashable, Codable {
    /// Its place in `config.json`, such as `recipe.training.optimizer.learning_rate`.
    public var name: String
    /// Its value in each run, as text; nil where a run has none.
    public var values: [String?]
  }

  public let differences: [Difference]

  /// Compares what `config.json` says, but for what differs between any two runs: dates, identities and command lines.
  ///
  /// - Parameter runs: two or more.
  public init(_ runs: [RunConfig]) throws {
    let all = try runs.map(Self.settings)
    let names = Set(all.flatMap(\.keys)).sorted()
    differences = names.compactMap { name in
      let values = all.map { $0[name] }
      return Set(values).count > 1 ? Difference(name: name, values: values) : nil
    }
  }

  private static func settings(of config: RunConfig) throws -> [String: String] {
    var settings: [String: String] = [:]
    add(try JSONCoding.tree(config), at: "", to: &settings)
    let provenance = config.provenance ?? []
    settings["host"] = distinct(provenance.map(\.host))
    settings["system"] = distinct(provenance.map(\.system))
    settings["commit"] = distinct(provenance.compactMap(\.commit))
    return settings
  }

  /// Each text once, as they came; nil where there is none.
  private static func distinct(_ texts: [String]) -> String? {
    let own = texts.indices.filter { texts.firstIndex(of: texts[$0]) == $0 }.map { texts[$0] }
    return own.isEmpty ? nil : own.joined(separator: ", ")
  }

  /// Members that say nothing of how a run was made, or follow from what else is listed.
  private static let passedOver: Set = ["code", "device.memory", "format", "identity", "is_final", "provenance"]

  private static func add(_ value: JSON, at name: String, to settings: inout [String: String]) {
    guard !passedOver.contains(name) else { return }
    switch value {
    case .object(let members):
      for (key, value) in members { add(value, at: name.isEmpty ? key : "\(name).\(key)", to: &settings) }
    case .array(let items) where items.contains(where: \.isNested):
      for (index, item) in items.enumerated() { add(item, at: "\(name).\(index)", to: &settings) }
    case .string(let text): settings[name] = text
    default: settings[name] = value.description
    }
  }
}

extension JSON {
  fileprivate var isNested: Bool {
    switch self {
    case .object, .array: true
    default: false
    }
  }
}
