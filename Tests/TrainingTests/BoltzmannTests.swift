import CinchBackend
import Foundation
import Testing

@testable import Cinch
@testable import CinchCore

/// A restricted Boltzmann machine of 6 visible and 4 hidden units, whose 16 hidden states are added up one by one.
private struct ExactMachine {
  static let (visible, hidden) = (6, 4)
  let isGaussian: Bool
  /// W `[hidden, visible]`, c `[hidden]`, b `[visible]`.
  var parameters: [Double]

  init(isGaussian: Bool, seed: UInt64 = 5) {
    self.isGaussian = isGaussian
    let philox = Philox(seed: seed, stream: .test)
    let scale = isGaussian ? 0.3 : 0.8
    parameters = (0..<34).map { scale * philox.gaussian(element: $0, step: 3) }
  }

  func give(to model: Autoencoder) throws {
    let values = parameters.map { Float($0) }
    try model.setParameters([
      NamedParameter(name: "encoder.0.weight", shape: [4, 6], values: Array(values[..<24])),
      NamedParameter(name: "encoder.0.bias", shape: [4], values: Array(values[24..<28])),
      NamedParameter(name: "decoder.0.bias", shape: [6], values: Array(values[28...])),
    ])
  }

  private func weight(_ j: Int, _ i: Int) -> Double { parameters[j * Self.visible + i] }
  private func c(_ j: Int) -> Double { parameters[24 + j] }
  private func b(_ i: Int) -> Double { parameters[28 + i] }

  func freeEnergy(_ v: [Double]) -> Double {
    let hidden = (0..<Self.hidden).reduce(0.0) { sum, j in
      sum + log1p(exp(c(j) + (0..<Self.visible).reduce(0) { $0 + v[$1] * weight(j, $1) }))
    }
    let visible = (0..<Self.visible).reduce(0.0) { sum, i in
      sum + (isGaussian ? 0.5 * (v[i] - b(i)) * (v[i] - b(i)) : -v[i] * b(i))
    }
    return visible - hidden
  }

  var logPartition: Double {
    let terms = (0..<1 << Self.hidden).map { state -> Double in
      let on = (0..<Self.hidden).filter { state >> $0 & 1 == 1 }
      let inputs = (0..<Self.visible).map { i in on.reduce(0.0) { $0 + weight($1, i) } }
      let visible = (0..<Self.visible).reduce(0.0) { sum, i in
        sum
          + (isGaussian
            ? 0.5 * inputs[i] * inputs[i] + inputs[i] * b(i) + 0.5 * log(2 * Double.pi) : log1p(exp(b(i) + inputs[i])))
      }
      return on.reduce(visible) { $0 + c($1) }
    }
    let largest = terms.max() ?? 0
    return largest + log(terms.reduce(0) { $0 + exp($1 - largest) })
  }

  func logLikelihood(_ samples: [[Double]]) -> Double {
    -samples.reduce(0) { $0 + freeEnergy($1) } / Double(samples.count) - logPartition
  }

  /// Of −log p by central differences.
  func gradient(_ samples: [[Double]]) -> [Double] {
    parameters.indices.map { place in
      var (up, down) = (self, self)
      up.parameters[place] += 1e-5
      down.parameters[place] -= 1e-5
      return (down.logLikelihood(samples) - up.logLikelihood(samples)) / 2e-5
    }
  }
}

@Suite struct BoltzmannTests {
  private func samples(isGaussian: Bool) -> [[Double]] {
    let philox = Philox(seed: 2, stream: .test)
    return (0..<8).map { row in
      (0..<6).map { i in
        isGaussian
          ? philox.gaussian(element: row * 6 + i, step: 0) : philox.word(element: row * 6 + i, step: 0) % 3 == 0 ? 1 : 0
      }
    }
  }

  private func recipe(isGaussian: Bool, steps: Int = 1, persistent: Bool = false) -> Recipe {
    var recipe = Recipe.rbm(
      layers: [6, 4], visible: isGaussian ? .linear : .sigmoid, steps: steps, persistent: persistent)
    recipe.optimizer = Optimizer(.sgd, learningRate: 0.1)
    return recipe
  }

