import CinchBackend

/// How the output layer ends in the loss: fused into its product where the loss is a sum over elements, or as an op of
/// its own behind it where the loss needs whole rows.
struct OutputLoss<B: Backend> {
  let network: Network<B>
  let column: Column
  private var loss: ReconstructionLoss { network.recipe.loss }

  init(_ network: Network<B>) {
    self.network = network
    column = Column("reconstruction")
  }

  /// The loss's partial sums, and δ of the output layer.
  func run(_ view: PassView<B>) throws {
    let last = network.layers.count - 1
    let layer = network.layers[last]
    try layer.forward(
      try view.input(of: last),
      loss: FusedLoss(
        loss, activation: layer.resolved.spec.activation, bias: nil, target: view.batch.target,
        gradientScale: 1 / view.samples, partials: view.activations.lossPartials), delta: try view.delta(of: last))
  }

  func value(_ view: PassView<B>) -> SumTerm<B.Buffer> {
    SumTerm(view.activations.lossPartials, scale: 1 / view.samples)
  }
}
