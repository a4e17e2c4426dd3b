import Cinch

/// Tells people or programs how training goes: results on standard output, the rest on standard error.
struct TrainingReport {
  enum Style {
    case human
    /// The same without a line for each epoch, where these are many and nobody's aim.
    case brief
    /// One JSON object per line.
    case json
    /// Results alone.
    case quiet
  }

  let style: Style
  private let bar = ProgressBar(.standardError)

  init(style: Style) { self.style = style }

  func start(_ run: Run) throws {
    let (recipe, device, state) = (run.recipe, run.trainer.device, run.resumedFrom)
    let parameters = try recipe.resolved().parameterCount
    switch style {
    case .quiet: break
    case .json:
      try Output.result(
        JSON.record([
          "event": .string("start"), "recipe": .string(recipe.name), "device": .string(device.identifier),
          "device_name": .string(device.name), "parameters": .integer(parameters),
          "samples": .integer(run.training.count),
          "validation_samples": run.validation.map { .integer($0.count) },
          "features": .integer(recipe.input), "epochs": .integer(recipe.epochs),
          "resumed_from_epoch": state.map { .integer($0.epoch) },
        ]).description)
    case .human, .brief:
      let shape = recipe.image == nil ? NumberText.grouped(recipe.input) : "\(recipe.inputShape)"
      let samples = "\(run.training.name.inOneLine) \(NumberText.grouped(run.training.count)) × \(shape)"
      let held = run.validation.map { " + \(NumberText.grouped($0.count)) for validation" } ?? ""
      // Of a table with texts nobody has chosen it.
      let scaling = run.config.scaling.map { $0.kind.isFitted ? ", \($0.kind.rawValue) scaling" : "" } ?? ""
      header("device", "\(device.identifier)  \(device.name) (\(device.detail))", "data", samples + held + scaling)
      header(
        "model",
        "\(try recipe.layersText()) \(recipe.activationsText), \(NumberText.grouped(parameters)) parameters",
        "loss", recipe.objectiveText)
      header(
        "train", recipe.trainingText, "corruption", recipe.corruptionText)
      if let state { Output.note("resumed   after epoch \(state.epoch), step \(NumberText.grouped(state.step))") }
    }
  }

  /// Two facts on one line where they fit.
  private func header(_ name: String, _ text: String, _ second: String, _ other: String?) {
    let left = name.padding(toLength: 10, withPad: " ", startingAt: 0) + text
    guard let other else { return Output.note(left) }
    let columns = Terminal.standardError.isInteractive ? Terminal.standardError.columns : 120
    let gap = max(60 - left.count, 2)
    let right = "\(second)  \(other)"
    if left.count + gap + right.count <= columns {
      Output.note(left + String(repeating: " ", count: gap) + right)
    } else {
      Output.note(left)
      Output.note(second.padding(toLength: max(10, second.count + 2), withPad: " ", startingAt: 0) + other)
    }
  }

  private var isForPeople: Bool { style == .human || style == .brief }

  func progress(_ progress: Cinch.TrainingProgress) {
    if isForPeople { bar.draw(progress) }
  }

  func clearProgress() {
    if isForPeople { bar.clear() }
  }

  func finished(_ epoch: Epoch, of epochs: Int) throws {
    switch style {
    case .quiet, .brief: break
    case .human: bar.finish(epoch, of: epochs)
    case .json:
      try Output.result(
        JSON.record([
          "event": .string("epoch"), "epoch": .integer(epoch.number), "layer": epoch.layer.map { .integer($0) },
          "loss": .number(epoch.loss),
          "metrics": .metrics(epoch.metrics), "validation_metrics": .metrics(epoch.validationMetrics),
          "reconstruction_per_sample": .optional(epoch.metrics[Reconstruction.perSampleName]),
          "reconstruction_per_element": .optional(epoch.metrics[Reconstruction.perElementName]),
          "penalties": .map(epoch.penalties),
          "validation_per_sample": .optional(epoch.validationMetrics?[Reconstruction.perSampleName]),
          "validation_per_element": .optional(epoch.validationMetrics?[Reconstruction.perElementName]),
          "learning_rate": .number(epoch.learningRate), "samples_per_second": .number(epoch.samplesPerSecond),
          "seconds": .number(epoch.seconds),
        ]).description)
    }
  }

