import Cinch
import Foundation
import Testing

/// Runs in folders, through the public library alone: created, stopped anywhere, resumed.
@Suite struct RunTests {
  /// A new folder for one test, which is removed behind it.
  private final class Folder {
    let path = FileManager.default.temporaryDirectory.appending(path: "cinch-\(UUID().uuidString)").path

    init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func callAsFunction(_ name: String) -> String { path + "/" + name }

    func bytes(_ name: String) throws -> Data { try Data(contentsOf: URL(filePath: self(name))) }

    func has(_ name: String) -> Bool { FileManager.default.fileExists(atPath: self(name)) }
  }

  /// Corruption, KL sparsity, Adam, held-out samples and best weights: all that a checkpoint must carry. 7 updates an
  /// epoch.
  private func recipe(epochs: Int = 4) -> Recipe {
    var recipe = Recipe.denoising(layers: [13, 9], corruption: .masking(0.3))
    recipe.penalties.kl = KLSettings(rho: 0.2, beta: 1)
    recipe.optimizer.learningRate = 0.05
    recipe.batchSize = 8
    recipe.validationSplit = 0.1
    recipe.patience = 1000
    recipe.epochs = epochs
    recipe.seed = 5
    return recipe
  }

  private func data() throws -> Dataset { try Variants.data(count: 61, features: 13) }

  /// As many values in another shape are other images.
  @Test func imagesOfAnotherShapeAreRefused() throws {
    let folder = try Folder()
    let values = (0..<160).map { Float($0 % 7) / 7 }
    let data = try Dataset(values: values, count: 10, sampleShape: [4, 4])
    let run = try Run.create(.linear(layers: [16, 3]), data: data, in: folder("run"), on: .cpu)
    for shape: Shape in [[4, 4], [1, 4, 4], [16]] {
      let other = try Dataset(values: values, count: 10, sampleShape: shape)
      #expect(try run.config.prepare(other).values == values)
    }
    for shape: Shape in [[2, 8], [4, 2, 2]] {
      let other = try Dataset(values: values, count: 10, sampleShape: shape)
      let error = #expect(throws: CinchError.self) { try run.config.prepare(other) }
      #expect(error?.description.contains("1×4×4") == true)
    }
  }

  /// What is held out says nothing of how samples are scaled, but for the range that all of them have to be in.
  @Test func scalingIsFittedToWhatIsTrainedOn() throws {
    let folder = try Folder()
    let data = try data()
    let recipe = recipe(epochs: 1)
    let part = try data.split(validation: 0.1, seed: 5).training
    var linear = try recipe.settingOutputActivation(.linear)
    linear.loss = .sse
    for (kind, samples) in [(Scaling.Kind.standard, part), (.zca, part), (.minmax, data)] {
      let run = try Run.create(linear, data: data, scaling: kind, in: folder("\(kind)"), on: .cpu)
      #expect(run.config.scaling == (try Scaling.fit(kind, to: samples)) && run.training.count == 55)
    }
    let given = try Run.create(
      linear, data: part, validation: data, scaling: .standard, in: folder("given"), on: .cpu)
    #expect(given.config.scaling == (try Scaling.fit(.standard, to: part)))
  }

  /// Stopped by the observer at every first progress inside an epoch, ten times, and resumed from the folder.
  @Test(arguments: [Device.reference, .cpu])
  func aStoppedRunComesToTheSameBits(_ device: Device) throws {
    let folder = try Folder()
    let data = try data()
    let straight = try #require(
      try Run.create(recipe(), data: data, scaling: .minmax, in: folder("straight"), on: device).train())
    #expect(straight.ended == .epochs && straight.state.epoch == 4 && straight.isHeldOut)

