import CinchBackend

extension Conformance {
  static var samplingCases: [any ConformanceCase] {
    SampleCase.all + SampleGradientCase.all + PriorDivergenceCase.all
      + [
        Rejection("sample", "an odd number of parameters", .sample([3, 7], [3, 3])),
        Rejection("sample", "a code of another width", .sample([3, 8], [3, 5])),
        Rejection("sample", "a first row that begins within a block", .sample([3, 6], [3, 3], firstRow: 2)),
        Rejection("sample", "a code over its parameters", .sampleOverParameters([3, 8], [3, 4])),
        Rejection("sampleGradient", "a result of the code's width", .sampleGradient([3, 8], [3, 4])),
        Rejection("priorDivergence", "an odd number of parameters", .priorDivergence([3, 7], [3])),
        Rejection("priorDivergence", "one divergence for each unit", .priorDivergence([3, 8], [4])),
      ]
  }
}

/// What the cases of the sampling layer share: the parameters, and estimates of what is made of them.
private struct SamplingData {
  let samples: Int, units: Int

  var parameters: Shape { [samples, 2 * units] }
  var code: Shape { [samples, units] }

  /// Means within ±2, and log variances within ±3.
  func values(_ seed: String, blemish: Int?) -> [Float] {
    var values = CaseData.uniform(parameters, -2...2, seed)
    for i in values.indices where i % (2 * units) >= units { values[i] *= 1.5 }
    if let blemish { values[blemish] = .nan }
    return values
  }

  /// Calls `body` with each element's mean and log variance.
  func map<T>(_ ms: [Double], _ body: (_ element: Int, _ mean: Estimate, _ logVariance: Estimate) -> T) -> [T] {
    (0..<samples * units).map { e in
      let at = e / units * 2 * units + e % units
      return body(e, .exact(ms[at]), .exact(ms[at + units]))
    }
  }

  /// A standard normal number: see `CorruptCase.gaussianError`.
  func noise(_ draws: Draws, _ element: Int) -> Estimate {
    Estimate(
      draws.philox.gaussian(element: draws.firstRow * units + element, step: draws.step), error: Self.noiseError)
  }

  private static let noiseError = (5 + 8) * 5.8

  static let sizes =
    [
      (1, 1), (1, 2), (3, 5), (33, 17), (5, 392), (129, 2), (64, 32), (7, 63), (257, 3), (17, 1), (100, 16), (2, 1000),
    ] + CaseData.ragged.map { ($0.rows, $0.columns) }
}

/// A code drawn from its means and log variances, or the means.
struct SampleCase: OpCase {
  let samples: Int, units: Int
  var draw: (seed: UInt64, step: UInt64)?
  var firstRow = 0
  var blemish: Int?

  let op = "sample"
  var name: String {
    "\(samples) of \(units)" + (draw.map { ", seed \($0.seed), step \($0.step)" } ?? ", means")
      + (firstRow > 0 ? ", batch from row \(firstRow)" : "") + (blemish.map { ", NaN at \($0)" } ?? "")
  }
  var expectsNaN: Bool { blemish != nil }
  private var data: SamplingData { SamplingData(samples: samples, units: units) }
  private var draws: Draws? {
    draw.map { Draws(Philox(seed: $0.seed, stream: .sampling, site: 1), step: $0.step, firstRow: firstRow) }
  }

  func arguments<B: Backend>(for backend: B) -> [Argument] {
    [.input("ms", data.parameters, data.values(name, blemish: blemish)), .output("z", data.code)]
  }

  func call<B: Backend>(_ backend: B, _ t: Tensors<B.Buffer>) throws {
    try backend.sample(t["ms"], draws, into: t["z"])
  }

  func errors(_ v: CaseValues) throws -> [String: [Double]] {
    guard let draws else { return [:] }
    return [
      "z": data.map(v["ms"]) { e, mean, logVariance in
        (mean + (.exact(0.5) * logVariance).exponential * data.noise(draws, e)).error
      }
    ]
  }

  static var all: [SampleCase] {
    let drawn = SamplingData.sizes.enumerated().map { i, size in
      SampleCase(samples: size.0, units: size.1, draw: Conformance.draws[i % Conformance.draws.count])
    }
    let means = SamplingData.sizes.map { SampleCase(samples: $0.0, units: $0.1) }
    let continued = [(12, 33, 17), (8, 129, 2), (1 << 27, 64, 32)].map {
      SampleCase(samples: $0.1, units: $0.2, draw: Conformance.draws[2], firstRow: $0.0)
    }
    // A mean and a log variance.
    let notNumbers = [20, 15].flatMap {
      [SampleCase(samples: 5, units: 6, draw: Conformance.draws[1], blemish: $0)]
    }
    return drawn + means + continued + notNumbers + [SampleCase(samples: 5, units: 6, blemish: 13)]
  }
}

