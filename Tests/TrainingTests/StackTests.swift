import CinchBackend
import Foundation
import Testing

@testable import Cinch
@testable import CinchCore

/// Layers trained one after the other, and networks above frozen layers.
@Suite struct StackTests {
  /// Three kinds of modules, with widths at which draws begin at a multiple of 4.
  static let recipes: [Recipe] = (try? made.get()) ?? []
  private static let made = Result {
    func trained(_ recipe: Recipe, epochs: Int) -> Recipe {
      var recipe = recipe
      recipe.epochs = epochs
      recipe.batchSize = 8
      return recipe
    }
    let layers = [12, 8, 4]
    var stopping = trained(.contractive(), epochs: 3)
    stopping.patience = 1
    stopping.validationSplit = 0.25
    return [
      try Recipe.stack(layers: layers, of: [trained(.denoising(), epochs: 2)]),
      try Recipe.stack(layers: layers + [4], of: [trained(.rbm(persistent: true), epochs: 1)]),
      try Recipe.stack(
        layers: layers,
        of: [trained(.sparse(), epochs: 1), trained(.denoising(corruption: .saltPepper(0.2)), epochs: 2)]),
      try Recipe.stack(layers: layers, of: [stopping]),
    ]
  }

  @Test func everyStackIsMade() throws { #expect(try Self.made.get().count == 4) }

  private func trained(_ recipe: Recipe, _ data: Dataset, on device: Device, bytes: Int? = nil) throws -> Trainer {
    let trainer = try Trainer(recipe, on: device)
    try trainer.prepare(data, options: TrainingOptions(residentBytes: bytes))
    while true {
      if case .complete = try trainer.trainEpoch(epochs: recipe.epochs) { return trainer }
    }
  }

  private func values(_ trainer: Trainer, _ name: String) throws -> [Float] {
    try #require(try trainer.model.parameters().first { $0.name == name }).values
  }

  /// Each layer is trained as its recipe is by itself on what the layers below make of the samples.
  @Test(arguments: recipes, ParityTests.devices)
  func eachLayerIsTrainedAsByItself(_ recipe: Recipe, _ device: Device) throws {
    let data = try Variants.data(count: 40, features: 12)
    let parts = try recipe.parts(of: data, validation: nil)
    let stack = try trained(recipe, data, on: device)
    var (samples, heldOut) = (parts.training, parts.validation)
    for layer in recipe.encoder.indices {
      let module = try recipe.module(layer)
      let alone = try Trainer(module, on: device)
      try alone.prepare(samples, validation: heldOut)
      while true {
        if case .complete = try alone.trainEpoch(epochs: module.epochs) { break }
      }
      let mirrored = recipe.encoder.count - 1 - layer
      for part in ["weight", "bias"] {
        #expect(try values(alone, "encoder.0.\(part)") == values(stack, "encoder.\(layer).\(part)"))
        #expect(try values(alone, "decoder.0.\(part)") == values(stack, "decoder.\(mirrored).\(part)"))
      }
      samples = try alone.model.encode(samples)
      heldOut = try heldOut.map { try alone.model.encode($0) }
    }
    let history = try stack.state.history
    #expect(history.map(\.number) == Array(1...history.count))
    #expect(Set(history.compactMap(\.layer)) == Set(1...recipe.encoder.count))
    #expect(try stack.state.ended == .epochs)
  }

  /// What is streamed, for it does not fit on the device, gives the same weights.
  @Test(arguments: recipes, ParityTests.devices)
  func streamedOrNot(_ recipe: Recipe, _ device: Device) throws {
    let data = try Variants.data(count: 40, features: 12)
    let resident = try trained(recipe, data, on: device)
    let streamed = try trained(recipe, data, on: device, bytes: 0)
    #expect(try streamed.model.withSession { $0.isStreamed })
    #expect(try !resident.model.withSession { $0.isStreamed })
    #expect(try streamed.model.parameters() == resident.model.parameters())
  }

  /// Stopped after any update, in the middle of any layer, and gone on with in another process.
  @Test(arguments: recipes)
  func everyUpdateIsAPlaceToStop(_ recipe: Recipe) throws {
    let data = try Variants.data(count: 24, features: 12)
    let whole = try trained(recipe, data, on: .cpu)
    let epochs = try whole.state.history
    var checkpoint: Checkpoint?
    var stops = 0
    while true {
      let trainer = try Trainer(recipe, on: .cpu)
      try trainer.prepare(data)
      if let checkpoint { try trainer.model.withSession { try $0.restore(checkpoint) } }
      // A trainer's first chunk is one update.
      let outcome = try trainer.trainEpoch(epochs: recipe.epochs) { _ in false }
      checkpoint = try trainer.model.withSession { try $0.checkpoint() }
      if case .complete = outcome {
        #expect(try trainer.model.parameters() == whole.model.parameters())
        let state = try trainer.state
        #expect(state.history.map(\.loss) == epochs.map(\.loss))
        #expect(state.history.map(\.validationMetrics) == epochs.map(\.validationMetrics))
        break
      }
      stops += 1
      #expect(try trainer.state.step == stops)
    }
    #expect(try stops == whole.state.step)
  }

  /// The devices agree over a whole stack of fifty updates and more, as they do over the variants that it is made of
  /// (`ParityTests`).
  @Test(arguments: recipes)
  func devicesAgree(_ base: Recipe) throws {
    let data = try Variants.data(count: 40, features: 12)
    var recipe = base
    for layer in base.encoder.indices { recipe.training.pretraining?[layer].epochs = 7 }
    recipe.epochs = 7 * base.encoder.count
    recipe.patience = nil
    let wanted = try trained(recipe, data, on: .reference).model.parameters()
    for device in ParityTests.devices {
      for (own, reference) in zip(try trained(recipe, data, on: device).model.parameters(), wanted) {
        for (a, b) in zip(own.values, reference.values) { #expect(abs(a - b) <= 1e-4, "\(own.name) on \(device)") }
      }
    }
  }

  /// The whole network, unrolled, goes on from what the layers learned.
  @Test func aStackIsUnrolled() throws {
    let data = try Variants.data(count: 40, features: 12)
    let stack = try trained(Self.recipes[0], data, on: .cpu)
    var recipe = Self.recipes[0].unrolled()
    recipe.epochs = 1
    let deep = try Trainer(recipe, on: .cpu)
    try deep.model.setParameters(try stack.model.parameters())
    let before = try deep.model.evaluate(data)
    #expect(try before.reconstruction.perSample == stack.model.evaluate(data).reconstruction.perSample)
    try deep.prepare(data)
    _ = try deep.trainEpoch(epochs: 1)
    #expect(try deep.model.evaluate(data).reconstruction.perSample < before.reconstruction.perSample)
  }

  /// Whatever the layers were trained as, the whole is an autoencoder that can be trained.
  @Test func everythingIsUnrolledIntoAnAutoencoder() throws {
    for recipe in Self.recipes + [.rbm(layers: [12, 8]), .pca(layers: [12, 4]), .vae(layers: [12, 8, 4])] {
      let deep = recipe.unrolled()
      try deep.validate()
      #expect(deep.objective.chain == nil && deep.training.closedForm == nil && deep.corruption == nil)
      #expect(deep.optimizer == Optimizer() && deep.penalties.prior == recipe.penalties.prior)
      #expect(
        deep.training == TrainingSettings(batchSize: recipe.batchSize, epochs: recipe.epochs, seed: recipe.seed))
    }
    var table = try Recipe.deep(layers: [5, 4]).settingOutputActivation(.linear)
    table.objective = Objective(.mixed, columns: [.number, .binary, .category(3)], corruption: .masking(0.2))
    try table.validate()
    try table.unrolled().validate()
    #expect(table.unrolled().objective == Objective(.mixed, columns: table.objective.columns))
    #expect(Self.recipes[1].unrolled().loss == .bce)
    #expect(Recipe.rbm(visible: .linear).unrolled().loss == .sse)
  }

  /// The last layer's units are the code, and may end otherwise than those below.
  @Test func theCodeHasAnActivationOfItsOwn() throws {
    let recipe = try Recipe.stack(layers: [12, 8, 4], codeActivation: .linear, of: [.denoising()])
    try recipe.validate()
    #expect(recipe.encoder.map(\.activation) == [.sigmoid, .linear])
    #expect(recipe.decoder.map(\.activation) == [.sigmoid, .sigmoid])
    #expect(try recipe.module(0).encoder.map(\.activation) == [.sigmoid])
    let top = try recipe.module(1)
    #expect(top.encoder.map(\.activation) == [.linear] && top.decoder.map(\.activation) == [.sigmoid])
    #expect(top.loss == .bce)
  }

  @Test func whatIsNoStackIsRefused() throws {
    let changes: [(words: String, change: (inout Recipe) throws -> Void)] = [
      ("one by one", { $0.autoencoder?.tied = true }),
      ("does not fit", { $0.training.pretraining?.removeLast() }),
      ("for 5 epochs", { $0.epochs += 1 }),
      ("its layers", { $0.corruption = .masking(0.1) }),
      ("corruption", { $0.training.pretraining?[1].objective.corruption = .masking(1.5) }),
      ("one or 2", { $0 = try .stack(layers: [12, 8, 4], of: [.deep(), .deep(), .deep()]) }),
      ("give one", { $0 = try .stack(layers: [12], of: [.deep()]) }),
      ("layer 3", { _ = try $0.module(2) }),
    ]
    for (words, change) in changes {
      var recipe = Self.recipes[0]
      let error = #expect(throws: CinchError.self) {
        try change(&recipe)
        try recipe.validate()
      }
      #expect(error?.description.contains(words) == true, "\(error?.description ?? "") should say '\(words)'")
    }
    let trainer = try Trainer(Self.recipes[0], on: .reference)
    try trainer.prepare(try Variants.data(count: 8, features: 12))
    #expect(throws: CinchError.self) { try trainer.trainEpoch(epochs: 50) }
  }

