import CinchBackend
import Glibc

extension Conformance {
  static var lossCases: [any ConformanceCase] {
    ReconstructionLossCase.all + SampleLossesCase.all + LogVarianceGradientCase.all + SoftmaxLossCase.all
      + [
        Rejection("reconstructionLoss", "bce of a linear output", .bce([3, 4], .linear)),
        Rejection("reconstructionLoss", "gaussian without a variance", .loss([3, 4], .gaussian)),
        Rejection("reconstructionLoss", "a variance of sse", .loss([3, 4], .sse, logVariance: [1])),
        Rejection("reconstructionLoss", "a variance for each element", .loss([3, 4], .gaussian, logVariance: [4])),
        Rejection("reconstructionLoss", "weights of another shape", .loss([3, 4], .sse, weight: [4, 3])),
        Rejection("logVarianceGradient", "a gradient for each sample", .logVarianceGradient([3], gradient: [3])),
        Rejection("sampleLosses", "bce of a linear output", .sampleLosses([3, 4], .bce, bias: nil, losses: [3])),
        Rejection(
          "sampleLosses", "one loss for each element", .sampleLosses([3, 4], .sse, bias: nil, losses: [3, 4])),
        Rejection("sampleLosses", "a bias that does not repeat", .sampleLosses([3, 4], .sse, bias: [3], losses: [3])),
        Rejection("softmaxLoss", "another number of labels", .softmaxLoss([3, 4], labels: [4])),
      ]
  }
}

/// The tensors of a loss beside pre-activations and bias.
struct LossData {
  let loss: ReconstructionLoss
  let weighted: Bool

  var name: String { loss.rawValue + (weighted ? ", weighted" : "") }

  /// A third of the weights are 0, where some targets are NaN or infinite: they must count as nothing.
  func arguments(_ shape: Shape, _ seed: String, target: [Float]? = nil) -> [Argument] {
    var target = target ?? CaseData.uniform(shape, 0...1, seed + "target")
    var result: [Argument] = []
    if weighted {
      var weight = CaseData.uniform(shape, 0.1...2, seed + "weight")
      for i in weight.indices where i % 3 == 1 {
        weight[i] = 0
        if i % 9 == 1 { target[i] = .nan }
        if i % 9 == 4 { target[i] = .infinity }
      }
      result.append(.input("lossWeight", shape, weight))
    }
    if loss == .gaussian {
      result.append(.input("logVariance", [1], CaseData.uniform([1], -1...1, seed + "variance")))
    }
    return [.input("target", shape, target)] + result
  }

  func terms<Buffer>(_ activation: Activation, _ t: Tensors<Buffer>) -> LossTerms<Buffer> {
    LossTerms(
      loss, activation: activation, bias: t.optional("bias"), target: t["target"], weight: t.optional("lossWeight"),
      logVariance: t.optional("logVariance"))
  }

  func fused<Buffer>(_ activation: Activation, _ t: Tensors<Buffer>, scale: Double) -> FusedLoss<Buffer> {
    let terms = terms(activation, t)
    return FusedLoss(
      loss, activation: activation, bias: terms.bias, target: terms.target, weight: terms.weight,
      logVariance: terms.logVariance, gradientScale: scale, partials: t["partials"])
  }

  /// Of every element, from estimates of the pre-activations.
  func estimates(
    _ a: [Estimate], _ activation: Activation, columns: Int, _ v: CaseValues
  ) -> [(loss: Estimate, gradient: Estimate)] {
    let target = v["target"], weight = v.optional("lossWeight"), logVariance = v.optional("logVariance")?[0]
    return a.indices.map {
      loss.estimate(
        a[$0], target: target[$0], activation, columns: columns, logVariance: logVariance, weight: weight?[$0])
    }
  }
}

