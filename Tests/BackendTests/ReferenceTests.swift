import CinchBackend
import Foundation
import Testing

/// Numbers worked out by hand or by another program: the oracle needs one too.
@Suite("Reference backend") struct ReferenceTests {
  let backend = ReferenceBackend()

  @Test("Products with every transpose")
  func matmul() throws {
    let a = try backend.tensor([2, 3], [1, 2, 3, 4, 5, 6]), c = try backend.tensor([2, 2])
    let at = try backend.tensor([3, 2], [1, 4, 2, 5, 3, 6])
    let b = try backend.tensor([3, 2], [7, 8, 9, 10, 11, 12]), bt = try backend.tensor([2, 3], [7, 9, 11, 8, 10, 12])
    for (left, transposeA) in [(a, false), (at, true)] {
      for (right, transposeB) in [(b, false), (bt, true)] {
        try backend.matmul(left, transposeA: transposeA, right, transposeB: transposeB, into: c, epilogue: .none)
        #expect(try backend.read(c) == [58, 64, 139, 154])
      }
    }
    try backend.matmul(a, transposeA: false, b, transposeB: false, into: c, epilogue: .accumulate)
    #expect(try backend.read(c) == [116, 128, 278, 308])
  }

  @Test("Losses per sample: ½‖·‖², ‖·‖²/d, and cross-entropy from logits that overflow a naive sigmoid")
  func losses() throws {
    func loss(_ loss: ReconstructionLoss, _ activation: Activation, _ a: [Double], _ x: [Double]) throws -> [Double] {
      let partials = try backend.tensor([1]), gradient = try backend.tensor([1, a.count])
      let fused = FusedLoss(
        loss, activation: activation, bias: nil, target: try backend.tensor([1, x.count], x), gradientScale: 1,
        partials: partials)
      try backend.reconstructionLoss(try backend.tensor([1, a.count], a), fused, gradient: gradient)
      return try backend.read(partials) + backend.read(gradient)
    }
    #expect(try loss(.sse, .linear, [1, 4], [2, 1]) == [5, -1, 3])
    #expect(try loss(.mse, .linear, [1, 4], [2, 1]) == [5, -1, 3])
    #expect(try loss(.bce, .sigmoid, [1000, -1000], [0, 0]) == [1000, 1, 0])
  }

  @Test("−log N(x | x̂, σ²), and nothing from an element of weight 0, whatever it holds")
  func gaussian() throws {
    let a = try backend.tensor([1, 3], [1, 4, 7]), gradient = try backend.tensor([1, 3]),
      losses = try backend.tensor([1])
    let terms = LossTerms(
      .gaussian, activation: .linear, target: try backend.tensor([1, 3], [3, .nan, .infinity]),
      weight: try backend.tensor([1, 3], [2, 0, 0]), logVariance: try backend.tensor([1], [log(4.0)]))
    // log N(3 | 1, 4) = −½(4/4 + log 8π), twice.
    try backend.sampleLosses(a, terms, into: losses)
    #expect(abs(try backend.read(losses)[0] - (1 + log(8 * Double.pi))) < 1e-14)
    let fused = FusedLoss(
      .gaussian, activation: .linear, bias: nil, target: terms.target, weight: terms.weight,
      logVariance: terms.logVariance, gradientScale: 1, partials: losses)
    try backend.reconstructionLoss(a, fused, gradient: gradient)
    #expect(abs(try backend.read(gradient)[0] + 1) < 1e-15)
    #expect(Array(try backend.read(gradient)[1...]) == [0, 0])
  }

  @Test("A batch's losses add up to its partial sums, whichever way an image's biases repeat")
  func sampleLosses() throws {
    let a = try backend.tensor([2, 4], numbers(8, step: 1)),
      x = try backend.tensor([2, 4], numbers(8, step: 2).map(abs))
    let channels = try backend.tensor([2], [0.3, -0.7]), bias = try backend.tensor([4], [0.3, -0.7, 0.3, -0.7])
    let losses = try backend.tensor([2]), partials = try backend.tensor([2]), gradient = try backend.tensor([2, 4])
    for loss in ReconstructionLoss.allCases {
      let logVariance = loss == .gaussian ? try backend.tensor([1], [0.2]) : nil
      let fused = FusedLoss(
        loss, activation: .sigmoid, bias: bias, target: x, logVariance: logVariance, gradientScale: 1,
        partials: partials)
      var terms = fused.terms
      terms.bias = channels
      try backend.reconstructionLoss(a, fused, gradient: gradient)
      try backend.sampleLosses(a, terms, into: losses)
      #expect(try backend.read(losses) == (try backend.read(partials)))
    }
  }

