import CinchBackend

extension Conformance {
  static var optimizerCases: [any ConformanceCase] {
    OptimizerCase.all + ClipScaleCase.all
      + [Rejection("optimizerStep", "Adam without its moments", .adamWithoutMoments([5]))]
  }
}

/// One step of one rule.
struct OptimizerCase: OpCase {
  let count: Int
  let step: OptimizerStep
  var scaled = false
  var blemish: (argument: String, index: Int)?
  /// Gradients of zero, for Adam's 0/ε.
  var still = false

  let op = "optimizerStep"
  var name: String {
    let decay =
      step.weightDecay == 0
      ? "" : ", \(step.decayCount) \(step.decoupled ? "decoupled" : "decayed")"
    return "\(step.rule), \(count)\(decay)" + (scaled ? ", scaled" : "") + (still ? ", zero gradient" : "")
      + (blemish.map { ", NaN in \($0.argument)[\($0.index)]" } ?? "")
  }
  var expectsNaN: Bool { blemish != nil }

  private var moments: Int {
    switch step.rule {
    case .sgd: 0
    case .momentum, .nesterov: 1
    case .adam: 2
    }
  }
  private static let scale: Float = 0.37

  func arguments<B: Backend>(for backend: B) -> [Argument] {
    let shape: Shape = [count]
    func values(_ argument: String, _ range: ClosedRange<Float>) -> [Float] {
      let values = CaseData.uniform(shape, range, name + argument)
      guard let blemish, blemish.argument == argument else { return values }
      return CaseData.withNaN(values, at: blemish.index)
    }
    let atRest = still ? [Float](repeating: 0, count: count) : nil
    var result: [Argument] = [
      .update("parameters", shape, values("parameters", -1...1)),
      .input("gradients", shape, atRest ?? values("gradients", -0.5...0.5)),
    ]
    if moments > 0 { result.append(.update("first", shape, atRest ?? values("first", -0.5...0.5))) }
    if moments > 1 { result.append(.update("second", shape, atRest ?? values("second", 0.001...0.3))) }
    if scaled { result.append(.input("scale", [1], [Self.scale])) }
    return result
  }

  func call<B: Backend>(_ backend: B, _ t: Tensors<B.Buffer>) throws {
    try backend.optimizerStep(
      step, parameters: t["parameters"], gradients: t["gradients"], first: t.optional("first"),
      second: t.optional("second"), gradientScale: t.optional("scale"))
  }

  func errors(_ v: CaseValues) throws -> [String: [Double]] {
    let parameters = v["parameters"], gradients = v["gradients"], first = v["first"], second = v["second"]
    let rate = Estimate.rounded(step.learningRate), decay = Estimate.rounded(step.weightDecay)
    var bounds: [String: [Double]] = [:]
    for i in 0..<count {
      var theta = Estimate.exact(parameters[i]), g = Estimate.exact(gradients[i])
      if i < step.decayCount, step.weightDecay != 0 {
        if step.decoupled { theta = theta - rate * decay * theta } else { g = g + decay * theta }
      }
      if scaled { g = g * .exact(Double(Self.scale)) }
      let change: Estimate
      switch step.rule {
      case .sgd: change = g
      case .momentum(let mu), .nesterov(let mu):
        let velocity = Estimate.rounded(mu) * .exact(first[i]) + g
        bounds["first", default: []].append(velocity.error)
        if case .nesterov = step.rule { change = g + .rounded(mu) * velocity } else { change = velocity }
      case .adam(let beta1, let beta2, let epsilon, let t):
        let m = Estimate.rounded(beta1) * .exact(first[i]) + .rounded(1 - beta1) * g
        let v = Estimate.rounded(beta2) * .exact(second[i]) + .rounded(1 - beta2) * g * g
        bounds["first", default: []].append(m.error)
        bounds["second", default: []].append(v.error)
        // 1 − βᵗ is worked out on the host in Double, and rounded once.
        let corrected = m / .rounded(Self.correction(beta1, t)), spread = v / .rounded(Self.correction(beta2, t))
        change = corrected / (spread.root + .rounded(epsilon))
      }
      bounds["parameters", default: []].append((theta - rate * change).error)
    }
    return bounds
  }

  /// 1 − βᵗ.
  private static func correction(_ beta: Double, _ t: Int) -> Double {
    var power = 1.0, square = beta
    var left = t
    while left > 0 {
      if left % 2 == 1 { power *= square }
      square *= square
      left /= 2
    }
    return 1 - power
  }

