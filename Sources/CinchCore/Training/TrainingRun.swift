import CinchBackend
import CinchData
import FoundationEssentials
import Glibc

/// Trains one recipe on one device: the loop that every variant shares.
///
/// Work is queued in chunks of about a tenth of a second. Between two chunks the losses of the chunk's
/// updates are read back, checked and reported, and the observer may stop the run; inside a chunk the host
/// only queues. Chunk lengths follow the clock, but no number depends on them.
final class TrainingRun<B: Backend> {
  let network: Network<B>
  private(set) var state = TrainingState()
  private let recipe: Recipe
  private let backend: B
  private let feed: DataFeed<B>
  private let workspace: Workspace<B>
  private let moments: [Tensor<B.Buffer>]
  private let best: Tensor<B.Buffer>?
  private let validation: Dataset?
  /// Where there is something to validate with.
  private let evaluator: Evaluator<B>?
  private let step: TrainingStep<B>
  /// One row of the books for every update of a chunk.
  private let books: Tensor<B.Buffer>
  private let termCount: Int
  private let shuffle: Philox
  private let corruption: Philox
  private var chunk = 1

  /// The losses of the run's updates so far, in order; kept only where asked for, as tests do.
  private(set) var stepLosses: [Double] = []
  private let keepsStepLosses: Bool

  static var longestChunk: Int { 128 }

  init(
    _ network: Network<B>, training: Dataset, validation: Dataset?, evaluator: Evaluator<B>?, options: TrainingOptions
  ) throws {
    recipe = network.recipe
    backend = network.backend
    self.network = network
    self.validation = validation
    self.evaluator = evaluator
    keepsStepLosses = options.keepsStepLosses
    try recipe.validate(training)
    if let validation { try recipe.validate(validation) }
    let rows = min(recipe.batchSize, training.count)
    try recipe.requireFit(backend, batch: rows)
    feed = try DataFeed(
      training, on: backend, batchSize: rows,
      memoryLimit: options.residentBytes ?? min(backend.info.memory / 2, backend.info.largestBuffer))
    workspace = try Workspace(network, rows: rows)
    if training.count % rows > 0 { _ = try workspace.batch(rows: training.count % rows) }
    moments = try (0..<recipe.optimizer.momentCount).map { _ in try network.backend.tensor(network.parameters.shape) }
    best = recipe.patience == nil || validation == nil ? nil : try backend.tensor(network.parameters.shape)
    step = TrainingStep(network: network, workspace: workspace, moments: moments)
    termCount = 1 + recipe.penalties.names.count
    books = try backend.tensor([Self.longestChunk, termCount])
    shuffle = Philox(seed: recipe.seed, stream: .shuffle)
    corruption = Philox(seed: recipe.seed, stream: .corruption)
    if recipe.patience != nil && validation == nil {
      throw CinchError.usage(
        "Early stopping needs held-out samples: add \(.validationSplit, "0.1"), or leave \(.patience) out.")
    }
  }

  private var batchSize: Int { min(recipe.batchSize, feed.count) }
  var stepsPerEpoch: Int { (feed.count + batchSize - 1) / batchSize }
  var isStreamed: Bool { feed.isStreamed }

  /// Runs, or goes on with, one epoch.
  ///
  /// - Parameter observer: told of progress between chunks; false stops the run there.
  /// - Throws: `CinchError.diverged` at the first loss that is not finite.
  func trainEpoch(epochs: Int, _ observer: (TrainingProgress) -> Bool) throws -> EpochOutcome {
    if let ended = state.ended, ended == .earlyStopping { return .complete(ended) }
    guard state.epoch < epochs else {
      if state.ended == nil { try exchangeBest() }
      state.ended = .epochs
      return .complete(.epochs)
    }
    if state.ended != nil {
      // More epochs than the run ended with: go on from the last weights, as if it had never ended.
      try exchangeBest()
      state.ended = nil
    }
    if state.sums.isEmpty { state.sums = [Double](repeating: 0, count: termCount) }
    while state.stepInEpoch < stepsPerEpoch {
      try runChunk(epochs: epochs)
      guard observer(progress(epochs: epochs)) || state.stepInEpoch == stepsPerEpoch else { return .interrupted }
    }
    return .finished(try endEpoch(epochs: epochs))
  }