  /// Chains that are long enough forget where they began: the gradient is that of the likelihood.
  @Test(arguments: [false, true])
  func longChainsGiveTheLikelihoodsGradient(isGaussian: Bool) throws {
    let machine = ExactMachine(isGaussian: isGaussian)
    let samples = samples(isGaussian: isGaussian)
    let copies = 512
    let x = (0..<copies).flatMap { _ in samples.joined() }
    let fixture = try StepFixture(recipe(isGaussian: isGaussian, steps: 40), on: ReferenceBackend(), x: x)
    try fixture.network.backend.write(machine.parameters, to: fixture.network.parameters)
    _ = try fixture.run(OptimizerStep(.sgd, learningRate: 0))
    let estimate = try fixture.network.backend.read(fixture.network.gradients)
    // A product of units varies by at most about 1 (gaussian units by 2) over 4,096 chains: five standard errors.
    let tolerance = 5 * (isGaussian ? 2.0 : 0.5) / Double(copies * samples.count).squareRoot()
    let exact = machine.gradient(samples)
    #expect(zip(estimate, exact).allSatisfy { abs($0 - $1) < tolerance }, "\(zip(estimate, exact).map { $0 - $1 })")
    #expect(exact.contains { abs($0) > 5 * tolerance }, "a gradient that the tolerance would hide")
  }

  @Test(arguments: [false, true], [Device.reference] + ParityTests.devices)
  func theFreeEnergyIsThatOfTheFormula(isGaussian: Bool, device: Device) throws {
    let machine = ExactMachine(isGaussian: isGaussian)
    let samples = samples(isGaussian: isGaussian)
    let model = try Autoencoder(recipe(isGaussian: isGaussian), on: device)
    try machine.give(to: model)
    let data = try Dataset(values: samples.joined().map { Float($0) }, count: 8, features: 6)
    let energy = try #require(try model.evaluate(data).metrics[Metrics.freeEnergyName])
    let expected = samples.reduce(0) { $0 + machine.freeEnergy($1) } / 8
    // Some ten terms of size 1, rounded to Float.
    #expect(abs(energy - expected) < 1e-5)
  }

  /// Learning raises the likelihood of what it learns from, by either way.
  @Test(arguments: [false, true], [false, true])
  func learningRaisesTheLikelihood(isGaussian: Bool, persistent: Bool) throws {
    let samples = samples(isGaussian: isGaussian)
    var recipe = recipe(isGaussian: isGaussian, persistent: persistent)
    recipe.batchSize = 200
    recipe.optimizer.learningRate = isGaussian ? 0.05 : 0.2
    let many = (0..<50).flatMap { _ in samples.joined().map { Float($0) } }
    let trainer = try Trainer(recipe, on: .cpu)
    func likelihood() throws -> Double {
      var machine = ExactMachine(isGaussian: isGaussian)
      let parameters = try trainer.model.parameters()
      machine.parameters = ["encoder.0.weight", "encoder.0.bias", "decoder.0.bias"].flatMap { name in
        parameters.first { $0.name == name }?.values.map { Double($0) } ?? []
      }
      return machine.logLikelihood(samples)
    }
    let before = try likelihood()
    try trainer.prepare(try Dataset(values: many, count: 400, features: 6))
    for _ in 0..<200 { _ = try trainer.trainEpoch(epochs: 200) }
    let after = try likelihood()
    #expect(after > before + (isGaussian ? 0.05 : 0.5), "from \(before) to \(after)")
  }

  /// Chains come to the model's distribution: of exactly known means.
  @Test(arguments: ParityTests.devices)
  func gibbsSamplingComesToTheModelsMeans(device: Device) throws {
    let machine = ExactMachine(isGaussian: false)
    let model = try Autoencoder(recipe(isGaussian: false), on: device)
    try machine.give(to: model)
    let chains = 4000
    let drawn = try model.gibbs(chains, steps: 60, seed: 1).values
    let states = (0..<64).map { state in (0..<6).map { Double(state >> $0 & 1) } }
    for i in 0..<6 {
      let exact = states.reduce(0.0) { $0 + $1[i] * exp(-machine.freeEnergy($1) - machine.logPartition) }
      let mean = stride(from: i, to: drawn.count, by: 6).reduce(0.0) { $0 + Double(drawn[$1]) } / Double(chains)
      // Means of visible units vary by less than draws do, ½ at most: five standard errors.
      #expect(abs(mean - exact) < 5 * 0.5 / Double(chains).squareRoot(), "unit \(i): \(mean) against \(exact)")
    }
    #expect(throws: CinchError.self) { try model.gibbs(0) }
    #expect(throws: CinchError.self) { try Autoencoder(.deep(layers: [6, 4]), on: device).gibbs(1) }
  }

