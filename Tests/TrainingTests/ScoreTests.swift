import CinchBackend
import Foundation
import Testing

@testable import Cinch
@testable import CinchCore

/// Scores of single samples: against plain Double, evaluations, and each other.
@Suite struct ScoreTests {
  static let devices: [Device] = [.reference] + ParityTests.devices
  static let recipes = Variants.all.filter { $0.classifier == nil } + [.pca(layers: [13, 4]), .ppca(layers: [13, 4])]

  /// A model with its first weights, or those of a closed form.
  private func model(_ recipe: Recipe, on device: Device, _ data: Dataset) throws -> Autoencoder {
    guard recipe.closedForm != nil else { return try Autoencoder(recipe, on: device) }
    let trainer = try Trainer(recipe, on: .reference)
    try trainer.prepare(data)
    _ = try trainer.trainEpoch(epochs: 1)
    let model = try Autoencoder(recipe, on: device)
    try model.setParameters(try trainer.model.parameters())
    return model
  }

  /// What float32 may change of a score: in each of L layers an element adds up at most K products, each rounded to 2⁻²⁴ of
  /// numbers near 1, and the loss of d elements follows with slopes of at most 1 where outputs lie within 1 of the samples;
  /// then d terms are added up.
  private func tolerance(_ recipe: Recipe, _ score: Double) throws -> Double {
    let network = try recipe.resolved()
    let widest = Double(network.layers.map { max($0.input.count, $0.output.count) }.max() ?? 1)
    let d = Double(recipe.input)
    return 0x1p-24 * widest * (d * Double(network.layers.count) + abs(score))
  }

