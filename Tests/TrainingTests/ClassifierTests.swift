import CinchBackend
import Foundation
import Testing

@testable import Cinch
@testable import CinchCore

/// Training with labels: `softmax` behind a network that ends in a logit per class.
@Suite struct ClassifierTests {
  private static let recipe = Recipe.classifier(layers: [13, 7], activation: .tanh, classes: 3)

  /// Logits that are all zero give every class the same probability.
  @Test func beginsWithoutAPreference() throws {
    let model = try Autoencoder(Self.recipe, on: .reference)
    let evaluation = try model.evaluate(try Variants.data(count: 20, features: 13))
    let loss = try #require(evaluation.metrics[Loss.crossEntropyName])
    #expect(abs(loss - log(3)) <= 1e-12)
    #expect(evaluation.reconstruction.perSample.isNaN)
  }

  /// One hidden unit and two classes, worked out by hand.
  @Test func oneUpdateByHand() throws {
    var recipe = Recipe.classifier(layers: [1, 1], activation: .linear, classes: 2)
    recipe.optimizer = Optimizer(.sgd, learningRate: 1)
    recipe.batchSize = 2
    let trainer = try Trainer(recipe, on: .reference)
    try trainer.model.setParameters([
      NamedParameter(name: "encoder.0.weight", shape: [1, 1], values: [1]),
      NamedParameter(name: "encoder.0.bias", shape: [1], values: [0]),
      NamedParameter(name: "classifier.0.weight", shape: [2, 1], values: [1, 0]),
      NamedParameter(name: "classifier.0.bias", shape: [2], values: [0, 0]),
    ])
    let data = try Dataset(values: [0.5, -1], count: 2, features: 1, labels: [0, 1])
    try trainer.prepare(data, options: TrainingOptions(keepsStepLosses: true))
    _ = try trainer.trainEpoch(epochs: 1)
    // p of class 0 is 1/(1 + e^−h), and h is the sample itself.
    let (first, second) = (1 / (1 + exp(-0.5)), 1 / (1 + exp(1.0)))
    let loss = try trainer.model.withSession { $0.stepLosses }
    #expect(abs(loss[0] - (-log(first) - log(1 - second)) / 2) <= 1e-12)
    let bias = try #require(try trainer.model.parameters().first { $0.name == "classifier.0.bias" }).values
    #expect(abs(Double(bias[0]) - ((1 - first) - second) / 2) <= 1e-6)
    #expect(abs(Double(bias[0] + bias[1])) <= 1e-6)
  }

