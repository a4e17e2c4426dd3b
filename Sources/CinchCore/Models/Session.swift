import CinchBackend
import CinchData

/// A model on some device, with the device's type erased.
package protocol Session: AnyObject {
  var recipe: Recipe { get }
  var resolved: ResolvedNetwork { get }
  var device: DeviceInfo { get }
  var counters: BackendCounters { get }
  /// What the device holds, other models on it included.
  var memory: MemoryUse { get }
  var state: TrainingState { get }
  /// Every update's loss, where `TrainingOptions.keepsStepLosses` asked for it.
  var stepLosses: [Double] { get }
  var isStreamed: Bool { get }
  /// Calls of `prepare` so far, each of which ended the run before it.
  var runs: Int { get }

  func encode(_ data: Dataset) throws -> [Float]
  /// - Parameter order: of the channels in the result, where that is images.
  func decode(_ codes: Dataset, in order: ImageLayout) throws -> [Float]
  func reconstruct(_ data: Dataset, in order: ImageLayout) throws -> [Float]
  /// The most probable class of every sample.
  func classify(_ data: Dataset) throws -> [Int]
  /// The outputs of the encoder's convolutions, each with its name and shape.
  func featureMaps(_ data: Dataset) throws -> [FeatureMaps]
  func evaluate(_ data: Dataset) throws -> Evaluation
  /// Each sample's score; see `Scoring`.
  ///
  /// - Parameter order: of the channels in scores by feature; nil where nobody asks for these.
  func scores(_ data: Dataset, byFeature order: ImageLayout?) throws -> SampleScores
  /// log p(x) of samples, averaged, as far as `draws` codes of each tell: see `ImportanceWeightedBound`.
  func importanceWeightedBound(_ data: Dataset, draws: Int) throws -> Double
  /// log Z of a Boltzmann machine; see `AnnealedImportanceSampling`.
  func logPartition(_ data: Dataset, chains: Int, temperatures: Int, seed: UInt64) throws -> LogPartition
  /// The same, added up state by state; nil where there are too many; see `ExactPartition`.
  func exactLogPartition() throws -> LogPartition?
  /// Visible units of a Boltzmann machine after so many steps of Gibbs sampling, each chain's means.
  func gibbs(_ count: Int, steps: Int, seed: UInt64) throws -> [Float]
  /// The run's own held-out samples, or its training samples, which the device has already.
  func evaluateRun(heldOut: Bool, on data: Dataset) throws -> Evaluation
  /// A corrupted copy of samples, as the encoder sees them at `step` of a run of that seed; images may be of any size.
  func corrupt(_ data: Dataset, seed: UInt64, step: UInt64) throws -> [Float]

  /// Every parameter under its file name, in the order of PyTorch's files.
  func parameters() throws -> [NamedParameter]
  func setParameters(_ parameters: [NamedParameter]) throws

  func prepare(training: Dataset, validation: Dataset?, options: TrainingOptions) throws
  func trainEpoch(epochs: Int, _ observer: (TrainingProgress) -> Bool) throws -> EpochOutcome
  func checkpoint() throws -> Checkpoint
  /// The weights of the best epoch so far, as early stopping keeps them.
  func bestParameters() throws -> [NamedParameter]
  func restore(_ checkpoint: Checkpoint) throws
}

/// One tensor of a model, by the name it has in `model.safetensors`.
public struct NamedParameter: Sendable, Hashable {
  public var name: String
  public var shape: Shape
  public var values: [Float]

  public init(name: String, shape: Shape, values: [Float]) {
    self.name = name
    self.shape = shape
    self.values = values
  }
}

/// What one convolution makes of samples: `[samples, channels, height, width]`.
package struct FeatureMaps: Sendable {
  package var name: String
  package var shape: FeatureShape
  package var values: [Float]
}

/// A training run's whole state between two updates, in the device's own precision.
package struct Checkpoint: Sendable, Hashable {
  package var state: TrainingState
  package var arenas: [String: Arena]

  package enum Arena: Sendable, Hashable {
    case float([Float])
    case double([Double])
  }

  package init(state: TrainingState, arenas: [String: Arena]) {
    self.state = state
    self.arenas = arenas
  }
}

/// Opens a recipe on a backend whose type the caller need not know.
package func openSession<B: Backend>(_ recipe: Recipe, on backend: B) throws -> any Session {
  try ModelSession(recipe, on: backend)
}

final class ModelSession<B: Backend>: Session {
  let recipe: Recipe
  private let backend: B
  private let network: Network<B>
  private var ownInference: Inference<B>?
  private var ownLearner: (any Learner<B>)?
  private(set) var run: (any TrainingRun<B>)?
  private(set) var runs = 0
  /// Whether its parameters are still those that it was opened with.
  private var isNew = true

  init(_ recipe: Recipe, on backend: B) throws {
    self.recipe = recipe
    self.backend = backend
    let resolved = try recipe.validated()
    try recipe.requireFit(resolved, on: backend)
    network = try Network(recipe, resolved, on: backend)
  }

  /// Made when it is first needed: training alone does without.
  private func inference() throws -> Inference<B> {
    if let ownInference { return ownInference }
    let inference = try Inference(network)
    ownInference = inference
    return inference
  }

