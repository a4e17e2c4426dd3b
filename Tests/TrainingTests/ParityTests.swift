import CinchBackend
import Testing

@testable import Cinch
@testable import CinchCore

/// Every variant takes the same course on every device.
@Suite struct ParityTests {
  /// The devices that must agree: both OpenCL kernel families on the first device, and the CPU.
  static let devices: [Device] = [.cpu, .opencl(family: .cpu), .opencl(family: .gpu)]

  /// Losses of `steps` updates from the recipe's seed.
  private func losses(
    _ recipe: Recipe, _ data: Dataset, on device: Device, steps: Int, passBytes: Int? = nil
  ) throws -> [Double] {
    let trainer = try Trainer(recipe, on: device)
    try trainer.prepare(data, options: TrainingOptions(keepsStepLosses: true, passBytes: passBytes))
    let perEpoch = (data.count + recipe.batchSize - 1) / recipe.batchSize
    let epochs = (steps + perEpoch - 1) / perEpoch
    for _ in 0..<epochs { _ = try trainer.trainEpoch(epochs: epochs) }
    return try Array(trainer.model.withSession { $0.stepLosses }.prefix(steps))
  }

  private func expectClose(_ a: [Double], _ b: [Double], _ what: String, tolerance: Double = 1e-4) {
    #expect(a.count == b.count && !a.isEmpty)
    for (step, pair) in zip(a, b).enumerated() {
      let difference = abs(pair.0 - pair.1) / max(abs(pair.0), abs(pair.1))
      // Negated, so that a NaN fails.
      if !(difference <= tolerance) {
        Issue.record("\(what): step \(step + 1) has \(pair.0) against \(pair.1)")
        return
      }
    }
  }

  /// 50 updates of every variant against the reference in Double; the last batch of each epoch is partial.
  @Test(arguments: Variants.all)
  func fiftyStepsAgainstReference(_ recipe: Recipe) throws {
    let data = try Variants.data(count: 61, features: recipe.input)
    let reference = try losses(recipe, data, on: .reference, steps: 50)
    for device in Self.devices {
      expectClose(reference, try losses(recipe, data, on: device, steps: 50), "\(recipe.testDescription) on \(device)")
    }
  }

  /// A batch that passes in parts is the same batch; the last one of an epoch has parts of other sizes. Terms that average over
  /// it keep it whole.
  @Test(arguments: Variants.all.filter { !$0.optimizer.isFullBatch && $0.closedForm == nil })
  func partsAreTheWhole(_ recipe: Recipe) throws {
    let data = try Variants.data(count: 150, features: recipe.input)
    var recipe = recipe
    recipe.batchSize = 70
    let rows = recipe.updateRows(of: data.count, try recipe.validated(), passBytes: 1)
    let isWhole = recipe.penalties.kl != nil || recipe.objective.chain != nil
    #expect(isWhole ? rows.parts == 1 : rows.parts > 1 && rows.pass % 4 == 0, "\(rows)")
    let reference = try losses(recipe, data, on: .reference, steps: 9)
    for device in [Device.reference, .cpu, .opencl(family: .cpu)] {
      let parts = try losses(recipe, data, on: device, steps: 9, passBytes: 1)
      expectClose(
        reference, parts, "\(recipe.testDescription) on \(device)", tolerance: device == .reference ? 1e-10 : 1e-4)
    }
  }

  /// The same at full size, device against device, on real images; two runs on one device agree to the bit.
  @Test(arguments: Recipe.all.filter { $0.closedForm == nil })
  func fiftyStepsAtFullSize(_ recipe: Recipe) throws {
    let data = try Images.fashionMNIST().prefix(1300)
    var recipe = recipe
    recipe.batchSize = 128
    // Adam's first updates are as large as its rate whatever the gradient, and at 1e-3 they take this loss from 700 to 420 in
    // 50 updates: what rounding turns then grows a hundredfold every ten, on any two devices. Nothing grows at 1e-4.
    if recipe.name == "conv-vae" { recipe.optimizer.learningRate = 1e-4 }
    let cpu = try losses(recipe, data, on: .cpu, steps: 50)
    let opencl = try losses(recipe, data, on: .opencl(family: .cpu), steps: 50)
    // Of 10⁷ numbers that are drawn in 50 updates one or two fall between the probabilities of two devices, which differ by
    // 10⁻⁷. Each moves one sample of 128, by less than a tenth of its error.
    expectClose(cpu, opencl, recipe.testDescription, tolerance: recipe.objective.chain == nil ? 1e-4 : 2 * 0.1 / 128)
    #expect(try losses(recipe, data, on: .cpu, steps: 50) == cpu, "cpu repeats itself")
    #expect(try losses(recipe, data, on: .opencl(family: .cpu), steps: 50) == opencl, "opencl repeats itself")
  }

