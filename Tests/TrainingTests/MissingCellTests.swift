import CinchBackend
import Testing

@testable import Cinch
@testable import CinchCore
@testable import CinchData

/// Training on tables some of whose cells are missing.
@Suite struct MissingCellTests {
  /// Losses of every kind, with what they learn themselves.
  private static let recipes: [Recipe] = {
    var recipes: [Recipe] = [
      .imputation(features: 12, columns: Variants.table, corruption: 0.25), .deep(layers: [12, 7, 3]),
      .sparse(layers: [12, 9]), .vae(layers: [12, 8, 4]),
      Recipe(name: "mse", layers: [12, 6], activation: .tanh, outputActivation: .linear, loss: .mse),
      Recipe(name: "gaussian", layers: [12, 6], activation: .tanh, outputActivation: .linear, loss: .gaussian),
    ]
    var fullBatch = Recipe.sparse(layers: [12, 9])
    fullBatch.name = "lbfgs"
    fullBatch.optimizer = Optimizer(.lbfgs, historySize: 3)
    recipes.append(fullBatch)
    for index in recipes.indices { recipes[index].batchSize = 8 }
    return recipes
  }()

  /// The gradient of what is left against central differences in Double.
  @Test(arguments: recipes) func theGradientIsOfWhatIsThere(_ recipe: Recipe) throws {
    let data = try Variants.tableWithHoles(count: 5)
    let backend = ReferenceBackend()
    let weight = try #require(data.observed).values.map { Double($0) }
    var recipe = recipe
    recipe.optimizer = Optimizer(.sgd)
    let fixture = try StepFixture(
      recipe, on: backend, x: data.values.map { Double($0) }, weight: weight)
    var values = try backend.read(fixture.network.parameters)
    for index in values.indices { values[index] += 0.02 * Double(1 + index % 7) }
    let gradient = try fixture.gradient(at: values)
    for index in stride(from: 0, to: fixture.network.layout.trainedCount, by: 5) {
      var (up, down) = (values, values)
      up[index] += 1e-5
      down[index] -= 1e-5
      let numeric = (try fixture.objective(at: up) - fixture.objective(at: down)) / 2e-5
      let scale = max(abs(numeric), abs(gradient[index]), 1e-2)
      #expect(abs(numeric - gradient[index]) / scale < 1e-6, "\(recipe.name) \(index): \(gradient[index]) \(numeric)")
    }
  }