  /// A terabyte.
  @Test func samplesWithoutRoomAreRefused() throws {
    let model = try Autoencoder(.rbm(layers: [250_000, 1]), on: .cpu)
    let error = #expect(throws: CinchError.self) { try model.gibbs(1_000_000, steps: 1) }
    #expect(error?.description.contains("no room for 1000000 samples") == true, "\(error?.description ?? "")")
  }

  /// Against the formula, each sample with every unit flipped in turn: the drawn ones are among them.
  @Test func thePseudoLikelihoodIsThatOfTheFormula() throws {
    let machine = ExactMachine(isGaussian: false)
    let samples = samples(isGaussian: false)
    let model = try Autoencoder(recipe(isGaussian: false), on: .reference)
    try machine.give(to: model)
    // Many copies, so that the mean over drawn units is that over all units.
    let copies = 2000
    let data = try Dataset(
      values: (0..<copies).flatMap { _ in samples.joined().map { Float($0) } }, count: 8 * copies, features: 6)
    let estimate = try #require(try model.evaluate(data).metrics[Metrics.pseudoLikelihoodName])
    let terms = samples.flatMap { v in
      (0..<6).map { i in
        var flipped = v
        flipped[i] = 1 - v[i]
        return -6 * log1p(exp(machine.freeEnergy(v) - machine.freeEnergy(flipped)))
      }
    }
    let exact = terms.reduce(0, +) / Double(terms.count)
    let variance = terms.reduce(0) { $0 + ($1 - exact) * ($1 - exact) } / Double(terms.count)
    #expect(abs(estimate - exact) < 5 * (variance / Double(8 * copies)).squareRoot())
  }

  /// Of either kind of units, added up over the hidden side, and over the visible one where that is smaller: against the
  /// free energies of all visible states.
  @Test(arguments: [Device.reference] + ParityTests.devices)
  func thePartitionFunctionOfASmallMachineIsExact(device: Device) throws {
    for isGaussian in [false, true] {
      let machine = ExactMachine(isGaussian: isGaussian)
      let model = try Autoencoder(recipe(isGaussian: isGaussian), on: device)
      try machine.give(to: model)
      let found = try #require(try model.exactLogPartition())
      // Sums of some ten terms of size 1, rounded to Float.
      #expect(abs(found.value - machine.logPartition) < 1e-5 && found.isExact && found.standardError == 0)
    }
    // Three visible units and five hidden ones.
    let small = try Autoencoder(.rbm(layers: [3, 5]), on: device)
    let philox = Philox(seed: 8, stream: .test)
    let values = (0..<23).map { Float(philox.gaussian(element: $0, step: 1)) }
    try small.setParameters([
      NamedParameter(name: "encoder.0.weight", shape: [5, 3], values: Array(values[..<15])),
      NamedParameter(name: "encoder.0.bias", shape: [5], values: Array(values[15..<20])),
      NamedParameter(name: "decoder.0.bias", shape: [3], values: Array(values[20...])),
    ])
    var sum = 0.0
    for state in 0..<8 {
      let on = (0..<3).filter { state >> $0 & 1 == 1 }
      let hidden = (0..<5).reduce(1.0) { product, j in
        product * (1 + exp(on.reduce(Double(values[15 + j])) { $0 + Double(values[j * 3 + $1]) }))
      }
      sum += hidden * exp(on.reduce(0.0) { $0 + Double(values[20 + $1]) })
    }
    #expect(abs(try #require(try small.exactLogPartition()).value - log(sum)) < 1e-5)
  }

