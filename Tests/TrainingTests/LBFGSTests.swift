import CinchBackend
import Foundation
import Testing

@testable import Cinch
@testable import CinchCore

@Suite struct WolfeSearchTests {
  /// Objectives along a line, each with its derivative.
  private static let functions:
    [(name: String, value: @Sendable (Double) -> Double, slope: @Sendable (Double) -> Double)] = [
      ("parabola", { ($0 - 1) * ($0 - 1) }, { 2 * ($0 - 1) }),
      ("a narrow one, far below 1", { 1e6 * $0 * $0 - $0 }, { 2e6 * $0 - 1 }),
      ("a wide one, far above 1", { 1e-6 * $0 * $0 - $0 }, { 2e-6 * $0 - 1 }),
      // Moré and Thuente, "Line search algorithms with guaranteed sufficient decrease", 1994, functions 5.1 and 5.2.
      ("rational", { -$0 / ($0 * $0 + 2) }, { ($0 * $0 - 2) / (($0 * $0 + 2) * ($0 * $0 + 2)) }),
      ("quintic", { pow($0 + 0.004, 5) - 2 * pow($0 + 0.004, 4) }, { 5 * pow($0 + 0.004, 4) - 8 * pow($0 + 0.004, 3) }),
      ("waves", { sin(5 * $0) / 5 + 0.1 * $0 * $0 - 1.5 * $0 }, { cos(5 * $0) + 0.2 * $0 - 1.5 }),
      // Not a number beyond 2.
      ("logarithm", { -log(2 - $0) - 4 * $0 }, { 1 / (2 - $0) - 4 }),
    ]

  @Test(arguments: functions.indices, [1e-3, 0.1, 1, 10, 1e3])
  func bothConditionsHoldWhereItEnds(index: Int, first: Double) throws {
    let (name, value, slope) = Self.functions[index]
    let search = WolfeSearch()
    let start = WolfeSearch.Point(step: 0, value: value(0), slope: slope(0))
    var trials = 0
    let found = try #require(
      search.run(from: start, first: first) { step in
        trials += 1
        return WolfeSearch.Point(step: step, value: value(step), slope: slope(step))
      }, "\(name)")
    #expect(found.value == value(found.step) && found.step > 0)
    #expect(found.value <= start.value + 1e-4 * found.step * start.slope, "\(name)")
    #expect(abs(found.slope) <= 0.9 * abs(start.slope), "\(name)")
    #expect(trials <= 15, "\(name)")
  }

  /// An objective that never stops falling, one that never falls, and one that is no number anywhere.
  @Test func itEndsWhereNothingIsFound() {
    var trials = 0
    func run(_ point: (Double) -> (Double, Double)) -> WolfeSearch.Point? {
      trials = 0
      return WolfeSearch().run(from: WolfeSearch.Point(step: 0, value: 0, slope: -1), first: 1) { step in
        trials += 1
        let (value, slope) = point(step)
        return WolfeSearch.Point(step: step, value: value, slope: slope)
      }
    }
    let falling = run { (-$0, -1) }
    #expect(falling.map { $0.value < -1e6 } == true && trials == 25, "the lowest is given back")
    #expect(run { ($0, 1) } == nil && trials <= 25)
    #expect(run { _ in (0, -1) } == nil, "a value that does not change is none that falls")
    #expect(run { _ in (.nan, .nan) } == nil && trials <= 25)
  }
}

@Suite struct LBFGSTests {
  /// An updater on parameters whose objective is written by hand, in Double.
  private struct Fixture {
    let network: Network<ReferenceBackend>
    let updater: LBFGS<ReferenceBackend>
    let record: Tensor<ReferenceBuffer>
    let objective: UpdateObjective<ReferenceBackend>
    var backend: ReferenceBackend { network.backend }

    /// - Parameter function: its value, and its gradient into the second argument.
    init(parameters count: Int, historySize: Int = 10, _ function: @escaping ([Double], inout [Double]) -> Double)
      throws
    {
      var recipe = Recipe.linear(layers: [count, 1])
      recipe.optimizer = Optimizer(.lbfgs, historySize: historySize)
      let network = try Network(recipe, on: ReferenceBackend())
      let record = try network.backend.tensor([1, 1])
      updater = try LBFGS(network, memory: Memory(network.backend), record: record.shape)
      objective = UpdateObjective(
        number: 0, record: record,
        evaluate: { _ in
          let values = try network.backend.read(network.parameters)
          var gradient = [Double](repeating: 0, count: values.count)
          try network.backend.write([function(values, &gradient)], to: record)
          try network.backend.write(gradient, to: network.gradients)
        }, value: { try network.backend.read(record)[0] })
      self.network = network
      self.record = record
    }