/// A loss of pre-activations, and its gradient.
struct ReconstructionLossCase: OpCase {
  let loss: ReconstructionLoss
  let activation: Activation
  let shape: Shape
  var bias = false
  var weighted = false
  var inPlace = false
  /// Pre-activations and targets in place of random ones.
  var values: (a: [Float], target: [Float])?
  var label = ""

  let op = "reconstructionLoss"
  var name: String {
    "\(data.name) of \(activation.rawValue), \(shape)" + (bias ? " + bias" : "") + (inPlace ? ", in place" : "")
      + label
  }
  var expectsNaN: Bool { values.map { ($0.a + $0.target).contains { $0.isNaN } } ?? false }
  private static let scale = 0.25
  private var data: LossData { LossData(loss: loss, weighted: weighted) }

  func arguments<B: Backend>(for backend: B) -> [Argument] {
    let a = values?.a ?? CaseData.uniform(shape, -8...8, name)
    let units: Shape = [shape.columns]
    return (inPlace ? [.update("a", shape, a)] : [.input("a", shape, a), .output("gradient", shape)])
      + (bias ? [.input("bias", units, CaseData.uniform(units, -1...1, name + "bias"))] : [])
      + data.arguments(shape, name, target: values?.target)
      + [
        .output(
          "partials", [backend.lossPartialCount(rows: shape.rows, columns: shape.columns)], comparedBy: .sum)
      ]
  }

  func call<B: Backend>(_ backend: B, _ t: Tensors<B.Buffer>) throws {
    let fused = data.fused(activation, t, scale: Self.scale)
    try backend.reconstructionLoss(t["a"], fused, gradient: inPlace ? t["a"] : t["gradient"])
  }

  func errors(_ v: CaseValues) throws -> [String: [Double]] {
    let biases = v.optional("bias")
    let logits = v["a"].enumerated().map { i, a -> Estimate in
      biases.map { .exact(a) + .exact($0[i % shape.columns]) } ?? .exact(a)
    }
    let elements = data.estimates(logits, activation, columns: shape.columns, v)
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
          weighted: j % 3 == 1, inPlace: j % 4 >= 2)
      }
    }
    // Extreme logits against both ends of the targets: no infinity, no NaN.
    let logits = ActivateCase.extremes
    let extreme = [Float(0), 1, 0.5].map { x in
      ReconstructionLossCase(
        loss: .bce, activation: .sigmoid, shape: [2, logits.count / 2],
        values: (a: logits, target: logits.map { _ in x }), label: ", extremes against \(x)")
    }
    let many: Shape = [60_000, 1]
    let long = [
      ReconstructionLossCase(
        loss: .bce, activation: .sigmoid, shape: many,
        values: (CaseData.alike(many, "logits"), CaseData.alike(many, "targets")), label: ", alike")
    ]
    let values = CaseData.uniform([5, 4], 0...1, "NaN"), blemished = CaseData.withNaN(values, at: 6)
    let notNumbers = ReconstructionLoss.allCases.flatMap { loss in
      [(blemished, values, "a"), (values, blemished, "the target")].map { a, target, place in
        ReconstructionLossCase(
          loss: loss, activation: .sigmoid, shape: [5, 4], values: (a, target), label: ", NaN in \(place)")
      }
    }
    let ragged = CaseData.ragged.enumerated().map { i, shape in
      let pair = pairs[i % pairs.count]
      return ReconstructionLossCase(
        loss: pair.0, activation: pair.1, shape: shape, bias: i % 2 == 1, weighted: i % 3 == 1, inPlace: i % 4 >= 2)
    }
    return plain + ragged + extreme + long + notNumbers
  }
}

/// The loss of each sample.
struct SampleLossesCase: OpCase {
  let loss: ReconstructionLoss
  let activation: Activation
  let shape: Shape
  var weighted = false
  /// Elements of the bias, if there is one.
  var channels: Int?
  var blemish: (argument: String, index: Int)?

