import CinchBackend

extension Conformance {
  static var activationCases: [any ConformanceCase] {
    ActivateCase.all + ActivationGradientCase.all
      + [
        Rejection("activate", "a bias of another width", .activate([3, 4], bias: [3], [3, 4])),
        Rejection("activationGradient", "an output of another shape", .activationGradient([3, 4], output: [4, 3])),
      ]
  }
}

/// The optional terms of an `ActivationGradient`.
struct GradientTerms: Sendable {
  let activation: Activation
  let column: Bool
  let l1: Double
  let curvature: Bool

  private static let factor = 0.4

  static func all(_ activation: Activation) -> [GradientTerms] {
    (0..<8).map {
      GradientTerms(activation: activation, column: $0 & 1 != 0, l1: $0 & 2 != 0 ? 0.3 : 0, curvature: $0 & 4 != 0)
    }
  }

  var name: String {
    activation.rawValue + (column ? " + column" : "") + (l1 != 0 ? " + L1" : "") + (curvature ? " + curvature" : "")
  }

  /// `map` may put a NaN into an argument's values.
  func arguments(_ shape: Shape, _ seed: String, map: (String, [Float]) -> [Float]) -> [Argument] {
    let units: Shape = [shape.columns]
    var result = [
      Argument.input("output", shape, map("output", CaseData.outputs(activation, shape, seed + "output")))
    ]
    if column {
      result.append(.input("column", units, map("column", CaseData.uniform(units, -2...2, seed + "column"))))
    }
    if curvature {
      result.append(.input("norms", units, map("norms", CaseData.uniform(units, 0...3, seed + "norms"))))
    }
    return result
  }

  /// The terms of an image: a row per pixel, a unit per channel.
  func arguments(image: Shape, _ seed: String, map: (String, [Float]) -> [Float]) -> [Argument] {
    let channels = image.dimensions[3]
    return arguments([image.count / channels, channels], seed, map: map).map {
      $0.name == "output" ? $0.reshaped(image) : $0
    }
  }

  func bind<Buffer>(_ t: Tensors<Buffer>) -> ActivationGradient<Buffer> {
    ActivationGradient(
      activation, output: t["output"], column: t.optional("column"), l1: l1,
      curvature: curvature ? (norms: t["norms"], factor: Self.factor) : nil)
  }

  func estimate(_ gradient: Estimate, index: Int, column j: Int, _ v: CaseValues) -> Estimate {
    let h = Estimate.exact(v["output"][index])
    var atOutput = gradient
    if column { atOutput = atOutput + .exact(v["column"][j]) }
    if l1 != 0 { atOutput = atOutput + .rounded(h.value > 0 ? l1 : h.value < 0 ? -l1 : 0) }
    var delta = atOutput * activation.slopeEstimate(h)
    if curvature {
      delta =
        delta + .rounded(Self.factor) * .exact(v["norms"][j]) * activation.slopeEstimate(h)
        * activation.curvatureEstimate(h)
    }
    return delta
  }
}

/// y = f(x + bias).
struct ActivateCase: OpCase {
  let shape: Shape
  let activation: Activation
  var bias = false
  var inPlace = false
  /// In place of random values.
  var values: [Float]?
  var label = ""

  let op = "activate"
  var name: String {
    "\(activation.rawValue), \(shape)" + (bias ? " + bias" : "") + (inPlace ? ", in place" : "") + label
  }
  var expectsNaN: Bool { values?.contains { $0.isNaN } ?? false }

  func arguments<B: Backend>(for backend: B) -> [Argument] {
    let x = values ?? CaseData.uniform(shape, -30...30, name)
    let units: Shape = [shape.columns]
    return (inPlace ? [.update("x", shape, x)] : [.input("x", shape, x), .output("y", shape)])
      + (bias ? [.input("bias", units, CaseData.uniform(units, -1...1, name + "bias"))] : [])
  }

  func call<B: Backend>(_ backend: B, _ t: Tensors<B.Buffer>) throws {
    try backend.activate(t["x"], bias: t.optional("bias"), activation, into: inPlace ? t["x"] : t["y"])
  }

  func errors(_ v: CaseValues) throws -> [String: [Double]] {
    let biases = v.optional("bias")
    let bounds = v["x"].enumerated().map { i, x in
      let a = biases.map { Estimate.exact(x) + .exact($0[i % shape.columns]) } ?? .exact(x)
      return activation.estimate(a).error
    }
    return [inPlace ? "x" : "y": bounds]
  }

