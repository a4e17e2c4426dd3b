import CinchBackend

/// Moves the parameters along the gradient, once per update, from the gradient at the weights at hand. A rule that looks
/// at several points of the objective calls `evaluate` as often; this one does once.
struct FirstOrder<B: Backend> {
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

  /// - Parameter evaluate: leaves the gradient at the weights at hand in the sink, and gives what reads the objective
  ///   there. Reading waits for the device; this rule does without.
  func update(_ step: OptimizerStep, evaluate: (GradientSink) throws -> () throws -> Double) throws {
    _ = try evaluate(.arena)
    if let maximumNorm, let gradientScale {
      try network.backend.clipScale(
        maximum: maximumNorm, step, parameters: network.trained, gradients: network.trainedGradients,
        into: gradientScale)
    }
    try network.backend.optimizerStep(
      step, parameters: network.trained, gradients: network.trainedGradients, first: moments.first,
      second: moments.count > 1 ? moments[1] : nil, gradientScale: gradientScale)
  }
}