  func end(_ run: Run, _ result: Run.Summary, seconds: Double) throws {
    guard style == .json else { return try Output.result(try learned(run, result)) }
    try Output.result(
      JSON.record([
        "event": .string("end"), "run": .string(run.folder.path), "seconds": .number(seconds),
        "epochs": .integer(result.state.epoch),
        "reason": .string(result.ended.jsonName),
        "best_epoch": result.state.bestEpoch.map { .integer($0) },
        "metrics": .metrics(result.evaluation.metrics),
        "reconstruction_per_sample": .optional(result.evaluation.metrics[Reconstruction.perSampleName]),
        "reconstruction_per_element": .optional(result.evaluation.metrics[Reconstruction.perElementName]),
        "errors": result.errors.isEmpty ? nil : result.errorsJSON,
        "mean_activation": .number(result.evaluation.meanActivation), "dead_units": .integer(result.code.dead),
        "constant_units": .integer(result.code.constant), "device_bytes": .integer(result.memory.most),
      ]).description)
  }

  private func learned(_ run: Run, _ result: Run.Summary) throws -> String {
    let (recipe, evaluation) = (run.recipe, result.evaluation)
    var facts = Facts()
    facts.add(
      "learned",
      recipe.lossText(evaluation) + " on "
        + NumberText.counted(evaluation.samples, result.isHeldOut ? "validation sample" : "training sample"))
    facts.add("error", result.errorsText)
    facts.add("bound", evaluation.boundText)
    facts.add("energy", evaluation.energyText)
    facts.add("log p(x)", recipe.likelihoodText(evaluation))
    facts.add("code", try recipe.codeText(meanActivation: evaluation.meanActivation))
    facts.add("warning", result.code.warning.map { run.training.isConstant ? Self.nothingToTell : $0 })
    facts.add("stopped", result.state.stoppedLayersText)
    if result.ended == .earlyStopping, let best = result.state.bestEpoch {
      facts.add("stopped", "early, after epoch \(result.state.epoch); the weights are those of epoch \(best)")
    } else {
      if result.ended == .converged {
        facts.add("converged", "after epoch \(result.state.epoch): no step along the gradient lowers the objective")
      }
      if let best = result.state.bestEpoch, recipe.patience != nil {
        facts.add("best", "the weights are those of epoch \(best)")
      }
    }
    let files = [RunFolder.File.filters, .features, .reconstructions, .history, .model].filter(run.folder.has)
    facts.add("saved", "\(run.folder.path)   (\(files.map(\.rawValue).joined(separator: ", ")))")
    return facts.text
  }
}

extension TrainingReport {
  /// No rate or seed makes a code of samples that are all alike, as one sample is.
  fileprivate static let nothingToTell =
    "every feature of the training samples is constant, so that the code has nothing to tell: train on other data"
}

extension TrainingState {
  /// Which layers of a stack stopped early; nil where none did.
  var stoppedLayersText: String? {
    let texts = (layers ?? []).enumerated().compactMap { index, layer -> String? in
      guard layer.ended == .earlyStopping, let best = layer.bestEpoch else { return nil }
      return "layer \(index + 1) early, after its epoch \(layer.epoch), with the weights of its epoch \(best)"
    }
    return texts.isEmpty ? nil : texts.joined(separator: "; ")
  }
}

extension ErrorRate {
  /// 11.2 % ± 0.6
  var text: String { "\(NumberText.short(100 * error)) % ± \(NumberText.short(100 * interval))" }
}

extension Run.Summary {
  /// training 1.2 % ± 0.1, validation 11.2 % ± 0.6, test 11.9 % ± 0.6; nil where there are no classes.
  var errorsText: String? {
    let texts = Run.SampleSet.allCases.compactMap { set in errors[set].map { "\(set.rawValue) \($0.text)" } }
    return texts.isEmpty ? nil : texts.joined(separator: ", ")
  }