  private func trainer(
    _ recipe: Recipe, _ data: Dataset, on device: Device, epochs: Int, residentBytes: Int? = nil
  ) throws -> (Trainer, losses: [Double], last: Epoch) {
    let trainer = try Trainer(recipe, on: device)
    try trainer.prepare(data, options: TrainingOptions(residentBytes: residentBytes, keepsStepLosses: true))
    var last: Epoch?
    for _ in 0..<epochs {
      if case .finished(let epoch) = try trainer.trainEpoch(epochs: epochs) { last = epoch }
    }
    return (trainer, try trainer.model.withSession { $0.stepLosses }, try #require(last))
  }

  /// The same course on every device, from memory or from the host.
  @Test(arguments: recipes) func devicesAgree(_ recipe: Recipe) throws {
    let data = try Variants.tableWithHoles(count: 61)
    let epochs = recipe.optimizer.isFullBatch ? 7 : 6
    let (_, reference, _) = try trainer(recipe, data, on: .reference, epochs: epochs)
    #expect(reference.count == (recipe.optimizer.isFullBatch ? 7 : 48))
    for device in ParityTests.devices {
      let (resident, losses, _) = try trainer(recipe, data, on: device, epochs: epochs)
      for (step, (a, b)) in zip(reference, losses).enumerated() {
        #expect(abs(a - b) <= 1e-4 * abs(a), "\(recipe.name) on \(device), step \(step + 1): \(b) against \(a)")
      }
      let (streamed, _, _) = try trainer(recipe, data, on: device, epochs: epochs, residentBytes: 0)
      #expect(try streamed.model.parameters() == resident.model.parameters())
    }
  }

  /// What is stated per element is of the cells that are there, and a target that is missing has no say.
  @Test(arguments: recipes.filter { $0.loss != .gaussian && $0.penalties.prior == nil })
  func missingCellsCountNothing(_ recipe: Recipe) throws {
    let data = try Variants.tableWithHoles(count: 40)
    let (trainer, _, _) = try trainer(recipe, data, on: .cpu, epochs: 2)
    let model = trainer.model
    let observed = try #require(data.observed).values
    let evaluation = try model.evaluate(data)
    let output = try model.reconstruct(data).values
    var squares = 0.0
    for (place, share) in observed.enumerated() where share != 0 {
      let difference = Double(output[place]) - Double(data.values[place])
      squares += difference * difference
    }
    let there = Double(observed.reduce(0, +))
    let mse = try #require(evaluation.metrics[Evaluation.mseName])
    #expect(abs(mse - squares / there) < 1e-5 * mse, "\(recipe.name): \(mse) against \(squares / there)")
    // Scores add up to the loss.
    let scores = try model.scores(data)
    let mean = scores.reduce(0, +) / 40
    let loss = recipe.loss == .mse ? evaluation.reconstruction.perSample / 12 : evaluation.reconstruction.perSample
    #expect(abs(mean - loss) < 1e-5 * abs(loss), "\(recipe.name): \(mean) against \(loss)")
    let byFeature = try model.featureScores(data)
    for (place, share) in observed.enumerated() where share == 0 { #expect(byFeature.features[place] == 0) }
    if recipe.loss == .mixed {
      // A column counts once.
      var (cells, start) = (0.0, 0)
      for column in Variants.table {
        for row in 0..<40 { cells += Double(observed[row * 12 + start]) }
        start += column.width
      }
      let perCell = evaluation.reconstruction.perSample * 40 / cells
      #expect(abs(evaluation.reconstruction.perElement - perCell) < 1e-6 * perCell)
      for row in 0..<40 {
        let category = output[row * 12 + 1..<row * 12 + 4]
        #expect(abs(category.reduce(0, +) - 1) < 1e-5 && category.allSatisfy { (0...1).contains($0) })
      }
    }
  }

  @Test func whatCannotBeIsRefused() throws {
    let data = try Variants.tableWithHoles(count: 20)
    for recipe in [Recipe.rbm(layers: [12, 4]), .pca(layers: [12, 4]), .ppca(layers: [12, 4])] {
      let error = #expect(throws: CinchError.self) { try recipe.validate(data) }
      #expect(error?.description.contains("missing cells") == true)
      let score = #expect(throws: CinchError.self) { try Autoencoder(recipe, on: .cpu).scores(data) }
      #expect(score?.description.contains("missing cells") == true)
    }
    let mixed = Recipe.imputation(features: 12, columns: Variants.table)
    for change: (inout Recipe) -> Void in [
      { $0.objective.columns = nil }, { $0.objective.columns = [.number] }, { $0.objective.loss = .sse },
      { $0.objective.columns = [.category(1)] + Variants.table }, { $0.objective.columns = [.category(.max)] },
      { $0 = (try? $0.settingOutputActivation(.sigmoid)) ?? $0 },
    ] {
      var recipe = mixed
      change(&recipe)
      #expect(throws: CinchError.self) { try recipe.validate() }
    }
    #expect(throws: CinchError.self) { try Recipe.vae().adopting(columnsOf: data) }
    #expect(try JSONCoding.decoder.decode(Recipe.self, from: JSONCoding.encoder.encode(mixed)) == mixed)
    // Numbers where categories should be.
    let shares = try Dataset(values: [Float](repeating: 2, count: 24), count: 2, features: 12)
    #expect(throws: CinchError.self) { try mixed.validate(shares) }
  }

  @Test func valuesThatAreNoneAreMissing() throws {
    let data = try Dataset(missing: [1, .nan, 3, 4, .nan, 6], count: 3, features: 2, columnNames: ["a", "b"])
    #expect(data.values == [1, 5, 3, 4, 2, 6] && data.missingCount == 2)
    #expect(data.observed?.values == [1, 0, 1, 1, 0, 1])
    #expect(throws: CinchError.self) { try Dataset(missing: [1, .nan, 3, .nan], count: 2, features: 2) }
    #expect(throws: CinchError.self) { try Dataset(missing: [1, .infinity], count: 1, features: 2) }
    #expect(throws: CinchError.self) { try Dataset(missing: [1, 2], count: 1, features: -2) }
    #expect(try Dataset(missing: [1, 2], count: 1, features: 2).observed == nil)
  }
}