  /// Two layers' do not fit an Int.
  @Test(arguments: [Int.max, -Int.max])
  func impossibleEpochsOfLayersAreRefused(_ epochs: Int) {
    var recipe = Self.recipes[0]
    for layer in 0..<2 { recipe.training.pretraining?[layer].epochs = epochs }
    var module = Recipe.deep()
    module.epochs = epochs
    for body: () throws -> Void in [
      { [recipe] in try recipe.validate() }, { [module] in _ = try Recipe.stack(layers: [12, 8, 4], of: [module]) },
    ] {
      let error = #expect(throws: CinchError.self) { try body() }
      #expect(error?.description.contains("epochs must lie between 0") == true, "\(error?.description ?? "")")
    }
  }

  /// Counters that no layer's run comes to, as damaged checkpoints have them.
  @Test func impossibleCountersAreRefused() throws {
    let (recipe, data) = (Self.recipes[2], try Variants.data(count: 24, features: 12))
    func trainer(from checkpoint: Checkpoint? = nil) throws -> Trainer {
      let trainer = try Trainer(recipe, on: .reference)
      try trainer.prepare(data)
      if let checkpoint { try trainer.model.withSession { try $0.restore(checkpoint) } }
      return trainer
    }
    // An epoch of each layer.
    let stopped = try trainer()
    for _ in 0..<2 { _ = try stopped.trainEpoch(epochs: recipe.epochs) }
    let checkpoint = try stopped.model.withSession { try $0.checkpoint() }
    #expect(try trainer(from: checkpoint).state.history.map(\.number) == [1, 2])
    let damages: [(inout TrainingState) -> Void] = [
      { $0.layers?[0].epoch = .max }, { $0.layers?[0].epoch = .min }, { $0.layers?[0].step = .max },
      { $0.layers?[0].history[0].number = .max }, { $0.layers?[1].history[0].number = .max },
    ]
    for damage in damages {
      var damaged = checkpoint
      damage(&damaged.state)
      #expect(throws: CinchError.contradictoryCheckpoint) { _ = try trainer(from: damaged) }
      // Who only looks at the file sees as many epochs.
      #expect(TrainingState.history(of: damaged.state.layers ?? []).map(\.layer) == [1, 2])
    }
  }

