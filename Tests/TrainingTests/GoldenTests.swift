import CinchBackend
import Foundation
import Testing

@testable import Cinch
@testable import CinchCore

/// Losses, gradients and updates of every variant as PyTorch computes them by automatic differentiation in
/// float64; `Benchmarks/golden.py` made the files.
@Suite struct GoldenTests {
  struct Values: Decodable {
    var shape: [Int]
    var values: [Double]
  }

  struct Loss: Decodable {
    var reconstruction: Double
    var penalties: [String: Double]
    var total: Double
  }

  struct Outcome: Decodable {
    var optimizer: Optimizer
    var parameters: [String: Values]
  }

  struct Golden: Decodable {
    var recipe: Recipe
    /// Samples of features; images with channels first.
    var x: [[Double]]
    /// What the encoder sees at each of three steps.
    var xCorrupted: [[[Double]]]?
    /// 1 for each value that counts, 0 for one that is missing; nil where none is.
    var observed: [[Double]]?
    var parameters: [String: Values]
    var loss: Loss
    var gradients: [String: Values]
    var afterOneStep: [String: Outcome]
    var afterThreeSteps: [String: Outcome]
  }

  static let files: [String] = {
    let folder = Bundle.module.resourceURL?.appending(path: "Golden")
    let names = folder.flatMap { try? FileManager.default.contentsOfDirectory(atPath: $0.path) } ?? []
    return names.filter { $0.hasSuffix(".json") }.sorted()
  }()

  private func load(_ file: String) throws -> Golden {
    let url = try #require(Bundle.module.resourceURL).appending(path: "Golden/\(file)")
    return try JSONCoding.decoder.decode(Golden.self, from: Data(contentsOf: url))
  }

  /// Closed forms take no steps: `ClosedFormTests` has values of their own.
  @Test(arguments: Recipe.all.filter { $0.closedForm == nil }.map(\.name))
  func everyVariantIsThere(name: String) throws {
    try #require(Self.files.contains(name + ".json"), "add it to Benchmarks/golden.py")
    #expect(try load(name + ".json").recipe.name == name)
  }

  /// In Double the two agree to rounding: every sum here has fewer than 100 terms.
  @Test(arguments: files)
  func reference(_ file: String) throws {
    try check(load(file), on: ReferenceBackend(), tolerance: 100 * 0x1p-52)
  }

  /// In float32 a gradient of fewer than 100 terms is right to about √100·2⁻²³; three updates triple that, and
  /// Adam's quotient of two such numbers doubles it.
  @Test(arguments: files)
  func devices(_ file: String) throws {
    let golden = try load(file)
    for device in ParityTests.devices {
      try open(golden, on: device.open().backend, tolerance: 6 * 10 * 0x1p-23)
    }
  }

  private func open<B: Backend>(_ golden: Golden, on backend: B, tolerance: Double) throws {
    try check(golden, on: backend, tolerance: tolerance)
  }

  private func check<B: Backend>(_ golden: Golden, on backend: B, tolerance: Double) throws {
    for (name, outcome) in golden.afterOneStep {
      try check(golden, name, outcome, steps: 1, on: backend, tolerance)
    }
    for (name, outcome) in golden.afterThreeSteps {
      try check(golden, name, outcome, steps: 3, on: backend, tolerance)
    }
  }