  /// What evaluates the model where no run does.
  private func learner() throws -> any Learner<B> {
    if let ownLearner { return ownLearner }
    let learner = try recipe.makeLearner(network, memory: Memory(backend))
    ownLearner = learner
    return learner
  }

  var resolved: ResolvedNetwork { network.resolved }
  var device: DeviceInfo { backend.info }
  var counters: BackendCounters { backend.counters }
  var memory: MemoryUse { backend.memory }
  var state: TrainingState { run?.state ?? TrainingState() }
  var stepLosses: [Double] { run?.stepLosses ?? [] }
  var isStreamed: Bool { run?.isStreamed ?? false }

  // Users have channels first, files either order, devices channels last.
  private var input: FeatureShape { network.input }
  private var code: FeatureShape { network.code.resolved.output }

  func encode(_ data: Dataset) throws -> [Float] {
    code.channelsFirst(try inference().run(input.channelsLast(data), through: 0..<network.encoderCount))
  }

  func decode(_ codes: Dataset, in order: ImageLayout) throws -> [Float] {
    try network.resolved.requireDecoder()
    return input.fromDevice(
      try inference().run(code.channelsLast(codes), through: network.encoderCount..<network.layers.count), in: order)
  }

  func reconstruct(_ data: Dataset, in order: ImageLayout) throws -> [Float] {
    try requireReconstruction()
    return input.fromDevice(
      try inference().run(input.channelsLast(data), through: 0..<network.layers.count), in: order)
  }

  private func requireReconstruction() throws {
    guard recipe.classifier == nil else {
      throw CinchError.usage("A classifier has no decoder: ask it for classes or codes, or train an autoencoder.")
    }
  }

  func classify(_ data: Dataset) throws -> [Int] {
    guard let classes = recipe.classifier?.classes else {
      throw CinchError.usage("An autoencoder tells no classes apart: train a classifier with labels.")
    }
    let logits = try inference().run(input.channelsLast(data), through: 0..<network.layers.count)
    return (0..<data.count).map { sample in
      let row = logits[sample * classes..<(sample + 1) * classes]
      return (row.indices.max { row[$0] < row[$1] } ?? row.startIndex) - row.startIndex
    }
  }

  func featureMaps(_ data: Dataset) throws -> [FeatureMaps] {
    let images = input.channelsLast(data)
    return try (0..<network.encoderCount).compactMap { index in
      let layer = network.layers[index].resolved
      guard layer.spec.hasParameters, layer.output.image != nil else { return nil }
      let maps = layer.output.channelsFirst(try inference().run(images, through: 0..<index + 1))
      return FeatureMaps(name: layer.name, shape: layer.output, values: maps)
    }
  }

  func evaluate(_ data: Dataset) throws -> Evaluation {
    try recipe.validate(data, for: .evaluation)
    guard data.observed == nil || data.missingCount < data.count * data.features else {
      throw CinchError.badData(
        "Every value of '\(data.name)' is missing, which leaves nothing to evaluate: give samples with some.")
    }
    // Each sample passes once, so none of them stays on the device.
    var evaluation = try finite(
      try EvaluationPass(learner(), network, .samples(input.channelsLast(data)), memoryLimit: 0).run(withSquares: true),
      data.name)
    evaluation.metrics[Evaluation.mseName] = try meanSquaredError(evaluation, on: data)
    evaluation.metrics[Metrics.pseudoLikelihoodName] = try PseudoLikelihood(network)?.run(input.channelsLast(data))
    return evaluation
  }

  func scores(_ data: Dataset, byFeature order: ImageLayout?) throws -> SampleScores {
    let scoring = try Scoring(network)
    try recipe.requireObserved(data)
    try recipe.validateRange(data, for: .evaluation)
    var scores = try scoring.run(input.channelsLast(data), byFeature: order != nil)
    if let row = scores.values.firstIndex(where: { !$0.isFinite }) {
      throw CinchError.diverged(
        "The score of row \(row + 1) of '\(data.name)' is no finite number: its values or the model's weights are too large; "
          + "correct the row, or train anew with a smaller \(.learningRate).")
    }
    if let order { scores.features = scores.features.map { input.fromDevice($0, in: order) } }
    return scores
  }

  func importanceWeightedBound(_ data: Dataset, draws: Int) throws -> Double {
    try recipe.validate(data, for: .evaluation)
    return try ImportanceWeightedBound(network).run(input.channelsLast(data), draws: draws)
  }

  func logPartition(_ data: Dataset, chains: Int, temperatures: Int, seed: UInt64) throws -> LogPartition {
    try recipe.validate(data, for: .evaluation)
    return try AnnealedImportanceSampling(network, chains: chains).run(
      means: input.channelsLast(data).featureMeans(), temperatures: temperatures, seed: seed)
  }

  func exactLogPartition() throws -> LogPartition? {
    try ExactPartition(network).map { LogPartition(value: try $0.run(), standardError: 0, isExact: true) }
  }

  func gibbs(_ count: Int, steps: Int, seed: UInt64) throws -> [Float] {
    try GibbsSampling(network).run(count, steps: steps, seed: seed)
  }

