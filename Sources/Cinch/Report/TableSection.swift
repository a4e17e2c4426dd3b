import CinchBackend
import CinchCore
import CinchData

// What a report says of samples that are rows of a table.
extension SampleStudy {
  private static let mostColumns = 60
  private static let mostRows = 10
  /// Columns of a row that are told.
  private static let mostCells = 3

  /// A column of the table, and where its numbers stand in a sample.
  private struct Column {
    var name: String
    var kind: String
    var range: Range<Int>
    var isNumber: Bool
  }

  private var columns: [Column] {
    if let schema = config.data?.options.schema, schema.features == samples.features {
      return zip(schema.columns, schema.ranges).map { column, range in
        switch column.kind {
        case .number: Column(name: column.name, kind: "number", range: range, isNumber: true)
        case .binary: Column(name: column.name, kind: "2 texts", range: range, isNumber: false)
        case .category(let texts):
          Column(name: column.name, kind: "\(texts.count) texts", range: range, isNumber: false)
        }
      }
    }
    return (0..<samples.features).map { feature in
      Column(
        name: samples.columnNames?[feature] ?? "feature \(feature + 1)", kind: "number", range: feature..<feature + 1,
        isNumber: true)
    }
  }

  /// The columns with their errors, and the rows that are reconstructed worst.
  func tables(_ errors: ReconstructionErrors) throws -> Markup {
    let columns = columns
    let means = columns.map { column in
      errors.features[column.range].reduce(0, +) / Double(max(column.range.count, 1))
    }
    var order = columns.indices.sorted { means[$0] != means[$1] ? means[$0] > means[$1] : $0 < $1 }
    var note: Markup = ""
    if order.count > Self.mostColumns {
      note = "<p>The \(Self.mostColumns) columns with the largest errors, of \(NumberText.grouped(order.count)).</p>\n"
      order = Array(order.prefix(Self.mostColumns))
    }
    let largest = max(means.max() ?? 0, .leastNormalMagnitude)
    let rows = order.map { index -> [Markup] in
      let column = columns[index]
      let unit =
        column.isNumber
        ? ownUnits(column.range.lowerBound).map { NumberText.short((means[index] * $0 * $0).squareRoot()) } : nil
      return [
        "\(column.name)", "\(column.kind)", "\(NumberText.short(means[index]))",
        "<svg class=share viewBox=\"0 0 100 10\" aria-hidden=true><rect class=bar x=0 y=0 width=\(100 * means[index] / largest) height=10></rect></svg>",
        "\(unit ?? "–")",
      ]
    }
    return
      "<h3>Columns</h3>\n<p>Mean squared error \(NumberText.short(errors.mean)) per element, of \(text(samples.count)), in the units of the model. The last column is the root of it in the data's own.</p>\n"
      + note + Markup.table(["column", "kind", "mean squared error", "", "in its own units"], rows, numbers: [2, 4])
      + (try worstRows(errors, columns))
  }

  /// What one of the model's units is of a feature; nil where a scaling has none.
  private func ownUnits(_ feature: Int) -> Double? {
    guard let scaling = config.scaling, scaling.kind.isFitted else { return 1 }
    guard scaling.kind != .zca else { return nil }
    var ends = [Float](repeating: 0, count: 2 * samples.features)
    ends[samples.features + feature] = 1
    guard let restored = try? config.restore(ends) else { return nil }
    return abs(Double(restored[samples.features + feature]) - Double(restored[feature]))
  }

  private func worstRows(_ errors: ReconstructionErrors, _ columns: [Column]) throws -> Markup {
    let places = Array(errors.order.suffix(Self.mostRows).reversed())
    let chosen = samples.gather(places[...])
    let made = try model.reconstruct(chosen)
    let (before, after) = (try cells(chosen), try cells(made))
    let (values, results, observed) = (chosen.values, made.values, chosen.observedValues)
    let rows = places.enumerated().map { row, place -> [Markup] in
      let start = row * samples.features
      let shares = columns.map { column in
        column.range.reduce(0.0) { sum, feature in
          let d = Double(results[start + feature]) - Double(values[start + feature])
          return sum + (observed.map { Double($0[start + feature]) } ?? 1) * d * d
        }
      }
      let largest = columns.indices.sorted { shares[$0] != shares[$1] ? shares[$0] > shares[$1] : $0 < $1 }
      let parts = largest.prefix(Self.mostCells).map { index in
        "\(columns[index].name): \(before(row, index)) → \(after(row, index))"
      }
      return [
        "\(label(place))", "\(NumberText.short(errors.samples[place]))", "\(parts.joined(separator: "; "))",
      ]
    }
    return "<h4>Worst rows</h4>\n"
      + Markup.table(["row", "mean squared error", "largest errors: cell → reconstruction"], rows, numbers: [1])
  }

  /// Cells of rows, by row and column, as the table spells them.
  private func cells(_ rows: Dataset) throws -> (Int, Int) -> String {
    func short(_ text: String) -> String { Double(text).map(NumberText.short) ?? text }
    if let table = try config.tableRows(rows) {
      let all = (0..<rows.count).map(table.row)
      return { short(all[$0][$1]) }
    }
    let (values, width) = (try config.restore(rows.values), rows.features)
    return { NumberText.short(Double(values[$0 * width + $1])) }
  }
}