  /// Where exp overflows, underflows and disappears beside 1.
  static let extremes: [Float] = [100, -100, 88, -88, 104, -104, 1e-30, -1e-30, 1e-10, -1e-10, 17, -17, 0, -0.0, 1, -1]

  static var all: [ActivateCase] {
    let shapes: [Shape] = [[1, 1], [3, 5], [17, 33], [129, 65], [7, 300], [1, 784], [256, 12], [64, 64]]
    return Activation.allCases.flatMap { activation in
      shapes.flatMap { shape in
        [
          ActivateCase(shape: shape, activation: activation),
          ActivateCase(shape: shape, activation: activation, bias: true),
          ActivateCase(shape: shape, activation: activation, bias: true, inPlace: true),
        ]
      } + [
        ActivateCase(
          shape: [301, 1], activation: activation, values: (0...300).map { (Float($0) - 150) / 75 },
          label: ", near zero"),
        ActivateCase(shape: [extremes.count], activation: activation, values: extremes, label: ", extremes"),
        ActivateCase(
          shape: [5, 4], activation: activation,
          values: CaseData.withNaN(CaseData.uniform([5, 4], -1...1, "NaN"), at: 6), label: ", NaN"),
      ]
    }
      + CaseData.ragged.enumerated().map { i, shape in
        let activation = Activation.allCases[i % Activation.allCases.count]
        return ActivateCase(shape: shape, activation: activation, bias: i % 4 != 0, inPlace: i % 2 == 1)
      }
  }
}

/// δ = (g + …)⊙f′(h) + ….
struct ActivationGradientCase: OpCase {
  let shape: Shape
  let terms: GradientTerms
  var inPlace = false
  var blemish: (argument: String, index: Int)?

  let op = "activationGradient"
  var name: String {
    "\(terms.name), \(shape)" + (inPlace ? ", in place" : "")
      + (blemish.map { ", NaN in \($0.argument)[\($0.index)]" } ?? "")
  }
  var expectsNaN: Bool { blemish != nil }

  func arguments<B: Backend>(for backend: B) -> [Argument] {
    func values(_ argument: String, _ values: [Float]) -> [Float] {
      guard let blemish, blemish.argument == argument else { return values }
      return CaseData.withNaN(values, at: blemish.index)
    }
    let gradient = values("gradient", CaseData.uniform(shape, -2...2, name))
    return
      (inPlace
      ? [.update("gradient", shape, gradient)] : [.input("gradient", shape, gradient), .output("result", shape)])
      + terms.arguments(shape, name, map: values)
  }

  func call<B: Backend>(_ backend: B, _ t: Tensors<B.Buffer>) throws {
    try backend.activationGradient(t["gradient"], terms.bind(t), into: inPlace ? t["gradient"] : t["result"])
  }

  func errors(_ v: CaseValues) throws -> [String: [Double]] {
    let bounds = v["gradient"].enumerated().map { i, g in
      terms.estimate(.exact(g), index: i, column: i % shape.columns, v).error
    }
    return [inPlace ? "gradient" : "result": bounds]
  }

  static var all: [ActivationGradientCase] {
    let shapes: [Shape] = [[1, 1], [3, 5], [17, 33], [65, 129], [7, 300], [64, 16]]
    let plain = Activation.allCases.flatMap { activation in
      GradientTerms.all(activation).enumerated().flatMap { i, terms in
        [
          ActivationGradientCase(shape: shapes[i % shapes.count], terms: terms),
          ActivationGradientCase(shape: shapes[(i + 3) % shapes.count], terms: terms, inPlace: true),
        ]
      }
    }
    let smooth = GradientTerms(activation: .sigmoid, column: true, l1: 0, curvature: true)
    let notNumbers = [("gradient", 6), ("output", 11), ("column", 2), ("norms", 3)].map {
      ActivationGradientCase(shape: [5, 4], terms: smooth, blemish: $0)
    }
    let allTerms = Activation.allCases.flatMap(GradientTerms.all)
    let ragged = CaseData.ragged.enumerated().map { i, shape in
      ActivationGradientCase(shape: shape, terms: allTerms[5 * i % allTerms.count], inPlace: i % 2 == 1)
    }
    return plain + ragged + notNumbers
  }
}
