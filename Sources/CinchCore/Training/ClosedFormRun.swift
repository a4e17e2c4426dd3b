import CinchBackend
import CinchData
import Glibc

/// Solves for a recipe's weights: one epoch, after which nothing is left to do. See `ClosedForm`.
///
/// Sums over a part of the samples are not kept in a checkpoint: a run that is resumed begins its epoch again, and comes to
/// the same bits.
final class ClosedFormRun<B: Backend>: TrainingRun {
  private(set) var state = TrainingState()
  let stepLosses: [Double] = []
  private let form: ClosedForm
  private let network: Network<B>
  private let recipe: Recipe
  private let feed: Feed<B>
  private let learner: any Learner<B>
  private let memory: Memory<B>
  private let validation: EvaluationPass<B>?
  private var fit: PrincipalAxesFit<B>?
  /// Spent on the epoch under way, by this process.
  private var seconds = 0.0

  init(
    _ form: ClosedForm, _ network: Network<B>, training: Dataset, validation: Dataset?, options: TrainingOptions
  ) throws {
    self.form = form
    self.network = network
    recipe = network.recipe
    try recipe.validate(training)
    if let validation { try recipe.validate(validation) }
    try form.validate(samples: training.count, components: network.resolved.codeUnits)
    let backend = network.backend
    memory = Memory(backend)
    try memory.keep(network.parameters, as: "parameters")
    let limit = options.memoryLimit(backend)
    // The fit and the evaluation read it in batches of their own.
    let feed = try Feed(
      .samples(training), on: backend, as: network.input, batchSize: 1, corruption: nil, objective: nil,
      memoryLimit: limit)
    self.feed = feed
    let learner = try recipe.makeLearner(network, memory: memory)
    self.learner = learner
    self.validation = try validation.map {
      try EvaluationPass(learner, network, .samples($0), memoryLimit: max(limit - feed.residentBytes, 0))
    }
  }

  var isStreamed: Bool { feed.isStreamed }

  func advance(epochs: Int, _ observer: (TrainingProgress) -> Bool) throws -> EpochOutcome {
    try TrainingSettings.requirePossible(epochs: epochs)
    guard state.epoch == 0, epochs > 0 else {
      state.ended = .epochs
      return .complete(.epochs)
    }
    state.ended = nil
    let fit =
      try self.fit
      ?? PrincipalAxesFit(
        feed, features: recipe.input, components: network.resolved.codeUnits, seed: recipe.seed, on: network.backend)
    self.fit = fit
    while fit.axes == nil {
      let start = ContinuousClock.now
      try fit.advance()
      seconds += (ContinuousClock.now - start).seconds
      guard observer(progress(fit)) || fit.axes != nil else { return .interrupted }
    }
    guard let axes = fit.axes else { return .interrupted }
    try keep(axes)
    self.fit = nil
    return .finished(try endEpoch(axes))
  }

  private func progress(_ fit: PrincipalAxesFit<B>) -> TrainingProgress {
    let samples = fit.fraction * Double(feed.count)
    let rate = samples / max(seconds, 1e-9)
    return TrainingProgress(
      epoch: 1, epochs: 1, samples: Int(samples), samplesPerEpoch: feed.count, loss: .nan, metrics: [:],
      samplesPerSecond: rate, secondsLeft: (Double(feed.count) - samples) / max(rate, 1e-9))
  }

  /// Writes the weights that the components make.
  private func keep(_ axes: PrincipalAxes) throws {
    guard let encoder = network.layers[0] as? DenseLayer<B>, let decoder = network.layers[1] as? DenseLayer<B> else {
      throw BackendError.invalidArgument("A closed form has two dense layers.")
    }
    var (down, up) = (axes.axes, axes.axes)
    if form == .ppca {
      let noise = axes.leftOut
      // Sums in the device's precision leave that much of the variance where there is none.
      guard noise > axes.totalVariance * Double(B.Scalar.ulpOfOne) else {
        throw CinchError.badData(
          axes.variances.count == 1
            ? "One component leaves no variance out, so no noise is left to model: train pca."
            : "\(axes.variances.count) components leave no variance out, so no noise is left to model: choose fewer "
              + "\(.components), or train pca.")
      }
      // W = U(Λ − σ²I)^½, and M = WᵀW + σ²I is Λ.
      let scales = axes.variances.map { max($0 - noise, 0).squareRoot() }
      up = axes.scaled(scales)
      down = axes.scaled(zip(scales, axes.variances).map { $0 / $1 })
      guard let variance = network.parameter("loss.log_variance") else {
        throw BackendError.invalidArgument("Probabilistic PCA has no variance.")
      }
      try write([log(noise)], to: variance.value)
    }
    try write(down, to: encoder.weight.value)
    try write(axes.offsets(down), to: encoder.bias.value)
    if !decoder.weight.isShared { try write(axes.transposed(up), to: decoder.weight.value) }
    try write(axes.mean, to: decoder.bias.value)
  }

  private func write(_ values: [Double], to tensor: Tensor<B.Buffer>) throws {
    let scalars: [B.Scalar] = Scalars.scalars(values)
    guard scalars.allSatisfy(\.isFinite) else {
      throw CinchError.badData("The components of these samples are no finite numbers: use \(.scaling, "standard").")
    }
    try network.backend.write(scalars, to: tensor)
  }

  private func endEpoch(_ axes: PrincipalAxes) throws -> Epoch {
    var metrics = try EvaluationPass(learner, network, sharing: feed).run().metrics
    metrics[Evaluation.meanActivationName] = nil
    metrics[Metrics.explainedVarianceName] = axes.explained
    var heldOut = try validation?.run().metrics
    heldOut?[Evaluation.meanActivationName] = nil
    guard (metrics.map(\.value) + (heldOut?.map(\.value) ?? [])).allSatisfy(\.isFinite) else {
      throw CinchError.badData("The errors of these samples are no finite numbers: use \(.scaling, "standard").")
    }
    let epoch = Epoch(
      number: 1, loss: recipe.loss == .mse ? Reconstruction(metrics).perElement : learner.monitored(metrics),
      metrics: metrics, validationMetrics: heldOut, learningRate: 0,
      samplesPerSecond: Double(feed.count) / max(seconds, 1e-9), seconds: seconds)
    state.epoch = 1
    state.step = 1
    state.history = [epoch]
    state.ended = .epochs
    return epoch
  }
}

extension ClosedFormRun {
  func evaluate(heldOut: Bool) throws -> Evaluation {
    if heldOut, let validation { return try validation.run() }
    return try EvaluationPass(learner, network, sharing: feed).run()
  }

  func checkpoint() throws -> (state: TrainingState, arenas: [String: [B.Scalar]]) {
    var values: [String: [B.Scalar]] = [:]
    for (name, tensor) in memory.kept { values[name] = try network.backend.read(tensor) }
    return (state, values)
  }

  func restore(_ state: TrainingState, _ values: [String: [B.Scalar]]) throws {
    guard (0...1).contains(state.epoch), state.step == state.epoch, state.stepInEpoch == 0, state.samples == 0,
      state.history.count == state.epoch, state.sums.isEmpty, state.bestEpoch == nil, state.bestValidation == nil
    else { throw CinchError.contradictoryCheckpoint }
    try memory.restore(values)
    self.state = state
    fit = nil
    seconds = 0
  }
}

extension Metrics {
  /// The share of the training samples' variance that principal components have.
  public static let explainedVarianceName = "explained_variance"
}
