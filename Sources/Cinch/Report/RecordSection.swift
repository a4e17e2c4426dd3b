import CinchCore
import CinchData

// What runs are, and where they come from.
extension Markup {
  /// What every run came to.
  static func summary(of runs: [ReportedRun]) -> Markup {
    let rows = runs.map { run -> [Markup] in
      let history = run.history
      func last(_ column: String) -> String { history?.last(column).map(NumberText.short) ?? "–" }
      let loss = run.config.recipe.metricNames
      let term = [Metrics.errorName, Reconstruction.perElementName].first(where: loss.contains) ?? loss.first ?? ""
      let layer = history?.layer.map { ", layer \($0)" } ?? ""
      let best = history?.best.map { best in
        let name = best.column.replacing("validation_", with: "").replacing("_", with: " ")
        return "\(NumberText.short(best.value)) \(name), epoch \(best.epoch)"
      }
      return [
        runs.count > 1 ? "<a href=\"#run-\(run.index + 1)\">\(run.name)</a>" : "\(run.path)",
        "\(run.config.recipe.name)", "\(run.epochsText)", "\(last("loss"))",
        "\(unbroken("\(last(term)) \(term.replacing("reconstruction_", with: "").replacing("_", with: " "))\(layer)"))",
        "\(unbroken(best ?? "–"))",
        "\(history.map { $0.rows.isEmpty ? "–" : NumberText.duration($0.seconds) } ?? "–")",
      ]
    }
    return table(
      ["run", "recipe", "epochs", "last loss", "last metric", "best of held-out samples", "time"], rows,
      numbers: [2, 3, 6])
  }

  /// On one line.
  private static func unbroken(_ text: String) -> String { text.replacing(" ", with: "\u{A0}") }

  /// More differences than this are shown where they are asked for.
  private static let mostDifferences = 40

  /// The settings that are not the same in all runs.
  static func differences(of runs: [ReportedRun]) throws -> Markup {
    let comparison = try RunComparison(runs.map(\.config))
    guard !comparison.differences.isEmpty else {
      return "<h2>What differs</h2>\n<p>Nothing: recipes, data, devices and versions are the same.</p>\n"
    }
    let rows = comparison.differences.map { difference -> [Markup] in
      [setting(difference.name)]
        + difference.values.map { value in "\(shortened(value ?? "–"))" }
    }
    let whole = table(["setting"] + runs.map { "\($0.name)" }, rows)
    guard rows.count > mostDifferences else { return "<h2>What differs</h2>\n\(whole)" }
    return "<h2>What differs</h2>\n<details><summary>\(rows.count) settings</summary>\(whole)</details>\n"
  }

  /// Names break at dots.
  private static func setting(_ name: String) -> Markup {
    Markup(text: "<span class=setting>\(escape(name).replacing(".", with: ".<wbr>"))</span>")
  }

  /// Long lists, such as the means of a scaling, are told by their beginning.
  private static func shortened(_ text: String) -> String { text.count <= 60 ? text : text.prefix(59) + "…" }

  /// The recipe, the data and the device.
  static func record(of run: ReportedRun) throws -> Markup {
    let (config, recipe) = (run.config, run.config.recipe)
    var facts: [(name: String, value: Markup)] = []
    func add(_ name: String, _ text: String?) { if let text { facts.append((name, "\(text)")) } }
    add("folder", run.path)
    add("recipe", recipe.name)
    add("layers", "\(try recipe.layersText()) \(recipe.activationsText)\(recipe.tied ? ", tied" : "")")
    add("parameters", NumberText.grouped(try recipe.resolved().parameterCount))
    add("loss", recipe.objectiveText)
    add("corruption", recipe.corruptionText)
    add("training", recipe.trainingText)
    add("data", config.data.map { "\($0.source)\($0.samples.map { ", \(NumberText.counted($0, "sample"))" } ?? "")" })
    add("held out", config.samples.map { NumberText.counted($0.validation, "sample") })
    add("validation", config.validation?.source)
    add("data hash", config.samples?.fingerprint)
    add("scaling", config.scaling?.kind.rawValue)
    add("device", "\(config.device.identifier)  \(config.device.name) (\(config.device.detail))")
    add("Cinch", config.cinch)
    add("first weights", config.origin.map { "of \($0.folder)" })
    let json = try JSONCoding.document(recipe)
    return "<h3>Recipe, data and device</h3>\n" + Markup.facts(facts)
      + "<details><summary>The whole recipe</summary><pre>\(json)</pre></details>\n" + provenance(of: run)
  }

  /// Which processes trained it, and how to do it again.
  private static func provenance(of run: ReportedRun) -> Markup {
    guard let all = run.config.provenance, !all.isEmpty else { return "" }
    let rows = all.map { one -> [Markup] in
      let what = one.step.map { $0 == 0 ? "trained" : "resumed after \(NumberText.counted($0, "update"))" } ?? "saved"
      let version = one.cinch + (one.commit.map { " at \($0)" } ?? "")
      return [
        "\(what)", "\(one.date)", "\(one.host), \(one.system)", "\(version)",
        "\(one.device.identifier), \(one.device.name) (\(one.device.detail))",
      ]
    }
    let commands = run.config.commands
    var result: Markup =
      "<h3>Provenance</h3>\n" + table(["", "when", "where", "version", "device"], rows)
    if !commands.isEmpty {
      let earlier = run.config.originConfig?.allCommands() ?? []
      let text = (earlier + commands).joined(separator: "\n")
      var origin: Markup = ""
      if let folder = run.config.origin?.folder {
        let made = earlier.isEmpty ? "what made them is not known here" : "the first commands make them"
        origin = " The run begins with the weights of '\(folder)', which must be as they were then: \(made)."
      }
      result +=
        "<h3>How to reproduce</h3>\n<p>With the same version, data and device these commands give the same bits, each in a folder that holds no run yet or the one that goes on.\(origin)</p>\n<pre>\(text)</pre>\n"
    }
    return result
  }
}

extension RunConfig {
  /// What its processes were told, each with the folder that it was told in.
  fileprivate var commands: [String] {
    (provenance ?? []).compactMap { one in
      one.commandText.map { "cd \(Provenance.quoted(one.directory))\n\($0)" }
    }
  }

  /// The run whose weights it begins with; nil where its folder holds it no longer.
  fileprivate var originConfig: RunConfig? {
    guard let origin else { return nil }
    let directory = origin.folder.hasPrefix("/") ? "" : (provenance?.first?.directory ?? ".") + "/"
    guard let config = try? RunFolder(directory + origin.folder).config(), config.identity?.run == origin.run else {
      return nil
    }
    return config
  }

  /// The commands that made it, those of the runs that it goes back to first.
  ///
  /// - Parameter most: how many runs it goes back to at most, for a damaged folder may name itself.
  fileprivate func allCommands(most: Int = 16) -> [String] {
    let earlier = most > 0 ? originConfig?.allCommands(most: most - 1) : nil
    return (earlier ?? []) + commands
  }
}
