import CinchBackend
import Foundation
import Testing

@testable import Cinch
@testable import CinchCore

/// PCA and probabilistic PCA: against other people's values, plain Double, and what theory says of them.
@Suite struct ClosedFormTests {
  static let devices: [Device] = [.reference] + ParityTests.devices

  /// What is fitted by its likelihood is ranked by it: reconstructions only get better with more components.
  @Test func whatIsMonitored() {
    let metrics: Metrics = ["reconstruction_per_sample": 9, "log_likelihood": -3]
    #expect(Recipe.ppca(layers: [8, 2]).monitored(metrics) == 3)
    #expect(Recipe.linear(layers: [8, 2]).monitored(metrics) == 9)
  }

  // MARK: Values

  struct Golden: Decodable {
    struct Values: Decodable {
      var shape: [Int]
      var values: [Double]
    }

    var components: Int
    var x, other: [[Double]]
    var parameters: [String: Values]
    var codes: [[Double]]
    var errors: [Double]
    var logLikelihoods: [Double]?
  }

  private static func recipe(_ name: String, _ layers: [Int]) throws -> Recipe {
    var recipe = try Recipe.named(name)
    recipe.autoencoder?.setLayers(layers, activation: .linear, outputActivation: .linear)
    return recipe
  }

  private static func dataset(_ rows: [[Double]]) throws -> Dataset {
    try Dataset(values: rows.joined().map { Float($0) }, count: rows.count, features: rows[0].count, name: "rows")
  }

  private static func fitted(
    _ recipe: Recipe, to data: Dataset, on device: Device, options: TrainingOptions = TrainingOptions()
  ) throws -> (model: Autoencoder, epoch: Epoch) {
    let trainer = try Trainer(recipe, on: device)
    try trainer.prepare(data, options: options)
    guard case .finished(let epoch) = try trainer.trainEpoch(epochs: 1) else { throw CinchError.interrupted }
    return (trainer.model, epoch)
  }

  /// How far a covariance made with unit roundoff u may be off, as a norm: n products of numbers with variances σ² are added
  /// up, each of which was x − μ and rounded like x.
  private static func perturbation(_ rows: [[Double]], u: Double) -> Double {
    let (_, covariance) = Jacobi.covariance(rows)
    let trace = covariance.indices.reduce(0) { $0 + covariance[$1][$1] }
    let largest = rows.joined().map(abs).max() ?? 0
    let deviations = covariance.indices.reduce(0) { $0 + covariance[$1][$1].squareRoot() }
    return u * (Double(min(rows.count, 4096) + 2) * trace + 4 * largest * deviations)
  }

  private static func roundoff(_ device: Device) -> Double { device == .reference ? 0x1p-53 : 0x1p-24 }