  /// Where states are too many, in more than one pass, and where there is no such machine.
  @Test func partitionFunctionsHaveTheirLimits() throws {
    // 2¹³ states, of which 1024 pass at a time; without weights each unit has a factor of its own.
    let model = try Autoencoder(.rbm(layers: [40, 13]), on: .cpu)
    let biases = (0..<53).map { Float($0) / 20 - 1 }
    try model.setParameters([
      NamedParameter(name: "encoder.0.weight", shape: [13, 40], values: [Float](repeating: 0, count: 520)),
      NamedParameter(name: "encoder.0.bias", shape: [13], values: Array(biases[..<13])),
      NamedParameter(name: "decoder.0.bias", shape: [40], values: Array(biases[13...])),
    ])
    let exact = biases.reduce(0.0) { $0 + log1p(exp(Double($1))) }
    let found = try #require(try model.exactLogPartition())
    #expect(abs(found.value - exact) < 1e-6 * exact)
    #expect(try Autoencoder(.rbm(layers: [21, 21]), on: .cpu).exactLogPartition() == nil)
    #expect(try Autoencoder(.rbm(layers: [5, 21], visible: .linear), on: .cpu).exactLogPartition() == nil)
    #expect(throws: CinchError.self) { try Autoencoder(.deep(layers: [6, 4]), on: .cpu).exactLogPartition() }
  }

  /// Hinton's penalty against plain loops: what it adds to the gradients of weights and hidden biases, and to nothing else,
  /// from a moving average over three updates.
  @Test func theSparsityTargetIsThatOfTheFormula() throws {
    let samples = samples(isGaussian: false)
    let (rho, beta, momentum) = (0.1, 0.7, 0.6)
    var sparse = recipe(isGaussian: false)
    sparse.penalties.kl = KLSettings(rho: rho, beta: beta, momentum: momentum)
    let x = samples.flatMap { $0 }
    let with = try StepFixture(sparse, on: ReferenceBackend(), x: x)
    let without = try StepFixture(recipe(isGaussian: false), on: ReferenceBackend(), x: x)
    var machine = ExactMachine(isGaussian: false)
    var q = [Double](repeating: 0, count: 4)
    for step in 0..<3 {
      // Other weights at each update, so that the average moves.
      machine.parameters = machine.parameters.map { 0.8 * $0 + 0.1 }
      var records: [[Double]] = []
      for fixture in [with, without] {
        try fixture.network.backend.write(machine.parameters, to: fixture.network.parameters)
        records.append(try fixture.run(OptimizerStep(.sgd, learningRate: 0), step: step))
      }
      var extra = [Double](repeating: 0, count: 34)
      var penalty = 0.0
      for j in 0..<4 {
        let on = samples.map { v in
          1 / (1 + exp(-(0..<6).reduce(machine.parameters[24 + j]) { $0 + v[$1] * machine.parameters[j * 6 + $1] }))
        }
        let mean = on.reduce(0, +) / 8
        q[j] = step == 0 ? mean : momentum * q[j] + (1 - momentum) * mean
        for v in samples {
          for i in 0..<6 { extra[j * 6 + i] += beta * (q[j] - rho) * v[i] / 8 }
          extra[24 + j] += beta * (q[j] - rho) / 8
        }
        penalty += beta * (rho * log(rho / q[j]) + (1 - rho) * log((1 - rho) / (1 - q[j])))
      }
      let gradients = try [with, without].map { try $0.network.backend.read($0.network.gradients) }
      for place in extra.indices {
        #expect(abs(gradients[0][place] - gradients[1][place] - extra[place]) < 1e-12, "\(place) at update \(step)")
      }
      #expect(records[0].dropLast() == records[1][...])
      #expect(abs(try #require(records[0].last) - penalty) < 1e-12)
    }
  }

  /// Units are on about as often as they should be, where without the target they are on more often.
  @Test func theSparsityTargetIsReached() throws {
    let data = try Variants.data(count: 400, features: 16)
    func activation(_ sparsity: KLSettings?) throws -> Double {
      var recipe = Recipe.rbm(layers: [16, 12])
      recipe.penalties.kl = sparsity
      recipe.batchSize = 20
      let trainer = try Trainer(recipe, on: .cpu)
      try trainer.prepare(data)
      for _ in 0..<60 { _ = try trainer.trainEpoch(epochs: 60) }
      #expect(try trainer.state.history.last?.metrics["kl"] == nil || sparsity != nil)
      return try trainer.model.evaluate(data).meanActivation
    }
    let (free, drawn) = (try activation(nil), try activation(KLSettings(rho: 0.1, beta: 1, momentum: 0.9)))
    #expect(free > 0.25 && abs(drawn - 0.1) < 0.05, "\(free) and \(drawn)")
  }