  @Test(arguments: recipes)
  func theirMeanIsTheEvaluations(_ recipe: Recipe) throws {
    // More than one batch.
    let data = try Variants.data(count: 130, features: recipe.input)
    let model = try model(recipe, on: .reference, data)
    let scores = try model.scores(data)
    let metrics = try model.evaluate(data).metrics
    func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }
    func expectClose(_ a: Double, _ b: Double?, _ what: String) {
      // Sums in Double, in another order.
      let b = b ?? .nan
      #expect(abs(a - b) <= 1e-12 * (abs(b) + Double(recipe.input)), "\(recipe.testDescription) \(what): \(a), \(b)")
    }
    if recipe.objective.chain != nil {
      expectClose(mean(scores), metrics[Metrics.freeEnergyName], "free energy")
    } else if recipe.closedForm == .ppca {
      expectClose(-mean(scores), metrics[Metrics.logLikelihoodName], "log p(x)")
    } else if recipe.penalties.prior != nil {
      // An evaluation draws its codes.
      let code = try #require(try model.featureScores(data).code)
      expectClose(mean(code), metrics[Metrics.divergenceName], "divergence")
      let target = recipe.loss == .bce ? 1.0 : 2.0
      #expect(abs(mean(scores) + (metrics[Metrics.boundName] ?? .nan)) < target * Double(recipe.input))
    } else {
      let perSample = recipe.loss != .mse
      expectClose(
        mean(scores), metrics[perSample ? Reconstruction.perSampleName : Reconstruction.perElementName], "loss")
    }
  }

  @Test(arguments: recipes.filter { $0.objective.chain == nil })
  func featuresAddUpToScores(_ recipe: Recipe) throws {
    let data = try Variants.data(count: 9, features: recipe.input)
    let model = try model(recipe, on: .reference, data)
    let parts = try model.featureScores(data)
    #expect(try parts.scores == model.scores(data))
    #expect((parts.code != nil) == (recipe.penalties.prior != nil || recipe.closedForm == .ppca))
    for row in 0..<9 {
      let values = parts.features[row * recipe.input..<(row + 1) * recipe.input].map { Double($0) }
      let size = values.reduce(0) { $0 + abs($1) }
      // Each is rounded to float32.
      let sum = values.reduce(parts.code?[row] ?? 0, +)
      #expect(abs(sum - parts.scores[row]) <= 0x1p-24 * size + 1e-12 * abs(parts.scores[row]))
    }
  }

  @Test(arguments: recipes)
  func devicesAgree(_ recipe: Recipe) throws {
    let data = try Variants.data(count: 21, features: recipe.input)
    let expected = try model(recipe, on: .reference, data).scores(data)
    for device in ParityTests.devices {
      let model = try model(recipe, on: device, data)
      let scores = try model.scores(data)
      for (row, (score, want)) in zip(scores, expected).enumerated() {
        #expect(
          abs(score - want) <= (try tolerance(recipe, want)), "\(recipe.testDescription) on \(device), row \(row)")
      }
    }
  }

  /// To the bit: alone, in another place, and beside others. The reference takes a row at a time anyway.
  @Test(arguments: recipes, ParityTests.devices)
  func theOtherSamplesDoNotMatter(_ recipe: Recipe, device: Device) throws {
    let data = try Variants.data(count: 143, features: recipe.input)
    let model = try model(recipe, on: device, data)
    let scores = try model.scores(data)
    for rows in [0..<1, 100..<101, 142..<143, 3..<140] {
      #expect(
        try model.scores(data.subset(rows)) == Array(scores[rows]), "\(recipe.testDescription) on \(device), \(rows)")
    }
  }

  // MARK: Plain Double

  private func parameters(_ model: Autoencoder) throws -> [String: [Double]] {
    Dictionary(uniqueKeysWithValues: try model.parameters().map { ($0.name, $0.values.map { Double($0) }) })
  }

  private func dense(_ x: [Double], _ weight: [Double], _ bias: [Double]) -> [Double] {
    bias.indices.map { unit in
      x.indices.reduce(bias[unit]) { $0 + weight[unit * x.count + $1] * x[$1] }
    }
  }

  private func activated(_ a: [Double], _ activation: Activation) -> [Double] {
    a.map { a in
      switch activation {
      case .linear: a
      case .sigmoid: 1 / (1 + exp(-a))
      case .tanh: tanh(a)
      case .relu: max(a, 0)
      case .leakyReLU: a > 0 ? a : 0.01 * a
      case .softplus: log(1 + exp(a))
      }
    }
  }

  private func loss(_ recipe: Recipe, _ output: [Double], _ x: [Double], variance: Double) -> Double {
    let d = Double(x.count)
    let squares = zip(output, x).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    switch recipe.loss {
    case .sse: return squares / 2
    case .mse: return squares / d
    case .gaussian: return (squares / variance + d * log(2 * .pi * variance)) / 2
    case .bce: return -zip(output, x).reduce(0) { $0 + $1.1 * log($1.0) + (1 - $1.1) * log(1 - $1.0) }
    // Columns of tables have tests of their own.
    case .mixed, .softmax: return .nan
    }
  }

  private static let plain: [Recipe] = {
    var gaussian = Recipe(
      name: "gaussian", layers: [13, 6], activation: .tanh, outputActivation: .linear, loss: .gaussian)
    gaussian.sigma = 0.5
    var corrupted = Recipe.denoising(layers: [13, 17], corruption: .masking(0.5))
    corrupted.name = "denoising"
    return [
      .linear(layers: [13, 5]), .deep(layers: [13, 7, 3]), .sparse(layers: [13, 9]), gaussian, corrupted,
      Recipe(name: "tanh", layers: [13, 6, 4], activation: .tanh, outputActivation: .tanh, loss: .mse),
      Recipe(name: "softplus", layers: [13, 6, 4], activation: .softplus, outputActivation: .leakyReLU, loss: .sse),
      .vae(layers: [13, 9, 4]),
    ]
  }()

  @Test(arguments: plain)
  func scoresArePlainDoubles(_ recipe: Recipe) throws {
    let data = try Variants.data(count: 5, features: 13)
    let model = try Autoencoder(recipe, on: .reference)
    let values = try parameters(model)
    for (row, score) in try model.scores(data).enumerated() {
      let x = try data.sample(row).map { Double($0) }
      var h = x
      var divergence = 0.0
      for (part, layers) in [("encoder", recipe.encoder), ("decoder", recipe.decoder)] {
        for (index, layer) in layers.enumerated() {
          guard layer.hasParameters else {
            let units = h.count / 2
            for unit in 0..<units {
              divergence += (h[unit] * h[unit] + exp(h[units + unit]) - 1 - h[units + unit]) / 2
            }
            h = Array(h[..<units])
            continue
          }
          let a = dense(
            h, try #require(values["\(part).\(index).weight"]), try #require(values["\(part).\(index).bias"]))
          h = activated(a, layer.activation)
        }
      }
      let variance = exp(values["loss.log_variance"]?[0] ?? 0)
      let expected = loss(recipe, h, x, variance: variance) + divergence
      #expect(
        abs(score - expected) <= 1e-12 * max(abs(expected), 1), "\(recipe.name) row \(row): \(score), \(expected)")
    }
  }

  @Test(arguments: [Activation.sigmoid, .linear])
  func freeEnergiesArePlainDoubles(visible: Activation) throws {
    let data = try Variants.data(count: 5, features: 12)
    let model = try Autoencoder(.rbm(layers: [12, 8], visible: visible), on: .reference)
    let set = try model.parameters().map { parameter in
      var parameter = parameter
      // Biases that are not 0.
      if parameter.name.hasSuffix("bias") {
        parameter.values = parameter.values.indices.map { 0.1 * Float($0) - 0.3 }
      }
      return parameter
    }
    try model.setParameters(set)
    let values = try parameters(model)
    let (weight, bias, c) = (
      try #require(values["encoder.0.weight"]), try #require(values["decoder.0.bias"]),
      try #require(values["encoder.0.bias"])
    )
    for (row, score) in try model.scores(data).enumerated() {
      let v = try data.sample(row).map { Double($0) }
      let hidden = activated(dense(v, weight, c), .softplus).reduce(0, +)
      let own =
        visible == .linear
        ? zip(v, bias).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) / 2 }
        : -zip(v, bias).reduce(0) { $0 + $1.0 * $1.1 }
      #expect(abs(score - (own - hidden)) <= 1e-12 * (abs(own) + hidden))
    }
    #expect(throws: CinchError.self) { try model.featureScores(data) }
  }

  // MARK: What is refused

  @Test func whatHasNoScoreIsRefused() throws {
    let data = try Variants.data(count: 4, features: 13)
    #expect(throws: CinchError.self) {
      try Autoencoder(.classifier(layers: [13, 5], activation: .tanh, classes: 3), on: .reference).scores(data)
    }
    let model = try Autoencoder(.deep(layers: [13, 4]), on: .reference)
    #expect(throws: CinchError.self) { try model.scores(Variants.data(count: 4, features: 12)) }
    // Outside of what bce is defined for.
    #expect(throws: CinchError.self) {
      try model.scores(Dataset(values: [Float](repeating: 2, count: 13), count: 1, features: 13))
    }
    let squares = try Autoencoder(.linear(layers: [13, 4]), on: .cpu)
    #expect(throws: CinchError.self) {
      try squares.scores(Dataset(values: [Float](repeating: 3e38, count: 13), count: 1, features: 13))
    }
    // A single sample, or equal ones, have scores as any other, with σ learned, too.
    let gaussian = try Autoencoder(
      Recipe(name: "gaussian", layers: [13, 6], activation: .tanh, outputActivation: .linear, loss: .gaussian),
      on: .reference)
    #expect(try gaussian.scores(data.prefix(1)).count == 1)
  }
}

