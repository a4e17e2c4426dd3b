import CinchBackend

extension Conformance {
  static var matmulCases: [any ConformanceCase] {
    MatmulCase.products + MatmulCase.ragged + MatmulCase.epilogues + MatmulCase.training + MatmulCase.notNumbers
      + matmulRejections + DenseGradientCase.all
  }

  private static var matmulRejections: [any ConformanceCase] {
    [
      Rejection("matmul", "factors that do not fit", .matmul([3, 4], [5, 6], [3, 6])),
      Rejection("matmul", "a result that does not fit", .matmul([3, 4], [4, 6], [6, 3])),
      Rejection("matmul", "a result over a factor", .matmulOverFactor([3, 4], [4, 6], [3, 6])),
      Rejection("denseGradient", "a gradient over the input", .denseGradientOverInput([3, 4], [3, 5], [4, 5])),
      Rejection("denseGradient", "another batch", .denseGradient([3, 4], [2, 5], [4, 5])),
    ]
  }
}

/// One product with one epilogue.
struct MatmulCase: OpCase {
  enum Kind: Sendable {
    case none, accumulate
    case forward(Activation, bias: Bool)
    case backward(GradientTerms)
    case loss(ReconstructionLoss, Activation, bias: Bool, weighted: Bool = false)
  }
  /// Which argument, if any, holds a NaN, and where.
  typealias Blemish = (argument: String, index: Int)

  let m: Int, n: Int, k: Int
  var transposeA = false
  var transposeB = false
  var kind = Kind.none
  var alike = false
  var blemish: Blemish?

  let op = "matmul"
  var name: String {
    let factors = "\(m) × \(k) × \(n), A\(transposeA ? "ᵀ" : "")·B\(transposeB ? "ᵀ" : "")"
    return "\(factors), \(kind.name)" + (alike ? ", alike" : "")
      + (blemish.map { ", NaN in \($0.argument)[\($0.index)]" } ?? "")
  }
  var expectsNaN: Bool { blemish != nil }

  func arguments<B: Backend>(for backend: B) -> [Argument] {
    let a: Shape = transposeA ? [k, m] : [m, k], b: Shape = transposeB ? [n, k] : [k, n], c: Shape = [m, n]
    // Sums stay of the order of one, where activations bend.
    let bound = 1.5 / Float(k).squareRoot()
    var result = [
      Argument.input(
        "a", a, values("a", alike ? CaseData.alike(a, name + "a") : CaseData.uniform(a, -1...1, name + "a"))),
      .input(
        "b", b, values("b", alike ? CaseData.alike(b, name + "b") : CaseData.uniform(b, -bound...bound, name + "b"))),
    ]
    switch kind {
    case .none: result.append(.output("c", c))
    case .accumulate: result.append(.update("c", c, values("c", CaseData.uniform(c, -1...1, name + "c"))))
    case .forward(_, let bias):
      result.append(.output("c", c))
      if bias { result.append(vector("bias")) }
    case .backward(let terms):
      result.append(.output("c", c))
      result += terms.arguments(c, name, map: values)
    case .loss(let loss, _, let bias, let weighted):
      result.append(.output("c", c))
      if bias { result.append(vector("bias")) }
      let target = values(
        "target", alike ? CaseData.alike(c, name + "target") : CaseData.uniform(c, 0...1, name + "target"))
      result += LossData(loss: loss, weighted: weighted).arguments(c, name, target: target)
      result.append(.output("partials", [backend.lossPartialCount(rows: m, columns: n)], comparedBy: .sum))
    }
    return result
  }

  private func vector(_ argument: String) -> Argument {
    .input(argument, [n], values(argument, CaseData.uniform([n], -1...1, name + argument)))
  }

  private func values(_ argument: String, _ values: [Float]) -> [Float] {
    guard let blemish, blemish.argument == argument else { return values }
    return CaseData.withNaN(values, at: blemish.index)
  }

  func call<B: Backend>(_ backend: B, _ t: Tensors<B.Buffer>) throws {
    let epilogue: Epilogue<B.Buffer> =
      switch kind {
      case .none: .none
      case .accumulate: .accumulate
      case .forward(let activation, _): .forward(bias: t.optional("bias"), activation: activation)
      case .backward(let terms): .backward(terms.bind(t))
      case .loss(let loss, let activation, _, let weighted):
        .loss(LossData(loss: loss, weighted: weighted).fused(activation, t, scale: Self.scale))
      }
    try backend.matmul(
      t["a"], transposeA: transposeA, t["b"], transposeB: transposeB, into: t["c"], epilogue: epilogue)
  }

