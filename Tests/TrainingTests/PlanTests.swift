import CPUBackend
import CinchBackend
import CinchData
import Foundation
import OpenCLBackend
import Testing

@testable import Cinch
@testable import CinchCore

/// A plan is what a run asks of its device.
@Suite struct PlanTests {
  private static let images = ImageShape(channels: 1, height: 12, width: 12)

  private static let recipes: [Recipe] = {
    var recipes: [Recipe] = [
      .deep(layers: [13, 7, 3]), .sparse(layers: [13, 9]), .denoising(layers: [13, 17], corruption: .masking(0.3)),
      .contractive(layers: [13, 9]), .vae(layers: [13, 9, 4]), .rbm(layers: [12, 8]), .conv(image: images),
      .convPool(image: images), .imputation(features: 12, columns: Variants.table, corruption: 0.25),
      .classifier(layers: [13, 7, 5], activation: .tanh, classes: Variants.labelCount),
    ]
    for rule in [Optimizer.Rule.lbfgs, .momentum] {
      var other = Recipe.sparse(layers: [13, 9])
      other.optimizer = Optimizer(rule)
      other.gradientClip = rule == .lbfgs ? nil : 0.5
      recipes.append(other)
    }
    for index in recipes.indices { recipes[index].batchSize = 8 }
    return recipes
  }()

  private func data(for recipe: Recipe, count: Int) throws -> Dataset {
    if recipe.loss == .mixed { return try Variants.tableWithHoles(count: count) }
    let values = try Variants.data(count: count, features: recipe.input).values
    let shape = recipe.image.map { Shape([$0.channels, $0.height, $0.width]) } ?? [recipe.input]
    return try Dataset(
      values: values, count: count, sampleShape: shape,
      labels: recipe.classifier.map { classifier in (0..<count).map { $0 % classifier.classes } })
  }

  private func lines<B: Backend>(_ recipe: Recipe, on backend: B) throws -> (ops: [String], allocations: Int) {
    var format = TraceFormat()
    var ops: [String] = []
    let session = try ModelSession(recipe, on: TracingBackend(backend) { ops.append(format.line($0)) })
    try session.prepare(
      training: try data(for: recipe, count: 13), validation: nil, options: TrainingOptions())
    _ = try session.trainEpoch(epochs: 2) { _ in false }
    return (ops, backend.counters.allocations)
  }

  /// The same ops on the same tensors in the same buffers.
  private func holds<B: Backend>(_ recipe: Recipe, on backend: B) throws {
    let planned = try lines(recipe, on: PlanningBackend(backend))
    let run = try lines(recipe, on: backend)
    #expect(planned.ops == run.ops)
    #expect(!run.ops.isEmpty && run.ops.contains { $0.hasPrefix("gather") })
  }

  /// But for a line search, whose steps follow from numbers.
  @Test(arguments: recipes.filter { !$0.optimizer.isFullBatch }) func aPlanAsksForWhatARunDoes(_ recipe: Recipe) throws
  {
    try holds(recipe, on: try CPUBackend())
    try holds(recipe, on: try OpenCLBackend(platform: 0, device: 0))
  }

  /// 13 samples of 13 float32 numbers, 7·13 + 7 + 3·7 + 3 + … parameters four times over, in batches of 8 and 5.
  @Test func memoryIsWhatItIsFor() throws {
    var recipe = Recipe.deep(layers: [13, 7, 3])
    recipe.batchSize = 8
    let parts = RunParts(training: try Variants.data(count: 13, features: 13))
    let plan = try TrainingPlan(recipe, parts, training: 13, heldOut: 0, on: try CPUBackend(), tried: nil)
    let parameters = 2 * (7 * 13 + 3 * 7) + 7 + 3 + 7 + 13
    #expect(plan.parameters == parameters)
    #expect(plan.memory[.parameters] == 4 * 4 * parameters)
    #expect(plan.memory[.dataSet] == 4 * 13 * 13)
    #expect(plan.updatesPerEpoch == 2 && plan.samples == 13 && plan.heldOut == 0 && !plan.isStreamed)
    #expect(plan.update.operations == 8 * (try recipe.resolved().stepFlops))
    #expect(plan.update.seconds == nil && plan.samplesPerSecond == nil)
    // With lbfgs the last steps, too, and the differences of gradients.
    (recipe.optimizer, recipe.batchSize) = (Optimizer(.lbfgs), 13)
    let search = try TrainingPlan(recipe, parts, training: 13, heldOut: 0, on: try CPUBackend(), tried: nil)
    let vectors = 2 + 2 * recipe.optimizer.historySize
    #expect(try #require(search.memory[.parameters]) >= 4 * vectors * parameters)
  }

