import CinchBackend
import Foundation
import Testing

@testable import Cinch
@testable import CinchCore

@Suite struct VariationalTests {
  /// A linear decoder with the exact posterior in its encoder, whose every draw gives log p(x) itself: x is
  /// N(b, WWᵀ + σ²I), and where the columns of W are orthogonal the posterior is N((x−b)ᵀw_j/(w_j²+σ²), σ²/(w_j²+σ²)).
  private func exact(_ device: Device) throws -> (model: Autoencoder, data: Dataset, logLikelihood: Double) {
    let (weights, sigma, bias) = ([1.5, 0.5], 0.75, [0.25, -0.5, 0.125])
    var recipe = Recipe.vae(layers: [3, 2])
    recipe.loss = .gaussian
    recipe.sigma = sigma
    recipe = try recipe.settingOutputActivation(.linear)
    let model = try Autoencoder(recipe, on: device)
    var encoder = [Float](repeating: 0, count: 12)
    var encoderBias = [Float](repeating: 0, count: 4)
    var decoder = [Float](repeating: 0, count: 6)
    for unit in 0..<2 {
      let precision = weights[unit] * weights[unit] + sigma * sigma
      encoder[unit * 3 + unit] = Float(weights[unit] / precision)
      encoderBias[unit] = Float(-bias[unit] * weights[unit] / precision)
      encoderBias[2 + unit] = Float(log(sigma * sigma / precision))
      decoder[unit * 2 + unit] = Float(weights[unit])
    }
    let others = try model.parameters().filter { $0.name.hasPrefix("loss") }
    try model.setParameters(
      [
        NamedParameter(name: "encoder.0.weight", shape: [4, 3], values: encoder),
        NamedParameter(name: "encoder.0.bias", shape: [4], values: encoderBias),
        NamedParameter(name: "decoder.0.weight", shape: [3, 2], values: decoder),
        NamedParameter(name: "decoder.0.bias", shape: [3], values: bias.map { Float($0) }),
      ] + others)
    let philox = Philox(seed: 1, stream: .test)
    let values = (0..<39).map { Float(philox.gaussian(element: $0, step: 0)) }
    let logLikelihood = values.indices.reduce(0.0) { sum, place in
      let feature = place % 3
      let variance = (feature < 2 ? weights[feature] * weights[feature] : 0) + sigma * sigma
      let d = Double(values[place]) - bias[feature]
      return sum - 0.5 * (d * d / variance + log(2 * Double.pi * variance))
    }
    return (model, try Dataset(values: values, count: 13, features: 3), logLikelihood / 13)
  }

  /// With the exact posterior all weights of a sample are alike, so any number of draws gives the likelihood.
  @Test(arguments: [.reference] + ParityTests.devices)
  func theBoundOfAnExactPosteriorIsTheLikelihood(device: Device) throws {
    let (model, data, expected) = try exact(device)
    for draws in [1, 7] {
      // The weights are rounded to Float: relative 2⁻²⁴ of a few terms of size up to 10.
      #expect(abs(try model.importanceWeightedBound(data, draws: draws) - expected) < 1e-5)
    }
  }

  /// Where what the code says nothing of is missing, the posterior stays exact.
  @Test(arguments: [.reference] + ParityTests.devices)
  func theBoundIsOfWhatIsThere(device: Device) throws {
    let (model, data, expected) = try exact(device)
    var (values, likelihood) = (data.values, 13 * expected)
    for row in stride(from: 0, to: 13, by: 2) {
      let d = Double(values[3 * row + 2]) - 0.125
      likelihood += 0.5 * (d * d / 0.5625 + log(2 * Double.pi * 0.5625))
      values[3 * row + 2] = .nan
    }
    let holed = try Dataset(missing: values, count: 13, features: 3)
    for draws in [1, 7] {
      #expect(abs(try model.importanceWeightedBound(holed, draws: draws) - likelihood / 13) < 1e-5)
    }
  }

  /// Its expected evidence lower bound is the likelihood, too: many passes over the same sample come close.
  @Test func theBoundsExpectationIsTheLikelihood() throws {
    let (model, data, expected) = try exact(.reference)
    let many = try Dataset(
      values: (0..<4000).flatMap { _ in data.values }, count: 4000 * data.count, features: data.features)
    let evaluation = try model.evaluate(many)
    // Of 52,000 draws whose reconstructions vary by about 1 nat: 5 standard errors.
    #expect(abs((evaluation.metrics["elbo"] ?? .nan) - expected) < 5 / 228.0)
    let parts = try #require(evaluation.metrics["kl"]) + evaluation.reconstruction.perSample
    #expect(abs(parts + (evaluation.metrics["elbo"] ?? .nan)) < 1e-9)
  }

