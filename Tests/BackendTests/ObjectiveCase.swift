import CinchBackend
import Testing

/// A one-layer autoencoder's whole objective, penalties included, as the trainer will chain the ops: forward with
/// its epilogue, loss epilogue, backward epilogue with its terms, dense gradient with its row pull.
struct ObjectiveCase: Sendable, CustomTestStringConvertible {
  enum Penalty: String, Sendable, CaseIterable {
    case none
    case kl = "KL"
    case klMomentum = "KL with momentum"
    case l1 = "L1"
    case contractive
    case all = "every penalty"
  }

  let activation: Activation
  let penalty: Penalty

  var testDescription: String { "\(activation.rawValue), \(penalty.rawValue)" }

  /// KL needs activations in (0, 1), so it goes with the sigmoid only.
  static let all = Activation.allCases.flatMap { activation in
    Penalty.allCases.filter { activation.isProbability || ![.kl, .klMomentum, .all].contains($0) }
      .map { ObjectiveCase(activation: activation, penalty: $0) }
  }

  private static let n = 4
  private static let inputs = 5
  private static let units = 3

  var gradientCase: GradientCase {
    GradientCase(name: testDescription, start: numbers(Self.units * Self.inputs, step: 31), evaluate: evaluate)
  }

  private var settings: KLSettings? {
    switch penalty {
    case .kl: KLSettings(rho: 0.05, beta: 3)
    case .klMomentum, .all: KLSettings(rho: 0.05, beta: 3, momentum: 0.9)
    default: nil
    }
  }
  private var l1: Double { penalty == .l1 || penalty == .all ? 0.7 : 0 }
  private var lambda: Double { penalty == .contractive || penalty == .all ? 0.6 : 0 }

  private func evaluate(_ backend: ReferenceBackend, _ weight: [Double]) throws -> GradientCase.Evaluation {
    let (n, inputs, units) = (Self.n, Self.inputs, Self.units)
    let x = try backend.tensor([n, inputs], numbers(n * inputs, step: 32))
    let encoder = try backend.tensor([units, inputs], weight)
    let decoder = try backend.tensor([inputs, units], numbers(inputs * units, step: 33))
    let bias = try backend.tensor([units], numbers(units, step: 34))
    let h = try backend.tensor([n, units]), delta = try backend.tensor([n, inputs])
    let hidden = try backend.tensor([n, units])
    let partials = try backend.tensor([backend.lossPartialCount(rows: n, columns: inputs)])

    try backend.matmul(
      x, transposeA: false, encoder, transposeB: true, into: h,
      epilogue: .forward(bias: bias, activation: activation))
    let loss = FusedLoss(
      .sse, activation: .linear, bias: nil, target: x, gradientScale: 1 / Double(n), partials: partials)
    try backend.matmul(h, transposeA: false, decoder, transposeB: true, into: delta, epilogue: .loss(loss))
    var value = try backend.read(partials).reduce(0, +) / Double(n)

    var terms = ActivationGradient(activation, output: h, l1: l1 / Double(n))
    if l1 > 0 { value += l1 / Double(n) * (try backend.read(h)).reduce(0) { $0 + abs($1) } }
    if let settings {
      let column = try backend.tensor([units]), penalties = try backend.tensor([units])
      let means = try backend.tensor([units], [0.2, 0.5, 0.7])
      try backend.klSparsity(h, settings, KLResult(means: means, column: column, values: penalties))
      value += try backend.read(penalties).reduce(0, +)
      terms.column = column
    }
    var pull: RowPull<ReferenceBuffer>?
    if lambda > 0 {
      let norms = try backend.tensor([units]), slopes = try backend.tensor([units])
      let penalties = try backend.tensor([units])
      try backend.rowSquares(encoder, into: norms)
      try backend.contractive(h, activation, norms: norms, slopes: slopes, values: penalties)
      value += lambda * (try backend.read(penalties)).reduce(0, +)
      terms.curvature = (norms: norms, factor: 2 * lambda / Double(n))
      pull = RowPull(scale: slopes, weight: encoder, factor: 2 * lambda)
    }

    try backend.matmul(delta, transposeA: false, decoder, transposeB: false, into: hidden, epilogue: .backward(terms))
    let gradient = try backend.tensor([units, inputs]), biasGradient = try backend.tensor([units])
    try backend.denseGradient(
      delta: hidden, input: x, weightGradient: gradient, biasGradient: biasGradient, accumulate: false, rowPull: pull)
    return (value, try backend.read(gradient))
  }
}