  @Test(
    "A code at the prior diverges by 0, and one of mean 2 and variance e by ½(4 + e − 2); without draws z is the mean")
  func sampling() throws {
    let ms = try backend.tensor([2, 2], [0, 0, 2, 1]), z = try backend.tensor([2, 1]), kl = try backend.tensor([2])
    try backend.priorDivergence(ms, into: kl)
    #expect(try backend.read(kl)[0] == 0)
    #expect(abs(try backend.read(kl)[1] - (4 + exp(1) - 2) / 2) < 1e-15)
    try backend.sample(ms, nil, into: z)
    #expect(try backend.read(z) == [0, 2])
    let draws = Draws(Philox(seed: 1, stream: .sampling), step: 0)
    try backend.sample(ms, draws, into: z)
    #expect(try backend.read(z)[0] == draws.philox.gaussian(element: 0, step: 0))
    #expect(try backend.read(z)[1] == 2 + exp(0.5) * draws.philox.gaussian(element: 1, step: 0))
  }

  @Test("KL sparsity at ρ̂ = ρ vanishes; the moving average is stored unclamped")
  func sparsity() throws {
    let means = try backend.tensor([2], [0.5, 1]), column = try backend.tensor([2]), values = try backend.tensor([2])
    let h = try backend.tensor([2, 2], [0.1, 1, 0.3, 1])
    let result = KLResult(means: means, column: column, values: values)
    try backend.klSparsity(h, KLSettings(rho: 0.2, beta: 3), result)
    #expect(abs(try backend.read(means)[0] - 0.2) < 1e-15)
    #expect(try backend.read(means)[1] == 1)
    #expect(abs(try backend.read(values)[0]) < 1e-15)
    #expect(abs(try backend.read(column)[0]) < 1e-14)
    #expect(try backend.read(values)[1].isFinite)
    try backend.write([0.6, 0.5], to: means)
    try backend.klSparsity(h, KLSettings(rho: 0.2, beta: 3, momentum: 0.75), result)
    #expect(abs(try backend.read(means)[0] - 0.5) < 1e-15)
  }

  @Test("Adam's first step moves every parameter by the rate, against its gradient's sign")
  func adam() throws {
    let theta = try backend.tensor([2], [1, 1]), gradients = try backend.tensor([2], [1e-3, -50])
    let first = try backend.tensor([2]), second = try backend.tensor([2])
    let rule = OptimizerStep.Rule.adam(beta1: 0.9, beta2: 0.999, epsilon: 0, step: 1)
    try backend.optimizerStep(
      OptimizerStep(rule, learningRate: 0.1), parameters: theta, gradients: gradients, first: first, second: second,
      gradientScale: nil)
    let moved = try backend.read(theta)
    #expect(abs(moved[0] - 0.9) < 1e-14 && abs(moved[1] - 1.1) < 1e-14)
  }

  @Test("Clipping measures the decayed gradient")
  func clipping() throws {
    let theta = try backend.tensor([2], [10, 10]), gradients = try backend.tensor([2], [2, 4])
    let scale = try backend.tensor([1])
    // ‖(2 + 0.1·10, 4)‖ = 5.
    var step = OptimizerStep(.sgd, learningRate: 1, weightDecay: 0.1, decayCount: 1)
    try backend.clipScale(maximum: 2, step, parameters: theta, gradients: gradients, into: scale)
    #expect(abs(try backend.read(scale)[0] - 0.4) < 1e-15)
    step.decoupled = true
    try backend.clipScale(maximum: 20, step, parameters: theta, gradients: gradients, into: scale)
    #expect(try backend.read(scale) == [1])
  }

  @Test("Shapes that do not fit are named")
  func shapes() throws {
    let a = try backend.tensor([2, 3]), b = try backend.tensor([2, 3]), c = try backend.tensor([2, 2])
    let error = #expect(throws: BackendError.self) {
      try backend.matmul(a, transposeA: false, b, transposeB: false, into: c, epilogue: .none)
    }
    #expect(error == .invalidArgument("'matmul': 2 × 3 times 2 × 3 does not give 2 × 2."))
    #expect(throws: BackendError.self) { try backend.columnSums(a, scale: 1, into: c) }
    #expect(throws: BackendError.self) { try backend.fill(Tensor(a.buffer, offset: 1, shape: a.shape), with: 0) }
    #expect(throws: BackendError.self) { try backend.gather(a, SampleOrder(start: 1), into: b) }
    #expect(throws: BackendError.self) {
      let loss = FusedLoss(
        .bce, activation: .linear, bias: nil, target: a, gradientScale: 1, partials: try backend.tensor([2]))
      try backend.reconstructionLoss(a, loss, gradient: b)
    }
  }

  @Test("Ops count launches; reads count waits; nothing else does")
  func counters() throws {
    let x = try backend.tensor([4, 4]), before = backend.counters
    try backend.matmul(x, transposeA: false, x, transposeB: true, into: try backend.tensor([4, 4]), epilogue: .none)
    #expect(backend.counters.allocations == before.allocations + 1)
    #expect(backend.counters.launches == before.launches + 1)
    #expect(backend.counters.waits == before.waits)
    _ = try backend.read(x)
    #expect(backend.counters.waits == before.waits + 1)
  }
}
