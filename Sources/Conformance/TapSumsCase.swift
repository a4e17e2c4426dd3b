import CinchBackend

/// Sums of a weight's taps over a box, up to more taps or down to fewer.
struct TapSumsCase: OpCase {
  /// `[rows, columns, channels, channels]`.
  let weight: Shape
  let box: Extents
  /// Whether the result has more taps than the weight.
  let isUp: Bool
  let turned: Bool
  var blemish: Int?

  /// Rows and columns.
  typealias Extents = (height: Int, width: Int)

  let op = "tapSums"
  var name: String {
    "\(weight) by \(box.height)×\(box.width), \(isUp ? "up" : "down")" + (turned ? ", turned" : "")
      + (blemish.map { ", NaN in weight[\($0)]" } ?? "")
  }
  var expectsNaN: Bool { blemish != nil }

  private var result: Shape {
    let w = weight.dimensions, sign = isUp ? 1 : -1
    let (rows, columns) = (w[0] + sign * (box.height - 1), w[1] + sign * (box.width - 1))
    return turned ? [rows, columns, w[3], w[2]] : [rows, columns, w[2], w[3]]
  }

  func arguments<B: Backend>(for backend: B) -> [Argument] {
    let values = CaseData.uniform(weight, -1...1, name)
    return [
      .input("weight", weight, blemish.map { CaseData.withNaN(values, at: $0) } ?? values), .output("result", result),
    ]
  }

  func call<B: Backend>(_ backend: B, _ t: Tensors<B.Buffer>) throws {
    try backend.tapSums(t["weight"], box: box, turned: turned, into: t["result"])
  }

  func errors(_ v: CaseValues) throws -> [String: [Double]] {
    // The op on magnitudes, itself a sum, bounds every order of adding them up.
    let backend = ReferenceBackend()
    let magnitudes = try backend.tensor(result)
    try backend.tapSums(
      backend.tensor(weight, v["weight"].map(abs)), box: box, turned: turned, into: magnitudes)
    let terms = box.height * box.width
    return ["result": try backend.read(magnitudes).map { Bounds.summation(terms, magnitude: $0) }]
  }

  static var all: [TapSumsCase] {
    let ragged: [(Shape, Extents)] = CaseData.widths.map { ([3, 2, 1 + 7 * $0 % 33, $0], (2, 2)) }
    let shapes: [(Shape, Extents)] = [
      ([1, 1, 1, 1], (1, 1)), ([3, 3, 8, 1], (2, 2)), ([3, 3, 8, 8], (2, 2)), ([3, 4, 5, 7], (1, 3)),
      ([5, 4, 3, 17], (3, 2)), ([3, 3, 64, 33], (2, 2)), ([2, 6, 1, 40], (2, 4)),
    ]
    return (shapes + ragged).flatMap { shape, box in
      [true, false].flatMap { isUp in
        [true, false].map { TapSumsCase(weight: shape, box: box, isUp: isUp, turned: $0) }
      }
    }
      + [true, false].map { TapSumsCase(weight: [3, 3, 4, 5], box: (2, 2), isUp: $0, turned: $0, blemish: 27) }
  }
}