  /// NumPy's values, by singular values and whole covariances. An eigenvector moves by at most twice the perturbation over
  /// the gap to the next eigenvalue (Davis and Kahan 1970); files round to float32.
  @Test(arguments: ["pca", "ppca"], devices)
  func valuesAreNumPys(name: String, device: Device) throws {
    let url = try #require(Bundle.module.resourceURL).appending(path: "Golden/closed-form/\(name).json")
    let golden = try JSONCoding.decoder.decode(Golden.self, from: Data(contentsOf: url))
    let features = golden.x[0].count
    let (model, epoch) = try Self.fitted(
      Self.recipe(name, [features, golden.components]), to: Self.dataset(golden.x), on: device)
    let values = Jacobi(Jacobi.covariance(golden.x).matrix).values
    let gap = (0..<golden.components).map { values[$0] - values[$0 + 1] }.min() ?? 0
    let error = Self.perturbation(golden.x, u: Self.roundoff(device))
    let turn = 2 * error / gap + 0x1p-24
    let noise = values[golden.components...].reduce(0, +) / Double(features - golden.components)
    for parameter in try model.parameters() {
      // Tied weights have one name.
      guard let expected = golden.parameters[parameter.name] else { continue }
      #expect(parameter.shape.dimensions == expected.shape, "\(parameter.name)")
      let scale = expected.values.map(abs).max() ?? 0
      // Scales follow from λ − σ², and biases add up as many products as there are features.
      let slack = turn * Double(features) + 2 * error / noise
      let largest = golden.x.joined().map(abs).max() ?? 0
      let size = parameter.name.hasSuffix("bias") ? max(scale, largest) : scale
      for (got, want) in zip(parameter.values, expected.values) {
        #expect(abs(Double(got) - want) <= slack * size, "\(parameter.name)")
      }
    }
    let other = try Self.dataset(golden.other)
    let codes = try model.encode(other).values
    let reach = golden.codes.joined().map(abs).max() ?? 0
    let size = golden.x.joined().map(abs).max() ?? 0
    for (got, want) in zip(codes, golden.codes.joined()) {
      #expect(abs(Double(got) - want) <= Double(features) * (turn * (reach + size) + 2 * error / noise * reach))
    }
    let evaluated = try [try Self.dataset(golden.x), other].map { try model.evaluate($0) }
    for (evaluation, want) in zip(evaluated, golden.errors) {
      let got = evaluation.metrics[Evaluation.mseName] ?? .nan
      #expect(abs(got - want) <= Double(features) * turn * 4 * (want + (want * size * size).squareRoot()))
    }
    guard let expected = golden.logLikelihoods else { return }
    for (evaluation, want) in zip(evaluated, expected) {
      // Of a covariance that is off by E, q(x) = yᵀC⁻¹y changes by q‖E‖/σ² and log det C by d‖E‖/σ²; x̂ rounds like x.
      let d = Double(features)
      let q = -2 * want - d * log(2 * .pi * noise)
      let tolerance = (q + d) * error / noise + 8 * turn * size * (d * q / noise).squareRoot()
      #expect(abs((evaluation.metrics[Metrics.logLikelihoodName] ?? .nan) - want) <= tolerance)
    }
    #expect(epoch.metrics[Metrics.logLikelihoodName] == evaluated[0].metrics[Metrics.logLikelihoodName])
    #expect(epoch.loss == -(epoch.metrics[Metrics.logLikelihoodName] ?? .nan))
  }

  @Test(arguments: Recipe.all.filter { $0.closedForm != nil }.map(\.name))
  func everyClosedFormIsCompared(name: String) {
    #expect(Bundle.module.url(forResource: name, withExtension: "json", subdirectory: "Golden/closed-form") != nil)
  }

  /// Samples in `features` dimensions with standard deviations of `decay` to the power of the direction, off the origin.
  static func samples(
    _ count: Int, features: Int, decay: Double, offset: Double = 0.5, seed: UInt64 = 11
  ) -> [[Double]] {
    let philox = Philox(seed: seed, stream: .test)
    let mixing = (0..<features * features).map { philox.gaussian(element: $0, step: 0) / Double(features).squareRoot() }
    return (0..<count).map { row in
      let factors = (0..<features).map { philox.gaussian(element: $0, step: UInt64(row + 1)) * pow(decay, Double($0)) }
      // Floats, so that devices see what Double sees.
      return (0..<features).map { feature in
        Double(
          Float(offset + (0..<features).reduce(0) { $0 + mixing[feature * features + $1] * factors[$1] }))
      }
    }
  }

  /// Plain Jacobi in Double, for samples near the origin and far off: nothing cancels.
  @Test(arguments: [0.5, 1000], devices)
  func componentsAreJacobis(offset: Double, device: Device) throws {
    let rows = Self.samples(300, features: 12, decay: 0.7, offset: offset)
    let exact = Jacobi(Jacobi.covariance(rows).matrix)
    let (model, epoch) = try Self.fitted(.pca(layers: [12, 4]), to: Self.dataset(rows), on: device)
    let error = Self.perturbation(rows, u: Self.roundoff(device))
    let weights = try #require(try model.parameters().first { $0.name == "encoder.0.weight" }).values
    for component in 0..<4 {
      let gap = min(
        exact.values[component] - exact.values[component + 1],
        component > 0 ? exact.values[component - 1] - exact.values[component] : .infinity)
      for feature in 0..<12 {
        let got = Double(weights[component * 12 + feature])
        #expect(abs(got - exact.vectors[component][feature]) <= 2 * error / gap + 0x1p-23)
      }
    }
    let explained = exact.values[..<4].reduce(0, +) / exact.values.reduce(0, +)
    let got = try #require(epoch.metrics[Metrics.explainedVarianceName])
    #expect(abs(got - explained) <= 8 * error / exact.values.reduce(0, +) + 0x1p-50)
  }