  @Test(arguments: recipes) func writtenAndRead(_ recipe: Recipe) throws {
    let data = try JSONCoding.encoder.encode(recipe)
    #expect(try JSONCoding.decoder.decode(Recipe.self, from: data) == recipe)
  }
}

/// A classifier whose first layers keep their weights.
@Suite struct FrozenLayerTests {
  private static func recipe(frozen: Int) -> Recipe {
    var recipe = Recipe.classifier(layers: [12, 8, 4], activation: .tanh, classes: 3)
    recipe.training.frozenLayers = frozen
    recipe.batchSize = 8
    recipe.epochs = 3
    return recipe
  }

  private func trained(_ recipe: Recipe, _ data: Dataset, on device: Device, bytes: Int? = nil) throws -> Trainer {
    let trainer = try Trainer(recipe, on: device)
    try trainer.prepare(data, options: TrainingOptions(residentBytes: bytes))
    while true {
      if case .complete = try trainer.trainEpoch(epochs: recipe.epochs) { return trainer }
    }
  }

  /// What is frozen stays, what is above is trained, to the weights of training it by itself on the frozen outputs.
  @Test(arguments: [1, 2], ParityTests.devices)
  func onlyWhatIsAboveIsTrained(_ frozen: Int, _ device: Device) throws {
    let (recipe, data) = (Self.recipe(frozen: frozen), try Variants.data(count: 40, features: 12))
    let first = try Autoencoder(recipe, on: device).parameters()
    let trainer = try trained(recipe, data, on: device)
    for (before, after) in zip(first, try trainer.model.parameters()) {
      let isFrozen = (0..<frozen).contains { before.name.hasPrefix("encoder.\($0).") }
      #expect((before == after) == isFrozen, "\(before.name)")
    }
    #expect(try trained(recipe, data, on: device, bytes: 0).model.parameters() == trainer.model.parameters())

    var part = recipe
    part.training.frozenLayers = nil
    part.architecture = .classifier(
      ClassifierArchitecture(layers: [12] + [8, 4].prefix(frozen), activation: .tanh, classes: 3))
    let lower = try Autoencoder(part, on: device)
    try lower.setParameters(
      first.filter { parameter in
        part.encoder.indices.contains { parameter.name.hasPrefix("encoder.\($0).") }
      } + (try lower.parameters().filter { $0.name.hasPrefix("classifier") }))
    guard frozen == 1 else { return }
    let upper = try Trainer(try recipe.aboveFrozenLayers(), on: device)
    try upper.model.setParameters(
      first.compactMap { parameter in
        guard !parameter.name.hasPrefix("encoder.0.") else { return nil }
        var parameter = parameter
        parameter.name = parameter.name.replacing("encoder.1", with: "encoder.0")
        return parameter
      })
    let codes = try lower.encode(data)
    try upper.prepare(try Dataset(values: codes.values, count: codes.count, features: 8, labels: data.labels))
    for _ in 0..<recipe.epochs { _ = try upper.trainEpoch(epochs: recipe.epochs) }
    let learned = try upper.model.parameters().map(\.values)
    #expect(learned == (try trainer.model.parameters().dropFirst(2).map(\.values)))
  }