/// Thresholds of a run, and the file that keeps them.
@Suite struct AnomalyDetectorTests {
  private final class Folder {
    let path = FileManager.default.temporaryDirectory.appending(path: "cinch-\(UUID().uuidString)").path
    deinit { try? FileManager.default.removeItem(atPath: path) }
    var run: String { path + "/run" }
    var scores: String { run + "/scores.safetensors" }
    var source: DataSource { DataSource(path + "/data.csv") }
  }

  private func trained(split: Double = 0.25) throws -> Folder {
    let folder = Folder()
    try FileManager.default.createDirectory(atPath: folder.path, withIntermediateDirectories: true)
    let data = try Variants.data(count: 80, features: 13)
    try CSVWriter.write(values: data.values, features: 13, to: folder.path + "/data.csv")
    var recipe = Recipe.deep(layers: [13, 5])
    recipe.epochs = 2
    recipe.validationSplit = split
    _ = try Run.create(recipe, data: folder.source, in: folder.run, on: .reference).train()
    return folder
  }

  @Test func trainingScoresAreKept() throws {
    let folder = try trained()
    let detector = try AnomalyDetector(folder.run)
    let training = try #require(detector.training)
    #expect(training.sorted.count == 60 && detector.missing == nil && detector.kept == nil)
    // Those of the samples that were not held out.
    let all = try folder.source.load()
    let parts = try detector.run.prepare(all).split(validation: 0.25, seed: detector.run.recipe.seed)
    #expect(try training.sorted == detector.model.scores(parts.training).sorted())
    let file = try Data(contentsOf: URL(filePath: folder.scores))
    // Another time no data are needed.
    try FileManager.default.removeItem(atPath: folder.path + "/data.csv")
    #expect(try AnomalyDetector(folder.run).training == training)
    #expect(try Data(contentsOf: URL(filePath: folder.scores)) == file)
    // A damaged file is made again where that is possible.
    try Data("x".utf8).write(to: URL(filePath: folder.scores))
    #expect(try AnomalyDetector(folder.run).missing != nil)
    try CSVWriter.write(values: all.values, features: 13, to: folder.path + "/data.csv")
    #expect(try AnomalyDetector(folder.run).training == training)
    #expect(try Data(contentsOf: URL(filePath: folder.scores)) == file)
  }

