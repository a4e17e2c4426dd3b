import CinchBackend

extension Conformance {
  static var penaltyCases: [any ConformanceCase] {
    KLSparsityCase.all + ContractiveCase.all
      + [Rejection("klSparsity", "means of another width", .klSparsity([3, 4], means: [3]))]
  }
}

/// KL sparsity of a code.
struct KLSparsityCase: OpCase {
  let shape: Shape
  let settings: KLSettings
  var blemish: Int?
  /// Whether some units are always off, or always on, so that ρ̂ meets its bounds.
  var saturated = false

  let op = "klSparsity"
  var name: String {
    "\(shape), ρ \(settings.rho), momentum \(settings.momentum)" + (saturated ? ", saturated" : "")
      + (blemish.map { ", NaN at \($0)" } ?? "")
  }
  var expectsNaN: Bool { blemish != nil }

  func arguments<B: Backend>(for backend: B) -> [Argument] {
    let units: Shape = [shape.columns]
    var h = CaseData.uniform(shape, 0.001...0.999, name)
    var old = CaseData.uniform(units, 0.01...0.9, name + "means")
    if saturated {
      for i in h.indices where i % shape.columns % 3 < 2 { h[i] = Float(i % shape.columns % 3) }
      for j in old.indices where j % 3 < 2 { old[j] = Float(j % 3) }
    }
    if let blemish { h[blemish] = .nan }
    return [
      .input("h", shape, h),
      // Without momentum the old means are not read: they are poison.
      settings.momentum > 0
        ? .update("means", units, old) : .output("means", units),
      .output("column", units), .output("values", units),
    ]
  }

  func call<B: Backend>(_ backend: B, _ t: Tensors<B.Buffer>) throws {
    try backend.klSparsity(
      t["h"], settings, KLResult(means: t["means"], column: t["column"], values: t["values"]))
  }

  func errors(_ v: CaseValues) throws -> [String: [Double]] {
    let h = v["h"], old = v["means"], n = shape.rows, units = shape.columns
    let rho = Estimate.rounded(settings.rho), notRho = Estimate.rounded(1 - settings.rho)
    let beta = Estimate.rounded(settings.beta), share = Estimate.rounded(1 - settings.momentum)
    var means: [Double] = [], columns: [Double] = [], values: [Double] = []
    for j in 0..<units {
      var mean = Estimate.sum((0..<n).map { .exact(h[$0 * units + j]) }) * .rounded(1 / Double(n))
      if settings.momentum > 0 { mean = .rounded(settings.momentum) * .exact(old[j]) + share * mean }
      means.append(mean.error)
      let bounded = min(max(mean.value, KLSettings.clamp), 1 - KLSettings.clamp)
      // At a bound 1 − ρ̂ is a constant: the difference from the rounded ρ̂ would be some per cent off.
      let isBounded = bounded != mean.value
      mean = isBounded ? .rounded(bounded) : mean
      let off = isBounded ? Estimate.rounded(1 - bounded) : Estimate.exact(1) - mean
      let slope = notRho / off - rho / mean
      columns.append((share * beta * .rounded(1 / Double(n)) * slope).error)
      values.append((beta * (rho * (rho / mean).logarithm + notRho * (notRho / off).logarithm)).error)
    }
    return ["means": means, "column": columns, "values": values]
  }

  static var all: [KLSparsityCase] {
    let shapes: [Shape] = [
      [1, 1], [3, 5], [16, 33], [65, 129], [257, 17], [100, 196], [300, 1], [1, 64], [33, 32],
    ]
    let plain = shapes.flatMap { shape in
      [0, 0.9].map { KLSparsityCase(shape: shape, settings: KLSettings(rho: 0.05, beta: 3, momentum: $0)) }
    }
    let edges = [0, 0.9].map {
      KLSparsityCase(shape: [17, 12], settings: KLSettings(rho: 0.005, beta: 0.1, momentum: $0), saturated: true)
    }
    let notNumbers = [0, 0.9].map {
      KLSparsityCase(shape: [7, 5], settings: KLSettings(rho: 0.05, beta: 3, momentum: $0), blemish: 13)
    }
    let ragged = CaseData.ragged.map {
      KLSparsityCase(shape: $0, settings: KLSettings(rho: 0.1, beta: 2, momentum: $0.columns % 2 == 0 ? 0.9 : 0))
    }
    return plain + ragged + edges + notNumbers
  }
}

/// The contractive penalty's value and its direct gradient's scale.
struct ContractiveCase: OpCase {
  let shape: Shape
  let activation: Activation
  var blemish: Int?

  let op = "contractive"
  var name: String { "\(activation.rawValue), \(shape)" + (blemish.map { ", NaN at \($0)" } ?? "") }
  var expectsNaN: Bool { blemish != nil }

  func arguments<B: Backend>(for backend: B) -> [Argument] {
    var h = CaseData.outputs(activation, shape, name)
    if let blemish { h[blemish] = .nan }
    let units: Shape = [shape.columns]
    let norms = CaseData.uniform(units, 0...3, name + "norms")
    return [.input("h", shape, h), .input("norms", units, norms), .output("slopes", units), .output("values", units)]
  }

  func call<B: Backend>(_ backend: B, _ t: Tensors<B.Buffer>) throws {
    try backend.contractive(t["h"], activation, norms: t["norms"], slopes: t["slopes"], values: t["values"])
  }

  func errors(_ v: CaseValues) throws -> [String: [Double]] {
    let h = v["h"], norms = v["norms"], n = shape.rows, units = shape.columns
    let slopes = (0..<units).map { j in
      Estimate.sum(
        (0..<n).map {
          let slope = activation.slopeEstimate(.exact(h[$0 * units + j]))
          return slope * slope
        }) * .rounded(1 / Double(n))
    }
    return [
      "slopes": slopes.map(\.error), "values": slopes.indices.map { (slopes[$0] * .exact(norms[$0])).error },
    ]
  }

  static var all: [ContractiveCase] {
    let shapes: [Shape] = [[1, 1], [3, 5], [16, 33], [65, 129], [257, 17], [1, 64]]
    return Activation.allCases.flatMap { activation in
      shapes.map { ContractiveCase(shape: $0, activation: activation) }
    }
      + CaseData.ragged.enumerated().map { i, shape in
        ContractiveCase(shape: shape, activation: Activation.allCases[i % Activation.allCases.count])
      }
      + [.sigmoid, .tanh, .softplus].map { ContractiveCase(shape: [7, 5], activation: $0, blemish: 13) }
  }
}
