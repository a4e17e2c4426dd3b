import Cinch
import CinchData

/// Scores of samples, in words, as a table and as a file.
struct ScoreReport {
  let scores: [Double]
  /// Nil where the training samples cannot be scored.
  let training: ScoreDistribution?
  let threshold: AnomalyDetector.Threshold
  /// Nil where there is nothing to compare with.
  let metrics: DetectionMetrics?
  /// What no score shows; nil where scaling hides nothing.
  let changed: ChangedConstants?
  let config: RunConfig

  private func isAnomaly(_ index: Int) -> Bool { scores[index] > threshold.value }
  private var anomalies: Int { scores.indices.count(where: isAnomaly) }

  /// The samples with the largest scores, the largest first; of equals the first.
  func worst(_ count: Int) -> [Int] {
    Array(scores.indices.sorted { (scores[$1], $0) < (scores[$0], $1) }.prefix(count))
  }

  func write(_ features: FeatureScores?, columns names: [String]?, rows: NamedRows, to path: String) throws {
    var columns = ["score"] + (training == nil ? [] : ["quantile"]) + ["anomaly"]
    if changed != nil { columns.append("changed_constants") }
    if let features {
      if features.code != nil { columns.append("code") }
      let own = columns
      columns += (0..<config.recipe.input).map { feature in
        guard let name = names?[feature] else { return "feature_\(feature + 1)" }
        return own.contains(name) ? "feature_\(name)" : name
      }
    }
    let width = config.recipe.input
    try rows.write(columns: columns, rows: scores.count, to: path) { index in
      let score = scores[index]
      var row = ["\(score)"] + (training.map { ["\($0.quantile(of: score))"] } ?? []) + [isAnomaly(index) ? "1" : "0"]
      if let changed { row.append("\(changed.counts[index])") }
      if let features {
        if let code = features.code { row.append("\(code[index])") }
        row += features.features[index * width..<(index + 1) * width].map { "\($0)" }
      }
      return row
    }
  }

  var text: String {
    var facts = Facts()
    facts.add("scores", "\(NumberText.short(scores.min() ?? .nan)) to \(NumberText.short(scores.max() ?? .nan))\(unit)")
    facts.add("threshold", "\(NumberText.short(threshold.value)), \(ruleText)")
    facts.add(
      "anomalies",
      "\(NumberText.grouped(anomalies)) of \(NumberText.counted(scores.count, "sample")), "
        + String(format: "%.3g %%", 100 * Double(anomalies) / Double(scores.count)))
    facts.add("training", training.map { NumberText.counted($0.sorted.count, "sample") })
    if let metrics {
      facts.add(
        "auc",
        String(format: "%.4f", metrics.auc)
          + ", \(NumberText.grouped(metrics.anomalies)) anomalous against \(NumberText.grouped(metrics.normal)) normal")
      facts.add("precision", String(format: "%.4f on average", metrics.averagePrecision))
    }
    return facts.text
  }

  private var unit: String {
    switch config.recipe.loss {
    case .bce, .gaussian: config.recipe.objective.chain == nil ? " nats" : ""
    case .sse, .mse, .mixed, .softmax: ""
    }
  }

  private var ruleText: String {
    switch threshold.rule {
    case .falseAlarms(let share): "above it \(NumberText.plain(100 * share)) % of the training samples at most"
    case .contamination(let share):
      "above it \(NumberText.plain(100 * share)) % of the samples that it was set by at most"
    }
  }

  func table(_ rows: [Int], names: SampleNames?) -> String {
    let table = Table(
      [.number("row", width: 8), .number("score", width: 12), .number("quantile", width: 8)]
        + (names.map { [.text($0.title.inOneLine, width: 20)] } ?? []))
    let lines = rows.map { index in
      let quantile = training.map { String(format: "%.4f", $0.quantile(of: scores[index])) } ?? "-"
      return table.line(
        ["\(index + 1)", NumberText.short(scores[index]), quantile] + (names.map { [$0[index].inOneLine] } ?? []))
    }
    return ([table.header] + lines).joined(separator: "\n")
  }

  func json(worst: [Int]?, names: SampleNames?) -> JSON {
    let (rule, share): (String, Double) =
      switch threshold.rule {
      case .falseAlarms(let share): ("false_alarms", share)
      case .contamination(let share): ("contamination", share)
      }
    return JSON.record([
      "threshold": .number(threshold.value), "rule": .string(rule), "share": .number(share),
      "samples": .integer(scores.count), "anomalies": .integer(anomalies),
      "training_samples": training.map { .integer($0.sorted.count) },
      "changed_samples": changed.map { .integer($0.samples) },
      "metrics": metrics.map {
        JSON.map([
          DetectionMetrics.aucName: $0.auc, DetectionMetrics.averagePrecisionName: $0.averagePrecision,
        ])
      },
      "top": worst.map { rows in
        .array(
          rows.map { index in
            JSON.record([
              "row": .integer(index + 1), "name": names.map { .string($0[index]) }, "score": .number(scores[index]),
              "quantile": training.map { .number($0.quantile(of: scores[index])) },
            ])
          })
      },
    ])
  }
}
