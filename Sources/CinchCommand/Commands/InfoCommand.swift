import ArgumentParser
import Cinch

struct InfoCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "info", abstract: "Shows what a run is and how far it came.",
    discussion: "Opens no device.")

  @Argument(help: ArgumentHelp("The run's folder.", valueName: "run"))
  var path: String

  @Flag(help: "Prints one JSON object: config.json, finished epochs and the last one.")
  var json = false

  private struct Document: Encodable {
    var config: RunConfig
    var parameters: Int
    var epochs: Int
    var steps: Int
    var ended: EndReason?
    var bestEpoch: Int?
    var last: Last?
    var files: [String]
  }

  /// Metrics by name, as the lines of training have them.
  private struct Last: Encodable {
    var epoch: Int
    var loss: Double
    var metrics: [String: Double]
    var validationMetrics: [String: Double]?
    var learningRate: Double
    var samplesPerSecond: Double
    var seconds: Double

    init(_ last: Epoch) {
      epoch = last.number
      loss = last.loss
      metrics = last.metrics.byName
      validationMetrics = last.validationMetrics?.byName
      learningRate = last.learningRate
      samplesPerSecond = last.samplesPerSecond
      seconds = last.seconds
    }
  }

  func run() throws {
    let folder = RunFolder(path)
    let config = try folder.config()
    let state = try folder.has(.checkpoint) ? folder.checkpoint(of: config).state : TrainingState()
    let files = RunFolder.File.allCases.filter(folder.has).map(\.rawValue)
    if json {
      return try Output.result(
        JSONCoding.document(
          Document(
            config: config, parameters: try config.recipe.resolved().parameterCount, epochs: state.epoch,
            steps: state.step,
            ended: state.ended, bestEpoch: state.bestEpoch, last: state.history.last.map(Last.init), files: files)))
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
    facts.add("scaling", config.scaling?.kind.rawValue)
    facts.add("device", "\(config.device.identifier)  \(config.device.name) (\(config.device.detail))")
    facts.add("epochs", "\(state.epoch) of \(recipe.epochs)\(Self.ending(state, config))")
    if let last = state.history.last {
      let held = last.validationMetrics.map { ", validation \($0.headlineValue)" } ?? ""
      facts.add("last", "loss \(NumberText.short(last.loss)), \(last.metrics.headline)" + held)
    }
    facts.add("warning", config.code?.warning)
    facts.add("files", files.joined(separator: ", "))
    try Output.result(facts.text)
  }

  private static func ending(_ state: TrainingState, _ config: RunConfig) -> String {
    switch state.ended {
    case .earlyStopping: ", stopped early; the weights are those of epoch \(state.bestEpoch ?? state.epoch)"
    case .converged: ", converged"
    case .epochs: ""
    case nil: config.isFinal ? "" : ", not finished"
    }
  }
}
