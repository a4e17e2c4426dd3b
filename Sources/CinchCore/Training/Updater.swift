import CinchBackend

/// Moves the parameters along the gradient, once per update.
protocol Updater<B> {
  associatedtype B: Backend

  /// Leaves in the record what the objective was before the update.
  /// - Returns: whether there is more to gain: false where no step lowers the objective.
  func update(_ step: OptimizerStep, _ objective: UpdateObjective<B>) throws -> Bool

  /// Weights have been set from outside: what is kept of the last ones means nothing.
  func forget() throws
}

/// The objective of an update, which a rule may ask for at several points.
struct UpdateObjective<B: Backend> {
  /// The update, counted from 0.
  let number: Int
  /// The objective's terms where it was evaluated last: a row for each part of the batch, which add up.
  let record: Tensor<B.Buffer>
  /// Leaves the gradient at the weights at hand in the sink, and the terms in the record.
  let evaluate: (GradientSink) throws -> Void
  /// The objective that the record tells of. Waits for the device.
  let value: () throws -> Double
}

extension Recipe {
  /// What moves this recipe's parameters: the one place that tells updaters apart.
  /// - Parameter record: the shape of an objective's record.
  func makeUpdater<B: Backend>(_ network: Network<B>, memory: Memory<B>, record: Shape) throws -> any Updater<B> {
    if optimizer.rule == .lbfgs { return try LBFGS(network, memory: memory, record: record) }
    return try FirstOrder(network, memory: memory)
  }
}

/// The rules that ask for one gradient, at the weights at hand: clipping and `optimizerStep`.
struct FirstOrder<B: Backend>: Updater {
  private let network: Network<B>
  private let maximumNorm: Double?
  private let gradientScale: Tensor<B.Buffer>?
  private let moments: [Tensor<B.Buffer>]

  init(_ network: Network<B>, memory: Memory<B>) throws {
    self.network = network
    let recipe = network.recipe
    moments = try (0..<recipe.optimizer.momentCount).map {
      try memory.kept("moment.\($0)", network.trained.shape)
    }
    maximumNorm = recipe.gradientClip
    gradientScale = maximumNorm == nil ? nil : try memory.scratch([1])
  }

  func update(_ step: OptimizerStep, _ objective: UpdateObjective<B>) throws -> Bool {
    try objective.evaluate(.arena)
    if let maximumNorm, let gradientScale {
      try network.backend.clipScale(
        maximum: maximumNorm, step, parameters: network.trained, gradients: network.trainedGradients,
        into: gradientScale)
    }
    try network.backend.optimizerStep(
      step, parameters: network.trained, gradients: network.trainedGradients, first: moments.first,
      second: moments.count > 1 ? moments[1] : nil, gradientScale: gradientScale)
    return true
  }

  func forget() {}
}
