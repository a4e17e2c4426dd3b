import CinchCore
import CinchData

/// A run of a report: what its folder says, without opening its model.
struct ReportedRun: Sendable {
  let path: String
  /// What it is called where runs stand beside each other.
  var name: String
  /// Its place among the runs, which its colour and dashes follow from.
  let index: Int
  let config: RunConfig
  let history: RunHistory?
  /// What is missing, and why.
  var notes: [CinchError.Message] = []

  /// - Throws: `CinchError.inputOutput` where there is no run, `.badData` where its configuration is damaged.
  init(_ path: String, index: Int) throws {
    self.path = path
    self.index = index
    name = path
    let folder = RunFolder(path)
    config = try folder.config()
    do {
      history = try RunHistory(folder, config)
    } catch let error as CinchError {
      history = nil
      notes.append("There are no curves: \(error.message)")
    }
    if let history, !history.notFinite.isEmpty {
      notes.append(
        "Numbers of '\(folder.path(of: .history))' that are not finite are left out: in \(history.notFinite.joined(separator: ", "))."
      )
    }
    let reached = (try? folder.checkpoint(of: config))?.state.epoch ?? 0
    if let history, history.epochs < reached, config.isFinal {
      notes.append(
        "'\(folder.path(of: .history))' ends at epoch \(history.epochs), but training came to \(reached): "
          + "\(.resume, path) writes it anew.")
    } else if history?.rows.isEmpty ?? false {
      notes.append("No epoch of '\(path)' has ended yet, so there are no curves.")
    }
    if config.isFinal, !folder.has(.model) {
      notes.append(
        "'\(folder.path(of: .model))' is missing: what is shown of the weights is the checkpoint's; \(.resume, path) writes "
          + "it anew.")
    }
    if !config.isFinal {
      notes.append("Training of '\(path)' has not ended: this is what there is so far.")
    }
  }

  func notes(_ wording: (CinchError.Message) -> String) -> Markup {
    notes.reduce("") { $0 + Markup.note("\(wording($1))") }
  }

  /// 12 of 40
  var epochsText: String {
    guard let history else { return "–" }
    return history.epochs == config.recipe.epochs
      ? "\(history.epochs)" : "\(history.epochs) of \(config.recipe.epochs)"
  }

  /// Gives runs names that are short and tell them apart.
  static func nameApart(_ runs: inout [ReportedRun]) {
    func last(_ path: String) -> String { path.split(separator: "/").last.map(String.init) ?? path }
    let short = runs.map { last($0.path) }
    guard Set(short).count == runs.count else { return }
    for index in runs.indices { runs[index].name = short[index] }
  }
}
