import CinchBackend
import Testing

@testable import CinchCore

/// The gradient of the whole objective, layer by layer and penalty by penalty, against central differences in
/// Double on the reference device.
@Suite struct GradientTests {
  @Test(arguments: Variants.all.filter { $0.objective.chain == nil })
  func wholeObjective(_ recipe: Recipe) throws {
    var recipe = recipe
    recipe.gradientClip = nil
    recipe.optimizer = Optimizer(.sgd)
    // A moving average of the mean activation changes with every evaluation; the op's own tests cover it.
    recipe.penalties.kl?.momentum = 0
    let backend = ReferenceBackend()
    let x = try Variants.data(count: 4, features: recipe.input).values.map { Double($0) }
    let noise = Philox(seed: 5, stream: .test)
    let input = x.indices.map { x[$0] * Double(Philox.uniform(noise.word(element: $0, step: 1))) }
    let fixture = try StepFixture(recipe, on: backend, x: x, input: input)
    let parameters = fixture.network.parameters
    // Off zero, so that no ReLU or L1 term sits on its kink.
    var values = try backend.read(parameters)
    for index in values.indices { values[index] += 0.02 * Double(1 + index % 7) }

    let gradient = try fixture.gradient(at: values)

    // A random cotangent: the derivative along it is ⟨gradient, direction⟩.
    for trial in 0..<6 {
      let philox = Philox(seed: UInt64(trial), stream: .test)
      // Buffers at the end of the arena are not learned.
      let direction = values.indices.map { index in
        index < fixture.network.layout.trainedCount
          ? 2 * Double(Philox.uniform(philox.word(element: index, step: 9))) - 1 : 0
      }
      let h = 1e-5
      let up = try fixture.objective(at: zip(values, direction).map { $0 + h * $1 })
      let down = try fixture.objective(at: zip(values, direction).map { $0 - h * $1 })
      let numeric = (up - down) / (2 * h)
      let analytic = zip(gradient, direction).reduce(0) { $0 + $1.0 * $1.1 }
      let scale = max(abs(numeric), abs(analytic), 1e-3)
      #expect(abs(numeric - analytic) / scale <= 1e-6, "\(recipe.name): \(analytic) against \(numeric)")
    }
  }

  /// Forward and backward leave no trace: until an update ends, the same weights and pass give the same gradients, bit
  /// for bit, however often they are asked for.
  @Test(arguments: Variants.all)
  func askingAgainChangesNothing(_ recipe: Recipe) throws {
    let backend = ReferenceBackend()
    let x = try Variants.data(count: 4, features: recipe.input).values.map { Double($0) }
    let fixture = try StepFixture(recipe, on: backend, x: x)
    func gradients(step: Int) throws -> [Double] {
      let pass = Pass(.training, step: UInt64(step), seed: recipe.seed, batchRows: fixture.x.rows)
      let batch = Batch(pass: pass, input: fixture.input, target: fixture.target)
      try fixture.learner.forward(batch)
      try fixture.learner.backward(batch, into: .arena)
      return try backend.read(fixture.network.gradients)
    }
    let still = OptimizerStep(recipe.optimizer.step(0, scale: 0, weightDecay: 0, decayCount: 0).rule, learningRate: 0)
    for step in 0..<3 {
      let first = try gradients(step: step)
      #expect(try gradients(step: step) == first)
      try fixture.update(still, step: step)
    }
  }

  /// A batch in two parts, each with a network of its own as two processes have them: once the statistics are summed,
  /// the gradients and the records add up to those of the whole.
  @Test(arguments: Variants.all)
  func partsAddUp(_ recipe: Recipe) throws {
    let backend = ReferenceBackend()
    let rows = 8
    let x = try Variants.data(count: rows, features: recipe.input).values.map { Double($0) }
    let whole = try StepFixture(recipe, on: backend, x: x)
    let parts = try [0..<5, 5..<rows].map { range in
      (
        range,
        try StepFixture(
          recipe, on: backend, x: Array(x[range.lowerBound * recipe.input..<range.upperBound * recipe.input]))
      )
    }
    for step in 0..<2 {
      func batch(_ fixture: StepFixture<ReferenceBackend>, _ range: Range<Int>) -> Batch<ReferenceBuffer> {
        let pass = Pass(
          .training, step: UInt64(step), seed: recipe.seed, firstRow: range.lowerBound, batchRows: rows)
        let target =
          recipe.loss.target == .samples
          ? fixture.target : whole.target.slice(at: range.lowerBound, shape: [range.count, 1])
        return Batch(pass: pass, input: fixture.input, target: target)
      }
      func sum(_ tensors: [Tensor<ReferenceBuffer>]) throws -> [Double] {
        try tensors.map { try backend.read($0) }.reduce([]) { $0.isEmpty ? $1 : zip($0, $1).map(+) }
      }
      let all = batch(whole, 0..<rows)
      try whole.learner.forward(all)
      try whole.learner.backward(all, into: .arena)
      try whole.learner.record(all, into: whole.record)

      for (range, part) in parts { try part.learner.forward(batch(part, range)) }
      for index in whole.learner.statistics.indices {
        let total = try sum(parts.map { $0.1.learner.statistics[index] })
        for (_, part) in parts { try backend.write(total, to: part.learner.statistics[index]) }
      }
      for (range, part) in parts {
        try part.learner.backward(batch(part, range), into: .arena)
        try part.learner.record(batch(part, range), into: part.record)
      }
      for (got, want) in [
        (try sum(parts.map(\.1.network.gradients)), try backend.read(whole.network.gradients)),
        (try sum(parts.map(\.1.record)), try backend.read(whole.record)),
      ] {
        // Sums of a few hundred products in another order.
        let scale = want.reduce(1e-3) { max($0, abs($1)) }
        #expect(zip(got, want).allSatisfy { abs($0 - $1) <= 1e-12 * scale }, "\(recipe.testDescription)")
      }
      for fixture in [whole] + parts.map(\.1) { try fixture.learner.endUpdate() }
    }
  }
}
