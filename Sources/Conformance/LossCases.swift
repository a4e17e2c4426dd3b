import CinchBackend

extension Conformance {
  static var lossCases: [any ConformanceCase] {
    ReconstructionLossCase.all + SoftmaxLossCase.all
      + [
        Rejection("reconstructionLoss", "bce of a linear output", .bce([3, 4], .linear)),
        Rejection("softmaxLoss", "another number of labels", .softmaxLoss([3, 4], labels: [4])),
      ]
  }
}

/// A loss of pre-activations, and its gradient.
struct ReconstructionLossCase: OpCase {
  let loss: ReconstructionLoss
  let activation: Activation
  let shape: Shape
  var bias = false
  var inPlace = false
  /// Pre-activations and targets in place of random ones.
  var values: (a: [Float], target: [Float])?
  var label = ""

  let op = "reconstructionLoss"
  var name: String {
    "\(loss.rawValue) of \(activation.rawValue), \(shape)" + (bias ? " + bias" : "") + (inPlace ? ", in place" : "")
      + label
  }
  var expectsNaN: Bool { values.map { ($0.a + $0.target).contains { $0.isNaN } } ?? false }
  private static let scale = 0.25

  func arguments<B: Backend>(for backend: B) -> [Argument] {
    let a = values?.a ?? Numbers.uniform(shape, -8...8, name)
    let units: Shape = [shape.columns]
    return (inPlace ? [.update("a", shape, a)] : [.input("a", shape, a), .output("gradient", shape)])
      + (bias ? [.input("bias", units, Numbers.uniform(units, -1...1, name + "bias"))] : [])
      + [
        .input("target", shape, values?.target ?? Numbers.uniform(shape, 0...1, name + "target")),
        .output(
          "partials", [backend.lossPartialCount(rows: shape.rows, columns: shape.columns)], comparedBy: .sum),
      ]
  }

  func call<B: Backend>(_ backend: B, _ t: Tensors<B.Buffer>) throws {
    let fused = FusedLoss(
      loss, activation: activation, bias: t.optional("bias"), target: t["target"], gradientScale: Self.scale,
      partials: t["partials"])
    try backend.reconstructionLoss(t["a"], fused, gradient: inPlace ? t["a"] : t["gradient"])
  }

  func errors(_ v: CaseValues) throws -> [String: [Double]] {
    let biases = v.optional("bias"), target = v["target"]
    let elements = v["a"].enumerated().map { i, a in
      loss.estimate(
        biases.map { .exact(a) + .exact($0[i % shape.columns]) } ?? .exact(a), target: target[i], activation,
        columns: shape.columns)
    }
    return [
      inPlace ? "a" : "gradient": elements.map { ($0.gradient * .rounded(Self.scale)).error },
      "partials": [Estimate.sum(elements.map(\.loss)).error],
    ]
  }

  static var all: [ReconstructionLossCase] {
    let shapes: [Shape] = [[1, 1], [3, 5], [17, 33], [65, 129], [1, 784], [257, 12], [64, 64], [5, 1]]
    let pairs = ReconstructionLoss.allCases.flatMap { loss in
      Activation.allCases.filter { loss != .bce || $0 == .sigmoid }.map { (loss, $0) }
    }
    let plain = pairs.enumerated().flatMap { i, pair in
      (0..<8).map { j in
        ReconstructionLossCase(
          loss: pair.0, activation: pair.1, shape: shapes[(i + j) % shapes.count], bias: j % 2 == 1,
          inPlace: j % 4 >= 2)
      }
    }
    // Extreme logits against both ends of the targets: no infinity, no NaN.
    let logits = ActivateCase.extremes
    let extreme = [Float(0), 1, 0.5].map { x in
      ReconstructionLossCase(
        loss: .bce, activation: .sigmoid, shape: [2, logits.count / 2],
        values: (a: logits, target: logits.map { _ in x }), label: ", extremes against \(x)")
    }
    let values = Numbers.uniform([5, 4], 0...1, "NaN"), blemished = Numbers.withNaN(values, at: 6)
    let notNumbers = ReconstructionLoss.allCases.flatMap { loss in
      [(blemished, values, "a"), (values, blemished, "the target")].map { a, target, place in
        ReconstructionLossCase(
          loss: loss, activation: .sigmoid, shape: [5, 4], values: (a, target), label: ", NaN in \(place)")
      }
    }
    return plain + extreme + notNumbers
  }
}

/// Softmax cross-entropy.
struct SoftmaxLossCase: OpCase {
  let shape: Shape
  var bound: Float = 5
  var inPlace = false
  var blemish: Int?

  let op = "softmaxLoss"
  var name: String {
    "\(shape), logits within ±\(bound)" + (inPlace ? ", in place" : "") + (blemish.map { ", NaN at \($0)" } ?? "")
  }
  var expectsNaN: Bool { blemish != nil }
  private static let scale = 0.125

  func arguments<B: Backend>(for backend: B) -> [Argument] {
    var logits = Numbers.uniform(shape, -bound...bound, name)
    if let blemish { logits[blemish] = .nan }
    let labels = Numbers.uniform([shape.rows], 0...1, name + "labels").map {
      ($0 * Float(shape.columns)).rounded(.down)
    }
    return
      (inPlace
      ? [.update("logits", shape, logits)] : [.input("logits", shape, logits), .output("gradient", shape)])
      + [.input("labels", [shape.rows], labels), .output("losses", [shape.rows])]
  }

  func call<B: Backend>(_ backend: B, _ t: Tensors<B.Buffer>) throws {
    try backend.softmaxLoss(
      t["logits"], labels: t["labels"], gradientScale: Self.scale, gradient: inPlace ? t["logits"] : t["gradient"],
      losses: t["losses"])
  }

  func errors(_ v: CaseValues) throws -> [String: [Double]] {
    let logits = v["logits"], labels = v["labels"]
    var gradients: [Double] = []
    var losses: [Double] = []
    for i in 0..<shape.rows {
      let row = logits[(i * shape.columns)..<((i + 1) * shape.columns)]
      let largest = Estimate.exact(row.max() ?? 0), label = Int(labels[i])
      let powers = row.map { (Estimate.exact($0) - largest).exponential }
      let sum = Estimate.sum(powers)
      for j in powers.indices {
        gradients.append(((powers[j] / sum - .exact(j == label ? 1 : 0)) * .rounded(Self.scale)).error)
      }
      losses.append((sum.logarithm - (.exact(row[row.startIndex + label]) - largest)).error)
    }
    return [inPlace ? "logits" : "gradient": gradients, "losses": losses]
  }

  static var all: [SoftmaxLossCase] {
    let shapes: [Shape] = [
      [1, 1], [1, 2], [3, 3], [17, 10], [65, 10], [33, 17], [5, 33], [16, 64], [7, 129], [257, 2], [3, 300], [2, 1000],
    ]
    return shapes.flatMap { [SoftmaxLossCase(shape: $0), SoftmaxLossCase(shape: $0, inPlace: true)] }
      + [SoftmaxLossCase(shape: [33, 10], bound: 100), SoftmaxLossCase(shape: [3, 10], bound: 1e-30)]
      + [SoftmaxLossCase(shape: [5, 10], blemish: 23), SoftmaxLossCase(shape: [5, 10], blemish: 0)]
  }
}