  /// `encode` gives means, and a reconstruction is what they decode to.
  @Test func codesAreMeans() throws {
    let model = try Autoencoder(.vae(layers: [13, 7, 4]), on: .reference)
    let data = try Variants.data(count: 9, features: 13)
    let codes = try model.encode(data)
    #expect(codes.sampleShape == [4])
    #expect(try model.encode(data).values == codes.values)
    #expect(try model.decode(codes).values == model.reconstruct(data).values)
  }

  /// Twice as many numbers do not fit an Int.
  @Test(arguments: [Int.max, Int.max / 2 + 1, Int.min])
  func aCodeBeyondEveryIntegerIsRefused(units: Int) {
    for recipe in [Recipe.vae(layers: [784, units]), .convVAE(units: units)] {
      let error = #expect(throws: CinchError.self) { try recipe.validate() }
      #expect(error?.description.contains("units") == true, "\(error?.description ?? "")")
    }
  }

  @Test func theDivergenceGrowsToItsWeight() {
    let settings = PriorSettings(beta: 4, warmUp: 8)
    #expect([0, 1, 7, 8, 1000].map(settings.weight) == [0.5, 1, 4, 4, 4])
    #expect(PriorSettings(beta: 2).weight(0) == 2)
  }

  /// The objective has the divergence with its weight, the metrics without.
  @Test func metricsAreNatsWhateverTheWeight() throws {
    var recipe = Recipe.vae(layers: [13, 7, 4], beta: 0.25, warmUp: 3)
    recipe.batchSize = 5
    let trainer = try Trainer(recipe, on: .reference)
    try trainer.prepare(Variants.data(count: 20, features: 13))
    guard case .finished(let epoch) = try trainer.trainEpoch(epochs: 1) else {
      Issue.record("the epoch did not end")
      return
    }
    let metrics = epoch.metrics
    let (prior, divergence) = (try #require(metrics["prior"]), try #require(metrics["kl"]))
    #expect(prior > 0 && prior < 0.25 * divergence)
    #expect(abs(epoch.loss - epoch.reconstruction.perSample - prior) < 1e-9)
    #expect(abs(try #require(metrics["elbo"]) + epoch.reconstruction.perSample + divergence) < 1e-9)
    #expect(epoch.penalties.keys.sorted() == ["prior"])
  }
}

@Suite struct CodeDistributionTests {
  private func normal(_ count: Int, _ mean: [Double], _ factor: [Double], stream: UInt64) -> [Float] {
    let philox = Philox(seed: stream, stream: .test)
    return (0..<count).flatMap { row in
      mean.indices.map { unit in
        Float(
          (0...unit).reduce(mean[unit]) {
            $0 + factor[unit * mean.count + $1] * philox.gaussian(element: row * mean.count + $1, step: 1)
          })
      }
    }
  }

  @Test func oneComponentHasTheCodesMoments() throws {
    let codes = try Dataset(values: normal(8000, [1, -2], [2, 0, -0.5, 0.25], stream: 1), count: 8000, features: 2)
    let fitted = try CodeDistribution.fitted(to: codes)
    let component = try #require(fitted.components.first)
    // Five standard errors of 8,000 draws; the ridge is a thousandth of the mean variance.
    #expect(zip(component.mean, [1, -2]).allSatisfy { abs($0 - $1) < 5 * 2 / 89 })
    #expect(zip(component.factor, [2, 0, -0.5, 0.25]).allSatisfy { abs($0 - $1) < 5 * 2 / 89 })
    let drawn = try fitted.draw(8000, seed: 3)
    let again = try CodeDistribution.fitted(to: drawn)
    #expect(zip(fitted.moments.mean, again.moments.mean).allSatisfy { abs($0 - $1) < 5 * 2 / 89 })
    #expect(zip(fitted.moments.deviation, again.moments.deviation).allSatisfy { abs($0 - $1) < 5 * 2 / 89 })
    #expect(try Array(drawn.values.prefix(20)) == fitted.draw(10, seed: 3).values)
    #expect(try fitted.draw(10, seed: 4).values != fitted.draw(10, seed: 3).values)
  }

