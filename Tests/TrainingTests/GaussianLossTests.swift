import CinchBackend
import CinchData
import Foundation
import Testing

@testable import Cinch
@testable import CinchCore

/// The `gaussian` loss and its variance in training, against its formula.
@Suite struct GaussianLossTests {
  private func recipe(sigma: Double? = nil) -> Recipe {
    var recipe = Recipe(
      name: "gaussian", layers: [5, 2], activation: .tanh, outputActivation: .linear, loss: .gaussian)
    recipe.sigma = sigma
    recipe.optimizer = Optimizer(.sgd)
    return recipe
  }

  private static let samples: [[Double]] = [
    [0.5, -1.25, 2, 0, 0.75], [1, 0.25, -0.5, 1.5, -2], [-0.75, 0.125, 0, 1, 3],
  ]

  /// With all weights 0 and a linear output x̂ is the output's bias b, here 0.25. Per sample and with s = log σ²:
  /// loss ½Σ((b−x)²e^−s + log 2π + s), ∂/∂b = (b−x)e^−s, ∂/∂s = ½Σ(1 − (b−x)²e^−s).
  private func check<B: Backend>(_ recipe: Recipe, on backend: B, logVariance s: Double, tolerance: Double) throws {
    let fixture = try StepFixture(recipe, on: backend, x: Self.samples.joined().map { B.Scalar($0) })
    let layout = fixture.network.layout
    func range(_ name: String) throws -> Range<Int> {
      layout.range(try #require(layout.uses.first { $0.name == name }).parameter)
    }
    let (bias, variance) = (try range("decoder.0.bias"), try range("loss.log_variance"))
    #expect(variance.count == 1)
    let isLearned = recipe.sigma == nil
    #expect((variance.lowerBound < layout.trainedCount) == isLearned && variance.lowerBound >= layout.weightCount)
    var parameters = try backend.read(fixture.network.parameters).map { Double($0) }
    // What a recipe begins with.
    #expect(parameters[variance.lowerBound] == (isLearned ? 0 : Double(Float(s))))
    for index in 0..<variance.lowerBound { parameters[index] = 0 }
    for index in bias { parameters[index] = 0.25 }
    if isLearned { parameters[variance.lowerBound] = s }
    let kept = parameters[variance.lowerBound]
    try backend.write(parameters.map { B.Scalar($0) }, to: fixture.network.parameters)

    let n = Double(Self.samples.count), d = 5.0, precision = exp(-kept)
    let squares = Self.samples.joined().reduce(0) { $0 + (0.25 - $1) * (0.25 - $1) } / n
    let constant = d * (log(2 * .pi) + kept) / 2
    let loss = squares * precision / 2 + constant
    let slope = (d - squares * precision) / 2
    let rate = 0.5
    let step = OptimizerStep(.sgd, learningRate: rate, weightDecay: 0.3, decayCount: layout.weightCount)
    let reported = try fixture.run(step).map { Double($0) }
    #expect(reported.count == 1 && abs(reported[0] - loss) <= tolerance * abs(loss), "\(reported) for \(loss)")

    let gradients = try backend.read(fixture.network.gradients).map { Double($0) }
    for (feature, index) in bias.enumerated() {
      let want = Self.samples.reduce(0) { $0 + (0.25 - $1[feature]) } * precision / n
      let size = Self.samples.reduce(0) { $0 + abs(0.25 - $1[feature]) } * precision / n
      #expect(abs(gradients[index] - want) <= tolerance * size)
    }
    let after = Double(try backend.read(fixture.network.parameters)[variance.lowerBound])
    if isLearned {
      // The device has it as the difference of the constant's part and the loss.
      let size = d / 2 + abs(constant) + loss
      #expect(abs(gradients[variance.lowerBound] - slope) <= tolerance * size)
      #expect(abs(after - (kept - rate * slope)) <= tolerance * (abs(kept) + rate * size), "not decayed")
    } else {
      #expect(after == kept)
    }
  }

  /// Sums of fewer than 100 terms, in Double and in float32; see `GoldenTests`.
  @Test(arguments: [nil, 0.5, 3])
  func trainsByItsFormula(sigma: Double?) throws {
    let s = sigma.map { 2 * log($0) } ?? 0.375
    try check(recipe(sigma: sigma), on: ReferenceBackend(), logVariance: s, tolerance: 100 * 0x1p-52)
    for device in ParityTests.devices {
      func open<B: Backend>(_ backend: B) throws {
        try check(recipe(sigma: sigma), on: backend, logVariance: s, tolerance: 6 * 10 * 0x1p-23)
      }
      try open(device.open().backend)
    }
  }

  /// σ = 1 is `sse` and the constant (d/2) log 2π; the gradients are the same.
  @Test func withUnitSigmaItIsSSE() throws {
    let backend = ReferenceBackend()
    var other = recipe()
    other.loss = .sse
    let x = Array(Self.samples.joined())
    let gaussian = try StepFixture(recipe(sigma: 1), on: backend, x: x)
    let sse = try StepFixture(other, on: backend, x: x)
    let step = OptimizerStep(.sgd, learningRate: 0, weightDecay: 0, decayCount: 0)
    let (a, b) = (try gaussian.run(step)[0], try sse.run(step)[0])
    #expect(abs(a - b - 2.5 * log(2 * .pi)) <= 100 * 0x1p-52 * a)
    let count = sse.network.layout.trainedCount
    let (found, wanted) = (try backend.read(gaussian.network.gradients), try backend.read(sse.network.gradients))
    #expect(zip(found, wanted).prefix(count).allSatisfy { abs($0 - $1) <= 100 * 0x1p-52 * abs($1) })
  }

  /// Where nothing else can be learned from noise, σ² goes to the mean squared error.
  @Test func theVarianceIsTheMeanSquaredError() throws {
    let philox = Philox(seed: 8, stream: .test)
    let values = (0..<64 * 5).map { Philox.uniform(philox.word(element: $0, step: 2)) }
    let data = try Dataset(values: values, count: 64, features: 5, name: "noise")
    var recipe = recipe()
    recipe.batchSize = 64
    recipe.optimizer = Optimizer(.sgd, learningRate: 0.01)
    let trainer = try Trainer(recipe, on: .reference)
    _ = try trainer.prepare(data)
    for _ in 0..<1500 { _ = try trainer.trainEpoch(epochs: 1500) }
    let named = try trainer.model.parameters()
    let learned = try #require(named.first { $0.name == "loss.log_variance" }).values[0]
    let output = try trainer.model.reconstruct(data)
    let squares = zip(output.values, data.values).reduce(0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
    let error = squares / Double(data.values.count)
    // σ² follows the error as it falls; by then both have all but come to rest.
    #expect(abs(Double(exp(learned)) / error - 1) <= 0.01)
  }

  @Test(arguments: [0, -1, .infinity, .nan])
  func impossibleSigmasAreRefused(sigma: Double) {
    #expect(throws: CinchError.self) { try recipe(sigma: sigma).validate() }
  }

  @Test(arguments: Loss.allCases.filter { $0 != .softmax })
  func sigmaBelongsToTheGaussianLoss(loss: Loss) throws {
    var recipe = recipe(sigma: 0.5)
    recipe.loss = loss
    recipe.autoencoder?.decoder = [.dense(units: 5, activation: .sigmoid)]
    if loss == .gaussian {
      try recipe.validate()
    } else {
      let error = #expect(throws: CinchError.self) { try recipe.validate() }
      #expect(error?.description.contains("sigma") == true)
    }
  }
}