  /// log p(x) of samples it has not seen, by the whole covariance in Double; other weights than those solved for, too.
  @Test(arguments: devices)
  func likelihoodsAreThoseOfTheWholeCovariance(device: Device) throws {
    let rows = Self.samples(80, features: 6, decay: 0.6)
    let (model, _) = try Self.fitted(.ppca(layers: [6, 2]), to: Self.dataset(rows), on: device)
    let other = Self.samples(31, features: 6, decay: 0.6, seed: 12)
    // The reference has them in Double, and files do not.
    try model.setParameters(model.parameters())
    for _ in 0..<2 {
      let want = try Self.logLikelihood(other, of: model)
      let got = try #require(try model.evaluate(Self.dataset(other)).metrics[Metrics.logLikelihoodName])
      // As above, but of one and the same covariance: only x̂ rounds, and so do sums of 6 terms.
      #expect(abs(got - want) <= (device == .reference ? 1e-9 : 1e-4))
      // The encoder is still the posterior's mean of weights that are turned.
      var parameters = try model.parameters()
      for index in parameters.indices where parameters[index].name.contains("weight") {
        let isEncoder = parameters[index].name.hasPrefix("encoder")
        let (c, s) = (Float(0.6), Float(0.8))
        let values = parameters[index].values
        for k in 0..<6 {
          let (a, b) = isEncoder ? (k, 6 + k) : (2 * k, 2 * k + 1)
          parameters[index].values[a] = c * values[a] - s * values[b]
          parameters[index].values[b] = s * values[a] + c * values[b]
        }
      }
      if let bias = parameters.firstIndex(where: { $0.name == "encoder.0.bias" }) {
        let values = parameters[bias].values
        parameters[bias].values = [0.6 * values[0] - 0.8 * values[1], 0.8 * values[0] + 0.6 * values[1]]
      }
      try model.setParameters(parameters)
    }
  }

  /// Of N(b, W Wᵀ + σ² I), the mean over samples: by Cholesky's decomposition in Double.
  static func logLikelihood(_ rows: [[Double]], of model: Autoencoder) throws -> Double {
    let parameters = try model.parameters()
    func values(_ name: String) throws -> [Double] {
      try #require(parameters.first { $0.name == name }).values.map { Double($0) }
    }
    let (w, b) = (try values("decoder.0.weight"), try values("decoder.0.bias"))
    let noise = exp(try values("loss.log_variance")[0])
    let (d, p) = (b.count, w.count / b.count)
    var covariance = [[Double]](repeating: [Double](repeating: 0, count: d), count: d)
    for i in 0..<d {
      for j in 0..<d {
        let product = (0..<p).reduce(0.0) { $0 + w[i * p + $1] * w[j * p + $1] }
        covariance[i][j] = i == j ? product + noise : product
      }
    }
    return logLikelihood(rows, mean: b, covariance)
  }