  @Test func aMixtureFindsItsComponents() throws {
    let one = normal(3000, [-5, 0], [1, 0, 0, 1], stream: 1)
    let two = normal(1000, [5, 1], [0.5, 0, 0, 2], stream: 2)
    let codes = try Dataset(values: one + two, count: 4000, features: 2)
    let fitted = try CodeDistribution.fitted(to: codes, components: 2)
    let components = fitted.components.sorted { $0.mean[0] < $1.mean[0] }
    #expect(components.count == 2)
    #expect(abs(components[0].weight - 0.75) < 0.01 && abs(components[1].mean[0] - 5) < 0.1)
    #expect(abs(components[1].factor[0] - 0.5) < 0.1 && abs(components[1].factor[3] - 2) < 0.3)
    let drawn = try fitted.draw(4000, seed: 0).values
    #expect(abs(Double(stride(from: 0, to: 8000, by: 2).filter { drawn[$0] > 0 }.count) / 4000 - 0.25) < 0.035)
  }

  /// A dead unit, and fewer codes than units.
  @Test func whatDoesNotVaryIsPossible() throws {
    let values: [Float] = [1, 0, 0, 2, 0, 0, 3, 0, 0]
    let fitted = try CodeDistribution.fitted(to: Dataset(values: values, count: 3, features: 3), components: 2)
    #expect(try fitted.draw(100, seed: 0).values.allSatisfy(\.isFinite))
    let constant = try CodeDistribution.fitted(to: Dataset(values: [4, 4], count: 2, features: 1))
    #expect(try constant.draw(5, seed: 0).values.allSatisfy { abs($0 - 4) < 1e-4 })
  }

  @Test(arguments: [0, -1, 1 << 50, Int.max, .min])
  func codesOfImpossibleSizesAreRefused(units: Int) {
    #expect(throws: CinchError.self) { try CodeDistribution.standardNormal(units: units).draw(3, seed: 0) }
    // 2⁶⁴ bytes, which no Int counts.
    #expect(throws: CinchError.self) { try CodeDistribution.standardNormal(units: 1 << 33).draw(1 << 29, seed: 0) }
  }

  @Test func distributionsOfOtherCodesAreRefused() throws {
    let model = try Autoencoder(.vae(layers: [13, 7, 2]), on: .reference)
    for units in [0, 1, 3] {
      let other = CodeDistribution.standardNormal(units: units)
      #expect(throws: CinchError.self) { try model.codeGrid(side: 3, over: other) }
      #expect(throws: CinchError.self) { try model.sample(3, from: other) }
    }
    let grid = try model.codeGrid(side: 3)
    #expect(try model.codeGrid(side: 3, over: .standardNormal(units: 2)).values == grid.values)
  }

  @Test(arguments: [0, -1, 4, Int.max])
  func impossibleMixturesAreRefused(components: Int) throws {
    let codes = try Dataset(values: [1, 2, 3], count: 3, features: 1)
    #expect(throws: CinchError.self) { try CodeDistribution.fitted(to: codes, components: components) }
    #expect(throws: CinchError.self) {
      try CodeDistribution.standardNormal(units: 1).draw(components == 4 ? Int.min : -abs(components % 7), seed: 0)
    }
  }
}

@Suite struct DropoutTests {
  /// Kept values are divided by the share that is kept, the mask is that of the draws, and only training drops.
  @Test(arguments: [Device.reference] + ParityTests.devices)
  func trainingAloneDrops(device: Device) throws {
    try check(device.open().backend)
  }

  private func check<B: Backend>(_ backend: B) throws {
    var recipe = Recipe.linear(layers: [400, 4])
    recipe.autoencoder?.encoder.insert(.dropout(0.25), at: 0)
    let network = try Network(recipe, on: backend)
    let x = try backend.tensor([10, 400], [B.Scalar](repeating: 3, count: 4000))
    let h = try backend.tensor([10, 400])
    func values(_ mode: Pass.Mode, step: UInt64 = 0) throws -> [Double] {
      try network.layers[0].forward(x, into: h, Pass(mode, step: step, seed: recipe.seed, batchRows: 10))
      return Scalars.doubles(try backend.read(h))
    }
    let dropped = try values(.training)
    #expect(dropped.allSatisfy { $0 == 0 || abs($0 - 4) < 1e-6 })
    // Of 4,000 draws: five standard deviations.
    #expect(abs(Double(dropped.filter { $0 == 0 }.count) - 1000) < 5 * 27.4)
    #expect(try values(.training) == dropped)
    #expect(try values(.training, step: 1) != dropped)
    for mode in [Pass.Mode.evaluation, .inference] { #expect(try values(mode).allSatisfy { $0 == 3 }) }
  }

  @Test func whatDropoutTakesOutOfItsRangeIsNoProbability() throws {
    var recipe = Recipe.sparse(layers: [12, 8])
    recipe.autoencoder?.encoder.append(.dropout(0.5))
    #expect(throws: CinchError.self) { try recipe.validate() }
    recipe.autoencoder?.encoder.swapAt(0, 1)
    try recipe.validate()
  }
}