  @Test(arguments: [Corruption.masking(0.3), .maskingExact(0.3), .saltPepper(0.3)])
  func masksAreIdentical(_ corruption: Corruption) throws {
    let data = try Variants.data(count: 37, features: 53)
    let recipe = Recipe.denoising(layers: [53, 8], corruption: corruption)
    let reference = try Autoencoder(recipe, on: .reference)
    for step in [UInt64(0), 1, 1 << 33] {
      let want = try reference.corrupt(data, step: step).values
      for device in Self.devices {
        #expect(try Autoencoder(recipe, on: device).corrupt(data, step: step).values == want, "\(device)")
      }
    }
  }

  /// On channels first and last, and of samples that pass in several parts.
  @Test func blocksAreIdentical() throws {
    let image = ImageShape(channels: 3, height: 7, width: 6)
    // None of them is 0.
    let values = (0..<37 * image.count).map { Float($0 % 97 + 1) / 100 }
    let data = try Dataset(values: values, count: 37, sampleShape: image.shape)
    let recipe = Recipe.convDenoising(image: image, corruption: .block(0.25))
    let reference = try Autoencoder(recipe, on: .reference)
    for step in [UInt64(0), 1, 1 << 33] {
      let want = try reference.corrupt(data, step: step).values
      #expect(try reference.corrupt(data, seed: 3, step: step).values != want)
      // round(√0.25 · 7) = 4 rows of 3 pixels, in all channels.
      let zeroed = zip(want, data.values).map { $0 != $1 }
      #expect(zeroed.filter { $0 }.count == 37 * 4 * 3 * 3)
      for device in Self.devices {
        #expect(try Autoencoder(recipe, on: device).corrupt(data, step: step).values == want, "\(device)")
      }
    }
  }

  @Test func anotherSeedIsAnotherRun() throws {
    let data = try Variants.data(count: 61, features: 13)
    var recipe = Variants.all[0]
    let first = try losses(recipe, data, on: .cpu, steps: 3)
    recipe.seed = 1
    #expect(try losses(recipe, data, on: .cpu, steps: 3) != first)
  }

  /// Nothing inside a step allocates, and nothing waits but the one read that ends a chunk.
  @Test(arguments: devices + [.reference])
  func stepsNeitherAllocateNorWait(_ device: Device) throws {
    let backend = try device.open().backend
    var recipe = Variants.all.first { $0.name == "every penalty at once" }!
    recipe.corruption = .masking(0.3)
    try measure(recipe, Variants.data(count: 64, features: recipe.input), on: backend)
    try measure(.imputation(features: 12, columns: Variants.table), Variants.tableWithHoles(count: 64), on: backend)
  }

  private func measure<B: Backend>(_ recipe: Recipe, _ data: Dataset, on backend: B) throws {
    let fixture = try StepFixture(
      recipe, on: backend, x: data.values.prefix(8 * recipe.input).map { B.Scalar($0) })
    let feed = try Feed(
      .samples(data), on: backend, as: fixture.network.input, batchSize: 8, corruption: recipe.corruption,
      objective: recipe.objective, memoryLimit: .max)
    let philox = Philox(seed: 0, stream: .shuffle)
    func step(_ index: Int) throws {
      let order = SampleOrder(start: 8 * (index % 8), permutation: Permutation(count: 64, philox: philox, step: 0))
      let pass = Pass(.training, step: UInt64(index), seed: 0, batchRows: 8)
      try fixture.update(
        try feed.load(order, rows: 8, pass),
        recipe.optimizer.step(index, scale: 1, weightDecay: 0.01, decayCount: fixture.network.weightCount))
    }
    try step(0)
    try backend.synchronize()
    let before = backend.counters
    for index in 1...10 { try step(index) }
    let after = backend.counters
    #expect(after.allocations == before.allocations)
    #expect(after.waits == before.waits)
    #expect(after.launches > before.launches)
  }
}
