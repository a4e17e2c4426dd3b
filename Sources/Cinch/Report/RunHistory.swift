import CinchCore
import CinchData

/// `history.csv` of a run, as a report draws it.
struct RunHistory: Sendable {
  let columns: [String]
  /// One for each epoch; nil where a cell is empty.
  let rows: [[Double?]]
  /// Columns with numbers that are not finite.
  let notFinite: [String]

  private static let layerKey = "layer"
  private static let others: Set = [
    "epoch", layerKey, "learning_rate", "samples_per_second", "seconds", RunIdentity.runKey,
  ]

  /// Nil where the folder has none.
  ///
  /// - Throws: `CinchError.badData` where the file is damaged or another run's; `.inputOutput`.
  init?(_ folder: RunFolder, _ config: RunConfig) throws {
    guard folder.has(.history) else { return nil }
    let path = folder.path(of: .history)
    let texts = try CSVText.rows(path)
    let columns = texts[0]
    guard columns.first == "epoch" else {
      throw CinchError.badData("'\(path)' is damaged: its first column is no epoch; bring an intact copy back.")
    }
    let run = columns.firstIndex(of: RunIdentity.runKey)
    var notFinite: [String] = []
    rows = try texts.dropFirst().enumerated().map { line, cells in
      if let run, let own = config.identity?.run, cells[run] != own {
        throw CinchError.badData(
          "'\(path)' belongs to another run than the configuration beside it: bring back the files that were saved together."
        )
      }
      return try cells.enumerated().map { column, cell in
        guard !cell.isEmpty, column != run else { return nil }
        guard let value = Double(cell) else {
          throw CinchError.badData(
            "'\(path)', line \(line + 2), holds '\(cell)', which is no number: bring an intact copy back.")
        }
        if !value.isFinite, !notFinite.contains(columns[column]) { notFinite.append(columns[column]) }
        return value
      }
    }
    self.columns = columns
    self.notFinite = notFinite
  }

  /// What training minimises, its parts, and what is reported of held-out samples.
  var terms: [String] { columns.filter { !Self.others.contains($0) } }

  /// Finished epochs.
  var epochs: Int { rows.last.flatMap { $0[0] }.flatMap { Int(exactly: $0) } ?? rows.count }

  /// Time in all.
  var seconds: Double { values("seconds").compactMap(\.self).filter(\.isFinite).reduce(0, +) }

  func values(_ column: String) -> [Double?] {
    guard let place = columns.firstIndex(of: column) else { return [] }
    return rows.map { $0[place] }
  }

  func last(_ column: String) -> Double? { values(column).last ?? nil }

  /// The layer of a stack that the last epoch trained, counted from 1; nil where all layers are trained together.
  var layer: Int? { last(Self.layerKey).flatMap { Int(exactly: $0) } }

  /// A column over epochs; between the layers of a stack there is a gap.
  func points(_ column: String) -> [(x: Double, y: Double?)] {
    let layers = values(Self.layerKey)
    var points: [(x: Double, y: Double?)] = []
    for (row, value) in values(column).enumerated() {
      let epoch = (rows[row][0] ?? nil) ?? Double(row + 1)
      if row > 0, !layers.isEmpty, layers[row] != layers[row - 1] { points.append((epoch, nil)) }
      points.append((epoch, value))
    }
    return points
  }

  /// Whether a column has a number that can be drawn.
  func hasValues(_ column: String) -> Bool { values(column).contains { $0?.isFinite ?? false } }

  /// The best of the held-out samples' numbers: the largest bound or likelihood, or else the smallest error. Nil of a stack,
  /// whose layers reconstruct each something else.
  var best: (column: String, value: Double, epoch: Int)? {
    guard !columns.contains(Self.layerKey) else { return nil }
    let largest = [Metrics.boundName, Metrics.logLikelihoodName].map(Epoch.validationName)
    let smallest = [Metrics.errorName, Reconstruction.perElementName].map(Epoch.validationName)
    let wanted = largest + smallest + terms.filter { $0.hasPrefix("validation_") }
    guard let column = wanted.first(where: hasValues) else { return nil }
    let found = values(column).enumerated().compactMap { row, value in
      value.flatMap { $0.isFinite ? (row: row, value: $0) : nil }
    }
    let best = largest.contains(column) ? found.max { $0.value < $1.value } : found.min { $0.value < $1.value }
    return best.map { (column, $0.value, (rows[$0.row][0] ?? nil).flatMap { Int(exactly: $0) } ?? $0.row + 1) }
  }
}