  /// It learns what labels say, on every device, with the data on the device or streamed.
  @Test(arguments: ParityTests.devices + [.reference])
  func learnsLabels(_ device: Device) throws {
    var recipe = Self.recipe
    recipe.epochs = 60
    recipe.batchSize = 16
    recipe.optimizer.learningRate = 0.02
    let data = try Variants.data(count: 240, features: 13)
    let trainer = try Trainer(recipe, on: device)
    try trainer.prepare(data)
    var epochs: [Epoch] = []
    while case .finished(let epoch) = try trainer.trainEpoch(epochs: recipe.epochs) { epochs.append(epoch) }
    let first = try #require(epochs.first?.metrics[Loss.crossEntropyName])
    let last = try #require(epochs.last?.metrics[Loss.crossEntropyName])
    #expect(last < 0.2 * first)
    let classes = try trainer.model.classify(data)
    let wrong = zip(classes, try #require(data.labels)).filter { $0 != $1 }.count
    #expect(wrong <= 12, "\(wrong) of 240")
    #expect(try trainer.model.encode(data).sampleShape == [7])

    let streamed = try Trainer(recipe, on: device)
    try streamed.prepare(data, options: TrainingOptions(residentBytes: 0))
    #expect(try streamed.model.withSession { $0.isStreamed })
    for _ in epochs { _ = try streamed.trainEpoch(epochs: recipe.epochs) }
    #expect(try streamed.model.parameters() == trainer.model.parameters())
  }

  /// A run keeps its labels: it resumes from its folder alone, and names no reconstruction.
  @Test func aRunIsResumed() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "cinch-classifier-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let data = try Variants.data(count: 40, features: 13)
    let rows = try (0..<data.count).map { sample in
      try (data.sample(sample).map { "\($0)" } + ["\(data.labels?[sample] ?? 0)"]).joined(separator: ",")
    }
    let names = (1...13).map { "x\($0)" } + ["class"]
    let file = folder.appending(path: "data.csv").path
    try ([names.joined(separator: ",")] + rows).joined(separator: "\n").write(
      toFile: file, atomically: true, encoding: .utf8)
    var options = Dataset.LoadOptions()
    options.labelColumn = "class"
    var recipe = Self.recipe
    recipe.epochs = 4
    recipe.validationSplit = 0.25
    func create(_ name: String) throws -> Run {
      try Run.create(
        recipe, data: DataSource(file, options: options), in: folder.appending(path: name).path, on: .reference)
    }
    let whole = try create("whole")
    try whole.train()
    try create("stopped").train { event in if case .epoch(let epoch) = event { epoch.number < 2 } else { true } }
    let resumed = try Run.resume(folder.appending(path: "stopped").path)
    let summary = try #require(try resumed.train())
    #expect(try resumed.model.parameters() == whole.model.parameters())
    #expect(summary.evaluation.metrics[Loss.crossEntropyName] != nil)
    let history = try String(contentsOfFile: whole.folder.path(of: .history), encoding: .utf8)
    #expect(
      history.hasPrefix(
        "epoch,loss,cross_entropy,error,validation_cross_entropy,validation_error,learning_rate,samples_per_second,seconds,run\n"
      ))
    #expect(!whole.folder.has(.reconstructions))
  }

  /// A mean of 32-bit numbers may lie beyond 0 and 1.
  @Test func everyErrorHasAnInterval() {
    #expect(ErrorRate(error: 0.25, samples: 3).interval == 1.96 * 0.25)
    for error in [0, 1, -1e-9, 1.000_000_1] { #expect(ErrorRate(error: error, samples: 8).interval == 0, "\(error)") }
  }

  /// By its row in the data where only some of these are looked at.
  @Test func aStrangeLabelIsNamed() throws {
    let names = ["a", "b"]
    #expect(
      try Confusion(labels: [0, 1], classes: [1, 1], names: names, rows: [3, 7])?.counts == [[0, 1], [0, 1]])
    for (rows, text) in [(nil, "Row 2 has"), ([3, 7], "Row 8 has")] as [([Int]?, String)] {
      let error = #expect(throws: CinchError.self) {
        _ = try Confusion(labels: [0, 5], classes: [0, 0], names: names, rows: rows)
      }
      #expect(error?.description.hasPrefix(text) == true, "\(error?.description ?? "")")
    }
  }

  @Test func writtenAndRead() throws {
    let data = try JSONCoding.encoder.encode(Self.recipe)
    #expect(try JSONCoding.decoder.decode(Recipe.self, from: data) == Self.recipe)
    let short = """
      {"format": 2, "name": "classifier", "architecture": {"kind": "classifier", "layers": [13, 7], "activation": "tanh", \
      "classes": 3}, "objective": {"loss": "softmax"}}
      """
    #expect(try JSONCoding.decoder.decode(Recipe.self, from: Data(short.utf8)) == Self.recipe)
    let bare = #"{"format": 2, "architecture": {"kind": "classifier", "layers": [13, 7], "classes": 3}}"#
    #expect(try JSONCoding.decoder.decode(Recipe.self, from: Data(bare.utf8)).loss == .softmax)
    for (wrong, words) in [
      (#""layers": [13, 7], "input": 13, "classes": 3"#, "'input' needs an 'encoder'"),
      (#""layers": [13, 7], "encoder": [], "input": 13, "classes": 3"#, "'layers' says nothing"),
      (#""layers": [13, 7]"#, "classes"), (#""input": 13, "classes": 3"#, "input"),
      (#""layers": [13, 7], "classes": 3, "tied": true"#, "tied"),
    ] {
      let text = #"{"format": 2, "architecture": {"kind": "classifier", \#(wrong)}}"#
      let error = #expect(throws: DecodingError.self) {
        try JSONCoding.decoder.decode(Recipe.self, from: Data(text.utf8))
      }
      #expect(error.map { "\(JSONCoding.explain($0))".contains(words) } == true, "\(words)")
    }
  }

  @Test func whatIsNoClassifierIsRefused() throws {
    func refusal(_ change: (inout Recipe) -> Void) -> String? {
      var recipe = Self.recipe
      change(&recipe)
      return #expect(throws: CinchError.self) { try recipe.validate() }?.description
    }
    #expect(refusal { $0.loss = .sse }?.contains("softmax") == true)
    #expect(refusal { $0.classifier?.classes = 1 }?.contains("2 or more") == true)
    #expect(refusal { $0.classifier?.encoder = [] }?.contains("hidden layer") == true)
    #expect(
      refusal {
        $0 = .deep(); $0.loss = .softmax
      }?.contains("labels") == true)
    #expect(throws: CinchError.self) { try Self.recipe.settingOutputActivation(.sigmoid) }
    let model = try Autoencoder(Self.recipe, on: .reference)
    let data = try Variants.data(count: 4, features: 13)
    #expect(throws: CinchError.self) { try model.reconstruct(data) }
    #expect(throws: CinchError.self) { try model.decode(try model.encode(data)) }
    let autoencoder = try Autoencoder(.deep(layers: [13, 3]), on: .reference)
    #expect(throws: CinchError.self) { try autoencoder.classify(data) }
  }

  /// A split puts rows in another order; what is refused is named as the file counts it.
  @Test func aRefusedRowIsNamedAsInTheData() throws {
    let data = try Variants.data(count: 40, features: 13)
    var labels = try #require(data.labels)
    labels[17] = 3
    var values = data.values
    values[17 * 13 + 4] = 2
    var classifier = Self.recipe
    classifier.validationSplit = 0.25
    var autoencoder = Recipe.deep(layers: [13, 3])
    autoencoder.validationSplit = 0.25
    let labelled = try Dataset(values: data.values, count: 40, features: 13, labels: labels)
    let large = try Dataset(values: values, count: 40, features: 13)
    for (recipe, data, words) in [(classifier, labelled, "Row 18 "), (autoencoder, large, "row 18, feature 5 ")] {
      for body in [
        { try Trainer(recipe, on: .reference).prepare(data) as Any },
        { try Run.create(recipe, data: data, in: "/nonexistent/run", on: .reference) },
      ] {
        let error = #expect(throws: CinchError.self) { _ = try body() }
        #expect(error?.description.contains(words) == true, "\(error?.description ?? "") should say '\(words)'")
      }
    }
  }

  /// Labels that are missing, or name no class, are found before training.
  @Test(arguments: [nil, [0, 1, 3, 0], [0, -1, 1, 2]] as [[Int]?])
  func labelsThatDoNotFitAreRefused(_ labels: [Int]?) throws {
    let data = try Dataset(values: [Float](repeating: 0.5, count: 52), count: 4, features: 13, labels: labels)
    let error = #expect(throws: CinchError.self) { try Trainer(Self.recipe, on: .reference).prepare(data) }
    #expect(error?.description.contains("label") == true)
    #expect(throws: CinchError.self) { try Autoencoder(Self.recipe, on: .reference).evaluate(data) }
  }
}