  let op = "sampleLosses"
  var name: String {
    "\(data.name) of \(activation.rawValue), \(shape)" + (channels.map { ", \($0) biases" } ?? "")
      + (blemish.map { ", NaN in \($0.argument)[\($0.index)]" } ?? "")
  }
  var expectsNaN: Bool { blemish != nil }
  private var data: LossData { LossData(loss: loss, weighted: weighted) }

  func arguments<B: Backend>(for backend: B) -> [Argument] {
    func values(_ argument: String, _ shape: Shape, _ range: ClosedRange<Float>) -> [Float] {
      let values = CaseData.uniform(shape, range, name + argument)
      guard let blemish, blemish.argument == argument else { return values }
      return CaseData.withNaN(values, at: blemish.index)
    }
    return [.input("a", shape, values("a", shape, -8...8)), .output("losses", [shape.rows])]
      + data.arguments(shape, name, target: values("target", shape, 0...1))
      + (channels.map { [.input("bias", [$0], values("bias", [$0], -1...1))] } ?? [])
  }

  func call<B: Backend>(_ backend: B, _ t: Tensors<B.Buffer>) throws {
    try backend.sampleLosses(t["a"], data.terms(activation, t), into: t["losses"])
  }

  func errors(_ v: CaseValues) throws -> [String: [Double]] {
    let biases = v.optional("bias"), d = shape.columns
    let logits = v["a"].enumerated().map { i, a -> Estimate in
      biases.map { .exact(a) + .exact($0[i % d % $0.count]) } ?? .exact(a)
    }
    let losses = data.estimates(logits, activation, columns: d, v).map(\.loss)
    return ["losses": (0..<shape.rows).map { Estimate.sum(Array(losses[($0 * d)..<(($0 + 1) * d)])).error }]
  }

  static var all: [SampleLossesCase] {
    let shapes: [(Shape, channels: Int?)] = [
      ([1, 1], nil), ([3, 5], 5), ([17, 33], nil), ([5, 784], 784), ([5, 784], 1), ([9, 147], 3), ([4, 576], 64),
      ([257, 12], 4), ([2, 5000], 20), ([64, 64], 64), ([1, 17], 17),
    ]
    let pairs = ReconstructionLoss.allCases.flatMap { loss in
      Activation.allCases.filter { loss != .bce || $0 == .sigmoid }.map { (loss, $0) }
    }
    let crossed = pairs.enumerated().flatMap { i, pair in
      (0..<3).map { j in
        let (shape, channels) = shapes[(i + 4 * j) % shapes.count]
        return SampleLossesCase(
          loss: pair.0, activation: pair.1, shape: shape, weighted: (i + j) % 2 == 1, channels: channels)
      }
    }
    let images = shapes.map {
      SampleLossesCase(loss: .bce, activation: .sigmoid, shape: $0.0, channels: $0.channels)
    }
    let notNumbers = ReconstructionLoss.allCases.flatMap { loss in
      [("a", 30), ("target", 7), ("bias", 2)].map {
        SampleLossesCase(loss: loss, activation: .sigmoid, shape: [3, 20], channels: 4, blemish: $0)
      }
    }
    let ragged = CaseData.ragged.enumerated().map { i, shape in
      let pair = pairs[i % pairs.count]
      return SampleLossesCase(
        loss: pair.0, activation: pair.1, shape: shape, weighted: i % 2 == 1,
        channels: i % 3 == 0 ? nil : shape.columns)
    }
    var seen: Set<String> = []
    return (crossed + images + ragged + notNumbers).filter { seen.insert($0.name).inserted }
  }
}

/// The gradient of a gaussian loss by its log variance, from the loss.
struct LogVarianceGradientCase: OpCase {
  let partials: Int
  /// Partial sums of weights, if there are any.
  var weights: Int?
  var blemish = false