  static func logLikelihood(_ rows: [[Double]], mean: [Double], _ covariance: [[Double]]) -> Double {
    let d = mean.count
    var factor = covariance
    for i in 0..<d {
      for j in 0...i {
        let sum = (0..<j).reduce(factor[i][j]) { $0 - factor[i][$1] * factor[j][$1] }
        factor[i][j] = i == j ? sum.squareRoot() : sum / factor[j][j]
      }
    }
    let halfLogDeterminant = (0..<d).reduce(0) { $0 + log(factor[$1][$1]) }
    let distances = rows.reduce(0.0) { total, row in
      var z = [Double](repeating: 0, count: d)
      for i in 0..<d { z[i] = ((0..<i).reduce(row[i] - mean[i]) { $0 - factor[i][$1] * z[$1] }) / factor[i][i] }
      return total + z.reduce(0) { $0 + $1 * $1 }
    }
    return -0.5 * (Double(d) * log(2 * .pi) + distances / Double(rows.count)) - halfLogDeterminant
  }

  /// Sums of 10⁵ samples keep their digits: the device adds up 4,096 at most, in blocks, and the host the rest in Double.
  @Test func manySamplesLoseNoDigits() throws {
    let philox = Philox(seed: 3, stream: .test)
    let rows = (0..<100_000).map { row -> [Double] in
      let words = philox.block(index: row, step: 0)
      return [Double(100 + Philox.uniform(words.x)), Double(0.25 * Philox.uniform(words.y))]
    }
    let exact = Jacobi(Jacobi.covariance(rows).matrix)
    let (_, epoch) = try Self.fitted(.pca(layers: [2, 1]), to: Self.dataset(rows), on: .cpu)
    // x near 100 is less its mean to 100·2⁻²⁴ against a deviation of 0.29; products of 4,096 add √4096·2⁻²⁴.
    let explained = try #require(epoch.metrics[Metrics.explainedVarianceName])
    #expect(abs(explained - exact.values[0] / exact.values.reduce(0, +)) <= 64 * 0x1p-24)
  }

  // MARK: What theory says

  /// No linear autoencoder beats PCA on its own data (Baldi and Hornik 1989), however long it learns.
  @Test func noLinearAutoencoderBeatsIt() async throws {
    let data = try Self.dataset(Self.samples(256, features: 10, decay: 0.8))
    let principal = try Self.fitted(.pca(layers: [10, 3]), to: data, on: .cpu).epoch.reconstruction.perSample
    var recipe = Recipe.linear(layers: [10, 3])
    recipe.batchSize = 256
    recipe.optimizer.learningRate = 0.02
    recipe.schedule = Schedule(.cosine)
    let trainer = try Trainer(recipe, on: .cpu)
    var losses: [Double] = []
    for try await epoch in trainer.fit(data, epochs: 1000) { losses.append(epoch.reconstruction.perSample) }
    let least = try #require(losses.min())
    // Sums of ten terms in float32.
    #expect(least >= principal * (1 - 1e-5), "\(least) against \(principal)")
    #expect(least <= principal * 1.01, "it comes close")
  }

