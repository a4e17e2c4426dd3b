import CinchBackend
import Testing

/// Every gradient in Cinch, against central differences in Double.
@Suite("Gradients") struct GradientTests {
  @Test("Activations", arguments: GradientCase.activations)
  func activations(_ row: GradientCase) throws { #expect(try row.relativeError() <= 1e-6) }

  @Test("Losses", arguments: GradientCase.losses)
  func losses(_ row: GradientCase) throws { #expect(try row.relativeError() <= 1e-6) }

  @Test("Products and optimiser", arguments: GradientCase.products)
  func products(_ row: GradientCase) throws { #expect(try row.relativeError() <= 1e-6) }

  @Test("Whole objectives by the encoder's weight", arguments: ObjectiveCase.all)
  func objectives(_ row: ObjectiveCase) throws { #expect(try row.gradientCase.relativeError() <= 1e-6) }
}

extension GradientCase {
  private static let rows = 3
  private static let columns = 5

  static let activations = Activation.allCases.map { activation in
    GradientCase(name: activation.rawValue, start: numbers(rows * columns, bound: 3, step: 1)) { backend, values in
      let shape: Shape = [rows, columns]
      let cotangent = numbers(shape.count, step: 2)
      let x = try backend.tensor(shape, values), y = try backend.tensor(shape)
      let gradient = try backend.tensor(shape, cotangent)
      try backend.activate(x, bias: nil, activation, into: y)
      try backend.activationGradient(gradient, ActivationGradient(activation, output: y), into: gradient)
      return (dot(cotangent, try backend.read(y)), try backend.read(gradient))
    }
  }

  static let losses: [GradientCase] =
    ReconstructionLoss.allCases.flatMap { loss in
      Activation.allCases.filter { loss != .bce || $0 == .sigmoid }.flatMap { activation in
        [false, true].map { reconstruction(loss, activation, weighted: $0) }
      }
    } + [softmax, logVariance(weighted: false), logVariance(weighted: true)]

  /// Weights with zeros among them.
  private static let weights = numbers(rows * columns, step: 24).map { $0 < 0 ? 0 : $0 }

  private static func reconstruction(
    _ loss: ReconstructionLoss, _ activation: Activation, weighted: Bool
  ) -> GradientCase {
    GradientCase(
      name: "\(loss.rawValue) of \(activation.rawValue)" + (weighted ? ", weighted" : ""),
      start: numbers(rows * columns, bound: 3, step: 3)
    ) { backend, values in
      let shape: Shape = [rows, columns], scale = 0.37
      let a = try backend.tensor(shape, values), gradient = try backend.tensor(shape)
      let partials = try backend.tensor([backend.lossPartialCount(rows: rows, columns: columns)])
      let fused = FusedLoss(
        loss, activation: activation, bias: nil,
        target: try backend.tensor(shape, numbers(shape.count, step: 4).map(abs)),
        weight: weighted ? try backend.tensor(shape, weights) : nil,
        logVariance: loss == .gaussian ? try backend.tensor([1], [0.6]) : nil, gradientScale: scale,
        partials: partials)
      try backend.reconstructionLoss(a, fused, gradient: gradient)
      return (scale * (try backend.read(partials)).reduce(0, +), try backend.read(gradient))
    }
  }

  /// The mean gaussian loss by log σ².
  private static func logVariance(weighted: Bool) -> GradientCase {
    GradientCase(name: "log variance" + (weighted ? ", weighted" : ""), start: [-0.3]) { backend, values in
      let shape: Shape = [rows, columns], scale = 1 / Double(rows)
      let a = try backend.tensor(shape, numbers(shape.count, step: 25)), s = try backend.tensor([1], values)
      let weight = weighted ? try backend.tensor(shape, weights) : nil
      let partials = try backend.tensor([rows]), gradient = try backend.tensor([1]), total = try backend.tensor([1])
      let fused = FusedLoss(
        .gaussian, activation: .tanh, bias: nil, target: try backend.tensor(shape, numbers(shape.count, step: 26)),
        weight: weight, logVariance: s, gradientScale: scale, partials: partials)
      try backend.reconstructionLoss(a, fused, gradient: backend.tensor(shape))
      if let weight { try backend.sumOfMagnitudes(weight, into: total) }
      try backend.logVarianceGradient(
        partials, weight: weighted ? .partials(total) : .elements(shape.count), logVariance: s, scale: scale,
        into: gradient)
      return (scale * (try backend.read(partials)).reduce(0, +), try backend.read(gradient))
    }
  }

  private static let softmax = GradientCase(name: "softmax", start: numbers(rows * columns, bound: 3, step: 5)) {
    backend, values in
    let shape: Shape = [rows, columns], scale = 1.7
    let logits = try backend.tensor(shape, values), gradient = try backend.tensor(shape)
    let labels = try backend.tensor([rows], [0, 4, 2]), losses = try backend.tensor([rows])
    let errors = try backend.tensor([rows])
    try backend.softmaxLoss(
      logits, labels: labels, gradientScale: scale, gradient: gradient, losses: losses, errors: errors)
    return (scale * (try backend.read(losses)).reduce(0, +), try backend.read(gradient))
  }

  private static let mixed = GradientCase(name: "mixed columns", start: numbers(3 * 7, bound: 2, step: 31)) {
    backend, values in
    let shape: Shape = [3, 7], scale = 0.7
    let columns = try backend.outputColumns([.number, .category(3), .binary, .category(2)])
    let x = [0.3, 0, 1, 0, 1, 1, 0, -2, 1, 0, 0, 0, 0, 1, 1.5, 0, 0, 1, 1, 0, 1]
    let w: [Double] = [1, 1, 1, 1, 0, 2, 2, 0, 0.5, 0.5, 0.5, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1]
    let a = try backend.tensor(shape, values), gradient = try backend.tensor(shape), losses = try backend.tensor(shape)
    try backend.mixedLoss(
      a, columns, target: backend.tensor(shape, x), weight: backend.tensor(shape, w), gradientScale: scale,
      gradient: gradient, losses: losses)
    return (scale * (try backend.read(losses)).reduce(0, +), try backend.read(gradient))
  }

  /// ⟨u, z⟩ + prior·KL by the means and log variances, the noise held still.
  private static let sampling = GradientCase(name: "sampling layer", start: numbers(3 * 8, step: 22)) {
    backend, values in
    let u = numbers(3 * 4, step: 23), prior = 0.4
    let ms = try backend.tensor([3, 8], values), delta = try backend.tensor([3, 4], u)
    let z = try backend.tensor([3, 4]), gradient = try backend.tensor([3, 8]), divergences = try backend.tensor([3])
    let draws = Draws(Philox(seed: 5, stream: .sampling), step: 2, firstRow: 7)
    try backend.sample(ms, draws, into: z)
    try backend.priorDivergence(ms, into: divergences)
    try backend.sampleGradient(delta, ms, draws, prior: prior, into: gradient)
    let value = dot(u, try backend.read(z)) + prior * (try backend.read(divergences)).reduce(0, +)
    return (value, try backend.read(gradient))
  }

  static let products = [
    sampling, mixed, dense, scaledDense, tied, fusedLoss, decay(scaled: false), decay(scaled: true),
  ]

  /// ⟨u, XWᵀ + b⟩ by W and b.
  private static let dense = GradientCase(name: "denseGradient", start: numbers(20 + 4, step: 6)) { backend, values in
    let u = numbers(3 * 4, step: 7)
    let x = try backend.tensor([3, 5], numbers(15, step: 8)), delta = try backend.tensor([3, 4], u)
    let w = try backend.tensor([4, 5], Array(values[..<20])), b = try backend.tensor([4], Array(values[20...]))
    let y = try backend.tensor([3, 4]), dW = try backend.tensor([4, 5]), db = try backend.tensor([4])
    try backend.matmul(
      x, transposeA: false, w, transposeB: true, into: y, epilogue: .forward(bias: b, activation: .linear))
    try backend.denseGradient(
      delta: delta, input: x, weightGradient: dW, biasGradient: db, accumulate: false, rowPull: nil)
    return (dot(u, try backend.read(y)), try backend.read(dW) + backend.read(db))
  }

  /// −⅔·⟨u, XWᵀ + b⟩ + ⟨v, (W, b)⟩ by W and b: added to gradients that hold v, as a negative phase is.
  private static let scaledDense = GradientCase(name: "denseGradient, scaled and added", start: numbers(24, step: 18)) {
    backend, values in
    let u = numbers(3 * 4, step: 19), v = numbers(24, step: 20), scale = -2 / 3.0
    let x = try backend.tensor([3, 5], numbers(15, step: 21)), delta = try backend.tensor([3, 4], u)
    let w = try backend.tensor([4, 5], Array(values[..<20])), b = try backend.tensor([4], Array(values[20...]))
    let y = try backend.tensor([3, 4])
    let dW = try backend.tensor([4, 5], Array(v[..<20])), db = try backend.tensor([4], Array(v[20...]))
    try backend.matmul(
      x, transposeA: false, w, transposeB: true, into: y, epilogue: .forward(bias: b, activation: .linear))
    try backend.denseGradient(
      delta: delta, input: x, weightGradient: dW, biasGradient: db, scale: scale, accumulate: true,
      accumulateBias: true, rowPull: nil)
    return (scale * dot(u, try backend.read(y)) + dot(v, values), try backend.read(dW) + backend.read(db))
  }

  /// ⟨u, XWᵀW⟩ by W: a tied autoencoder, whose one weight sums two gradients.
  private static let tied = GradientCase(name: "denseGradient, tied", start: numbers(20, step: 9)) { backend, values in
    let u = numbers(3 * 5, step: 10)
    let x = try backend.tensor([3, 5], numbers(15, step: 11)), cotangent = try backend.tensor([3, 5], u)
    let w = try backend.tensor([4, 5], values), dW = try backend.tensor([4, 5])
    let h = try backend.tensor([3, 4]), delta = try backend.tensor([3, 4]), y = try backend.tensor([3, 5])
    let unused = try backend.tensor([4])
    try backend.matmul(x, transposeA: false, w, transposeB: true, into: h, epilogue: .none)
    try backend.matmul(h, transposeA: false, w, transposeB: false, into: y, epilogue: .none)
    try backend.matmul(cotangent, transposeA: false, w, transposeB: true, into: delta, epilogue: .none)
    try backend.denseGradient(
      delta: delta, input: x, weightGradient: dW, biasGradient: unused, accumulate: false, rowPull: nil)
    try backend.denseGradient(
      delta: h, input: cotangent, weightGradient: dW, biasGradient: unused, accumulate: true, rowPull: nil)
    return (dot(u, try backend.read(y)), try backend.read(dW))
  }

  /// The loss epilogue by the output layer's bias.
  private static let fusedLoss = GradientCase(name: "loss epilogue", start: numbers(5, step: 12)) { backend, values in
    let x = try backend.tensor([3, 4], numbers(12, step: 13)), w = try backend.tensor([5, 4], numbers(20, step: 14))
    let gradient = try backend.tensor([3, 5]), partials = try backend.tensor([3]), bias = try backend.tensor([5])
    let loss = FusedLoss(
      .bce, activation: .sigmoid, bias: try backend.tensor([5], values),
      target: try backend.tensor([3, 5], numbers(15, step: 15).map(abs)), gradientScale: 0.5, partials: partials)
    try backend.matmul(x, transposeA: false, w, transposeB: true, into: gradient, epilogue: .loss(loss))
    try backend.columnSums(gradient, scale: 1, into: bias)
    return (0.5 * (try backend.read(partials)).reduce(0, +), try backend.read(bias))
  }

  /// (λ/2)Σθ² of the weights + ⟨u, θ⟩ of all, read off a gradient-descent step of rate 1.
  private static func decay(scaled: Bool) -> GradientCase {
    GradientCase(name: scaled ? "weight decay, scaled" : "weight decay", start: numbers(9, step: 16)) {
      backend, values in
      let u = numbers(9, step: 17), lambda = 0.3, weights = 6, factor = scaled ? 0.25 : 1
      let theta = try backend.tensor([9], values), gradients = try backend.tensor([9], u)
      try backend.optimizerStep(
        OptimizerStep(.sgd, learningRate: 1, weightDecay: lambda, decayCount: weights), parameters: theta,
        gradients: gradients, first: nil, second: nil,
        gradientScale: scaled ? try backend.tensor([1], [factor]) : nil)
      let moved = try backend.read(theta)
      let value = factor * (lambda / 2 * dot(Array(values[..<weights]), Array(values[..<weights])) + dot(u, values))
      return (value, zip(values, moved).map { $0 - $1 })
    }
  }
}