  private func runChunk(epochs: Int) throws {
    let start = ContinuousClock.now
    let first = state.step
    let steps = min(chunk, Self.longestChunk, stepsPerEpoch - state.stepInEpoch)
    let permutation = Permutation(count: feed.count, philox: shuffle, step: UInt64(state.epoch))
    for index in 0..<steps {
      let position = (state.stepInEpoch + index) * batchSize
      let batch = try workspace.batch(rows: min(batchSize, feed.count - position))
      try feed.load(
        SampleOrder(start: position, permutation: permutation), into: batch, corruption: recipe.corruption,
        philox: corruption, step: UInt64(first + index))
      try step.run(
        batch, optimizerStep(first + index, epochs: epochs),
        books: books.slice(at: index * termCount, shape: [termCount]), isFirst: first + index == 0)
    }
    let losses = try backend.read(books.prefix(rows: steps)).map { Double($0) }
    let seconds = (ContinuousClock.now - start).seconds
    state.seconds += seconds
    try keep(losses, steps: steps, first: first)
    // Aim at a tenth of a second, and grow gently: the first chunks include the device's warm-up.
    chunk = max(1, min(2 * chunk, Int(0.1 * Double(steps) / max(seconds, 1e-6))))
  }

  private func optimizerStep(_ step: Int, epochs: Int) -> OptimizerStep {
    recipe.optimizer.step(
      step, scale: recipe.schedule.factor(step: step, stepsPerEpoch: stepsPerEpoch, epochs: epochs),
      weightDecay: recipe.penalties.weightDecay, decayCount: network.weightCount)
  }

  /// Enters a chunk's losses into the state.
  private func keep(_ losses: [Double], steps: Int, first: Int) throws {
    for index in 0..<steps {
      let terms = losses[index * termCount..<(index + 1) * termCount]
      guard terms.allSatisfy(\.isFinite) else {
        throw CinchError.diverged(
          Divergence.explain(recipe, terms: Array(terms), step: first + index + 1, epoch: state.epoch + 1))
      }
      let rows = min(batchSize, feed.count - state.samples)
      for (term, value) in terms.enumerated() { state.sums[term] += value * Double(rows) }
      state.samples += rows
      state.stepInEpoch += 1
      state.step += 1
      if keepsStepLosses { stepLosses.append(terms.reduce(0, +)) }
    }
  }

  private func progress(epochs: Int) -> TrainingProgress {
    let samples = Double(state.samples)
    let rate = samples / max(state.seconds, 1e-9)
    let left = Double((epochs - state.epoch) * feed.count) - samples
    return TrainingProgress(
      epoch: state.epoch + 1, epochs: epochs, samples: state.samples, samplesPerEpoch: feed.count,
      loss: state.sums.reduce(0, +) / samples,
      reconstruction: Reconstruction(state.sums[0] / samples, of: recipe),
      samplesPerSecond: rate, secondsLeft: left / max(rate, 1e-9))
  }

  /// An update's loss is that of the weights before it. What the epoch's last update made is looked at here, before
  /// anything is kept of it.
  private func requireFinite() throws {
    let batch = try workspace.batch(rows: batchSize)
    let permutation = Permutation(count: feed.count, philox: shuffle, step: UInt64(state.epoch))
    try feed.load(
      SampleOrder(start: 0, permutation: permutation), into: batch, corruption: recipe.corruption,
      philox: corruption, step: UInt64(state.step))
    try step.probe(batch, books: books.slice(at: 0, shape: [termCount]))
    let loss = Double(try backend.read(books.slice(at: 0, shape: [1]))[0])
    guard loss.isFinite else {
      throw CinchError.diverged(Divergence.explain(recipe, terms: [loss], step: state.step, epoch: state.epoch + 1))
    }
  }

  private func endEpoch(epochs: Int) throws -> Epoch {
    try requireFinite()
    let means = state.sums.map { $0 / Double(state.samples) }
    var epoch = Epoch(
      number: state.epoch + 1, loss: means.reduce(0, +),
      reconstruction: Reconstruction(means[0], of: recipe),
      penalties: Dictionary(uniqueKeysWithValues: zip(recipe.penalties.names, means.dropFirst())),
      learningRate: optimizerStep(state.step - 1, epochs: epochs).learningRate,
      samplesPerSecond: Double(state.samples) / max(state.seconds, 1e-9), seconds: state.seconds)
    if let validation, let evaluator {
      let result = try evaluator.evaluate(validation).reconstruction
      guard result.perSample.isFinite else {
        throw CinchError.diverged(
          Divergence.explain(recipe, terms: [result.perSample], step: state.step, epoch: epoch.number))
      }
      epoch.validation = result
      try keepBest(result.perSample, epoch: epoch.number)
    }
    state.history.append(epoch)
    state.epoch += 1
    state.stepInEpoch = 0
    state.samples = 0
    state.seconds = 0
    state.sums = [Double](repeating: 0, count: termCount)
    if let patience = recipe.patience, let bestEpoch = state.bestEpoch, state.epoch - bestEpoch >= patience {
      state.ended = .earlyStopping
      try exchangeBest()
    } else if state.epoch >= epochs {
      state.ended = .epochs
      try exchangeBest()
    }
    return epoch
  }

