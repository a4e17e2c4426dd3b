import CinchBackend
import CinchData

/// Trains one recipe on one device by gradients: the loop that every variant shares.
///
/// Work is queued in chunks of about a tenth of a second. Between two chunks the record of the chunk's
/// updates is read back, checked and reported, and the observer may stop the run; inside a chunk the host
/// only queues. Chunk lengths follow the clock, but no number depends on them.
final class GradientRun<B: Backend>: TrainingRun {
  let network: Network<B>
  private(set) var state = TrainingState()
  let memory: Memory<B>
  private let recipe: Recipe
  private let backend: B
  let feed: Feed<B>
  let learner: any Learner<B>
  private let updater: any Updater<B>
  private let rows: UpdateRows
  private let parts: PartSums<B>?
  /// What a batch's parts leave for the record, a row each.
  private let partRecord: Tensor<B.Buffer>?
  /// Whether the last update has found nothing more to gain.
  private var hasConverged = false
  private let processes = Processes()
  private let best: Tensor<B.Buffer>?
  let validation: EvaluationPass<B>?
  /// As many training samples as are held out, but no mere handful, where only figures of the same weights compare.
  private let trainingSample: EvaluationPass<B>?
  /// One row for every update of a chunk.
  private let record: Tensor<B.Buffer>
  private let columns: [Column]
  private let shuffle: Philox
  private var chunk = 1
  /// What is done to gradients before an update, and to weights after it: projections and the like.
  private let beforeUpdate: [() throws -> Void] = []
  private let afterUpdate: [() throws -> Void] = []

  private(set) var stepLosses: [Double] = []
  private let keepsStepLosses: Bool

  static var longestChunk: Int { 128 }

  init(
    _ network: Network<B>, training: FeedSource<B>, validation: FeedSource<B>?, options: TrainingOptions
  ) throws {
    recipe = network.recipe
    backend = network.backend
    self.network = network
    keepsStepLosses = options.keepsStepLosses
    try recipe.requireHeldOut(validation != nil)
    for case .samples(let data)? in [training, validation] { try recipe.validate(data) }
    let rows = recipe.updateRows(
      of: training.count, network.resolved, passBytes: options.passBytes ?? backend.info.passBytes)
    self.rows = rows
    try recipe.requireFit(network.resolved, on: backend, rows)
    memory = Memory(backend)
    try memory.keep(network.parameters, as: "parameters")
    let limit = options.memoryLimit(backend)
    let feed = try Feed(
      training, on: backend, as: network.input, batchSize: rows.pass, corruption: recipe.corruption,
      objective: recipe.objective, memoryLimit: limit)
    self.feed = feed
    let learner = try recipe.makeLearner(network, memory: memory)
    self.learner = learner
    for size in rows.sizes(of: training.count) { try learner.reserve(rows: size, .training) }
    columns = learner.columns(.training)
    parts = rows.parts > 1 ? try PartSums(network, learner, memory: memory) : nil
    partRecord = rows.parts > 1 ? try memory.scratch([rows.parts, columns.count]) : nil
    updater = try recipe.makeUpdater(network, memory: memory, record: [rows.parts, columns.count])
    best =
      recipe.patience == nil || validation == nil ? nil : try memory.kept("best", network.parameters.shape)
    self.validation = try validation.map {
      try EvaluationPass(learner, network, $0, memoryLimit: max(limit - feed.residentBytes, 0))
    }
    shuffle = Philox(seed: recipe.seed, stream: .shuffle)
    if let validation, recipe.objective.chain != nil {
      trainingSample = try EvaluationPass(
        learner, network, sharing: feed, count: min(max(validation.count, 1024), feed.count),
        permutation: Permutation(count: feed.count, philox: shuffle, step: 0))
    } else {
      trainingSample = nil
    }
    // Each epoch ends with a look at the last weights.
    try learner.reserve(rows: rows.pass, .evaluation)
    record = try backend.tensor([max(Self.longestChunk, learner.columns(.evaluation).count), columns.count])
  }

  var stepsPerEpoch: Int { (feed.count + rows.whole - 1) / rows.whole }
  var isStreamed: Bool { feed.isStreamed }

  func advance(epochs: Int, _ observer: (TrainingProgress) -> Bool) throws -> EpochOutcome {
    try TrainingSettings.requirePossible(epochs: epochs)
    if let ended = state.ended, ended != .epochs { return .complete(ended) }
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
    if state.sums.isEmpty { state.sums = [Double](repeating: 0, count: columns.count) }
    while state.stepInEpoch < stepsPerEpoch {
      try runChunk(epochs: epochs)
      let goesOn = try processes.broadcast(observer(progress(epochs: epochs)))
      guard goesOn || state.stepInEpoch == stepsPerEpoch else { return .interrupted }
    }
    return .finished(try endEpoch(epochs: epochs))
  }