  /// A new machine begins with the visible units' log odds, or their means; one that has learned or was given parameters
  /// keeps its own.
  @Test(arguments: [Device.reference] + ParityTests.devices)
  func visibleBiasesBeginWithTheDatasMeans(device: Device) throws {
    // Never on, half the time, in one of four samples, always on.
    let values: [Float] = [0, 1, 1, 1, 0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1]
    let data = try Dataset(values: values, count: 4, features: 4)
    func biases(_ model: Autoencoder) throws -> [Float] {
      try #require(try model.parameters().first { $0.name == "decoder.0.bias" }).values
    }
    for visible in [Activation.sigmoid, .linear] {
      let trainer = try Trainer(.rbm(layers: [4, 2], visible: visible), on: device)
      #expect(try biases(trainer.model) == [0, 0, 0, 0])
      try trainer.prepare(data)
      let expected =
        visible == .linear ? [0, 0.5, 0.25, 1] : [0.2, 0.5, 0.25, 0.8].map { Float(log($0 / (1 - $0))) }
      #expect(try biases(trainer.model) == expected)
      // Other data before anything is learned are other means.
      try trainer.prepare(try data.subset(0..<1))
      #expect(try biases(trainer.model) != expected)
      try trainer.prepare(data)
      _ = try trainer.trainEpoch(epochs: 1)
      let learned = try biases(trainer.model)
      #expect(learned != expected)
      try trainer.prepare(data)
      #expect(try biases(trainer.model) == learned)
      let given = try Trainer(.rbm(layers: [4, 2], visible: visible), on: device)
      try given.model.setParameters(try trainer.model.parameters())
      try given.prepare(data)
      #expect(try biases(given.model) == learned)
    }
    // No other network's biases follow from data.
    let other = try Trainer(.deep(layers: [4, 2]), on: device)
    try other.prepare(data)
    #expect(try biases(other.model) == [0, 0, 0, 0])
  }

  /// Free energies compare where the weights are the same: those after the epoch.
  @Test(arguments: [false, true]) func theGapIsOfTheSameWeights(isGaussian: Bool) throws {
    let values = samples(isGaussian: isGaussian)
    let data = try Dataset(values: values.joined().map { Float($0) }, count: 8, features: 6)
    let heldOut = try Dataset(values: values.joined().map { 1 - Float($0) }, count: 8, features: 6)
    var recipe = recipe(isGaussian: isGaussian)
    (recipe.batchSize, recipe.optimizer.learningRate, recipe.penalties.weightDecay) = (2, 0.5, 0.01)
    let trainer = try Trainer(recipe, on: .reference)
    try trainer.prepare(data, validation: heldOut)
    for _ in 0..<3 {
      guard case .finished(let epoch) = try trainer.trainEpoch(epochs: 3) else { throw CinchError.interrupted }
      func energy(_ data: Dataset) throws -> Double {
        try #require(try trainer.model.evaluate(data).metrics[Metrics.freeEnergyName])
      }
      let gap = try energy(heldOut) - energy(data)
      let reported = try #require(epoch.metrics[Metrics.freeEnergyGapName])
      #expect(abs(reported - gap) < 1e-6 * max(1, abs(gap)))
      #expect(epoch.penalties.isEmpty && epoch.metrics.names == recipe.metricNames)
    }
  }

  /// Annealed importance sampling comes to log Z within its own error.
  @Test(arguments: [Device.reference] + ParityTests.devices)
  func annealingFindsThePartitionFunction(device: Device) throws {
    let machine = ExactMachine(isGaussian: false)
    let samples = samples(isGaussian: false)
    let model = try Autoencoder(recipe(isGaussian: false), on: device)
    try machine.give(to: model)
    let data = try Dataset(values: samples.joined().map { Float($0) }, count: 8, features: 6)
    let found = try model.logPartition(data, chains: 400, temperatures: 100)
    #expect(found.standardError > 0 && found.standardError < 0.05)
    #expect(abs(found.value - machine.logPartition) < 4 * found.standardError)
    for chains in [0, 1] { #expect(throws: CinchError.self) { try model.logPartition(data, chains: chains) } }
    #expect(throws: CinchError.self) { try Autoencoder(.deep(layers: [6, 4]), on: device).logPartition(data) }
  }
}
