import ArgumentParser
import Cinch

struct InfoCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "info", abstract: "Shows what a run is and how far it came, or how runs differ.",
    discussion: """
      Opens no device. Of several runs it shows the settings, data, devices and versions that are not the same, and what \
      each came to.
      """)

  @Argument(help: ArgumentHelp("The run's folder; several to compare.", valueName: "run"))
  var paths: [String]

  @Flag(
    help: """
      Prints one JSON object: config.json, finished epochs and the last one; of several runs what differs, and the last \
      epochs.
      """)
  var json = false

  private struct Document: Encodable {
    var config: RunConfig
    var parameters: Int
    var epochs: Int?
    var steps: Int?
    var ended: EndReason?
    var bestEpoch: Int?
    var last: Last?
    var files: [String]
  }

  /// Metrics by name, as the lines of training have them.
  private struct Last: Encodable {
    var epoch: Int
    /// Of a stack: which of its layers the epoch trained, counted from 1.
    var layer: Int?
    var loss: Double
    var metrics: [String: Double]
    var validationMetrics: [String: Double]?
    var learningRate: Double
    var samplesPerSecond: Double
    var seconds: Double

    init(_ last: Epoch) {
      epoch = last.number
      layer = last.layer
      loss = last.loss
      metrics = last.metrics.byName
      validationMetrics = last.validationMetrics?.byName
      learningRate = last.learningRate
      samplesPerSecond = last.samplesPerSecond
      seconds = last.seconds
    }
  }

  private struct ComparedRun: Encodable {
    var run: String
    var epochs: Int?
    var last: Last?
  }

  private struct Compared: Encodable {
    var runs: [ComparedRun]
    var differences: [RunComparison.Difference]
  }

  func run() throws {
    if let path = paths.first, paths.count == 1 { try show(path) } else { try compare() }
  }

  private func compare() throws {
    let configs = try paths.map { try RunFolder($0).config() }
    let states = try zip(paths, configs).map { try Self.state(of: RunFolder($0), $1) }
    let comparison = try RunComparison(configs)
    if json {
      let runs = zip(paths, states).map {
        ComparedRun(run: $0, epochs: $1?.epoch, last: $1?.history.last.map(Last.init))
      }
      return try Output.result(JSONCoding.document(Compared(runs: runs, differences: comparison.differences)))
    }
    var rows = comparison.differences.map { difference in
      [difference.name] + difference.values.map { Self.shortened($0 ?? "–") }
    }
    rows.append(["epochs"] + states.map { $0.map { "\($0.epoch)" } ?? "–" })
    rows.append(["last loss"] + states.map { $0?.history.last.map { NumberText.short($0.loss) } ?? "–" })
    rows.append(["last metric"] + states.map { $0?.history.last.map(\.metrics.headline) ?? "–" })
    let header = [""] + paths
    let widths = header.indices.map { column in ([header] + rows).map { $0[column].count }.max() ?? 0 }
    let table = Table(zip(header, widths).map { .text($0, width: $1) })
    try Output.result(([table.header] + rows.map(table.line)).joined(separator: "\n"))
  }

  /// Long lists, such as the means of a scaling, are told by their beginning.
  private static func shortened(_ text: String) -> String {
    text.count <= 40 ? text : text.prefix(39) + "…"
  }

  /// Nil where the checkpoint of a run is missing. A model that was saved or imported never had one.
  private static func state(of folder: RunFolder, _ config: RunConfig) throws -> TrainingState? {
    guard !folder.has(.checkpoint) else { return try folder.checkpoint(of: config).state }
    return config.provenance?.last?.step == nil ? TrainingState() : nil
  }

  private func show(_ path: String) throws {
    let folder = RunFolder(path)
    let config = try folder.config()
    let state = try Self.state(of: folder, config)
    let files = RunFolder.File.allCases.filter(folder.has).map(\.rawValue)
    if json {
      return try Output.result(
        JSONCoding.document(
          Document(
            config: config, parameters: try config.recipe.resolved().parameterCount, epochs: state?.epoch,
            steps: state?.step, ended: state?.ended, bestEpoch: state?.bestEpoch,
            last: state?.history.last.map(Last.init), files: files)))
    }
    let recipe = config.recipe
    var facts = Facts()
    facts.add("run", "\(path)   (Cinch \(config.cinch))")
    facts.add("recipe", recipe.name)
    facts.add(
      "model",
      "\(try recipe.layersText()) \(recipe.activationsText)\(recipe.tied ? ", tied" : ""), "
        + "\(NumberText.grouped(try recipe.resolved().parameterCount)) parameters")
    facts.add("loss", recipe.objectiveText)
    facts.add("corruption", recipe.corruptionText)
    facts.add("train", recipe.trainingText)
    facts.add(
      "data",
      config.data.map { data in
        let what = data.options.patches.map { "patches of \($0.sizeText)" } ?? "samples"
        return "\(data.source)\(data.samples.map { ", \(NumberText.grouped($0)) \(what)" } ?? "")"
      })
    facts.add("validation", config.validation?.source)
    facts.add("test", config.test?.source)
    facts.add("scaling", config.scaling?.kind.rawValue)
    facts.add("origin", config.origin.map { "the weights of \($0.folder)" })
    facts.add("device", "\(config.device.identifier)  \(config.device.name) (\(config.device.detail))")
    facts.add(
      "epochs",
      state.map { "\($0.epoch) of \(recipe.epochs)\(Self.ending($0, config))" }
        ?? "of \(recipe.epochs), nobody knows how many: \(RunFolder.File.checkpoint.rawValue) is missing")
    if let last = state?.history.last {
      let held = last.validationMetrics.map { ", validation \($0.headlineValue)" } ?? ""
      let layer = last.layer.map { ", of layer \($0)" } ?? ""
      facts.add("last", "loss \(NumberText.short(last.loss)), \(last.metrics.headline)" + held + layer)
    }
    facts.add("warning", config.code?.warning)
    for provenance in config.provenance ?? [] {
      let version = "Cinch \(provenance.cinch)" + (provenance.commit.map { " at \($0)" } ?? "")
      let what = provenance.step.map { $0 == 0 ? "trained" : "resumed" } ?? "saved"
      facts.add(what, "\(provenance.date) on \(provenance.host), by \(version)")
      facts.add("", provenance.commandText)
    }
    facts.add("fingerprint", config.samples?.fingerprint)
    facts.add("files", files.joined(separator: ", "))
    try Output.result(facts.text)
  }

  private static func ending(_ state: TrainingState, _ config: RunConfig) -> String {
    switch state.ended {
    case .earlyStopping: ", stopped early; the weights are those of epoch \(state.bestEpoch ?? state.epoch)"
    case .converged: ", converged"
    case .epochs: state.stoppedLayersText.map { ", stopped \($0)" } ?? ""
    case nil: config.isFinal ? "" : ", not finished"
    }
  }
}