    /// - Returns: the objective before, and whether there is more to gain.
    func update() throws -> (value: Double, goesOn: Bool) {
      let goesOn = try updater.update(
        network.recipe.optimizer.step(0, scale: 1, weightDecay: 0, decayCount: 0), objective)
      return (try backend.read(record)[0], goesOn)
    }
  }

  /// 1 + ½ Σ λᵢ (xᵢ − i)², λ between 1 and 100.
  private static func quadratic(_ x: [Double], _ gradient: inout [Double]) -> Double {
    var value = 1.0
    for index in x.indices {
      let (curvature, offset) = (1 + 99 * Double(index) / Double(x.count - 1), x[index] - Double(index))
      value += curvature / 2 * offset * offset
      gradient[index] = curvature * offset
    }
    return value
  }

  /// With a history as long as there are unknowns the inverse Hessian of a quadratic is found in about as many updates, and
  /// what follows ends at rounding. SciPy's L-BFGS-B needs 14 and PyTorch's 15 updates from 0 to 1e-14, both of them 16 to
  /// 30 from elsewhere.
  @Test func aQuadraticIsSolvedInAboutAsManyUpdatesAsItHasUnknowns() throws {
    // 3 weights there, 3 back and 4 biases.
    let fixture = try Fixture(parameters: 3, historySize: 12, Self.quadratic)
    let count = fixture.network.trained.count
    try fixture.backend.fill(fixture.network.parameters, with: 0)
    var updates = 0
    while try fixture.update().goesOn, updates < 100 { updates += 1 }
    #expect(updates <= 2 * count, "\(updates) updates of \(count) unknowns")
    for (index, value) in try fixture.backend.read(fixture.network.parameters).enumerated() {
      // To rounding the objective is flat within √(2ε/λ).
      #expect(abs(value - Double(index)) < 3e-8, "unknown \(index) is \(value)")
    }
    // Where it has ended it stays.
    let before = try fixture.backend.read(fixture.network.parameters)
    #expect(try !fixture.update().goesOn)
    #expect(try fixture.backend.read(fixture.network.parameters) == before)
  }