  var errorsJSON: JSON {
    let sets = Run.SampleSet.allCases.compactMap { set in
      errors[set].map { rate in
        (
          key: set.rawValue,
          value: JSON.record([
            "error": .number(rate.error), "interval": .number(rate.interval), "samples": .integer(rate.samples),
          ])
        )
      }
    }
    return .object(sets)
  }
}

extension EndReason {
  fileprivate var jsonName: String {
    switch self {
    case .epochs: "epochs"
    case .earlyStopping: "early_stopping"
    case .converged: "converged"
    }
  }
}

extension CodeUsage {
  /// Nil where every unit tells something of the samples.
  var warning: String? {
    guard constant > 0 else { return nil }
    let kinds = [dead > 0 ? "\(dead) dead" : nil, constant > dead ? "\(constant - dead) constant" : nil].compactMap {
      $0
    }
    return kinds.joined(separator: " and ")
      + " of \(NumberText.counted(units, "code unit")): try a smaller learning rate, "
      + "another activation or seed"
  }
}

extension Recipe {
  /// 0.01788 per element, 14.02 per sample (sse); of a classifier 0.4513 per sample (softmax)
  func lossText(_ evaluation: Evaluation) -> String {
    guard loss != .softmax else {
      let error = evaluation.metrics[Metrics.errorName].map { ", error \(NumberText.short(100 * $0)) %" } ?? ""
      return
        "\(NumberText.short(evaluation.metrics[Loss.crossEntropyName] ?? .nan)) per sample (\(loss.rawValue))\(error)"
    }
    return "\(NumberText.short(evaluation.reconstruction.perElement)) per element, "
      + "\(NumberText.short(evaluation.reconstruction.perSample)) per sample (\(loss.rawValue))"
      + (loss == .mse
        ? "" : evaluation.metrics[Evaluation.mseName].map { ", mse \(NumberText.short($0)) per element" } ?? "")
  }

  /// -812.4 nats a sample; nil where the model gives none by itself.
  func likelihoodText(_ evaluation: Evaluation) -> String? {
    guard closedForm == .ppca else { return nil }
    return evaluation.metrics[Metrics.logLikelihoodName].map { "\(NumberText.short($0)) nats a sample" }
  }

  /// 784 → 196 (4 to 1), mean activation 0.0503 against ρ 0.05; of images 3×32×32 → 8×8×8 (6 to 1)
  func codeText(meanActivation: Double) throws -> String {
    let codeShape = try resolved().codeShape
    let codeUnits = codeShape.count
    let ratio = Double(max(input, codeUnits)) / Double(min(input, codeUnits))
    let factor = NumberText.plain((ratio * 10).rounded() / 10)
    let kind = codeUnits <= input ? "\(factor) to 1" : "1 to \(factor)"
    let aim = penalties.kl.map { " against ρ \(NumberText.plain($0.rho))" } ?? ""
    return "\(inputShape) → \(codeShape) (\(kind)), mean activation \(NumberText.short(meanActivation))\(aim)"
  }
}

extension Evaluation {
  /// free energy -120.4 a sample, pseudo-likelihood -88.1; nil where there is none.
  var energyText: String? {
    guard let energy = metrics[Metrics.freeEnergyName] else { return nil }
    let likelihood =
      metrics[Metrics.pseudoLikelihoodName].map { ", pseudo-likelihood \(NumberText.short($0)) nats" } ?? ""
    return "free energy \(NumberText.short(energy)) a sample\(likelihood)"
  }

  /// -248.6 nats a sample, of which the code's divergence is 17; nil where there is no bound.
  var boundText: String? {
    guard let bound = metrics[Metrics.boundName], let divergence = metrics[Metrics.divergenceName] else { return nil }
    let weighted = metrics[Metrics.weightedBoundName].map { ", importance-weighted \(NumberText.short($0))" } ?? ""
    return
      "\(NumberText.short(bound)) nats a sample, \(NumberText.short(divergence)) of them the code's divergence\(weighted)"
  }
}