  /// Dropout may lie upon what is frozen, and is drawn anew for what is trained.
  @Test(arguments: [1, 2], [0, 0.5])
  func everyUpdateIsAPlaceToStop(_ frozen: Int, _ dropout: Double) throws {
    var recipe = Self.recipe(frozen: frozen)
    if dropout > 0 {
      let encoder: [LayerSpec] = recipe.encoder.flatMap { [$0, .dropout(dropout)] }
      recipe.classifier?.encoder = encoder
      recipe.training.frozenLayers = 2 * frozen - 1
    }
    recipe.patience = 2
    recipe.validationSplit = 0.25
    let data = try Variants.data(count: 24, features: 12)
    let whole = try trained(recipe, data, on: .cpu)
    var checkpoint: Checkpoint?
    while true {
      let trainer = try Trainer(recipe, on: .cpu)
      // As a run that is resumed has them: of the seed, until the checkpoint is read.
      try trainer.prepare(data)
      if let checkpoint { try trainer.model.withSession { try $0.restore(checkpoint) } }
      let outcome = try trainer.trainEpoch(epochs: recipe.epochs) { _ in false }
      checkpoint = try trainer.model.withSession { try $0.checkpoint() }
      guard case .complete = outcome else { continue }
      #expect(try trainer.model.parameters() == whole.model.parameters())
      #expect(try trainer.state.history.map(\.loss) == whole.state.history.map(\.loss))
      return
    }
  }