    var run = try Run.create(recipe(), data: data, scaling: .minmax, in: folder("stopped"), on: device)
    for stop in 0..<10 {
      var inside = 0
      let summary = try run.train { event in
        guard case .progress(let progress) = event else { return true }
        #expect(progress.samples < progress.samplesPerEpoch)
        inside = progress.samples
        return false
      }
      #expect(summary == nil && inside > 0, "stop \(stop)")
      #expect(try run.state.stepInEpoch > 0)
      #expect(folder.has("stopped/model.safetensors"))
      #expect(try RunFolder(folder("stopped")).config().isFinal == false)
      let step = try run.state.step
      run = try Run.resume(folder("stopped"), data: data)
      #expect(run.resumedFrom?.step == step)
    }
    let resumed = try #require(try run.train())
    #expect(resumed.evaluation == straight.evaluation)
    #expect(resumed.state.bestEpoch == straight.state.bestEpoch)
    #expect(try folder.bytes("stopped/model.safetensors") == folder.bytes("straight/model.safetensors"))
    #expect(try RunFolder(folder("stopped")).config().isFinal)
    #expect(folder.has("stopped/filters.png") && folder.has("stopped/reconstructions.png"))
  }

  /// A source is loaded again by the run itself, and epochs are added.
  @Test func aRunWithASourceGoesOnByItself() throws {
    let folder = try Folder()
    let values = try data().values
    let text = (0..<61).map { row in
      values[row * 13..<(row + 1) * 13].map { "\($0)" }.joined(separator: ",")
    }.joined(separator: "\n")
    try Data((text + "\n").utf8).write(to: URL(filePath: folder("data.csv")))
    let source = DataSource(folder("data.csv"))
    try Run.create(recipe(epochs: 5), data: source, in: folder("straight"), on: .reference).train()
    try Run.create(recipe(epochs: 2), data: source, in: folder("parts"), on: .reference).train()
    try Run.resume(folder("parts"), epochs: 5).train()
    #expect(try folder.bytes("parts/model.safetensors") == folder.bytes("straight/model.safetensors"))

    refused("can only grow") { try Run.resume(folder("parts"), epochs: 4) }
    refused("without data") { try Run.resume(folder("parts"), data: try data()) }
    refused("61 samples") {
      try Data((text + "\n" + text + "\n").utf8).write(to: URL(filePath: folder("data.csv")))
      return try Run.resume(folder("parts"))
    }
  }

  private func refused(_ part: String, _ body: () throws -> Run) {
    let error = #expect(throws: CinchError.self) { _ = try body() }
    #expect(error?.description.contains(part) == true, "\(error?.description ?? "") should say '\(part)'")
  }

  @Test func whatCannotBeARunIsRefused() throws {
    let folder = try Folder()
    let data = try data()
    var wide = recipe()
    wide.autoencoder?.setLayers([14, 3], activation: .sigmoid, outputActivation: .sigmoid)
    refused("13 features") { try Run.create(wide, data: data, in: folder("run"), on: .reference) }
    var patient = recipe()
    patient.validationSplit = 0
    refused("held-out") { try Run.create(patient, data: data, in: folder("run"), on: .reference) }
    refused("as many") {
      try Run.create(
        recipe(), data: data, validation: try Variants.data(count: 4, features: 5), in: folder("run"), on: .reference)
    }
    #expect(!folder.has("run"))
    refused("no run folder") { try Run.resume(folder("run")) }

    let heldOut = try Variants.data(count: 9, features: 13, seed: 4)
    try Run.create(recipe(epochs: 1), data: data, validation: heldOut, in: folder("run"), on: .reference).train()
    refused("already holds a run") { try Run.create(recipe(), data: data, in: folder("run"), on: .reference) }
    refused("which data") { try Run.resume(folder("run")) }
    refused("pass them again") { try Run.resume(folder("run"), data: data) }
    refused("bring the old data back") {
      try Run.resume(folder("run"), data: data, validation: try Variants.data(count: 8, features: 13))
    }
    let run = try Run.resume(folder("run"), epochs: 2, data: data, validation: heldOut)
    #expect(try run.train()?.evaluation.samples == 9)
  }

  /// A crash inside a long epoch loses no more than the longest interval: the checkpoint there goes on to the same bits.
  @Test func checkpointsComeInsideAnEpoch() throws {
    let folder = try Folder()
    let data = try data()
    let straight = try Run.create(recipe(epochs: 1), data: data, in: folder("straight"), on: .reference)
    try straight.train()
    var settings = Run.Settings()
    settings.longestInterval = .zero
    let run = try Run.create(recipe(epochs: 1), data: data, in: folder("run"), on: .reference, settings: settings)
    var steps: [Int] = []
    try run.train { event in
      guard case .checkpoint(let step) = event else { return true }
      let inside = try RunFolder(folder("run")).checkpoint(of: run.config).state
      #expect(inside.step == step && inside.stepInEpoch > 0)
      steps.append(step)
      return steps.count < 2
    }
    #expect(steps.count == 2)
    let resumed = try Run.resume(folder("run"), data: data)
    try resumed.train()
    #expect(try resumed.model.parameters() == straight.model.parameters())
  }

  /// What a run held out it holds out again: other samples would be trained on in silence, even inside the first epoch.
  @Test func aResumedRunHoldsOutWhatItDid() throws {
    let folder = try Folder()
    let data = try data()
    let heldOut = try Variants.data(count: 9, features: 13, seed: 4)
    func start(_ name: String, _ validation: Dataset?) throws {
      try Run.create(recipe(), data: data, validation: validation, in: folder(name), on: .reference)
        .train { _ in false }
    }
    try start("split", nil)
    refused("resume it without") { try Run.resume(folder("split"), data: data, validation: heldOut) }
    try start("given", heldOut)
    refused("pass them again") { try Run.resume(folder("given"), data: data) }
    for (name, validation) in [("split", nil), ("given", heldOut)] {
      #expect(try Run.resume(folder(name), data: data, validation: validation).train()?.ended == .epochs)
    }
  }

  /// One owner at a time writes in a folder: until a run has ended or been stopped nobody else goes on with it.
  @Test func aRunHasItsFolderForItself() throws {
    let folder = try Folder()
    let data = try data()
    let run = try Run.create(recipe(), data: data, in: folder("run"), on: .reference)
    let mine = "in use by process \(ProcessInfo.processInfo.processIdentifier)"
    refused(mine) { try Run.resume(folder("run"), data: data) }
    try run.train { event in
      guard case .epoch = event else { return true }
      refused(mine) { try Run.resume(folder("run"), data: data) }
      let error = #expect(throws: CinchError.self) { try run.model.save(to: folder("run")) }
      #expect(error?.description.contains(mine) == true)
      return false
    }
    let other = try Run.resume(folder("run"), data: data)
    let error = #expect(throws: CinchError.self) { try run.train() }
    #expect(error?.description.contains(mine) == true)
    try other.train { _ in false }
    // What has gone on without it must not be overwritten.
    let stale = #expect(throws: CinchError.self) { try run.train() }
    #expect(stale?.description.contains("gone on elsewhere") == true, "\(stale?.description ?? "")")
    #expect(try other.train()?.state.epoch == 4)
    #expect(!folder.has("run/.cinch-lock"))
    try Run.resume(folder("run"), epochs: 5, data: data).train()
  }

  /// A run that is stopped and let alone goes on by itself, too; and a loop over events that is left, by `save`.
  @Test func aStoppedRunTakesItsFolderBack() async throws {
    let folder = try Folder()
    let data = try data()
    let run = try Run.create(recipe(), data: data, in: folder("run"), on: .reference)
    for try await _ in run.events { break }
    refused("in use") { try Run.resume(folder("run"), data: data) }
    try run.save()
    do {
      let other = try Run.resume(folder("run"), data: data)
      #expect(try other.state == run.state)
    }
    #expect(try run.train()?.state.epoch == 4)
  }

  /// Files of two runs never pass for one, however alike they are.
  @Test func filesOfOtherRunsAreRefused() throws {
    let folder = try Folder()
    let data = try data()
    func copy(_ file: RunFolder.File, from source: String, to target: String) throws {
      let (source, target) = (RunFolder(folder(source)).path(of: file), RunFolder(folder(target)).path(of: file))
      try? FileManager.default.removeItem(atPath: target)
      try FileManager.default.copyItem(atPath: source, toPath: target)
    }
    var other = recipe()
    other.seed = 6
    var tanh = recipe()
    tanh.penalties.kl = nil
    tanh.autoencoder?.setLayers([13, 9], activation: .tanh, outputActivation: .sigmoid)
    for (name, recipe) in [("run", recipe()), ("same", recipe(epochs: 2)), ("other", other), ("tanh", tanh)] {
      try Run.create(recipe, data: data, in: folder(name), on: .reference).train()
    }
    // The same run, further on: equal runs have equal files.
    try copy(.checkpoint, from: "run", to: "same")
    #expect(try Run.resume(folder("same"), epochs: 4, data: data).resumedFrom?.epoch == 4)
    for foreign in ["other", "tanh"] {
      try copy(.checkpoint, from: foreign, to: "run")
      refused("another run") { try Run.resume(folder("run"), epochs: 5, data: data) }
      try copy(.model, from: foreign, to: "run")
      let error = #expect(throws: CinchError.self) { _ = try Autoencoder.load(folder("run"), on: .reference) }
      #expect(error?.description.contains("another run") == true)
      #expect(error?.description.contains("other layers") == (foreign == "tanh"))
    }
    // A model that was changed and saved over its run is one of its own.
    try copy(.model, from: "same", to: "run")
    let model = try Autoencoder.load(folder("run"), on: .reference)
    try model.save(to: folder("saved"))
    #expect(try Autoencoder.load(folder("saved"), on: .reference).parameters() == model.parameters())
    try copy(.model, from: "same", to: "saved")
    #expect(throws: CinchError.self) { _ = try Autoencoder.load(folder("saved"), on: .reference) }
    // A config that was edited.
    let config = try String(contentsOfFile: folder("tanh/config.json"), encoding: .utf8)
    try config.replacing("tanh", with: "relu").write(
      toFile: folder("tanh/config.json"), atomically: true, encoding: .utf8)
    refused("layers are not those") { try Run.resume(folder("tanh"), data: data) }
  }

  /// Weights that another program wrote have no identity, and are taken where they fit.
  @Test func weightsFromElsewhereAreTaken() throws {
    let folder = try Folder()
    let run = try Run.create(recipe(epochs: 1), data: try data(), in: folder("run"), on: .reference)
    try run.train()
    let path = run.folder.path(of: .model)
    var file = try Safetensors(contentsOf: path)
    #expect(file.metadata["run"] == run.config.identity?.run)
    file.metadata = ["format": "pt"]
    try file.write(to: path)
    #expect(try Autoencoder.load(folder("run"), on: .reference).parameters() == run.model.parameters())
  }

  /// Every file says whose it is.
  @Test func everyFileCarriesTheRunsIdentity() throws {
    let folder = try Folder()
    let run = try Run.create(recipe(epochs: 2), data: try data(), in: folder("run"), on: .reference)
    try run.train()
    let identity = try #require(run.config.identity)
    #expect(identity.run.count == 16 && identity.run != identity.architecture)
    for file in RunFolder.File.allCases where run.folder.has(file) {
      let text = String(decoding: try folder.bytes("run/\(file.rawValue)"), as: Unicode.ASCII.self)
      #expect(text.contains(identity.run), "\(file.rawValue)")
      #expect(text.contains(identity.architecture) || file == .history, "\(file.rawValue)")
    }
  }

  /// The next version must find the same for the runs of this one.
  @Test func theChecksumOfAnArchitectureStays() throws {
    let pinned: [(Architecture, String)] = [
      (recipe().architecture, "369877e778b73992"), (try Recipe.named("conv").architecture, "2e8de0b50afbe090"),
      (.classifier(ClassifierArchitecture(layers: [4, 3], activation: .relu, classes: 2)), "371e37cfe1682213"),
    ]
    for (architecture, expected) in pinned {
      let sum = try RunIdentity.checksum(architecture)
      #expect(sum == expected, "\(sum)")
    }
  }

  /// Between two events the model is free: an observer encodes, reads the best weights and writes checkpoints.
  @Test func observersUseTheModel() throws {
    let folder = try Folder()
    let data = try data()
    let run = try Run.create(recipe(epochs: 6), data: data, in: folder("run"), on: .cpu)
    #expect(throws: CinchError.self) { _ = try run.bestParameters() }
    var weights: [Int: [NamedParameter]] = [:]
    var best: [Int: [NamedParameter]] = [:]
    var written = 0
    let summary = try run.train { event in
      switch event {
      case .progress:
        #expect(try run.model.encode(data).features == 9)
        try run.checkpoint()
        #expect(try RunFolder(folder("run")).checkpoint(of: run.config).state == run.state)
        written += 1
      case .epoch(let epoch):
        weights[epoch.number] = try run.model.parameters()
        best[epoch.number] = try run.bestParameters()
        let number = try #require(try run.state.bestEpoch)
        if epoch.number < 6 { #expect(best[epoch.number] == weights[number]) }
      case .checkpoint, .noPicture, .ended: break
      }
      return true
    }
    #expect(written > 0 && best.count == 6)
    let end = try #require(summary)
    #expect(try run.model.parameters() == best[6])
    #expect(try run.bestParameters() == best[6])
    #expect(try run.train() == end)
    #expect(try Autoencoder.load(folder("run"), on: .cpu).parameters() == best[6])

    var plain = recipe()
    plain.patience = nil
    let without = try Run.create(plain, data: data, in: folder("plain"), on: .cpu)
    let error = #expect(throws: CinchError.self) { _ = try without.bestParameters() }
    #expect(error?.description.contains("patience") == true)
  }

  /// A trainer's own observer is inside its update: what it asks of the model is refused, not waited for.
  @Test(arguments: [Device.reference, .cpu])
  func aTrainersObserverCannotUseTheModel(_ device: Device) throws {
    let data = try data()
    let trainer = try Trainer(recipe(), on: device)
    try trainer.prepare(data)
    var refusals = 0
    _ = try trainer.trainEpoch(epochs: 1) { _ in
      let error = #expect(throws: CinchError.self) { _ = try trainer.model.encode(data) }
      if case .usage? = error { refusals += 1 }
      #expect(throws: CinchError.self) { _ = try trainer.state }
      #expect(throws: CinchError.self) { try trainer.prepare(data) }
      return true
    }
    #expect(refusals > 0)
    #expect(try trainer.model.encode(data).features == 9)
  }

  @Test func anObserverThatThrowsLosesNothing() throws {
    struct Failure: Error {}
    let folder = try Folder()
    let data = try data()
    let run = try Run.create(recipe(), data: data, in: folder("run"), on: .reference)
    #expect(throws: Failure.self) {
      try run.train { event in
        if case .epoch(let epoch) = event, epoch.number == 2 { throw Failure() }
        return true
      }
    }
    #expect(try Run.resume(folder("run"), data: data).resumedFrom?.epoch == 2)
    #expect(folder.has("run/model.safetensors"))
  }

  /// Every epoch's end writes a checkpoint where that is asked for.
  @Test func checkpointsFollowTheirInterval() throws {
    let folder = try Folder()
    for (interval, expected) in [(Duration.zero, 4), (.seconds(3600), 1)] {
      var settings = Run.Settings()
      settings.checkpointInterval = interval
      let name = "\(expected)"
      let run = try Run.create(recipe(epochs: 3), data: try data(), in: folder(name), on: .cpu, settings: settings)
      var steps: [Int] = []
      try run.train { event in
        if case .checkpoint(let step) = event { steps.append(step) }
        return true
      }
      #expect(steps.count == expected && steps.last == 21)
    }
  }

  @Test func eventsAreAnAsyncSequence() async throws {
    let folder = try Folder()
    let data = try data()
    let run = try Run.create(recipe(epochs: 2), data: data, in: folder("run"), on: .cpu)
    var epochs: [Int] = []
    var summary: Run.Summary?
    for try await event in run.events {
      if case .epoch(let epoch) = event { epochs.append(epoch.number) }
      if case .ended(let end) = event { summary = end }
    }
    #expect(epochs == [1, 2] && summary?.state.epoch == 2)
    #expect(try run.train() == summary)
  }

  @Test func aCancelledTaskSavesItsRun() async throws {
    let folder = try Folder()
    let data = try data()
    let run = try Run.create(recipe(epochs: 1_000_000), data: data, in: folder("events"), on: .cpu)
    let task = Task {
      for try await event in run.events {
        if case .epoch(let epoch) = event, epoch.number == 3 { withUnsafeCurrentTask { $0?.cancel() } }
      }
    }
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(try Run.resume(folder("events"), data: data).resumedFrom?.epoch == 3)

    let other = try Run.create(recipe(epochs: 1_000_000), data: data, in: folder("blocking"), on: .cpu)
    let blocking = Task {
      try other.train { event in
        if case .epoch(let epoch) = event, epoch.number == 2 { withUnsafeCurrentTask { $0?.cancel() } }
        return true
      }
    }
    #expect(try await blocking.value == nil)
    #expect(try Run.resume(folder("blocking"), data: data).resumedFrom?.epoch == 2)
  }

  @Test func anotherRunOfTheModelIsNoticed() throws {
    let folder = try Folder()
    let run = try Run.create(recipe(), data: try data(), in: folder("run"), on: .reference)
    try Trainer(run.model).prepare(try data())
    let error = #expect(throws: CinchError.self) { try run.train() }
    #expect(error?.description.contains("Another run") == true)
  }
}
