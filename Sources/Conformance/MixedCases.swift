import CinchBackend

extension Conformance {
  static var mixedCases: [any ConformanceCase] {
    MixedOutputCase.all + MixedLossCase.all
      + [
        Rejection("mixedOutput", "columns of other rows", .mixedOutput([3, 4], [.number, .category(2)], [3, 4])),
        Rejection("mixedOutput", "an output of another shape", .mixedOutput([3, 4], [.category(4)], [4, 3])),
        Rejection("mixedOutput", "a category of one text", .mixedOutput([3, 1], [.category(1)], [3, 1])),
        Rejection("mixedLoss", "columns of other rows", .mixedLoss([3, 4], [.number, .binary], weight: [3, 4])),
        Rejection("mixedLoss", "a weight of another shape", .mixedLoss([3, 1], [.number], weight: [3, 3])),
      ]
  }
}

extension OutputColumn {
  fileprivate var name: String {
    switch self {
    case .number: "number"
    case .binary: "binary"
    case .category(let texts): "\(texts) texts"
    }
  }

  /// x̂ of one row.
  fileprivate func outputs(_ a: [Double]) -> [Estimate] {
    switch self {
    case .number: return a.map { .exact($0) }
    case .binary: return a.map { Activation.sigmoid.estimate(.exact($0)) }
    case .category:
      let (powers, sum, _) = powers(a)
      return powers.map { $0 / sum }
    }
  }

  /// What is exponentiated, less the largest; their sum; and the largest.
  private func powers(_ a: [Double]) -> ([Estimate], sum: Estimate, largest: Estimate) {
    let largest = Estimate.exact(a.max() ?? 0)
    let powers = a.map { power -> Estimate in
      let result = (Estimate.exact(power) - largest).exponential
      return Estimate(result.value, error: result.error + Bounds.underflow * 0x1p23)
    }
    return (powers, Estimate.sum(powers), largest)
  }

  fileprivate func losses(_ a: [Double], _ x: [Double]) -> [Estimate] {
    switch self {
    case .number:
      let difference = Estimate.exact(a[0]) - .exact(x[0])
      return [.exact(0.5) * difference * difference]
    case .binary:
      let tail = Activation.softplus.estimate(.exact(-abs(a[0])))
      return [(.exact(max(a[0], 0)) - .exact(a[0]) * .exact(x[0])) + tail]
    case .category:
      let (_, sum, largest) = powers(a)
      return a.indices.map { index in
        x[index] == 0 ? .exact(0) : .exact(x[index]) * (sum.logarithm - (.exact(a[index]) - largest))
      }
    }
  }
}

/// Columns of several kinds, and pre-activations for them.
private struct MixedData {
  let rows: Int
  let columns: [OutputColumn]
  let bound: Float
  let blemish: Int?

  var shape: Shape { [rows, columns.reduce(0) { $0 + $1.width }] }
  var name: String {
    let kinds = columns.count > 6 ? "\(columns.count) columns" : columns.map(\.name).joined(separator: ", ")
    return "\(rows) rows of \(kinds), within ±\(bound)" + (blemish.map { ", NaN at \($0)" } ?? "")
  }

  var logits: [Float] {
    var values = CaseData.uniform(shape, -bound...bound, name)
    if let blemish { values[blemish] = .nan }
    return values
  }

  /// What `OutputColumns` keeps on the device.
  var layout: [Argument] {
    // The tables of cases have no column that is refused.
    guard let (starts, codes) = try? OutputColumn.layout(columns) else { return [] }
    return [.input("starts", [columns.count], starts), .input("codes", [columns.count], codes)]
  }

  func columns<Buffer>(_ t: Tensors<Buffer>) -> OutputColumns<Buffer> {
    OutputColumns(columns, starts: t["starts"], codes: t["codes"])
  }

  /// The places of every column's outputs, row by row.
  func forEachColumn(_ body: (OutputColumn, Range<Int>) -> Void) {
    var start = 0
    for _ in 0..<rows {
      for column in columns {
        body(column, start..<start + column.width)
        start += column.width
      }
    }
  }
}

/// What a table's columns make of pre-activations.
struct MixedOutputCase: OpCase {
  fileprivate let data: MixedData
  let inPlace: Bool

  let op = "mixedOutput"
  var name: String { data.name + (inPlace ? ", in place" : "") }
  var expectsNaN: Bool { data.blemish != nil }

  init(rows: Int, columns: [OutputColumn], bound: Float = 5, inPlace: Bool = false, blemish: Int? = nil) {
    data = MixedData(rows: rows, columns: columns, bound: bound, blemish: blemish)
    self.inPlace = inPlace
  }

  func arguments<B: Backend>(for backend: B) -> [Argument] {
    (inPlace
      ? [.update("a", data.shape, data.logits)]
      : [.input("a", data.shape, data.logits), .output("output", data.shape)]) + data.layout
  }

  func call<B: Backend>(_ backend: B, _ t: Tensors<B.Buffer>) throws {
    try backend.mixedOutput(t["a"], data.columns(t), into: inPlace ? t["a"] : t["output"])
  }

  func errors(_ v: CaseValues) throws -> [String: [Double]] {
    let a = v["a"]
    var errors: [Double] = []
    data.forEachColumn { column, place in errors += column.outputs(place.map { a[$0] }).map(\.error) }
    return [inPlace ? "a" : "output": errors]
  }