  private static let scale = 0.3

  func errors(_ v: CaseValues) throws -> [String: [Double]] {
    let products = Bounds.product(
      v["a"], transposeA: transposeA, v["b"], transposeB: transposeB, m: m, n: n, k: k)
    let bias = v.optional("bias")
    func biased(_ i: Int) -> Estimate { bias.map { products[i] + .exact($0[i % n]) } ?? products[i] }
    switch kind {
    case .none: return ["c": products.map(\.error)]
    case .accumulate: return ["c": zip(products, v["c"]).map { ($0 + .exact($1)).error }]
    case .forward(let activation, _): return ["c": products.indices.map { activation.estimate(biased($0)).error }]
    case .backward(let terms):
      return ["c": products.indices.map { terms.estimate(products[$0], index: $0, column: $0 % n, v).error }]
    case .loss(let loss, let activation, _, let weighted):
      let elements = LossData(loss: loss, weighted: weighted).estimates(
        products.indices.map(biased), activation, columns: n, v)
      return [
        "c": elements.map { ($0.gradient * .rounded(Self.scale)).error },
        "partials": [Estimate.sum(elements.map(\.loss)).error],
      ]
    }
  }
}

extension MatmulCase.Kind {
  var name: String {
    switch self {
    case .none: "plain"
    case .accumulate: "accumulate"
    case .forward(let activation, let bias): "forward \(activation.rawValue)" + (bias ? " + bias" : "")
    case .backward(let terms): "backward \(terms.name)"
    case .loss(let loss, let activation, let bias, let weighted):
      "\(LossData(loss: loss, weighted: weighted).name) of \(activation.rawValue)" + (bias ? " + bias" : "")
    }
  }

  /// All but `none`, with every optional term present and absent.
  static var all: [MatmulCase.Kind] {
    var kinds = [MatmulCase.Kind.accumulate]
    for activation in Activation.allCases {
      for bias in [false, true] {
        kinds.append(.forward(activation, bias: bias))
        for loss in ReconstructionLoss.allCases where loss != .bce || activation == .sigmoid {
          kinds.append(.loss(loss, activation, bias: bias))
          kinds.append(.loss(loss, activation, bias: bias, weighted: true))
        }
      }
      kinds += GradientTerms.all(activation).map(Self.backward)
    }
    return kinds
  }
}

extension MatmulCase {
  static let transposes = [(false, false), (false, true), (true, false), (true, true)]

  /// Every size as every extent, under every transpose.
  static var products: [MatmulCase] {
    let sizes = CaseData.sizes
    return sizes.indices.flatMap { i in
      // 10 and 11 have no factor in common with the number of sizes: each visits them all. The shifts are those
      // that keep two large extents together, and three apart.
      let n = sizes[(11 * i + 4) % sizes.count], k = sizes[(10 * i + 10) % sizes.count]
      return transposes.map { MatmulCase(m: sizes[i], n: n, k: k, transposeA: $0, transposeB: $1) }
    }
  }

  /// What is left of a tile at the end of rows and of columns: every remainder of both, under every transpose, ending as
  /// layers do. More epilogues would have a GPU's compiler make as many programs.
  static var ragged: [MatmulCase] {
    let backward = GradientTerms(activation: .sigmoid, column: true, l1: 0.01, curvature: true)
    return (1...49).flatMap { n in
      transposes.enumerated().map { i, transposes in
        let kind: Kind =
          switch transposes {
          case (false, false): .backward(backward)
          case (false, true): n % 2 == 0 ? .forward(.tanh, bias: true) : .loss(.bce, .sigmoid, bias: true)
          case (true, false): .accumulate
          case (true, true): .none
          }
        return MatmulCase(
          m: 1 + 7 * n % 26, n: n, k: 1 + (5 * n + i) % 19, transposeA: transposes.0, transposeB: transposes.1,
          kind: kind)
      }
    }
  }

  /// Every epilogue with every optional term present and absent, under every transpose.
  static var epilogues: [MatmulCase] {
    let shapes = [
      (1, 1, 1), (3, 5, 2), (13, 17, 33), (65, 33, 48), (33, 129, 65), (64, 32, 16), (17, 63, 257), (1, 65, 12),
      (31, 1, 127), (12, 16, 256), (129, 11, 17),
    ]
    let kinds = Kind.all
    return kinds.indices.flatMap { i in
      transposes.indices.map { j in
        // Neither count divides the other, so every kind meets small, ragged and whole tiles.
        let (m, n, k) = shapes[(i + 3 * j) % shapes.count]
        return MatmulCase(
          m: m, n: n, k: k, transposeA: transposes[j].0, transposeB: transposes[j].1, kind: kinds[i])
      }
    }
  }