  private func runChunk(epochs: Int) throws {
    let start = ContinuousClock.now
    let first = state.step
    let steps = try processes.broadcast(min(chunk, Self.longestChunk, stepsPerEpoch - state.stepInEpoch))
    for index in 0..<steps {
      try update(
        first + index, inEpoch: state.stepInEpoch + index, epochs: epochs,
        row: record.slice(at: index * columns.count, shape: [columns.count]))
    }
    let values = try backend.read(record.prefix(rows: steps)).map { Double($0) }
    let seconds = (ContinuousClock.now - start).seconds
    state.seconds += seconds
    try keep(values, steps: steps, first: first)
    // Aim at a tenth of a second, and grow gently: the first chunks include the device's warm-up.
    chunk = max(1, min(2 * chunk, Int(0.1 * Double(steps) / max(seconds, 1e-6))))
  }

  /// One update of the parameters.
  private func update(_ step: Int, inEpoch index: Int, epochs: Int, row: Tensor<B.Buffer>) throws {
    let parts = rows.parts(of: min(rows.whole, feed.count - index * rows.whole))
    // The last batch of an epoch may have fewer.
    let partRecord = partRecord?.prefix(rows: parts)
    let record = partRecord ?? row.reshaped([1, columns.count])
    let objective = UpdateObjective<B>(
      number: step, record: record,
      evaluate: { try self.evaluate(step, inEpoch: index, into: record, sink: $0) },
      value: {
        let values = try self.backend.read(record).map { Double($0) }
        return values.indices.reduce(0) { sum, place in
          sum + (self.columns[place % self.columns.count].weight?(step) ?? 0) * values[place]
        }
      })
    hasConverged = try !updater.update(optimizerStep(step, epochs: epochs), objective)
    if let partRecord { try backend.columnSums(partRecord, scale: 1, into: row) }
    try learner.endUpdate()
    for hook in afterUpdate { try hook() }
  }

  /// The gradient at the weights at hand, and what the objective comes to there.
  private func evaluate(
    _ step: Int, inEpoch index: Int, into record: Tensor<B.Buffer>, sink: GradientSink
  ) throws {
    if let parts {
      try parts.evaluate(network, learner, parts: record.rows, into: record, sink: sink) { part in
        try load(step, inEpoch: index, part: part)
      }
    } else {
      let part = try load(step, inEpoch: index)
      try learner.forward(part)
      for statistic in learner.statistics { try processes.sum(statistic, on: backend) }
      try learner.backward(part, into: sink)
      try learner.record(part, into: record.reshaped([columns.count]))
    }
    try processes.sum(network.gradients, on: backend)
    for hook in beforeUpdate { try hook() }
  }

  /// The batch of an update of the epoch under way, or a part of it.
  private func load(_ step: Int, inEpoch index: Int, part: Int = 0) throws -> Batch<B.Buffer> {
    let (start, first) = (index * rows.whole, part * rows.pass)
    let batchRows = min(rows.whole, feed.count - start)
    return try feed.load(
      order(from: start + first), rows: min(rows.pass, batchRows - first),
      Pass(.training, step: UInt64(step), seed: recipe.seed, firstRow: first, batchRows: batchRows))
  }

  /// The samples from a place on, in the order of the epoch under way; an update that takes them all needs no other than
  /// their own.
  private func order(from start: Int) -> SampleOrder {
    guard !recipe.optimizer.isFullBatch else { return SampleOrder(start: start) }
    return SampleOrder(
      start: start, permutation: Permutation(count: feed.count, philox: shuffle, step: UInt64(state.epoch)))
  }

  private func optimizerStep(_ step: Int, epochs: Int) -> OptimizerStep {
    recipe.optimizer.step(
      step, scale: recipe.schedule.factor(step: step, stepsPerEpoch: stepsPerEpoch, epochs: epochs),
      weightDecay: recipe.penalties.weightDecay, decayCount: network.weightCount)
  }

  /// Enters a chunk's record into the state.
  private func keep(_ values: [Double], steps: Int, first: Int) throws {
    for index in 0..<steps {
      let row = values[index * columns.count..<(index + 1) * columns.count]
      guard row.allSatisfy(\.isFinite) else {
        throw CinchError.diverged(
          Divergence.explain(recipe, columns, Array(row), step: first + index + 1, epoch: state.epoch + 1))
      }
      let count = min(rows.whole, feed.count - state.samples)
      var objective = 0.0
      for (column, value) in zip(columns.indices, row) {
        let weighted = value * (columns[column].weight?(first + index) ?? 1)
        if columns[column].weight != nil { objective += weighted }
        state.sums[column] += weighted * Double(count)
      }
      state.samples += count
      state.stepInEpoch += 1
      state.step += 1
      if keepsStepLosses { stepLosses.append(objective) }
    }
  }

  /// The objective: the columns that are minimised, added up.
  private func objective(_ values: [Double]) -> Double {
    zip(columns, values).reduce(0) { $1.0.weight == nil ? $0 : $0 + $1.1 }
  }

  private func metrics(_ means: [Double]) -> Metrics {
    var metrics = learner.metrics(means, .training)
    Reconstruction.correct(&metrics, observed: feed.observedShare)
    return metrics
  }

