import CinchBackend

extension Conformance {
  static var reductionCases: [any ConformanceCase] {
    MatrixSumCase.all + PartialSumCase.all + TotalCase.all
      + [Rejection("columnSums", "a result of another width", .columnSums([3, 4], [3]))]
  }
}

/// Sums over the rows or the columns of a matrix.
struct MatrixSumCase: OpCase {
  enum Kind: Sendable { case columnSums(scale: Double, accumulate: Bool = false), rowSquares }

  let kind: Kind
  let shape: Shape
  var alike = false
  var blemish: Int?

  var op: String {
    switch kind {
    case .columnSums: "columnSums"
    case .rowSquares: "rowSquares"
    }
  }
  var name: String {
    "\(shape)" + (accumulates ? ", accumulate" : "") + (alike ? ", alike" : "")
      + (blemish.map { ", NaN at \($0)" } ?? "")
  }
  var expectsNaN: Bool { blemish != nil }
  private var accumulates: Bool {
    if case .columnSums(_, true) = kind { true } else { false }
  }

  func arguments<B: Backend>(for backend: B) -> [Argument] {
    var values = alike ? CaseData.alike(shape, op + name) : CaseData.uniform(shape, -1...1, op + name)
    if let blemish { values[blemish] = .nan }
    let sums: Shape =
      switch kind {
      case .columnSums: [shape.columns]
      case .rowSquares: [shape.rows]
      }
    return [
      .input("x", shape, values),
      accumulates ? .update("sums", sums, CaseData.uniform(sums, -1...1, name + "sums")) : .output("sums", sums),
    ]
  }

  func call<B: Backend>(_ backend: B, _ t: Tensors<B.Buffer>) throws {
    switch kind {
    case .columnSums(let scale, let accumulate):
      try backend.columnSums(t["x"], scale: scale, accumulate: accumulate, into: t["sums"])
    case .rowSquares: try backend.rowSquares(t["x"], into: t["sums"])
    }
  }

  func errors(_ v: CaseValues) throws -> [String: [Double]] {
    let x = v["x"], held = v["sums"], columns = shape.columns
    let bounds =
      switch kind {
      case .columnSums(let scale, let accumulate):
        (0..<columns).map { j in
          let sum = Estimate.sum((0..<shape.rows).map { .exact(x[$0 * columns + j]) }) * .rounded(scale)
          return (accumulate ? sum + .exact(held[j]) : sum).error
        }
      case .rowSquares:
        (0..<shape.rows).map { i in
          Estimate.sum((0..<columns).map { .exact(x[i * columns + $0]) * .exact(x[i * columns + $0]) }).error
        }
      }
    return ["sums": bounds]
  }

  static var all: [MatrixSumCase] {
    let sizes = CaseData.sizes
    let shapes: [Shape] =
      sizes.indices.map { [sizes[$0], sizes[(8 * $0 + 5) % sizes.count]] }
      + CaseData.ragged
      + [[1, 784], [1, 40_001], [3, 9_001], [1000, 1], [1000, 3], [5003, 1], [4999, 7], [128, 196]]
    let sums = shapes.map { MatrixSumCase(kind: .columnSums(scale: 1 / Double($0.rows)), shape: $0) }
    let added = shapes.filter { $0.columns % 3 != 1 }.map {
      MatrixSumCase(kind: .columnSums(scale: 0.3, accumulate: true), shape: $0)
    }
    let squares =
      shapes.map { MatrixSumCase(kind: .rowSquares, shape: $0) }
      + [
        MatrixSumCase(kind: .columnSums(scale: 1), shape: [200_000, 2], alike: true),
        MatrixSumCase(kind: .rowSquares, shape: [2, 200_000], alike: true),
      ]
    return sums + added + [MatrixSumCase(kind: .columnSums(scale: -2), shape: [65, 33], blemish: 700)] + squares
      + [MatrixSumCase(kind: .rowSquares, shape: [65, 33], blemish: 700)]
  }
}

/// Partial sums over all elements.
struct PartialSumCase: OpCase {
  enum Kind: String, Sendable { case sumOfSquares, sumOfMagnitudes }