  @Test func dropoutUponFrozenLayersActs() throws {
    let data = try Variants.data(count: 40, features: 12)
    let weights = try [0, 0.5].map { rate in
      var recipe = Self.recipe(frozen: 2)
      recipe.classifier?.encoder.append(.dropout(rate))
      return try values(try trained(recipe, data, on: .cpu))
    }
    #expect(weights[0] == (try values(try trained(Self.recipe(frozen: 2), data, on: .cpu))))
    #expect(weights[1] != weights[0])
  }

  private func values(_ trainer: Trainer) throws -> [[Float]] { try trainer.model.parameters().map(\.values) }

  /// Convolutions, whose outputs are images on the device.
  @Test func convolutionsAreFrozen() throws {
    let image = ImageShape(channels: 1, height: 8, width: 8)
    var recipe = Recipe.classifier(layers: [64, 8], classes: 3)
    recipe.classifier?.image = image
    recipe.classifier?.encoder = Recipe.conv(image: image).encoder
    recipe.batchSize = 8
    recipe.epochs = 2
    recipe.training.frozenLayers = 1
    let data = try Variants.data(count: 24, features: 64)
    let trainer = try trained(recipe, data, on: .cpu)
    let wanted = try trained(recipe, data, on: .reference).model.parameters()
    for (own, reference) in zip(try trainer.model.parameters(), wanted) {
      for (a, b) in zip(own.values, reference.values) { #expect(abs(a - b) <= 1e-4, "\(own.name)") }
    }
    #expect(try trainer.model.classify(data).count == 24)
  }

  @Test func whatCannotBeFrozenIsRefused() throws {
    let changes: [(words: String, change: (inout Recipe) -> Void)] = [
      ("between 1 and the 2", { $0.training.frozenLayers = 0 }),
      ("between 1 and the 2", { $0.training.frozenLayers = 3 }),
      ("corruption", { $0.corruption = .masking(0.3) }),
      ("code", { $0.penalties.l1 = 0.1 }),
      (
        "classifier",
        {
          $0 = .deep()
          $0.training.frozenLayers = 1
        }
      ),
    ]
    for (words, change) in changes {
      var recipe = Self.recipe(frozen: 2)
      change(&recipe)
      let error = #expect(throws: CinchError.self) { try recipe.validate() }
      #expect(error?.description.contains(words) == true, "\(error?.description ?? "") should say '\(words)'")
    }
    // Dropout learns nothing that a penalty could act on.
    var dropped = Self.recipe(frozen: 2)
    dropped.classifier?.encoder.append(.dropout(0.5))
    try dropped.validate()
    dropped.penalties.l1 = 0.1
    #expect(throws: CinchError.self) { try dropped.validate() }
    // A penalty on weights, and one on a code that is trained.
    var recipe = Self.recipe(frozen: 2)
    recipe.penalties.weightDecay = 1e-3
    try recipe.validate()
    recipe.training.frozenLayers = 1
    recipe.penalties.l1 = 0.1
    try recipe.validate()
  }
}