  private func progress(epochs: Int) -> TrainingProgress {
    let samples = Double(state.samples)
    let rate = samples / max(state.seconds, 1e-9)
    let left = Double(epochs - state.epoch) * Double(feed.count) - samples
    return TrainingProgress(
      epoch: state.epoch + 1, epochs: epochs, samples: state.samples, samplesPerEpoch: feed.count,
      loss: objective(state.sums) / samples, metrics: metrics(state.sums.map { $0 / samples }),
      samplesPerSecond: rate, secondsLeft: left / max(rate, 1e-9))
  }

  /// An update's loss is that of the weights before it. What the epoch's last update made is looked at here, before
  /// anything is kept of it.
  private func requireFinite() throws {
    let part = try feed.load(
      order(from: 0), rows: rows.pass,
      Pass(.evaluation, step: UInt64(state.step), seed: recipe.seed, batchRows: rows.pass))
    try learner.forward(part)
    let columns = learner.columns(.evaluation)
    let row = record.slice(at: 0, shape: [columns.count])
    try learner.record(part, into: row)
    let values = try backend.read(row).map { Double($0) }
    guard values.allSatisfy(\.isFinite) else {
      throw CinchError.diverged(
        Divergence.explain(recipe, columns, values, step: state.step, epoch: state.epoch + 1))
    }
  }

  private func endEpoch(epochs: Int) throws -> Epoch {
    try requireFinite()
    let means = state.sums.map { $0 / Double(state.samples) }
    var epoch = Epoch(
      number: state.epoch + 1, loss: objective(means), metrics: metrics(means),
      learningRate: optimizerStep(state.step - 1, epochs: epochs).learningRate,
      samplesPerSecond: Double(state.samples) / max(state.seconds, 1e-9), seconds: state.seconds)
    if let validation {
      let metrics = try validation.run().metrics
      let monitored = learner.monitored(metrics)
      guard monitored.isFinite else {
        throw CinchError.diverged(
          Divergence.explain(recipe, "the validation loss", monitored, step: state.step, epoch: epoch.number))
      }
      epoch.validationMetrics = metrics
      if let heldOut = metrics[Metrics.freeEnergyName],
        let own = try trainingSample?.run().metrics[Metrics.freeEnergyName]
      {
        epoch.metrics[Metrics.freeEnergyGapName] = heldOut - own
      }
      try keepBest(monitored, epoch: epoch.number)
    }
    state.history.append(epoch)
    state.epoch += 1
    state.stepInEpoch = 0
    state.samples = 0
    state.seconds = 0
    state.sums = [Double](repeating: 0, count: columns.count)
    if let patience = recipe.patience, let bestEpoch = state.bestEpoch, state.epoch - bestEpoch >= patience {
      state.ended = .earlyStopping
      try exchangeBest()
    } else if hasConverged || state.epoch >= epochs {
      state.ended = hasConverged ? .converged : .epochs
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

extension GradientRun {
  func parametersChanged() throws { try updater.forget() }

  func evaluate(heldOut: Bool) throws -> Evaluation {
    if heldOut, let validation { return try validation.run(withSquares: true) }
    return try EvaluationPass(learner, network, sharing: feed).run(withSquares: true)
  }

  func checkpoint() throws -> (state: TrainingState, arenas: [String: [B.Scalar]]) {
    var values: [String: [B.Scalar]] = [:]
    for (name, tensor) in memory.kept { values[name] = try backend.read(tensor) }
    if let bad = values["parameters"]?.first(where: { !$0.isFinite }) {
      throw CinchError.diverged(
        Divergence.explain(recipe, "a weight", Double(bad), step: state.step, epoch: state.epoch + 1))
    }
    return (state, values)
  }

  func restore(_ state: TrainingState, _ values: [String: [B.Scalar]]) throws {
    let state = try checked(state)
    try memory.restore(values)
    self.state = state
  }

  /// What a run of this recipe and these data can have come to.
  /// - Throws: `CinchError.badData`.
  func checked(_ state: TrainingState) throws -> TrainingState {
    let hasBest = state.bestEpoch != nil
    guard state.epoch >= 0, state.epoch <= TrainingSettings.mostEpochs, (0...stepsPerEpoch).contains(state.stepInEpoch),
      state.step == state.epoch * stepsPerEpoch + state.stepInEpoch,
      state.samples == min(state.stepInEpoch * rows.whole, feed.count), state.history.count == state.epoch,
      state.history.indices.allSatisfy({ state.history[$0].number == $0 + 1 }),
      state.sums.count == columns.count || (state.sums.isEmpty && state.step == 0), state.sums.allSatisfy(\.isFinite),
      state.seconds.isFinite, state.seconds >= 0, hasBest == (state.bestValidation != nil),
      !hasBest || best != nil || validation != nil, (0...state.epoch).contains(state.bestEpoch ?? 0)
    else { throw CinchError.contradictoryCheckpoint }
    return state
  }
}
