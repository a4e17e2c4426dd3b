import CinchBackend

/// How the output layer ends in the loss: fused into its product where the loss is a sum over elements, or as an op of
/// its own behind it where the loss needs whole rows.
struct OutputLoss<B: Backend> {
  let network: Network<B>
  let column: Column
  /// log σ² of the gaussian loss.
  private let logVariance: Tensor<B.Buffer>?
  /// Where its gradient goes, if it is learned.
  private let logVarianceGradient: Tensor<B.Buffer>?
  private var loss: ReconstructionLoss { network.recipe.loss }

  init(_ network: Network<B>) {
    self.network = network
    column = Column("reconstruction")
    let use = network.layout.uses(at: network.layers.count).first
    let start = use.map { network.layout.range($0.parameter).lowerBound }
    let isLearned = use.map { network.layout.spec($0.parameter).role != .buffer } ?? false
    logVariance = start.map { network.parameters.slice(at: $0, shape: [1]) }
    logVarianceGradient = isLearned ? start.map { network.gradients.slice(at: $0, shape: [1]) } : nil
  }

  /// The loss's partial sums, and δ of the output layer.
  func run(_ view: PassView<B>) throws {
    let last = network.layers.count - 1
    let layer = network.layers[last]
    try layer.forward(
      try view.input(of: last),
      loss: FusedLoss(
        loss, activation: layer.resolved.spec.activation, bias: nil, target: view.batch.target,
        logVariance: logVariance, gradientScale: 1 / view.samples, partials: view.activations.lossPartials),
      delta: try view.delta(of: last))
  }

  /// The gradients of what the loss itself learns.
  func gradients(_ view: PassView<B>) throws {
    guard let logVariance, let logVarianceGradient else { return }
    try network.backend.logVarianceGradient(
      view.activations.lossPartials, weight: .elements(view.batch.target.count), logVariance: logVariance,
      scale: 1 / view.samples, into: logVarianceGradient)
  }

  func value(_ view: PassView<B>) -> SumTerm<B.Buffer> {
    SumTerm(view.activations.lossPartials, scale: 1 / view.samples)
  }
}
