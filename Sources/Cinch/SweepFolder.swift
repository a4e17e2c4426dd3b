import CinchCore
import CinchData
import FoundationEssentials

extension Sweep {
  /// What `sweep.json` holds.
  struct Plan: Sendable {
    static let format = 1

    var data: DataSource?
    var validation: DataSource?
    /// Whether samples are held out that a program has to give again.
    var hasValidation: Bool
    /// Of the samples.
    var fingerprint: String
    var zcaEpsilon: Double
    var device: Device
    var entries: [Entry]
  }
}

extension Sweep.Plan: Codable {
  private enum CodingKeys: String, CodingKey, CaseIterable {
    case format, cinch, data, validation, hasValidation, fingerprint, zcaEpsilon, device, entries
  }

  init(from decoder: any Decoder) throws {
    try decoder.refuseUnknownKeys(CodingKeys.self, in: "the sweep")
    let container = try decoder.container(keyedBy: CodingKeys.self)
    guard try container.format(.format, current: Self.format, of: "sweep") != nil else {
      throw DecodingError.dataCorruptedError(forKey: .format, in: container, debugDescription: "There is no format")
    }
    data = try container.decodeIfPresent(DataSource.self, forKey: .data)
    validation = try container.decodeIfPresent(DataSource.self, forKey: .validation)
    hasValidation = try container.decode(Bool.self, forKey: .hasValidation)
    fingerprint = try container.decode(String.self, forKey: .fingerprint)
    zcaEpsilon = try container.decode(Double.self, forKey: .zcaEpsilon)
    device = try container.decode(Device.self, forKey: .device)
    entries = try container.decode([Sweep.Entry].self, forKey: .entries)
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(Self.format, forKey: .format)
    try container.encode(CinchVersion.current, forKey: .cinch)
    try container.encodeIfPresent(data, forKey: .data)
    try container.encodeIfPresent(validation, forKey: .validation)
    try container.encode(hasValidation, forKey: .hasValidation)
    try container.encode(fingerprint, forKey: .fingerprint)
    try container.encode(zcaEpsilon, forKey: .zcaEpsilon)
    try container.encode(device, forKey: .device)
    try container.encode(entries, forKey: .entries)
  }
}

extension Sweep.Entry: Codable {
  private enum CodingKeys: String, CodingKey, CaseIterable { case settings, recipe, scaling, failure }

  public init(from decoder: any Decoder) throws {
    try decoder.refuseUnknownKeys(CodingKeys.self, in: "an entry of the sweep")
    let container = try decoder.container(keyedBy: CodingKeys.self)
    settings = try container.decode([Setting].self, forKey: .settings)
    recipe = try container.decode(Recipe.self, forKey: .recipe)
    scaling = try container.choice(.scaling)
    failure = try container.decodeIfPresent(String.self, forKey: .failure)
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(settings, forKey: .settings)
    try container.encode(recipe, forKey: .recipe)
    try container.encode(scaling.rawValue, forKey: .scaling)
    try container.encodeIfPresent(failure, forKey: .failure)
  }
}

// sweep.json and sweep.csv
extension RunFolder {
  /// Whether this is a sweep's folder, not a run's.
  package var isSweep: Bool { has(.sweep) }

  /// - Throws: `CinchError.usage` where the folder holds a sweep or a run already.
  func requireNoSweep() throws {
    guard !isSweep else {
      throw CinchError.usage("'\(path)' already holds a sweep: name another folder, or resume that sweep.")
    }
    try requireNoRun()
    // The sweep ends in it.
    guard !FileManager.default.fileExists(atPath: path + "/report.html") else {
      throw CinchError.usage(
        "'\(path)/report.html' is there already, and a sweep would replace it: name another folder, or move it.")
    }
  }

  func write(_ plan: Sweep.Plan) throws {
    try AtomicFile.write(try JSONCoding.document(plan) + "\n", to: path(of: .sweep))
  }

  /// - Throws: `CinchError.inputOutput` where there is no sweep, `.badData` where its file is damaged.
  func sweepPlan() throws -> Sweep.Plan {
    guard isSweep else {
      throw CinchError.inputOutput(
        "'\(path)' holds no sweep, for it has no \(File.sweep.rawValue): name a folder that a sweep was begun in.")
    }
    guard let bytes = FileManager.default.contents(atPath: path(of: .sweep)) else {
      throw CinchError.inputOutput("Cannot read '\(path(of: .sweep))': check its permissions.")
    }
    do {
      let plan = try JSONCoding.decoder.decode(Sweep.Plan.self, from: bytes)
      guard (1...Sweep.most).contains(plan.entries.count), Set(plan.entries.map(\.settings)).count == plan.entries.count
      else { throw CinchError.usage("It has no runs, too many, or the same twice: start anew.") }
      for entry in plan.entries { try entry.recipe.validate() }
      return plan
    } catch let error as DecodingError {
      throw CinchError.badData(
        "'\(path(of: .sweep))' is damaged: \(JSONCoding.explain(error)); use an intact copy, or start a new sweep.")
    } catch CinchError.usage(let why) {
      throw CinchError.badData(
        "'\(path(of: .sweep))' is damaged (\(why.clause)): use an intact copy, or start a new sweep.")
    }
  }

  /// A row for each run, in the order of the entries: settings, state, and the figures of its epoch.
  func write(_ results: [Sweep.Result]) throws {
    var settings: [String] = []
    for name in results.flatMap(\.entry.settings).map(\.name) where !settings.contains(name) { settings.append(name) }
    var (training, heldOut): ([String], [String]) = ([], [])
    for recipe in results.map(\.entry.recipe) {
      training += recipe.metricNames.filter { !training.contains($0) }
      heldOut += recipe.heldOutMetricNames.filter { !heldOut.contains($0) }
    }
    var table = CSVWriter(
      // A setting may have a figure's name, such as the loss.
      columns: ["run"] + settings.map { "setting_" + $0 } + ["state", "epoch", "loss"] + training
        + heldOut.map(Epoch.validationName) + [
          "score"
        ])
    for result in results {
      let epoch = result.epoch
      let numbers: [Double?] =
        [epoch?.loss] + training.map { epoch?.metrics[$0] } + heldOut.map { epoch?.validationMetrics?[$0] }
        + [result.score]
      let values = settings.map { name in result.entry.settings.first { $0.name == name }?.value ?? "" }
      let name = result.path.split(separator: "/").last.map(String.init) ?? result.path
      try table.append(
        [name] + values + [result.state.rawValue, epoch.map { "\($0.number)" } ?? ""]
          + numbers.map { $0.map { "\($0)" } ?? "" })
    }
    try table.write(to: path(of: .sweepTable))
  }
}
