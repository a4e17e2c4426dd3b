import CinchBackend
import Foundation
import Testing

@testable import Cinch
@testable import CinchCore

/// The loop that all variants share: resuming, streaming, stopping, schedules, failures.
@Suite struct TrainerTests {
  static let devices: [Device] = [.reference, .cpu, .opencl()]

  private func recipe() -> Recipe {
    var recipe = Recipe.sparse(layers: [13, 9])
    recipe.corruption = .masking(0.2)
    recipe.penalties.kl?.momentum = 0.5
    recipe.batchSize = 8
    return recipe
  }

  /// A run that is stopped anywhere, checkpointed and resumed ends with the same bits.
  @Test(arguments: devices)
  func resumingIsExact(_ device: Device) throws {
    let data = try Variants.data(count: 61, features: 13)
    let straight = try Trainer(recipe(), on: device)
    try straight.prepare(data)
    for _ in 0..<3 { _ = try straight.trainEpoch(epochs: 3) }

    var checkpoint: Checkpoint?
    var stops = 0
    while true {
      let trainer = try Trainer(recipe(), on: device)
      try trainer.prepare(data)
      if let checkpoint { try trainer.model.withSession { try $0.restore(checkpoint) } }
      var chunks = 0
      let outcome = try trainer.trainEpoch(epochs: 3) { _ in
        chunks += 1
        return chunks < 2
      }
      checkpoint = try trainer.model.withSession { try $0.checkpoint() }
      if case .interrupted = outcome { stops += 1 }
      if case .complete = outcome {
        #expect(try trainer.model.parameters() == straight.model.parameters())
        #expect(try trainer.state.history.map(\.loss) == straight.state.history.map(\.loss))
        break
      }
    }
    #expect(stops > 0, "the run was interrupted inside an epoch")
  }

  /// ρ̂'s moving average starts at the first batch's mean, so the first update is that of the mini-batch mean.
  @Test(arguments: devices)
  func theMovingAverageStartsAtTheFirstBatch(_ device: Device) throws {
    let data = try Variants.data(count: 8, features: 13)
    let losses = try [0, 0.9].map { momentum in
      var recipe = recipe()
      recipe.penalties.kl?.momentum = momentum
      let trainer = try Trainer(recipe, on: device)
      try trainer.prepare(data)
      _ = try trainer.trainEpoch(epochs: 2)
      _ = try trainer.trainEpoch(epochs: 2)
      return try trainer.state.history.map { $0.penalties["kl"] ?? .nan }
    }
    #expect(losses[0][0] == losses[1][0])
    #expect(losses[0][1] != losses[1][1])
  }

  @Test(arguments: devices)
  func streamingChangesNothing(_ device: Device) throws {
    let data = try Variants.data(count: 61, features: 13)
    let resident = try Trainer(recipe(), on: device)
    let streamed = try Trainer(recipe(), on: device)
    try resident.prepare(data)
    try streamed.prepare(data, options: TrainingOptions(residentBytes: 100))
    #expect(try streamed.model.withSession { $0.isStreamed })
    #expect(try !resident.model.withSession { $0.isStreamed })
    for trainer in [resident, streamed] { for _ in 0..<3 { _ = try trainer.trainEpoch(epochs: 3) } }
    #expect(try streamed.model.parameters() == resident.model.parameters())
  }

  @Test func batchSizesOfEveryKind() throws {
    let data = try Variants.data(count: 10, features: 13)
    for batch in [1, 3, 9, 10, 11, 1000] {
      var recipe = Recipe.undercomplete(layers: [13, 4])
      recipe.batchSize = batch
      let trainer = try Trainer(recipe, on: .cpu)
      try trainer.prepare(data, options: TrainingOptions(keepsStepLosses: true))
      guard case .finished(let epoch) = try trainer.trainEpoch(epochs: 1) else {
        Issue.record("no epoch with batches of \(batch)")
        continue
      }
      #expect(try trainer.model.withSession { $0.stepLosses.count } == (10 + min(batch, 10) - 1) / min(batch, 10))
      #expect(epoch.loss.isFinite)
    }
  }