  static var all: [OptimizerCase] {
    let rules: [OptimizerStep.Rule] = [
      .sgd, .momentum(0.9), .nesterov(0.9), .adam(beta1: 0.9, beta2: 0.999, epsilon: 1e-8, step: 1),
      .adam(beta1: 0.9, beta2: 0.999, epsilon: 1e-8, step: 10),
      .adam(beta1: 0.5, beta2: 0.99, epsilon: 1e-3, step: 100_000),
    ]
    let counts = [1, 3, 17, 63, 257, 1000, 4099]
    let plain = rules.flatMap { rule in
      counts.enumerated().flatMap { i, count in
        // Every rule meets every combination of decay and scale; the sizes take turns.
        [(0.0, false), (0.01, false), (0.01, true)].enumerated().map { j, decay in
          OptimizerCase(
            count: count,
            step: OptimizerStep(
              rule, learningRate: 0.05, weightDecay: decay.0, decoupled: decay.1, decayCount: (count * 2 + 1) / 3),
            scaled: (i + j) % 2 == 0)
        }
      }
    }
    let adam = rules[3]
    let still = OptimizerCase(count: 65, step: OptimizerStep(adam, learningRate: 0.05), still: true)
    // All decay, so that a moment does depend on its parameter: adding 0·θ is a fair way not to decay.
    let decayed = OptimizerStep(adam, learningRate: 0.05, weightDecay: 0.01, decayCount: 13)
    let notNumbers = [("parameters", 3), ("gradients", 7), ("first", 0), ("second", 12)].map {
      OptimizerCase(count: 13, step: decayed, blemish: $0)
    }
    let ragged = CaseData.counts.enumerated().map { i, count in
      OptimizerCase(
        count: count, step: OptimizerStep(rules[i % rules.count], learningRate: 0.05, weightDecay: 0.01, decayCount: i),
        scaled: i % 2 == 0)
    }
    return plain + ragged + [still] + notNumbers
  }
}

/// min(1, maximum/‖g‖).
struct ClipScaleCase: OpCase {
  let count: Int
  let maximum: Double
  let step: OptimizerStep
  var still = false
  var blemish: Int?

  let op = "clipScale"
  var name: String {
    "\(count), at most \(maximum)"
      + (step.weightDecay == 0 ? "" : ", \(step.decayCount) \(step.decoupled ? "decoupled" : "decayed")")
      + (still ? ", zero gradient" : "") + (blemish.map { ", NaN at \($0)" } ?? "")
  }
  var expectsNaN: Bool { blemish != nil }

  func arguments<B: Backend>(for backend: B) -> [Argument] {
    let shape: Shape = [count]
    var gradients = still ? [Float](repeating: 0, count: count) : CaseData.uniform(shape, -1...1, name)
    if let blemish { gradients[blemish] = .nan }
    return [
      .input("parameters", shape, CaseData.uniform(shape, -2...2, name + "parameters")),
      .input("gradients", shape, gradients), .output("scale", [1]),
    ]
  }

  func call<B: Backend>(_ backend: B, _ t: Tensors<B.Buffer>) throws {
    try backend.clipScale(
      maximum: maximum, step, parameters: t["parameters"], gradients: t["gradients"], into: t["scale"])
  }

  func errors(_ v: CaseValues) throws -> [String: [Double]] {
    let parameters = v["parameters"]
    let squares = v["gradients"].enumerated().map { i, gradient in
      var g = Estimate.exact(gradient)
      if i < step.decayCount, !step.decoupled { g = g + .rounded(step.weightDecay) * .exact(parameters[i]) }
      return g * g
    }
    let norm = Estimate.sum(squares).root
    // Continuous at 1, so the bound of the quotient holds on both sides.
    return ["scale": [norm.value > 0 ? (Estimate.rounded(maximum) / norm).error : 0]]
  }

  static var all: [ClipScaleCase] {
    [1, 3, 63, 257, 1000, 4099, 50_001].flatMap { count in
      [(0.0, false), (0.5, false), (0.5, true)].flatMap { decay, decoupled in
        [0.1, 1e4].map {
          ClipScaleCase(
            count: count, maximum: $0,
            step: OptimizerStep(
              .sgd, learningRate: 1, weightDecay: decay, decoupled: decoupled, decayCount: (count + 1) / 2))
        }
      }
    }
      + CaseData.counts.map {
        ClipScaleCase(
          count: $0, maximum: 0.1, step: OptimizerStep(.sgd, learningRate: 1, weightDecay: 0.5, decayCount: $0 - 66))
      } + [
        ClipScaleCase(count: 65, maximum: 1, step: OptimizerStep(.sgd, learningRate: 1), still: true),
        ClipScaleCase(count: 65, maximum: 1, step: OptimizerStep(.sgd, learningRate: 1), blemish: 64),
      ]
  }
}
