import Cinch

/// Tells people or programs how a sweep goes: results on standard output, the rest on standard error.
struct SweepReport {
  enum Style { case human, json, quiet }

  private let sweep: Sweep
  private let style: Style
  private let bar = ProgressBar(.standardError)
  private let width: Int

  init(_ sweep: Sweep, style: Style) {
    self.sweep = sweep
    self.style = style
    width = min(max(sweep.entries.map(\.name.count).max() ?? 0, 8), 60)
  }

  private var count: Int { sweep.entries.count }

  func start() throws {
    let left = try sweep.results.count { $0.state == .waiting || $0.state == .stopped }
    switch style {
    case .json:
      try Output.result(
        JSON.record([
          "event": .string("start"), "sweep": .string(sweep.folder.path), "runs": .integer(count),
          "left": .integer(left),
        ]).description)
    case .human:
      let done = left == count ? "" : ", \(left) of them left"
      Output.note("sweep     \(NumberText.counted(count, "run"))\(done), in \(sweep.folder.path)")
      for entry in sweep.entries { entry.failure.map { Output.note("failed    \(entry.name): \($0)") } }
    case .quiet: break
    }
  }

  func tell(_ event: Sweep.Event) throws {
    switch event {
    case .started: break
    case .run(_, .progress(let progress)): if style == .human { bar.draw(progress) }
    case .run(let index, .noPicture(let error)):
      clear()
      Diagnostics.logger(quiet: style == .quiet).warning("no picture of \(sweep.entries[index].name): \(error.typed)")
    case .run: break
    case .ended(let index, _): try line(index, try sweep.results[index].score.map { NumberText.short($0) } ?? "-")
    case .failed(let index, let error):
      clear()
      Diagnostics.logger(quiet: style == .quiet).warning("\(sweep.entries[index].name): \(error.typed)")
      try line(index, "-")
    }
  }

  private func clear() { if style == .human { bar.clear() } }

  private func line(_ index: Int, _ score: String) throws {
    clear()
    switch style {
    case .human:
      let done = try sweep.results.count { $0.state == .ended || $0.state == .failed }
      let name = sweep.entries[index].name
      Output.note(
        "run       \(name.padding(toLength: max(width, name.count), withPad: " ", startingAt: 0))  \(score)   \(done)/\(count)"
      )
    case .json:
      try Output.result(record(try sweep.results[index], event: "run").description)
    case .quiet: break
    }
  }

  private func record(_ result: Sweep.Result, event: String?) -> JSON {
    JSON.record([
      "event": event.map { .string($0) }, "run": .string(result.path), "state": .string(result.state.rawValue),
      "settings": .object(result.entry.settings.map { (key: $0.name, value: .string($0.value)) }),
      "epoch": result.epoch.map { .integer($0.number) }, "score": .optional(result.score),
      "metrics": .metrics(result.epoch?.metrics),
      "validation_metrics": .metrics(result.epoch?.validationMetrics),
      "failure": result.entry.failure.map { .string($0) },
    ])
  }

  /// Which samples all scores are of; what they are where that is not the same.
  private func heading(of results: [Sweep.Result]) -> String {
    let areHeldOut = Set(results.filter { $0.score != nil }.map { $0.epoch?.validationMetrics != nil })
    return areHeldOut == [true] ? "held out" : areHeldOut == [false] ? "training" : "score"
  }

  /// The runs, the best first.
  ///
  /// - Parameter report: where the comparison was written; nil where it was not.
  /// - Throws: `CinchError.diverged` where no run has come to its end.
  func end(report: String? = nil) throws {
    let results = try sweep.results
    let ranked = results.ranked
    let failed = results.filter { $0.state == .failed }
    if style == .json {
      try Output.result(
        JSON.record([
          "event": .string("end"), "sweep": .string(sweep.folder.path), "failed": .integer(failed.count),
          "comparable": .boolean(results.areComparable),
          "report": report.map { .string($0) },
          "runs": .array((ranked + failed).map { record($0, event: nil) }),
        ]).description)
    } else {
      let table = Table([
        .text("run", width: width), .number(heading(of: ranked), width: 10),
        .number("epoch", width: 6), .text("folder", width: 6),
      ])
      try Output.result(table.header)
      for result in ranked + failed {
        try Output.result(
          table.line([
            result.entry.name, result.score.map(NumberText.short) ?? result.state.rawValue,
            result.epoch.map { "\($0.number)" } ?? "-", result.path,
          ]))
      }
      if !results.areComparable {
        try Output.result(
          "order     of the grid: scores with other losses, scalings, corruptions or held-out samples do not compare (see --validation)"
        )
      }
      let files = [report, sweep.folder.path + "/sweep.csv"].compactMap { $0 }
      try Output.result("saved     \(files.joined(separator: ", "))")
    }
    if ranked.isEmpty {
      throw CinchError.diverged(
        "No run of the sweep has come to its end: change what each says above, and sweep into another folder.")
    }
  }
}