  @Test func thresholdsFollowTheirRules() throws {
    let folder = try trained()
    var detector = try AnomalyDetector(folder.run)
    let training = try #require(detector.training)
    let scores = try detector.scores(folder.source)
    #expect(try detector.scores(folder.source.load()) == scores)
    #expect(try detector.threshold(for: scores).value == training.threshold(above: 0.01))
    let tenth = try detector.threshold(.contamination(0.1), for: scores)
    #expect(scores.count { $0 > tenth.value } == 8)
    let fifth = try detector.threshold(.falseAlarms(0.2), for: scores)
    #expect(training.sorted.count { $0 > fifth.value } == 12)
    try detector.keep(tenth)
    #expect(try AnomalyDetector(folder.run).kept == tenth)
    #expect(try AnomalyDetector(folder.run).threshold(for: []) == tenth)
    try detector.keep(fifth)
    #expect(try AnomalyDetector(folder.run).threshold(for: scores) == fifth)
    for rule in [
      AnomalyDetector.Rule.contamination(0), .contamination(1), .contamination(.nan), .falseAlarms(1), .falseAlarms(-1),
    ] {
      #expect(throws: CinchError.self) { try detector.threshold(rule, for: scores) }
    }
  }

  /// Scores and a threshold belong to weights.
  @Test func otherWeightsHaveOtherScores() throws {
    let folder = try trained()
    var detector = try AnomalyDetector(folder.run)
    let training = detector.training
    try detector.keep(try detector.threshold(for: []))
    let run = try Run.resume(folder.run, epochs: 4)
    _ = try run.train()
    let anew = try AnomalyDetector(folder.run)
    #expect(anew.kept == nil && anew.training != nil && anew.training != training)
  }

  /// Without the training data a threshold can come from the samples at hand.
  @Test func trainingDataCanBeMissing() throws {
    let folder = try trained()
    let data = try folder.source.load()
    try CSVWriter.write(values: data.values.map { $0 / 2 }, features: 13, to: folder.path + "/data.csv")
    var detector = try AnomalyDetector(folder.run)
    #expect(detector.training == nil && detector.missing != nil)
    let scores = try detector.scores(data)
    #expect(throws: CinchError.self) { try detector.threshold(for: scores) }
    let threshold = try detector.threshold(.contamination(0.5), for: scores)
    try detector.keep(threshold)
    let again = try AnomalyDetector(folder.run)
    #expect(try again.threshold(for: scores) == threshold && again.training == nil)
    let saved = folder.path + "/saved"
    try detector.model.save(to: saved)
    #expect(try AnomalyDetector(saved).kept == nil)
  }
}