  let op = "logVarianceGradient"
  var name: String {
    "\(partials) partial sums, " + (weights.map { "\($0) of weights" } ?? "\(count) elements")
      + (blemish ? ", NaN in the last" : "")
  }
  var expectsNaN: Bool { blemish }
  private var count: Int { 50 * partials + 7 }
  private static let scale = 1 / 128.0

  func arguments<B: Backend>(for backend: B) -> [Argument] {
    var losses = CaseData.uniform([partials], 0...90, name)
    if blemish { losses[partials - 1] = .nan }
    return [
      .input("partials", [partials], losses), .input("logVariance", [1], CaseData.uniform([1], -1...1, name + "s")),
      .output("gradient", [1]),
    ] + (weights.map { [.input("weights", [$0], CaseData.uniform([$0], 0...50, name + "w"))] } ?? [])
  }

  func call<B: Backend>(_ backend: B, _ t: Tensors<B.Buffer>) throws {
    try backend.logVarianceGradient(
      t["partials"], weight: t.optional("weights").map { .partials($0) } ?? .elements(count),
      logVariance: t["logVariance"], scale: Self.scale, into: t["gradient"])
  }

  func errors(_ v: CaseValues) throws -> [String: [Double]] {
    let loss = Estimate.sum(v["partials"].map(Estimate.exact))
    let total = v.optional("weights").map { Estimate.sum($0.map(Estimate.exact)) } ?? .rounded(Double(count))
    let normaliser = Estimate.rounded(1 + log(2 * Double.pi)) + .exact(v["logVariance"][0])
    return ["gradient": [((.exact(0.5) * total * normaliser - loss) * .exact(Self.scale)).error]]
  }

  static var all: [LogVarianceGradientCase] {
    [1, 2, 17, 257, 1000].map { LogVarianceGradientCase(partials: $0) }
      + [(1, 1), (33, 5), (64, 300)].map { LogVarianceGradientCase(partials: $0.0, weights: $0.1) }
      + [LogVarianceGradientCase(partials: 9, blemish: true)]
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
    var logits = CaseData.uniform(shape, -bound...bound, name)
    if let blemish { logits[blemish] = .nan }
    let labels = CaseData.uniform([shape.rows], 0...1, name + "labels").map {
      ($0 * Float(shape.columns)).rounded(.down)
    }
    return
      (inPlace
      ? [.update("logits", shape, logits)] : [.input("logits", shape, logits), .output("gradient", shape)])
      + [.input("labels", [shape.rows], labels), .output("losses", [shape.rows]), .output("errors", [shape.rows])]
  }

  func call<B: Backend>(_ backend: B, _ t: Tensors<B.Buffer>) throws {
    try backend.softmaxLoss(
      t["logits"], labels: t["labels"], gradientScale: Self.scale, gradient: inPlace ? t["logits"] : t["gradient"],
      losses: t["losses"], errors: t["errors"])
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
    // Comparisons are exact.
    let wrong = [Double](repeating: 0, count: shape.rows)
    return [inPlace ? "logits" : "gradient": gradients, "losses": losses, "errors": wrong]
  }

  static var all: [SoftmaxLossCase] {
    let shapes: [Shape] = [
      [1, 1], [1, 2], [3, 3], [17, 10], [65, 10], [33, 17], [5, 33], [16, 64], [7, 129], [257, 2], [3, 300], [2, 1000],
    ]
    let ragged = CaseData.ragged.map { SoftmaxLossCase(shape: $0, inPlace: $0.columns % 2 == 0) }
    return shapes.flatMap { [SoftmaxLossCase(shape: $0), SoftmaxLossCase(shape: $0, inPlace: true)] } + ragged
      + [SoftmaxLossCase(shape: [33, 10], bound: 100), SoftmaxLossCase(shape: [3, 10], bound: 1e-30)]
      + [SoftmaxLossCase(shape: [5, 10], blemish: 23), SoftmaxLossCase(shape: [5, 10], blemish: 0)]
  }
}