  /// The shapes and epilogues of a training step on images.
  static var training: [MatmulCase] {
    let terms = GradientTerms(activation: .sigmoid, column: true, l1: 0.01, curvature: true)
    return [
      MatmulCase(m: 100, n: 196, k: 784, transposeB: true, kind: .forward(.sigmoid, bias: true)),
      MatmulCase(m: 100, n: 784, k: 196, transposeB: true, kind: .loss(.bce, .sigmoid, bias: true)),
      MatmulCase(m: 33, n: 784, k: 196, transposeB: true, kind: .loss(.sse, .linear, bias: true)),
      MatmulCase(m: 33, n: 196, k: 784, kind: .backward(terms)),
      // A large batch of few features.
      MatmulCase(m: 60_000, n: 1, k: 1, transposeB: true, kind: .loss(.bce, .sigmoid, bias: false), alike: true),
      MatmulCase(m: 3, n: 2, k: 150_000, transposeA: true),
      // Beyond a block of k, a panel of columns, and the rows that end together.
      MatmulCase(m: 101, n: 71, k: 1_030, transposeB: true, kind: .forward(.tanh, bias: true)),
      MatmulCase(m: 200, n: 40, k: 2_050, kind: .loss(.bce, .sigmoid, bias: true)),
      MatmulCase(m: 97, n: 33, k: 1_100, transposeA: true, transposeB: true, kind: .accumulate),
      MatmulCase(m: 260, n: 97, k: 17, transposeA: true, kind: .backward(terms)),
    ]
  }

  /// A NaN reaches its row, its column, or its element, whatever the epilogue, and nothing else.
  static var notNumbers: [MatmulCase] {
    let kinds: [Kind] =
      [.none, .accumulate] + Activation.allCases.map { .forward($0, bias: true) }
      + [.backward(GradientTerms(activation: .sigmoid, column: true, l1: 0, curvature: true))]
      + [.loss(.sse, .tanh, bias: true), .loss(.mse, .linear, bias: true), .loss(.bce, .sigmoid, bias: true)]
      + [.loss(.gaussian, .linear, bias: true)]
    return kinds.flatMap { kind in
      var blemishes: [Blemish] = [("a", 0), ("a", 33 * 20 - 1), ("b", 7)]
      switch kind {
      case .none: break
      case .accumulate: blemishes.append(("c", 40))
      case .forward: blemishes.append(("bias", 16))
      case .backward: blemishes += [("column", 3), ("output", 50), ("norms", 16)]
      case .loss: blemishes += [("bias", 0), ("target", 99)]
      }
      return blemishes.map { MatmulCase(m: 20, n: 17, k: 33, transposeB: true, kind: kind, blemish: $0) }
    }
  }
}

/// dW = δᵀX and db.
struct DenseGradientCase: OpCase {
  let samples: Int, inputs: Int, outputs: Int
  let accumulate: Bool, pull: Bool
  var scale = 1.0
  var accumulateBias = false
  /// Only δ, so that the weights' sums are of products that are not.
  var alike = false
  var blemish: (argument: String, index: Int)?

  let op = "denseGradient"
  var name: String {
    "\(samples) samples, \(inputs) → \(outputs)" + (scale == 1 ? "" : ", times \(scale)")
      + (accumulate ? ", accumulate" : "") + (accumulateBias ? ", accumulate biases" : "") + (pull ? ", row pull" : "")
      + (alike ? ", alike" : "") + (blemish.map { ", NaN in \($0.argument)[\($0.index)]" } ?? "")
  }
  var expectsNaN: Bool { blemish != nil }
  private static let factor = 0.6

  func arguments<B: Backend>(for backend: B) -> [Argument] {
    let weight: Shape = [outputs, inputs]
    func input(_ argument: String, _ shape: Shape) -> Argument {
      let values =
        alike && argument == "delta"
        ? CaseData.alike(shape, name + argument) : CaseData.uniform(shape, -1...1, name + argument)
      guard let blemish, blemish.argument == argument else { return .input(argument, shape, values) }
      return .input(argument, shape, CaseData.withNaN(values, at: blemish.index))
    }
    var result = [input("delta", [samples, outputs]), input("input", [samples, inputs])]
    result.append(
      accumulate ? .update("dW", weight, CaseData.uniform(weight, -1...1, name + "dW")) : .output("dW", weight))
    result.append(
      accumulateBias
        ? .update("db", [outputs], CaseData.uniform([outputs], -1...1, name + "db")) : .output("db", [outputs]))
    if pull { result += [input("scale", [outputs]), input("weight", weight)] }
    return result
  }

