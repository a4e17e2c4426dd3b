import CinchCore

// Curves of one run, and of several in the same axes.
extension Markup {
  private static func title(_ column: String) -> String { column.replacing("_", with: " ") }

  /// One chart for each term, with that of the held-out samples.
  static func curves(of run: ReportedRun) -> Markup {
    guard let history = run.history, !history.rows.isEmpty else { return "" }
    let terms = history.terms.filter(history.hasValues)
    let heldOut = Set(terms.map(Epoch.validationName))
    var hasBoth = false
    let charts = terms.filter { !heldOut.contains($0) || !$0.hasPrefix("validation_") }.compactMap { term -> Markup? in
      var series = [LineChart.Series(name: title(term), style: 0, points: history.points(term))]
      let other = Epoch.validationName(term)
      if history.columns.contains(other), history.hasValues(other) {
        hasBoth = true
        series.append(LineChart.Series(name: title(other), style: 1, points: history.points(other)))
      }
      return LineChart(title: title(term), series: series).markup
    }
    let legend =
      hasBoth ? Drawing.legend([(Drawing.line(0), "training"), (Drawing.line(1), "held out")]) : ""
    return "<h2>Curves</h2>\n\(legend)<div class=charts>\n\(charts)</div>\n"
  }

  /// One chart for each term that any run has.
  static func curves(of runs: [ReportedRun]) -> Markup {
    let drawn = runs.filter { !($0.history?.rows.isEmpty ?? true) }
    guard !drawn.isEmpty else { return "" }
    var terms: [String] = []
    for run in drawn {
      for term in run.history?.terms ?? [] where !terms.contains(term) { terms.append(term) }
    }
    let charts = terms.compactMap { term in
      LineChart(
        title: title(term),
        series: drawn.compactMap { run in
          guard let history = run.history, history.columns.contains(term), history.hasValues(term) else { return nil }
          return LineChart.Series(name: run.name, style: run.index, points: history.points(term))
        }
      ).markup
    }
    let legend = Drawing.legend(drawn.map { (Drawing.line($0.index), $0.name) })
    return "<h2>Curves</h2>\n\(legend)<div class=charts>\n\(charts)</div>\n"
  }
}