  /// Rosenbrock's valley in pairs: curved, and no quadratic. Every update lowers the objective, and both conditions hold.
  @Test func everyUpdateKeepsTheWolfeConditions() throws {
    func rosenbrock(_ x: [Double], _ gradient: inout [Double]) -> Double {
      var value = 0.0
      for index in stride(from: 0, to: x.count, by: 2) {
        let (a, b) = (1 - x[index], x[index + 1] - x[index] * x[index])
        value += a * a + 100 * b * b
        gradient[index] = -2 * a - 400 * x[index] * b
        gradient[index + 1] = 200 * b
      }
      return value
    }
    let fixture = try Fixture(parameters: 3, historySize: 5, rosenbrock)
    let start = (0..<10).map { $0 % 2 == 0 ? -1.2 : 1.0 }
    try fixture.backend.write(start, to: fixture.network.parameters)
    func state() throws -> (x: [Double], value: Double, gradient: [Double]) {
      let x = try fixture.backend.read(fixture.network.parameters)
      var gradient = [Double](repeating: 0, count: x.count)
      return (x, rosenbrock(x, &gradient), gradient)
    }
    var updates = 0
    var before = try state()
    while try fixture.update().goesOn, updates < 200 {
      updates += 1
      let after = try state()
      // The step αd is the difference; φ′ along it is gᵀd, and α cancels.
      let move = zip(after.x, before.x).map { $0 - $1 }
      let slope = zip(before.gradient, move).reduce(0) { $0 + $1.0 * $1.1 }
      let last = zip(after.gradient, move).reduce(0) { $0 + $1.0 * $1.1 }
      #expect(after.value <= before.value + 1e-4 * slope && after.value < before.value)
      // Where a step is so short that rounding of the difference counts, it is left out.
      if before.value > 1e-20 { #expect(abs(last) <= 0.9 * abs(slope) * (1 + 1e-6), "update \(updates)") }
      before = after
    }
    #expect(updates < 100 && before.value < 1e-20, "\(updates) updates to \(before.value)")
  }

  /// −H g against the two loops of algorithm 7.4 on vectors.
  @Test func theDirectionIsThatOfTheTwoLoops() {
    let philox = Philox(seed: 4, stream: .test)
    let (size, count) = (4, 6)
    func vector(_ index: Int) -> [Double] { (0..<count).map { philox.gaussian(element: $0, step: UInt64(index)) } }
    func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
    var basis = (0...2 * size).map(vector)
    // Positive curvature: y = s, stretched and a little bent.
    for place in 0..<size {
      basis[size + place] = zip(basis[place], vector(50 + place)).map { (1 + Double(place)) * $0 + 0.1 * $1 }
    }
    let products = basis.flatMap { a in basis.map { dot(a, $0) } }
    for places in [[], [2], [3, 0, 1], [1, 2, 3, 0]] {
      var q = basis[2 * size]
      var factors: [Int: Double] = [:]
      for place in places.reversed() {
        let (s, y) = (basis[place], basis[size + place])
        factors[place] = dot(s, q) / dot(s, y)
        q = zip(q, y).map { $0 - factors[place]! * $1 }
      }
      if let last = places.last {
        let (s, y) = (basis[last], basis[size + last])
        q = q.map { $0 * dot(s, y) / dot(y, y) }
      }
      for place in places {
        let (s, y) = (basis[place], basis[size + place])
        let beta = dot(y, q) / dot(s, y)
        q = zip(q, s).map { $0 + (factors[place]! - beta) * $1 }
      }
      let coefficients = LBFGS<ReferenceBackend>.direction(products, size: size, places)
      for index in 0..<count {
        let value = zip(coefficients, basis).reduce(0) { $0 + $1.0 * $1.1[index] }
        #expect(abs(value + q[index]) < 1e-12 * (1 + abs(q[index])), "\(places)")
      }
    }
  }

  /// What has no curvature, such as a slope without end, teaches nothing: the pair is left out, and nothing divides by it.
  @Test func pairsWithoutCurvatureAreLeftOut() throws {
    let fixture = try Fixture(parameters: 3) { x, gradient in
      for index in x.indices { gradient[index] = 1 }
      return x.reduce(0, +)
    }
    let first = try fixture.update()
    let second = try fixture.update()
    #expect(first.goesOn && second.value < first.value && second.value.isFinite)
    #expect(try fixture.backend.read(fixture.network.parameters).allSatisfy(\.isFinite))
  }

  @Test func weightsThatAreSetFromOutsideBeginAnew() throws {
    var recipe = Recipe.sparse(layers: [13, 9])
    recipe.optimizer = Optimizer(.lbfgs)
    let data = try Variants.data(count: 29, features: 13)
    func trainer() throws -> Trainer {
      let trainer = try Trainer(recipe, on: .reference)
      try trainer.prepare(data, options: TrainingOptions(keepsStepLosses: true))
      return trainer
    }
    let (fresh, used) = (try trainer(), try trainer())
    let parameters = try fresh.model.parameters()
    for _ in 0..<3 { _ = try used.trainEpoch(epochs: 9) }
    try used.model.setParameters(parameters)
    _ = try fresh.trainEpoch(epochs: 9)
    _ = try used.trainEpoch(epochs: 9)
    #expect(try fresh.model.parameters() == used.model.parameters())
  }

  private func losses(_ recipe: Recipe, _ data: Dataset, epochs: Int, on device: Device = .cpu) throws -> [Double] {
    let trainer = try Trainer(recipe, on: device)
    try trainer.prepare(data, options: TrainingOptions(keepsStepLosses: true))
    for _ in 0..<epochs { _ = try trainer.trainEpoch(epochs: epochs) }
    return try trainer.model.withSession { $0.stepLosses }
  }

  /// The same parts of the objective, however the samples are cut: the mean activation of KL sparsity is that of all of
  /// them, and so are the numbers that corruption draws.
  @Test(arguments: [nil, Corruption.masking(0.3)])
  func partsMakeNoDifference(_ corruption: Corruption?) throws {
    var recipe = Recipe.sparse(layers: [12, 9])
    recipe.corruption = corruption
    recipe.optimizer = Optimizer(.lbfgs)
    let data = try Variants.data(count: 61, features: 12)
    recipe.batchSize = 61
    let whole = try losses(recipe, data, epochs: 6, on: .reference)
    for size in [1, 8, 30, 1000] {
      recipe.batchSize = size
      let cut = try losses(recipe, data, epochs: 6, on: .reference)
      // Rounding, which updates let grow a little.
      #expect(zip(whole, cut).allSatisfy { abs($0 - $1) < 1e-10 * abs($0) }, "parts of \(size)")
    }
    #expect(whole[5] < whole[0])
  }

  /// As many passes over the samples as SGD and Adam get, and a lower objective than either at several rates.
  @Test func itBeatsGradientDescent() throws {
    let data = try Variants.data(count: 200, features: 16)
    var recipe = Recipe.sparse(layers: [16, 8])
    recipe.batchSize = 50
    recipe.optimizer = Optimizer(.lbfgs)
    let found = try #require(try losses(recipe, data, epochs: 60).last)
    // An update of the search takes little more than one gradient: two for each are more than it had.
    for rate in [0.1, 0.3, 1, 3] {
      recipe.optimizer = Optimizer(.sgd, learningRate: rate)
      let descent = try losses(recipe, data, epochs: 120).suffix(4).reduce(0, +) / 4
      #expect(found < descent, "\(found) against \(descent) of rate \(rate)")
    }
  }

  /// A run that has found all there is ends, and says so; more epochs change nothing.
  @Test(arguments: [Device.reference] + ParityTests.devices)
  func aRunEndsWhereNothingIsLeftToGain(device: Device) throws {
    var recipe = Recipe.linear(layers: [4, 2])
    recipe.optimizer = Optimizer(.lbfgs)
    let data = try Variants.data(count: 30, features: 4)
    let trainer = try Trainer(recipe, on: device)
    try trainer.prepare(data)
    var epochs = 0
    var reason: EndReason?
    while reason == nil, epochs < 2000 {
      epochs += 1
      if case .complete(let ended) = try trainer.trainEpoch(epochs: 2000) { reason = ended }
    }
    #expect(reason == .converged && epochs < 1000, "\(epochs) epochs")
    let (state, parameters) = (try trainer.state, try trainer.model.parameters())
    #expect(state.ended == .converged && state.history.count == state.epoch)
    guard case .complete(.converged) = try trainer.trainEpoch(epochs: 5000) else {
      Issue.record("the run goes on")
      return
    }
    #expect(try trainer.model.parameters() == parameters)
  }

  /// Numbers that each update draws anew are no reason to end a run.
  @Test func aNoisyObjectiveGoesOn() throws {
    var recipe = Recipe.denoising(layers: [12, 8], corruption: .masking(0.5))
    recipe.optimizer = Optimizer(.lbfgs)
    let data = try Variants.data(count: 10, features: 12)
    let values = try losses(recipe, data, epochs: 150)
    #expect(values.count == 150 && values.allSatisfy(\.isFinite))
    #expect(values.suffix(20).reduce(0, +) / 20 < values[0])
  }

  /// A checkpoint whose history cannot be is refused.
  @Test func damagedHistoriesAreRefused() throws {
    var recipe = Recipe.linear(layers: [4, 2])
    recipe.optimizer = Optimizer(.lbfgs, historySize: 3)
    let data = try Variants.data(count: 30, features: 4)
    let trainer = try Trainer(recipe, on: .reference)
    try trainer.prepare(data)
    _ = try trainer.trainEpoch(epochs: 9)
    let whole = try trainer.model.withSession { try $0.checkpoint() }
    for counters in [[-1, 0, 1], [4, 0, 1], [1, 3, 1], [0.5, 0, 1], [.nan, 0, 1], [1, .infinity, 1]] as [[Double]] {
      var checkpoint = whole
      checkpoint.arenas["lbfgs.counters"] = .double(counters)
      try trainer.model.withSession { try $0.restore(checkpoint) }
      #expect(throws: CinchError.self, "\(counters)") { try trainer.trainEpoch(epochs: 9) }
    }
  }

  @Test func whatMeansNothingToItIsRefused() throws {
    func refused(_ change: (inout Recipe) -> Void) {
      var recipe = Recipe.sparse(layers: [13, 9])
      recipe.optimizer = Optimizer(.lbfgs)
      change(&recipe)
      #expect(throws: CinchError.self) { try recipe.validate() }
    }
    refused { $0.gradientClip = 1 }
    refused { $0.schedule = Schedule(.cosine) }
    refused { $0.schedule.warmUpEpochs = 1 }
    refused { $0.optimizer.decoupledWeightDecay = true }
    refused { $0.optimizer.historySize = 0 }
    refused { $0.optimizer.historySize = 1001 }
    refused { $0.penalties.kl?.momentum = 0.5 }
    var machine = Recipe.rbm(layers: [12, 8])
    machine.optimizer = Optimizer(.lbfgs)
    #expect(throws: CinchError.self) { try machine.validate() }
  }
}