  func call<B: Backend>(_ backend: B, _ t: Tensors<B.Buffer>) throws {
    let rowPull = pull ? RowPull(scale: t["scale"], weight: t["weight"], factor: Self.factor) : nil
    try backend.denseGradient(
      delta: t["delta"], input: t["input"], weightGradient: t["dW"], biasGradient: t["db"], scale: scale,
      accumulate: accumulate, accumulateBias: accumulateBias, rowPull: rowPull)
  }

  func errors(_ v: CaseValues) throws -> [String: [Double]] {
    let delta = v["delta"], weight = v["weight"], pulls = v["scale"], held = v["dW"], heldBias = v["db"]
    // A factor of 1 costs nothing.
    func scaled(_ x: Estimate) -> Estimate { scale == 1 ? x : x * .rounded(scale) }
    var gradients = Bounds.product(
      delta, transposeA: true, v["input"], transposeB: false, m: outputs, n: inputs, k: samples)
    for i in gradients.indices {
      gradients[i] = scaled(gradients[i])
      if pull { gradients[i] = gradients[i] + .rounded(Self.factor) * .exact(pulls[i / inputs]) * .exact(weight[i]) }
      if accumulate { gradients[i] = gradients[i] + .exact(held[i]) }
    }
    let biases = (0..<outputs).map { j in
      let sum = scaled(Estimate.sum((0..<samples).map { .exact(delta[$0 * outputs + j]) }))
      return (accumulateBias ? sum + .exact(heldBias[j]) : sum).error
    }
    return ["dW": gradients.map(\.error), "db": biases]
  }

  static var all: [DenseGradientCase] {
    let sizes = CaseData.sizes
    let plain = sizes.indices.map { i in
      DenseGradientCase(
        samples: sizes[(10 * i + 10) % sizes.count], inputs: sizes[(11 * i + 4) % sizes.count], outputs: sizes[i],
        accumulate: i % 2 == 1, pull: i % 3 == 1)
    }
    let options = [(1, 1, 1), (7, 33, 65), (128, 64, 32), (300, 17, 129), (256, 127, 5)].flatMap { n, i, o in
      [(false, false), (false, true), (true, false), (true, true)].map {
        DenseGradientCase(samples: n, inputs: i, outputs: o, accumulate: $0, pull: $1)
      }
    }
    let training = [
      DenseGradientCase(samples: 100, inputs: 784, outputs: 196, accumulate: false, pull: true),
      DenseGradientCase(samples: 150_000, inputs: 2, outputs: 1, accumulate: false, pull: false, alike: true),
      // Many outputs of few inputs, and more samples than one block of a product's steps.
      DenseGradientCase(samples: 1030, inputs: 98, outputs: 197, accumulate: true, pull: true),
    ]
    let notNumbers = [("delta", 20), ("input", 40), ("scale", 3), ("weight", 99)].map {
      DenseGradientCase(samples: 9, inputs: 20, outputs: 7, accumulate: true, pull: true, blemish: $0)
    }
    // The two phases of contrastive divergence, and every pair of flags.
    let scaled = [(1, 1, 1), (9, 20, 7), (128, 64, 32), (300, 17, 129), (33, 784, 65)].enumerated().flatMap { i, size in
      [(false, false), (false, true), (true, false), (true, true)].map {
        DenseGradientCase(
          samples: size.0, inputs: size.1, outputs: size.2, accumulate: $0, pull: i % 2 == 1,
          scale: $0 ? 1 / Double(size.0 + 1) : -0.7, accumulateBias: $1)
      }
    }
    // Sums of a gradient twice as tall as wide are turned by blocks: every remainder of a block, of both shapes.
    let widths: [Int] = Array(1...49) + [95]
    let remainders = widths.flatMap { (few: Int) -> [DenseGradientCase] in
      let many = 2 * few + 99
      let (accumulate, pull) = (few % 3 == 0, few % 2 == 0)
      return [
        DenseGradientCase(samples: 5, inputs: few, outputs: many, accumulate: accumulate, pull: pull),
        DenseGradientCase(samples: 5, inputs: many, outputs: few, accumulate: accumulate, pull: pull),
      ]
    }
    return plain + options + training + scaled + notNumbers + remainders
  }
}