  private func check<B: Backend>(
    _ golden: Golden, _ name: String, _ outcome: Outcome, steps: Int, on backend: B, _ tolerance: Double
  ) throws {
    var recipe = golden.recipe
    recipe.optimizer = outcome.optimizer
    if recipe.optimizer.isFullBatch {
      try checkFullBatch(golden, recipe, outcome, steps: steps, on: backend, tolerance)
      return
    }
    // A device has channels last.
    func values(_ samples: [[Double]]) -> [B.Scalar] {
      recipe.inputShape.channelsLast(samples.joined().map { B.Scalar($0) })
    }
    let fixture = try StepFixture(
      recipe, on: backend, x: values(golden.x), weight: golden.observed.map(values))
    let layout = fixture.network.layout
    try backend.write(try arena(golden.parameters, layout).map { B.Scalar($0) }, to: fixture.network.parameters)
    for step in 0..<steps {
      if let corrupted = golden.xCorrupted {
        try backend.write(values(corrupted[step]), to: fixture.input)
      }
      let update = recipe.optimizer.step(
        step, scale: 1, weightDecay: recipe.penalties.weightDecay, decayCount: layout.weightCount)
      let terms = try fixture.run(update, step: step).map { Double($0) }
      guard step == 0 else { continue }
      close(terms[0], golden.loss.reconstruction, tolerance, "reconstruction loss")
      // A classifier counts its errors beside the loss.
      for (penalty, value) in zip(recipe.penalties.names, terms.dropFirst(recipe.classifier == nil ? 1 : 2)) {
        close(value, try #require(golden.loss.penalties[penalty]), tolerance, penalty)
      }
      if steps == 1 { try checkGradients(golden, fixture, layout, tolerance) }
    }
    let want = try arena(outcome.parameters, layout)
    let got = try backend.read(fixture.network.parameters).map { Double($0) }
    compare(
      got, want, from: try arena(golden.parameters, layout), layout, tolerance,
      "\(recipe.name) after \(steps) steps of \(name)")
  }

  /// A rule that asks for the objective more than once is the run's, which takes all samples for each update.
  private func checkFullBatch<B: Backend>(
    _ golden: Golden, _ recipe: Recipe, _ outcome: Outcome, steps: Int, on backend: B, _ tolerance: Double
  ) throws {
    let network = try Network(recipe, on: backend)
    let data = try Dataset(
      values: golden.x.joined().map { Float($0) }, count: golden.x.count, features: recipe.input)
    let run = try GradientRun(network, training: .samples(data), validation: nil, options: TrainingOptions())
    let before = try arena(golden.parameters, network.layout)
    try backend.write(before.map { B.Scalar($0) }, to: network.parameters)
    for _ in 0..<steps { _ = try run.advance(epochs: steps) { _ in true } }
    compare(
      try backend.read(network.parameters).map { Double($0) }, try arena(outcome.parameters, network.layout),
      from: before, network.layout, tolerance, "\(recipe.name) after \(steps) steps of lbfgs")
  }

  private func checkGradients<B: Backend>(
    _ golden: Golden, _ fixture: StepFixture<B>, _ layout: ParameterList, _ tolerance: Double
  ) throws {
    // The optimiser adds weight decay itself, so the arena holds the gradient without it.
    let parameters = try arena(golden.parameters, layout)
    var got = try fixture.network.backend.read(fixture.network.gradients).map { Double($0) }
    for index in 0..<layout.weightCount { got[index] += golden.recipe.penalties.weightDecay * parameters[index] }
    compare(got, try arena(golden.gradients, layout), layout, tolerance, "\(golden.recipe.name): gradient of")
  }

  /// The arena of named parameters, in Double.
  private func arena(_ named: [String: Values], _ layout: ParameterList) throws -> [Double] {
    var values = [Double](repeating: .nan, count: layout.count)
    #expect(Set(named.keys).isSubset(of: layout.uses.map(\.name)))
    for use in layout.uses where !use.isShared {
      let parameter = try #require(named[use.name])
      #expect(parameter.shape == layout.fileShape(use).dimensions)
      for (offset, value) in zip(layout.offsets(use), parameter.values) { values[offset] = value }
    }
    return values
  }

  /// Compares two arenas tensor by tensor: small gradients are not to hide behind large ones.
  ///
  /// What an update rounds is relative to both its terms, so `before` counts where a bias passes near 0.
  private func compare(
    _ got: [Double], _ want: [Double], from before: [Double] = [], _ layout: ParameterList, _ tolerance: Double,
    _ what: String
  ) {
    for use in layout.uses where !use.isShared {
      let range = layout.range(use.parameter)
      close(got[range], want[range], from: before.isEmpty ? [] : before[range], tolerance, "\(what) \(use.name)")
    }
  }

  private func close(_ got: Double, _ want: Double, _ tolerance: Double, _ what: String) {
    close([got], [want], tolerance, what)
  }

  /// Relative to the largest element: what rounding in a sum is relative to.
  private func close(
    _ got: ArraySlice<Double>, _ want: ArraySlice<Double>, from before: ArraySlice<Double> = [], _ tolerance: Double,
    _ what: String
  ) {
    let scale = (want + before).map(abs).max() ?? 0
    let errors = zip(got, want).map { abs($0 - $1) }
    guard got.count == want.count, errors.allSatisfy({ $0 <= tolerance * scale }) else {
      Issue.record("\(what): off by \(errors.max() ?? .nan), more than \(tolerance) of \(scale)")
      return
    }
  }
}