  /// The two statements of one error differ by the number of features; the loss is their sum with penalties.
  @Test func lossesAreStatedTwice() throws {
    let trainer = try Trainer(recipe(), on: .cpu)
    try trainer.prepare(try Variants.data(count: 61, features: 13))
    guard case .finished(let epoch) = try trainer.trainEpoch(epochs: 1) else {
      Issue.record("no epoch")
      return
    }
    #expect(abs(epoch.reconstruction.perSample / 13 - epoch.reconstruction.perElement) < 1e-12)
    #expect(Set(epoch.penalties.keys) == ["kl", "weight_decay"])
    let sum = epoch.reconstruction.perSample + epoch.penalties.values.reduce(0, +)
    #expect(abs(sum - epoch.loss) < 1e-9)
  }

  /// The mse loss is a mean over features already, so it is the error per element.
  @Test func meanSquaredErrorIsPerElement() throws {
    let data = try Variants.data(count: 16, features: 13)
    let trainer = try Trainer(
      Recipe(name: "mse", layers: [13, 4], activation: .tanh, outputActivation: .linear, loss: .mse), on: .cpu)
    let output = try trainer.model.reconstruct(data).values
    let squares = zip(output, data.values).reduce(0.0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
    let error = try trainer.model.evaluate(data).reconstruction
    #expect(abs(error.perElement - squares / (16 * 13)) < 1e-6)
    #expect(abs(error.perSample - squares / 16) < 1e-5)
  }

  /// Taken from δ where that is the difference, and from another pass where it is not; batches of 1,024 and the rest.
  @Test(arguments: devices)
  func squaredErrorsAreThoseOfReconstructions(_ device: Device) throws {
    let data = try Variants.data(count: 1_500, features: 16)
    let image = ImageShape(channels: 1, height: 4, width: 4)
    var gaussian = Recipe(
      name: "gaussian", layers: [16, 5], activation: .tanh, outputActivation: .linear, loss: .gaussian)
    gaussian.objective.sigma = 0.5
    for recipe: Recipe in [.deep(layers: [16, 5]), gaussian, .conv(image: image), .vae(layers: [16, 5])] {
      let model = try Trainer(recipe, on: device).model
      let output = try model.reconstruct(data).values
      let squares = zip(output, data.values).reduce(0.0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
      let mse = try #require(try model.evaluate(data).metrics[Evaluation.mseName])
      #expect(abs(mse - squares / (1_500 * 16)) < 2e-6 * mse, "\(recipe.name)")
    }
  }

  @Test func earlyStoppingRestoresTheBestWeights() throws {
    let data = try Variants.data(count: 40, features: 13)
    var recipe = Recipe.overcomplete(layers: [13, 32], weightDecay: 0)
    recipe.batchSize = 4
    recipe.optimizer = Optimizer(.sgd, learningRate: 2)
    recipe.validationSplit = 0.5
    recipe.patience = 2
    let trainer = try Trainer(recipe, on: .cpu)
    try trainer.prepare(data)
    var epochs: [Epoch] = []
    var reason: EndReason?
    while reason == nil {
      switch try trainer.trainEpoch(epochs: 500) {
      case .finished(let epoch): epochs.append(epoch)
      case .complete(let end): reason = end
      case .interrupted: Issue.record("interrupted")
      }
    }
    #expect(reason == .earlyStopping)
    let best = try #require(epochs.compactMap(\.validation?.perSample).min())
    let held = try data.split(validation: 0.5, seed: recipe.seed).validation
    #expect(abs(try trainer.model.evaluate(held).reconstruction.perSample - best) < 1e-6 * best)
    #expect(epochs.last?.validation?.perSample != best)
  }

  @Test func clippingBoundsTheStep() throws {
    let data = try Variants.data(count: 8, features: 13)
    var recipe = Recipe.linear(layers: [13, 5])
    recipe.optimizer = Optimizer(.sgd, learningRate: 1)
    recipe.penalties.weightDecay = 0.5
    recipe.gradientClip = 0.01
    recipe.batchSize = 8
    for device in Self.devices {
      let trainer = try Trainer(recipe, on: device)
      let before = try trainer.model.parameters().flatMap(\.values)
      try trainer.prepare(data)
      _ = try trainer.trainEpoch(epochs: 1)
      let after = try trainer.model.parameters().flatMap(\.values)
      let moved = zip(before, after).reduce(0.0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }.squareRoot()
      #expect(abs(moved - 0.01) < 1e-5, "\(device) moved \(moved)")
    }
  }

  @Test func schedules() {
    let step = Schedule(.step, decay: 0.5, every: 2)
    #expect((0..<6).map { step.factor(step: $0 * 10, stepsPerEpoch: 10, epochs: 6) } == [1, 1, 0.5, 0.5, 0.25, 0.25])
    let cosine = Schedule(.cosine, floor: 0.1)
    #expect(cosine.factor(step: 0, stepsPerEpoch: 10, epochs: 2) == 1)
    #expect(abs(cosine.factor(step: 10, stepsPerEpoch: 10, epochs: 2) - 0.55) < 1e-12)
    #expect(abs(cosine.factor(step: 20, stepsPerEpoch: 10, epochs: 2) - 0.1) < 1e-12)
    let warm = Schedule(warmUpEpochs: 0.4)
    #expect((0..<6).map { warm.factor(step: $0, stepsPerEpoch: 10, epochs: 1) } == [0.2, 0.4, 0.6, 0.8, 1, 1])
    let rare = Schedule(.step, every: .max)
    #expect([0, Int.max - 1].map { rare.factor(step: $0, stepsPerEpoch: 2, epochs: 1) } == [1, 1])
    let long = Schedule(.cosine, warmUpEpochs: 1e30)
    #expect(long.factor(step: 0, stepsPerEpoch: 2, epochs: .max) < 1e-30)
    #expect(long.factor(step: .max, stepsPerEpoch: 2, epochs: .max) < 1e-10)
  }

  @Test(arguments: devices)
  func divergenceNamesTheStep(_ device: Device) throws {
    var recipe = Recipe.linear(layers: [13, 5])
    recipe.optimizer = Optimizer(.sgd, learningRate: 1e9)
    recipe.batchSize = 8
    let trainer = try Trainer(recipe, on: device)
    try trainer.prepare(try Variants.data(count: 64, features: 13))
    let error = #expect(throws: CinchError.self) {
      for _ in 0..<200 { _ = try trainer.trainEpoch(epochs: 200) }
    }
    #expect(error?.description.contains("step") == true && error?.description.contains("learning rate") == true)
  }

  @Test func fitIsAnAsyncSequence() async throws {
    let data = try Variants.data(count: 61, features: 13)
    let trainer = try Trainer(recipe(), on: .cpu)
    var numbers: [Int] = []
    for try await epoch in trainer.fit(data, epochs: 4) {
      numbers.append(epoch.number)
      // Between two epochs the model can be used.
      #expect(try trainer.model.encode(data).features == 9)
    }
    #expect(numbers == [1, 2, 3, 4])
  }

  /// A run that another has ended says so, and does not go on with the other's data.
  @Test func aLaterRunEndsTheOneBefore() async throws {
    let data = try Variants.data(count: 20, features: 13)
    let trainer = try Trainer(recipe(), on: .reference)
    var first = trainer.fit(data, epochs: 5).makeAsyncIterator()
    #expect(try await first.next()?.number == 1)
    // A trainer of its own, but of the same model.
    var second = Trainer(trainer.model).fit(data, epochs: 5).makeAsyncIterator()
    #expect(try await second.next()?.number == 1)
    await #expect(throws: CinchError.self) { _ = try await first.next() }
    #expect(try await second.next()?.number == 2)
  }

  /// Training further starts from the weights a model has.
  @Test func aModelIsTrainedFurther() async throws {
    let data = try Variants.data(count: 20, features: 13)
    let trainer = try Trainer(recipe(), on: .cpu)
    for try await _ in trainer.fit(data, epochs: 3) {}
    let before = try trainer.model.parameters()
    let further = Trainer(trainer.model)
    #expect(try further.model.parameters() == before)
    for try await _ in further.fit(data, epochs: 1) {}
    let after = try further.model.parameters()
    #expect(after != before)
    let other = try Autoencoder(recipe(), on: .cpu)
    try other.setParameters(before)
    for try await _ in Trainer(other).fit(data, epochs: 1) {}
    #expect(try other.parameters() == after)
  }

  @Test func cancellationStopsTheRun() async throws {
    let data = try Variants.data(count: 61, features: 13)
    let trainer = try Trainer(recipe(), on: .cpu)
    let task = Task {
      for try await epoch in trainer.fit(data, epochs: 1_000_000) where epoch.number == 3 {
        withUnsafeCurrentTask { $0?.cancel() }
      }
    }
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(try trainer.state.epoch >= 3)
    #expect(try trainer.state.epoch < 1000)
  }

  @Test func settingsThatCannotWorkAreRefused() throws {
    func refused(_ change: (inout Recipe) -> Void, _ word: String) {
      var recipe = Recipe.sparse(layers: [13, 9])
      change(&recipe)
      let error = #expect(throws: CinchError.self) { try recipe.validate() }
      #expect(error?.description.contains(word) == true, "\(error?.description ?? "") should mention \(word)")
    }
    refused({ $0.autoencoder?.setLayers([13, 9], activation: .relu, outputActivation: .sigmoid) }, "sigmoid")
    refused({ $0.penalties.kl?.rho = 1 }, "rho")
    refused({ $0.penalties.weightDecay = -.infinity }, "weightDecay")
    refused(
      {
        $0.loss = .bce; $0.autoencoder?.setLayers([13, 9], activation: .sigmoid, outputActivation: .linear)
      }, "bce")
    refused({ $0.autoencoder?.setLayers([13], activation: .sigmoid, outputActivation: .sigmoid) }, "layers")
    refused(
      {
        $0.penalties.contraction = 1;
        $0.autoencoder?.setLayers([13, 9, 4], activation: .sigmoid, outputActivation: .sigmoid)
      }, "contractive")
    refused({ $0.batchSize = 0 }, "batchSize")
    refused({ $0.optimizer.learningRate = .nan }, "learningRate")
    refused({ $0.corruption = .masking(1.5) }, "corruptionLevel")
    refused({ $0.validationSplit = 1 }, "validationSplit")
    for (level, word) in [(0.03, "none"), (0.97, "all")] {
      refused({ $0.corruption = .maskingExact(level) }, "masks \(word) of 13")
    }
    for epsilon in [0, 1e-50, -1, 1e300] { refused({ $0.optimizer.epsilon = epsilon }, "epsilon") }
    var images = Recipe.conv(image: ImageShape(channels: 1, height: 9, width: 8))
    images.corruption = .block(0.9)
    #expect(throws: CinchError.self) { try images.validate() }
    images.corruption = .block(0.8)
    try images.validate()
  }

  @Test func dataThatDoNotFitAreRefused() throws {
    let recipe = Recipe.undercomplete(layers: [3, 2])
    let wide = try Dataset(values: [0, 1, 0, 1], count: 1, features: 4)
    #expect(throws: CinchError.self) { try recipe.validate(wide) }
    let large = try Dataset(values: [0, 1, 2], count: 1, features: 3)
    let error = #expect(throws: CinchError.self) { try recipe.validate(large) }
    #expect(error?.description.contains("row 1, feature 3") == true)
  }

  @Test func recipesSurviveJSON() throws {
    for recipe in Variants.all + Recipe.all {
      let data = try JSONCoding.encoder.encode(recipe)
      #expect(try JSONCoding.decoder.decode(Recipe.self, from: data) == recipe)
    }
    let short = #"{"layers": [20, 8, 3], "activation": "tanh", "output_activation": "linear", "loss": "mse"}"#
    let recipe = try JSONCoding.decoder.decode(Recipe.self, from: Data(short.utf8))
    #expect(try recipe.resolved().widths == [20, 8, 3, 8, 20])
    let typo = #"{"layers": [20, 8], "lerning_rate": 3}"#
    #expect(throws: DecodingError.self) { try JSONCoding.decoder.decode(Recipe.self, from: Data(typo.utf8)) }
  }

  @Test(arguments: [Int.max, Int.min, -1])
  func impossibleEpochsAreRefused(_ epochs: Int) async throws {
    let trainer = try Trainer(.deep(layers: [13, 3]), on: .reference)
    await #expect(throws: CinchError.self) {
      for try await _ in trainer.fit(try Variants.data(count: 8, features: 13), epochs: epochs) { break }
    }
  }
}