  let kind: Kind
  let count: Int
  var alike = false
  var blemish: Int?

  var op: String { kind.rawValue }
  var name: String { "\(count)" + (alike ? ", alike" : "") + (blemish.map { ", NaN at \($0)" } ?? "") }
  var expectsNaN: Bool { blemish != nil }

  func arguments<B: Backend>(for backend: B) -> [Argument] {
    var values = alike ? CaseData.alike([count], op + name) : CaseData.uniform([count], -1...1, op + name)
    if let blemish { values[blemish] = .nan }
    return [
      .input("x", [count], values), .output("partials", [backend.sumPartialCount(count)], comparedBy: .sum),
    ]
  }

  func call<B: Backend>(_ backend: B, _ t: Tensors<B.Buffer>) throws {
    switch kind {
    case .sumOfSquares: try backend.sumOfSquares(t["x"], into: t["partials"])
    case .sumOfMagnitudes: try backend.sumOfMagnitudes(t["x"], into: t["partials"])
    }
  }

  func errors(_ v: CaseValues) throws -> [String: [Double]] {
    let terms = v["x"].map { x in kind == .sumOfSquares ? Estimate.exact(x) * .exact(x) : .exact(abs(x)) }
    return ["partials": [Estimate.sum(terms).error]]
  }

  static var all: [PartialSumCase] {
    [Kind.sumOfSquares, .sumOfMagnitudes].flatMap { kind in
      [1, 2, 3, 5, 63, 64, 65, 255, 256, 257, 1000, 4095, 4097, 16_385, 50_001].map {
        PartialSumCase(kind: kind, count: $0)
      } + CaseData.counts.map { PartialSumCase(kind: kind, count: $0) } + [
        PartialSumCase(kind: kind, count: 400_003, alike: true), PartialSumCase(kind: kind, count: 1000, blemish: 777),
      ]
    }
  }
}

/// An update's record: up to four sums, and the rest of the result left alone.
struct TotalCase: OpCase {
  /// How many partial sums each term has.
  let counts: [Int]
  let room: Int
  var alike = false
  var blemish = false

  let op = "total"
  var name: String {
    "terms of \(counts) into \(room)" + (alike ? ", alike" : "") + (blemish ? ", NaN in the first" : "")
  }
  var expectsNaN: Bool { blemish }

  private static func scale(_ term: Int) -> Double { [1, 0.01, -3, 1 / 3.0][term] }

  func arguments<B: Backend>(for backend: B) -> [Argument] {
    counts.enumerated().map { i, count in
      var values =
        alike ? CaseData.alike([count], "\(name)\(i)") : CaseData.uniform([count], -1...1, "\(name)\(i)")
      if blemish && i == 0 { values[count / 2] = .nan }
      return .input("term\(i)", [count], values)
    } + [.update("result", [room], CaseData.uniform([room], 5...6, name))]
  }

  func call<B: Backend>(_ backend: B, _ t: Tensors<B.Buffer>) throws {
    let terms = counts.indices.map { SumTerm(t["term\($0)"], scale: Self.scale($0)) }
    try backend.total(terms, into: t["result"])
  }

  func errors(_ v: CaseValues) throws -> [String: [Double]] {
    let bounds = counts.indices.map { i in
      (Estimate.sum(v["term\(i)"].map(Estimate.exact)) * .rounded(Self.scale(i))).error
    }
    return ["result": bounds + [Double](repeating: 0, count: room - counts.count)]
  }

  static var all: [TotalCase] {
    let counts =
      [[1], [2, 3], [257, 1, 64], [1000, 255, 33, 5], [1, 1, 1, 1], [4097, 3]] + CaseData.counts.map { [$0] }
    return counts.flatMap { [TotalCase(counts: $0, room: $0.count), TotalCase(counts: $0, room: $0.count + 3)] }
      + [
        TotalCase(counts: [300_001, 3], room: 2, alike: true), TotalCase(counts: [65, 65], room: 2, blemish: true),
      ]
  }
}
