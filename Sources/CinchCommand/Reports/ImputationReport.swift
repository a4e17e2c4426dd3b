import Cinch
import CinchData

/// What is told of completed tables.
struct ImputationReport {
  private let comparison: ImputationComparison

  init(_ comparison: ImputationComparison) { self.comparison = comparison }

  var text: String {
    let table = Table([.text("method", width: 20), .number("rmse", width: 8), .number("accuracy", width: 8)])
    let lines = comparison.scores.map { score in
      table.line([Self.name(score.method), Self.text(score.rmse), Self.text(score.accuracy)])
    }
    let note =
      "\(NumberText.counted(comparison.hidden, "known cell")) hidden; rmse in standard deviations of the column, accuracy of "
      + "texts"
    let names = comparison.columns.map(\.count).max() ?? 0
    let columns = Table(
      [.text("column", width: min(max(names, 20), 40))]
        + comparison.scores.map { .number(Self.short($0.method), width: 11) })
    let rows = comparison.columns.indices.filter { comparison.scores[0].columns[$0] != nil }.map { index in
      columns.line(
        [comparison.columns[index]] + comparison.scores.map { $0.columns[index].map { NumberText.short($0) } ?? "-" })
    }
    return ([note, "", table.header] + lines + ["", columns.header] + rows).joined(separator: "\n")
  }

  private static func text(_ value: Double?) -> String { value.map { String(format: "%.4f", $0) } ?? "-" }

  private static func name(_ method: ImputationComparison.Method) -> String {
    switch method {
    case .autoencoder: "autoencoder"
    case .mean: "mean or mode"
    case .median: "median or mode"
    case .pca: "principal components"
    case .neighbours: "nearest neighbours"
    }
  }

  private static func short(_ method: ImputationComparison.Method) -> String {
    switch method {
    case .autoencoder: "autoencoder"
    case .mean: "mean"
    case .median: "median"
    case .pca: "pca"
    case .neighbours: "neighbours"
    }
  }

  var json: JSON {
    JSON.record([
      "event": .string("evaluation"), "hidden": .integer(comparison.hidden),
      "methods": .array(
        comparison.scores.map { score in
          JSON.record([
            "method": .string(score.method.rawValue), "rmse": score.rmse.map { .number($0) },
            "accuracy": score.accuracy.map { .number($0) },
            "columns": JSON.map(
              Dictionary(
                zip(comparison.columns, score.columns).compactMap { name, value in value.map { (name, $0) } },
                uniquingKeysWith: { first, _ in first })),
          ])
        }),
    ])
  }
}

// What several imputations say of columns.
extension ImputationReport {
  static func table(_ estimates: [RubinEstimate]) -> String {
    let names = estimates.map(\.name.count).max() ?? 0
    let table = Table([
      .text("mean of", width: min(max(names, 20), 40)), .number("missing", width: 8), .number("mean", width: 10),
      .number("std error", width: 10), .number("within", width: 10), .number("between", width: 10),
      .number("due to missing", width: 14),
    ])
    let lines = estimates.map { estimate in
      table.line([
        estimate.name, NumberText.grouped(estimate.missing), NumberText.short(estimate.mean),
        NumberText.short(estimate.total.squareRoot()), NumberText.short(estimate.within),
        NumberText.short(estimate.between), String(format: "%.1f %%", 100 * estimate.fractionMissing),
      ])
    }
    return ([table.header] + lines).joined(separator: "\n")
  }

  static func json(saved: String, missing: Int, _ estimates: [RubinEstimate]) -> JSON {
    JSON.record([
      "event": .string("completed"), "output": .string(saved), "missing": .integer(missing),
      "estimates": estimates.isEmpty
        ? nil
        : .array(
          estimates.map { estimate in
            JSON.record([
              "name": .string(estimate.name), "missing": .integer(estimate.missing), "mean": .number(estimate.mean),
              "within": .number(estimate.within), "between": .number(estimate.between),
              "total": .number(estimate.total), "fraction_missing": .number(estimate.fractionMissing),
            ])
          }),
    ])
  }
}