  private func keepBest(_ loss: Double, epoch: Int) throws {
    guard loss < state.bestValidation ?? .infinity else { return }
    state.bestValidation = loss
    state.bestEpoch = epoch
    if let best { try backend.copy(network.parameters, to: best) }
  }

  /// Early stopping gives back the weights of the best epoch. The last ones take their place, so that a run
  /// that is given more epochs can go on from them. Between two updates the gradients are scratch.
  private func exchangeBest() throws {
    guard let best, state.bestEpoch != nil else { return }
    try backend.copy(network.parameters, to: network.gradients)
    try backend.copy(best, to: network.parameters)
    try backend.copy(network.gradients, to: best)
  }
}

// Checkpoints: the arenas by name, as the device's own scalars, so that nothing is rounded.
extension TrainingRun {
  var arenas: [(name: String, tensor: Tensor<B.Buffer>)] {
    var arenas = [("parameters", network.parameters)]
    for (index, moment) in moments.enumerated() { arenas.append(("moment.\(index)", moment)) }
    if let best { arenas.append(("best", best)) }
    if let kl = workspace.kl { arenas.append(("mean_activations", kl.means)) }
    return arenas
  }

  func checkpoint() throws -> (state: TrainingState, arenas: [String: [B.Scalar]]) {
    var values: [String: [B.Scalar]] = [:]
    for (name, tensor) in arenas { values[name] = try backend.read(tensor) }
    if let bad = values["parameters"]?.first(where: { !$0.isFinite }) {
      throw CinchError.diverged(
        Divergence.explain(recipe, terms: [Double(bad)], step: state.step, epoch: state.epoch + 1))
    }
    return (state, values)
  }

  func restore(_ state: TrainingState, _ values: [String: [B.Scalar]]) throws {
    let state = try checked(state)
    for (name, tensor) in arenas {
      guard let array = values[name], array.count == tensor.count else {
        throw CinchError.badData(
          "The checkpoint does not fit this model: '\(name)' should hold \(tensor.count) numbers. "
            + "Resume with the recipe the run was started with.")
      }
      try backend.write(array, to: tensor)
    }
    self.state = state
  }

  /// What a run of this recipe and these data can have come to.
  /// - Throws: `CinchError.badData`.
  private func checked(_ state: TrainingState) throws -> TrainingState {
    let hasBest = state.bestEpoch != nil
    guard state.epoch >= 0, state.epoch <= Recipe.mostEpochs, (0...stepsPerEpoch).contains(state.stepInEpoch),
      state.step == state.epoch * stepsPerEpoch + state.stepInEpoch,
      state.samples == min(state.stepInEpoch * batchSize, feed.count), state.history.count == state.epoch,
      state.sums.count == termCount || (state.sums.isEmpty && state.step == 0), state.sums.allSatisfy(\.isFinite),
      state.seconds.isFinite, state.seconds >= 0, hasBest == (state.bestValidation != nil),
      !hasBest || best != nil || validation != nil, (0...state.epoch).contains(state.bestEpoch ?? 0)
    else {
      throw CinchError.badData(
        "The checkpoint's counters contradict each other or the run's data: start a new run, or resume with the data it "
          + "was started with.")
    }
    return state
  }
}

/// How a run is trained, beyond its recipe.
public struct TrainingOptions: Sendable, Hashable {
  /// Bytes of data kept on the device; more is streamed. Nil takes half the device's memory.
  public var residentBytes: Int?
  /// Keep every update's loss, for comparing runs.
  public var keepsStepLosses: Bool

  public init(residentBytes: Int? = nil, keepsStepLosses: Bool = false) {
    self.residentBytes = residentBytes
    self.keepsStepLosses = keepsStepLosses
  }
}

extension Duration {
  /// Seconds as a number.
  package var seconds: Double {
    Double(components.seconds) + Double(components.attoseconds) * 1e-18
  }
}