/// The gradient at the means and log variances.
struct SampleGradientCase: OpCase {
  let samples: Int, units: Int
  var prior = 0.3
  var firstRow = 0
  var blemish: (argument: String, index: Int)?

  let op = "sampleGradient"
  var name: String {
    "\(samples) of \(units), prior \(prior)" + (firstRow > 0 ? ", batch from row \(firstRow)" : "")
      + (blemish.map { ", NaN in \($0.argument)[\($0.index)]" } ?? "")
  }
  var expectsNaN: Bool { blemish != nil }
  private var data: SamplingData { SamplingData(samples: samples, units: units) }
  private var draws: Draws { Draws(Philox(seed: 77, stream: .sampling), step: 1 << 33 + 5, firstRow: firstRow) }

  func arguments<B: Backend>(for backend: B) -> [Argument] {
    var delta = CaseData.uniform(data.code, -1...1, name + "delta")
    if let blemish, blemish.argument == "delta" { delta[blemish.index] = .nan }
    let inMs = blemish.flatMap { $0.argument == "ms" ? $0.index : nil }
    return [
      .input("delta", data.code, delta), .input("ms", data.parameters, data.values(name, blemish: inMs)),
      .output("result", data.parameters),
    ]
  }

  func call<B: Backend>(_ backend: B, _ t: Tensors<B.Buffer>) throws {
    try backend.sampleGradient(t["delta"], t["ms"], draws, prior: prior, into: t["result"])
  }

  func errors(_ v: CaseValues) throws -> [String: [Double]] {
    let delta = v["delta"], prior = Estimate.rounded(prior), half = Estimate.exact(0.5)
    var bounds = [Double](repeating: 0, count: data.parameters.count)
    let pairs = data.map(v["ms"]) { e, mean, logVariance in
      let path = .exact(delta[e]) * data.noise(draws, e) * (half * logVariance).exponential
      let divergence = prior * (logVariance.exponential - .exact(1))
      return ((.exact(delta[e]) + prior * mean).error, (half * path + half * divergence).error)
    }
    for (e, pair) in pairs.enumerated() {
      let at = e / units * 2 * units + e % units
      (bounds[at], bounds[at + units]) = pair
    }
    return ["result": bounds]
  }

  static var all: [SampleGradientCase] {
    SamplingData.sizes.enumerated().map { i, size in
      SampleGradientCase(samples: size.0, units: size.1, prior: [0.3, 0, 1.0 / 128][i % 3])
    } + [SampleGradientCase(samples: 33, units: 17, firstRow: 12)]
      + [("delta", 20), ("ms", 20), ("ms", 15)].map { SampleGradientCase(samples: 5, units: 6, blemish: $0) }
  }
}

/// The divergence of each sample's code from the prior.
struct PriorDivergenceCase: OpCase {
  let samples: Int, units: Int
  var blemish: Int?

  let op = "priorDivergence"
  var name: String { "\(samples) of \(units)" + (blemish.map { ", NaN at \($0)" } ?? "") }
  var expectsNaN: Bool { blemish != nil }
  private var data: SamplingData { SamplingData(samples: samples, units: units) }

  func arguments<B: Backend>(for backend: B) -> [Argument] {
    [.input("ms", data.parameters, data.values(name, blemish: blemish)), .output("divergences", [samples])]
  }

  func call<B: Backend>(_ backend: B, _ t: Tensors<B.Buffer>) throws {
    try backend.priorDivergence(t["ms"], into: t["divergences"])
  }

  func errors(_ v: CaseValues) throws -> [String: [Double]] {
    let terms = data.map(v["ms"]) { _, mean, logVariance in
      // Which of the three numbers is taken off first is the device's affair: the largest pair rounds the most.
      let rest = logVariance.exponential - .exact(1) - logVariance
      let term = mean * mean + rest
      return Estimate(term.value, error: term.error + abs(logVariance.value) + 1)
    }
    return [
      "divergences": (0..<samples).map {
        (.exact(0.5) * Estimate.sum(Array(terms[($0 * units)..<(($0 + 1) * units)]))).error
      }
    ]
  }

  static var all: [PriorDivergenceCase] {
    SamplingData.sizes.map { PriorDivergenceCase(samples: $0.0, units: $0.1) }
      + [20, 15].map { PriorDivergenceCase(samples: 5, units: 6, blemish: $0) }
  }
}