  static var all: [MixedOutputCase] {
    MixedLossCase.tables.flatMap { rows, columns in
      [
        MixedOutputCase(rows: rows, columns: columns), MixedOutputCase(rows: rows, columns: columns, inPlace: true),
      ]
    }
      + [MixedOutputCase(rows: 5, columns: MixedLossCase.table(4), bound: 60)]
      + [MixedOutputCase(rows: 3, columns: [.binary, .category(5)], blemish: 9)]
  }
}

/// Their losses.
struct MixedLossCase: OpCase {
  fileprivate let data: MixedData
  let weighted: Bool
  let inPlace: Bool

  let op = "mixedLoss"
  var name: String { data.name + (weighted ? ", weighted" : "") + (inPlace ? ", in place" : "") }
  var expectsNaN: Bool { data.blemish != nil }
  private static let scale = 0.125

  init(
    rows: Int, columns: [OutputColumn], bound: Float = 5, weighted: Bool = false, inPlace: Bool = false,
    blemish: Int? = nil
  ) {
    data = MixedData(rows: rows, columns: columns, bound: bound, blemish: blemish)
    self.weighted = weighted
    self.inPlace = inPlace
  }

  /// So many columns of all kinds.
  static func table(_ count: Int) -> [OutputColumn] {
    (0..<count).map { $0 % 4 == 1 ? .binary : $0 % 4 == 3 ? .category(2 + $0 % 7) : .number }
  }

  func arguments<B: Backend>(for backend: B) -> [Argument] {
    let shape = data.shape
    var target = CaseData.uniform(shape, -2...2, name + "target")
    let picks = CaseData.uniform(shape, 0...1, name + "picks")
    var weight = [Float](repeating: 1, count: shape.count)
    var cell = 0
    data.forEachColumn { column, place in
      switch column {
      case .number: break
      case .binary: target[place.lowerBound] = picks[place.lowerBound] < 0.5 ? 0 : 1
      case .category(let texts):
        let chosen = min(Int(picks[place.lowerBound] * Float(texts)), texts - 1)
        for (index, at) in place.enumerated() { target[at] = index == chosen ? 1 : 0 }
        // Shares that do not add up to 1, too.
        if cell % 5 == 3 { for at in place { target[at] = picks[at] } }
      }
      // Cells without weight count as nothing, whatever they hold.
      cell += 1
      let share: Float = cell % 3 == 1 ? 0 : 0.25 + picks[place.lowerBound]
      for at in place { weight[at] = share }
      if weighted, share == 0, column == .number { target[place.lowerBound] = cell % 2 == 0 ? .nan : .infinity }
    }
    return
      (inPlace
      ? [.update("a", shape, data.logits)] : [.input("a", shape, data.logits), .output("gradient", shape)])
      + data.layout + [.input("target", shape, target), .output("losses", shape)]
      + (weighted ? [.input("weight", shape, weight)] : [])
  }

  func call<B: Backend>(_ backend: B, _ t: Tensors<B.Buffer>) throws {
    try backend.mixedLoss(
      t["a"], data.columns(t), target: t["target"], weight: t.optional("weight"),
      gradientScale: Self.scale, gradient: inPlace ? t["a"] : t["gradient"], losses: t["losses"])
  }

  func errors(_ v: CaseValues) throws -> [String: [Double]] {
    let a = v["a"], x = v["target"], weights = weighted ? v["weight"] : nil
    var losses: [Double] = []
    var gradients: [Double] = []
    data.forEachColumn { column, place in
      let logits = place.map { a[$0] }, wanted = place.map { x[$0] }
      var total = Estimate.exact(1)
      if case .category = column { total = .sum(wanted.map { .exact($0) }) }
      for (index, (output, loss)) in zip(column.outputs(logits), column.losses(logits, wanted)).enumerated() {
        let w = weights?[place.lowerBound + index] ?? 1
        losses.append(w == 0 ? 0 : (.exact(w) * loss).error)
        gradients.append(
          w == 0 ? 0 : (.exact(w) * (output * total - .exact(wanted[index])) * .rounded(Self.scale)).error)
      }
    }
    return [inPlace ? "a" : "gradient": gradients, "losses": losses]
  }

  static var tables: [(rows: Int, columns: [OutputColumn])] {
    [
      (1, [.number]), (1, [.binary]), (1, [.category(2)]), (3, [.category(3), .number]), (17, table(9)),
      (65, [.number, .number, .binary]), (33, [.category(17), .binary, .category(16)]), (5, [.category(33)]),
      (257, [.binary]), (4, table(61)), (2, [.number, .category(300)]),
    ] + CaseData.ragged.dropFirst().map { ($0.rows, [.binary, .category($0.columns)]) }
  }

  static var all: [MixedLossCase] {
    tables.flatMap { rows, columns in
      [
        MixedLossCase(rows: rows, columns: columns), MixedLossCase(rows: rows, columns: columns, weighted: true),
        MixedLossCase(rows: rows, columns: columns, weighted: true, inPlace: true),
      ]
    }
      + [MixedLossCase(rows: 5, columns: table(4), bound: 60)]
      + [MixedLossCase(rows: 3, columns: [.binary, .category(5)], blemish: 9)]
      + [MixedLossCase(rows: 3, columns: [.number, .binary], blemish: 2)]
  }
}