  func evaluateRun(heldOut: Bool, on data: Dataset) throws -> Evaluation {
    var evaluation = try finite(try prepared().evaluate(heldOut: heldOut), data.name)
    evaluation.metrics[Evaluation.mseName] = try meanSquaredError(evaluation, on: data)
    evaluation.metrics[Metrics.pseudoLikelihoodName] = try PseudoLikelihood(network)?.run(input.channelsLast(data))
    return evaluation
  }

  /// Nil where nothing is reconstructed.
  private func meanSquaredError(_ evaluation: Evaluation, on data: Dataset) throws -> Double? {
    if let known = evaluation.metrics[Evaluation.mseName] { return known }
    return switch recipe.loss {
    case .softmax: nil
    case .mse: evaluation.reconstruction.perElement
    // Half of the squares.
    case .sse: 2 * evaluation.reconstruction.perElement
    case .bce, .gaussian, .mixed:
      try inference().squaredError(input.channelsLast(data)) / Double(data.count) / Double(data.features)
        / max(data.observedShare(nil), .leastNormalMagnitude)
    }
  }

  private func finite(_ evaluation: Evaluation, _ name: String) throws -> Evaluation {
    guard evaluation.metrics.allSatisfy(\.value.isFinite) else {
      throw CinchError.diverged(
        "The model's loss on '\(name)' is no finite number: its weights or these samples are too large; train anew "
          + "with a smaller \(.learningRate), or scale the data with \(.scaling) standard.")
    }
    return evaluation
  }

  func corrupt(_ data: Dataset, seed: UInt64, step: UInt64) throws -> [Float] {
    guard let corruption = recipe.corruption else { return data.values }
    let own = ImageShape(data.sampleShape).map { FeatureShape.image($0) }
    let sample = data.features == recipe.input ? input : own ?? .flat(data.features)
    // Parts begin with a block of random words.
    let rows = max(4, min(data.count, (1 << 22) / data.features) / 4 * 4)
    let shape = sample.shape(rows: min(rows, data.count))
    let x = try backend.tensor(shape), corrupted = try backend.tensor(shape)
    let philox = Philox(seed: seed, stream: .corruption)
    var result: [Float] = []
    result.reserveCapacity(data.count * data.features)
    for start in stride(from: 0, to: data.count, by: rows) {
      let part = try data.subset(start..<min(start + rows, data.count))
      let (from, to) = (x.prefix(rows: part.count), corrupted.prefix(rows: part.count))
      try backend.write(Scalars.scalars(sample.channelsLast(valuesOf: part)), to: from)
      try backend.corrupt(from, corruption, Draws(philox, step: step, firstRow: start), into: to)
      result += sample.channelsFirst(Scalars.floats(try backend.read(to)))
    }
    return result
  }

  func parameters() throws -> [NamedParameter] {
    network.layout.named(Scalars.floats(try backend.read(network.parameters)))
  }

  func setParameters(_ parameters: [NamedParameter]) throws {
    try backend.write(Scalars.scalars(try network.layout.arena(parameters)), to: network.parameters)
    isNew = false
    try run?.parametersChanged()
  }

  func prepare(training: Dataset, validation: Dataset?, options: TrainingOptions) throws {
    let samples = input.channelsLast(training)
    run = try recipe.makeRun(
      network, training: samples, validation: validation.map { input.channelsLast($0) }, options: options)
    if isNew { try network.setFirstValues(from: .samples(samples)) }
    runs += 1
  }

  private func prepared() throws -> any TrainingRun<B> {
    guard let run else { throw CinchError.usage("Training needs data: call fit with a data set first.") }
    return run
  }

  func trainEpoch(epochs: Int, _ observer: (TrainingProgress) -> Bool) throws -> EpochOutcome {
    let run = try prepared()
    isNew = false
    return try run.advance(epochs: epochs, observer)
  }

  func checkpoint() throws -> Checkpoint {
    let (state, arenas) = try prepared().checkpoint()
    return Checkpoint(
      state: state,
      arenas: arenas.mapValues { values in
        B.Scalar.self == Double.self ? .double(Scalars.doubles(values)) : .float(Scalars.floats(values))
      })
  }

  func bestParameters() throws -> [NamedParameter] {
    let (state, arenas) = try prepared().checkpoint()
    guard let best = arenas["best"] else {
      throw CinchError.usage("The run keeps no best weights: give the recipe \(.patience) and held-out samples.")
    }
    guard state.bestEpoch != nil else {
      throw CinchError.usage("No epoch has ended yet: the best weights are known after the first one.")
    }
    // A run that has ended has given them back.
    return state.ended == nil ? network.layout.named(Scalars.floats(best)) : try parameters()
  }

  func restore(_ checkpoint: Checkpoint) throws {
    let arenas = checkpoint.arenas.mapValues { arena -> [B.Scalar] in
      switch arena {
      case .float(let values): Scalars.scalars(values)
      case .double(let values): Scalars.scalars(values)
      }
    }
    try prepared().restore(checkpoint.state, arenas)
    isNew = false
  }
}