  /// As `TrainingPlan` does, in less time.
  private func tried(_ recipe: Recipe, _ data: Dataset, on device: Device) throws -> TrainingPlan {
    func plan<B: Backend>(_ backend: B) throws -> TrainingPlan {
      let parts = try recipe.checkedParts(of: data, validation: nil, test: nil, .identity, nil)
      return try TrainingPlan(
        recipe, parts, training: parts.training.count, heldOut: parts.validation?.count ?? 0, on: backend, tried: 0.05)
    }
    return try plan(try device.open().backend)
  }

  /// Within 5 % of what a run's device has held at most when the run has ended.
  @Test(arguments: zip(recipes, recipes.indices.map { $0 % 2 == 0 })) func memoryIsWhatARunTakes(
    _ recipe: Recipe, isSplit: Bool
  ) throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "cinch-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: folder) }
    for device in [Device.cpu, .opencl()] {
      var recipe = recipe
      recipe.epochs = 1
      recipe.validationSplit = isSplit ? 0.25 : 0
      // More than pass at a time where nothing is trained.
      let data = try data(for: recipe, count: isSplit ? 61 : 1101)
      let plan = try tried(recipe, data, on: device)
      let run = try Run.create(recipe, data: data, in: "\(folder)/\(device)-\(recipe.name)", on: device)
      let taken = try #require(try run.train()).memory.most
      #expect(
        abs(Double(plan.totalMemory) - Double(taken)) <= 0.05 * Double(taken),
        "\(recipe.name) on \(device): \(plan.totalMemory) planned, \(taken) taken; \(plan.memory)")
      #expect(plan.samples == (isSplit ? 46 : 1101) && plan.heldOut == (isSplit ? 15 : 0))
      let (update, epoch) = (try #require(plan.update.seconds), try #require(plan.epoch.seconds))
      #expect(update > 0 && update <= epoch && epoch.isFinite)
    }
  }

  /// What grows with the samples, and what does not.
  @Test func samplesNeedNotBeThere() throws {
    var recipe = Recipe.deep(layers: [13, 7, 3])
    recipe.batchSize = 8
    recipe.validationSplit = 0.25
    let data = try Variants.data(count: 61, features: 13)
    let few = try TrainingPlan(recipe, data: data, on: .cpu)
    let many = try TrainingPlan(recipe, data: data, samples: 61_000, on: .cpu)
    #expect(many.samples == 45_750 && many.heldOut == 15_250 && many.updatesPerEpoch == 5719)
    #expect(many.memory[.dataSet] == 4 * 13 * 45_750)
    #expect(many.memory[.parameters] == few.memory[.parameters])
    #expect(many.update.operations == few.update.operations)
    // Each epoch ends with a look at a batch.
    let rest = 1000 * few.epoch.operations - many.epoch.operations
    #expect(rest >= 0 && rest <= 1000 * few.update.operations)
    // 2³⁰ samples of 1000 numbers are too many for any device here.
    recipe = .deep(layers: [1000, 7])
    let wide = try Variants.data(count: 61, features: 1000)
    let huge = try TrainingPlan(recipe, data: wide, samples: 1 << 30, on: .cpu)
    #expect(huge.isStreamed && huge.memory[.dataSet] == nil)
    #expect(throws: CinchError.self) { try TrainingPlan(recipe, data: wide, samples: 0, on: .cpu) }
    #expect(throws: CinchError.self) { try TrainingPlan(recipe, data: wide, samples: .max, on: .cpu) }
  }

  /// A batch that is not tried whole: time and scratch memory are those of a line through two smaller ones. A turned factor
  /// of rows × 7 numbers is what products need most of; each thread has room of its own for packing.
  @Test func largeBatchesAreTriedInPart() throws {
    let recipe = Recipe.deep(layers: [13, 7, 3])
    let parts = RunParts(training: try Variants.data(count: 256, features: 13))
    func trial(_ rowBytes: Double) throws -> Trial {
      try Trial(
        recipe, parts, rows: 256, rowBytes: rowBytes, heldOut: 0, isStreamed: false, seconds: 0.05, on: try CPUBackend()
      )
    }
    let (whole, part) = (try trial(1), try trial(4e6))
    #expect(part.sampleSeconds > 0 && part.sampleSeconds.isFinite)
    #expect(abs(Double(part.scratch) - Double(whole.scratch)) <= 0.1 * Double(whole.scratch))
  }

  @Test func whatHasNoUpdatesHasNothingToPlan() throws {
    let data = try Variants.data(count: 13, features: 13)
    #expect(throws: CinchError.self) { try TrainingPlan(.pca(layers: [13, 3]), data: data, on: .cpu) }
    #expect(throws: CinchError.self) {
      try TrainingPlan(
        .deep(layers: [13, 3]), data: data, validation: try Variants.data(count: 5, features: 7), on: .cpu)
    }
  }
}