  /// A linear variational autoencoder whose σ² is learned comes to probabilistic PCA's likelihood (Lucas, Tucker, Grosse and
  /// Norouzi, "Don't blame the ELBO!", NeurIPS 2019), and never beyond it, for that is the greatest.
  ///
  /// With k parameters even the true ones are k/2n nats from the greatest likelihood (Wilks 1938): within a tenth of that the
  /// two are the same to any use of them. At the optimum the bound is the likelihood, once the code's axes are those of the
  /// posterior, so a few draws of each code tell it.
  @Test func aLinearVariationalAutoencoderBecomesIt() async throws {
    let (n, d, p) = (200, 8, 3)
    let rows = Self.samples(n, features: d, decay: 0.75)
    let data = try Self.dataset(rows)
    let greatest = try #require(
      try Self.fitted(.ppca(layers: [d, p]), to: data, on: .cpu).epoch.metrics[Metrics.logLikelihoodName])
    var recipe = Recipe.vae(layers: [d, p])
    recipe.loss = .gaussian
    recipe = try recipe.settingOutputActivation(.linear)
    recipe.batchSize = n
    recipe.optimizer.learningRate = 0.02
    recipe.schedule = Schedule(.cosine)
    let trainer = try Trainer(recipe, on: .cpu)
    for try await _ in trainer.fit(data, epochs: 6000) {}
    let exact = try Self.logLikelihood(rows, of: trainer.model)
    let parameters = d * p + d + 1 - p * (p - 1) / 2
    let tolerance = 0.1 * Double(parameters) / Double(2 * n)
    #expect(exact <= greatest + 1e-4 && exact >= greatest - tolerance, "\(exact) against \(greatest)")
    let bound = try trainer.model.importanceWeightedBound(data, draws: 50)
    // Of 10⁴ draws that vary by less than a nat.
    #expect(abs(bound - exact) <= tolerance + 0.02, "\(bound) against \(exact)")
  }

  // MARK: Runs

  /// Stopped after every part of every pass, and begun again from the checkpoint by another run: the same bits.
  @Test(arguments: ["pca", "ppca"])
  func aResumedRunComesToTheSameBits(name: String) throws {
    let data = try Self.dataset(Self.samples(5000, features: 5, decay: 0.7))
    let recipe = try Self.recipe(name, [5, 2])
    let straight = try Self.fitted(recipe, to: data, on: .cpu)
    var stops = 0
    while true {
      let stopped = try Trainer(recipe, on: .cpu)
      try stopped.prepare(data)
      var seen = 0
      let outcome = try stopped.trainEpoch(epochs: 1) { _ in
        seen += 1
        return seen <= stops
      }
      guard case .interrupted = outcome else { break }
      let checkpoint = try stopped.model.withSession { try $0.checkpoint() }
      #expect(checkpoint.state.epoch == 0 && checkpoint.state.step == 0)
      let resumed = try Trainer(recipe, on: .cpu)
      try resumed.prepare(data)
      try resumed.model.withSession { try $0.restore(checkpoint) }
      _ = try resumed.trainEpoch(epochs: 1)
      #expect(try resumed.model.parameters() == straight.model.parameters())
      // The one that was stopped goes on where it stood.
      _ = try stopped.trainEpoch(epochs: 1)
      #expect(try stopped.model.parameters() == straight.model.parameters())
      guard case .complete(.epochs) = try stopped.trainEpoch(epochs: 3) else {
        Issue.record("there is a second epoch")
        return
      }
      stops += 1
    }
    #expect(stops == 3, "two passes of two parts, the last of which ends the epoch")
  }

  /// Data that do not fit on the device give the same bits, and so does another run.
  @Test(arguments: ParityTests.devices)
  func streamedDataGiveTheSameBits(device: Device) throws {
    let data = try Self.dataset(Self.samples(600, features: 9, decay: 0.7))
    let resident = try Self.fitted(.ppca(layers: [9, 3]), to: data, on: device)
    let streamed = try Self.fitted(
      .ppca(layers: [9, 3]), to: data, on: device, options: TrainingOptions(residentBytes: 0))
    #expect(try streamed.model.withSession { $0.isStreamed })
    #expect(try streamed.model.parameters() == resident.model.parameters())
    #expect(streamed.epoch.metrics == resident.epoch.metrics)
  }

  /// At full size the devices agree, and each with itself. Errors are sums of float32 products of 784 terms.
  @Test(arguments: ["pca", "ppca"])
  func devicesAgreeOnImages(name: String) throws {
    let images = try Images.fashionMNIST().prefix(2000)
    let recipe = try Recipe.named(name)
    let cpu = try Self.fitted(recipe, to: images, on: .cpu)
    let opencl = try Self.fitted(recipe, to: images, on: .opencl(family: .cpu))
    for metric in cpu.epoch.metrics {
      let other = try #require(opencl.epoch.metrics[metric.name])
      #expect(abs(metric.value - other) <= 784.0.squareRoot() * 0x1p-23 * abs(metric.value), "\(metric.name)")
    }
    let again = try Self.fitted(recipe, to: images, on: .cpu)
    #expect(again.epoch.metrics == cpu.epoch.metrics)
    #expect(try again.model.parameters() == cpu.model.parameters())
  }

  /// Wider samples than have a covariance made: the components of 60 samples follow from their products with one another,
  /// whose eigenvalues are those of the covariance.
  @Test(arguments: [Device.cpu, .opencl()])
  func wideSamplesHaveTheirComponents(device: Device) throws {
    let (n, d, p) = (60, 2500, 6)
    #expect(PrincipalAxesPlan.isRandomised(features: d, components: p))
    let philox = Philox(seed: 9, stream: .test)
    let directions = (0..<12 * d).map { philox.gaussian(element: $0, step: 0) }
    let rows = (0..<n).map { row -> [Double] in
      let factors = (0..<12).map { philox.gaussian(element: $0, step: UInt64(row + 1)) * pow(0.8, Double($0)) }
      return (0..<d).map { feature in
        let noise = 0.3 * philox.gaussian(element: feature, step: UInt64(row + 1000))
        return Double(Float((0..<12).reduce(2 + noise) { $0 + factors[$1] * directions[$1 * d + feature] }))
      }
    }
    let mean = (0..<d).map { feature in rows.reduce(0) { $0 + $1[feature] } / Double(n) }
    let centred = rows.map { zip($0, mean).map { $0 - $1 } }
    var products = [[Double]](repeating: [Double](repeating: 0, count: n), count: n)
    for i in 0..<n {
      for j in 0..<n { products[i][j] = zip(centred[i], centred[j]).reduce(0.0) { $0 + $1.0 * $1.1 } / Double(n) }
    }
    let gram = Jacobi(products)
    let data = try Self.dataset(rows)
    let (model, epoch) = try Self.fitted(.ppca(layers: [d, p]), to: data, on: device)
    let (total, kept) = (gram.values.reduce(0, +), gram.values[..<p].reduce(0, +))
    // What the passes leave, 10⁻⁵ of what is left out each, of which those to come add up to less than ten.
    let explained = try #require(epoch.metrics[Metrics.explainedVarianceName])
    #expect(abs(explained - kept / total) <= 1e-4 * (total - kept) / total)
    let noise = (total - kept) / Double(d - p)
    let half = gram.values[..<p].reduce(0) { $0 + log($1) } + Double(d - p) * log(noise)
    let greatest = -0.5 * (Double(d) * log(2 * .pi) + half + Double(d))
    let found = try #require(epoch.metrics[Metrics.logLikelihoodName])
    #expect(found <= greatest + 1e-4 * abs(greatest) && found >= greatest - 1e-3 * abs(greatest))
    // The same seed finds the same, another the same to the tolerance.
    #expect(try Self.fitted(.ppca(layers: [d, p]), to: data, on: device).model.parameters() == model.parameters())
    var other = Recipe.ppca(layers: [d, p])
    other.seed = 5
    let second = try #require(
      try Self.fitted(other, to: data, on: device).epoch.metrics[Metrics.explainedVarianceName])
    #expect(abs(second - explained) <= 2e-4 * (total - kept) / total)
  }

  @Test func samplesComeFromThePrior() throws {
    let rows = Self.samples(200, features: 6, decay: 0.6)
    let (model, _) = try Self.fitted(.ppca(layers: [6, 2]), to: Self.dataset(rows), on: .reference)
    let drawn = try model.sample(5, seed: 3)
    #expect(try model.sample(9, seed: 3).values.prefix(30) == drawn.values[...])
    #expect(try Self.fitted(.pca(layers: [6, 2]), to: Self.dataset(rows), on: .reference).model.prior == nil)
    // Means have the covariance W Wᵀ: of 20,000 draws each element is right to 5·√2/√20000 of the largest.
    let many = try model.sample(20_000)
    let (_, covariance) = Jacobi.covariance(try (0..<20_000).map { try many.sample($0).map { Double($0) } })
    let w = try #require(try model.parameters().first { $0.name == "decoder.0.weight" }).values.map { Double($0) }
    func product(_ i: Int, _ j: Int) -> Double { w[2 * i] * w[2 * j] + w[2 * i + 1] * w[2 * j + 1] }
    let largest = (0..<6).map { product($0, $0) }.max() ?? 0
    let tolerance = 5 * (2 / 20_000.0).squareRoot() * largest
    for i in 0..<6 {
      for j in 0..<6 { #expect(abs(covariance[i][j] - product(i, j)) <= tolerance) }
    }
  }

  // MARK: Refusals

  @Test func impossibleDataAreRefused() throws {
    func refused(_ rows: [[Double]], _ recipe: Recipe, _ part: String) {
      for device in [Device.reference, .cpu] {
        let error = #expect(throws: CinchError.self) {
          _ = try Self.fitted(recipe, to: try Self.dataset(rows), on: device)
        }
        #expect(error?.description.contains(part) == true, "\(String(describing: error))")
      }
    }
    let rows = Self.samples(5, features: 6, decay: 0.8)
    refused([rows[0]], .pca(layers: [6, 1]), "needs 2 samples")
    refused(rows, .pca(layers: [6, 5]), "components 4")
    refused([[Double]](repeating: rows[0], count: 9), .pca(layers: [6, 2]), "All samples are alike")
    refused([[Double]](repeating: [0, 0, 0], count: 9), .pca(layers: [3, 2]), "All samples are alike")
    refused(rows, .ppca(layers: [6, 4]), "leave no variance out")
    #expect(throws: CinchError.self) { try Self.dataset([[.nan, 1], [2, 3], [4, 5]]) }
    let large = rows.map { $0.map { $0 * 1e30 } }
    #expect(throws: CinchError.self) { _ = try Self.fitted(.pca(layers: [6, 2]), to: Self.dataset(large), on: .cpu) }
  }

  @Test func impossibleRecipesAreRefused() throws {
    func refused(_ name: String, _ part: String, _ change: (inout Recipe) throws -> Void) throws {
      var recipe = try Self.recipe(name, [6, 2])
      try recipe.validate()
      try change(&recipe)
      let error = #expect(throws: CinchError.self) { try recipe.validate() }
      #expect(error?.description.contains(part) == true, "\(String(describing: error))")
    }
    for name in ["pca", "ppca"] {
      try refused(name, "two numbers in layers") {
        $0.autoencoder?.setLayers([6, 4, 2], activation: .linear, outputActivation: .linear)
      }
      try refused(name, "both linear") { $0 = try $0.settingActivations(hidden: .relu, code: .relu) }
      try refused(name, "at most") {
        $0.autoencoder?.setLayers([6, 7], activation: .linear, outputActivation: .linear)
      }
      try refused(name, "penalties") { $0.penalties.weightDecay = 0.1 }
      try refused(name, "corruption") { $0.corruption = .masking(0.3) }
      try refused(name, "epochs") { $0.epochs = 2 }
      try refused(name, "optimiser") { $0.optimizer.learningRate = 0.1 }
      try refused(name, "batchSize") { $0.batchSize = 3 }
      try refused(name, "patience") { $0.patience = 3 }
    }
    try refused("pca", "sse") { $0.loss = .gaussian }
    try refused("ppca", "gaussian") { $0.loss = .sse }
    try refused("ppca", "sigma") { $0.sigma = 1 }
    try refused("ppca", "transpose") { $0.autoencoder?.tied = true }
    try refused("ppca", "at most 5") {
      $0.autoencoder?.setLayers([6, 6], activation: .linear, outputActivation: .linear)
    }
    // As many components as features are a rotation.
    try Self.recipe("pca", [6, 6]).validate()
    var untied = try Self.recipe("pca", [6, 2])
    untied.autoencoder?.tied = false
    untied.loss = .mse
    let data = try Self.dataset(Self.samples(30, features: 6, decay: 0.8))
    let (model, epoch) = try Self.fitted(untied, to: data, on: .cpu)
    let tied = try Self.fitted(.pca(layers: [6, 2]), to: data, on: .cpu)
    #expect(try model.reconstruct(data).values == tied.model.reconstruct(data).values)
    #expect(epoch.loss == epoch.reconstruction.perElement)
  }
}
