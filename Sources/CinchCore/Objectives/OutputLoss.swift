import CinchBackend

/// How the output layer ends in the loss.
protocol OutputLoss<B> {
  associatedtype B: Backend

  /// The loss, and what else is reported of the output.
  var columns: [Column] { get }

  /// How many partial sums a part of so many rows has, of all columns.
  func partialCount(rows: Int) -> Int

  /// The loss's partial sums, and δ of the output layer.
  func run(_ view: PassView<B>) throws

  /// Whether δ of the output layer, as `run` leaves it, is x̂ − x over the batch's samples.
  var leavesDifferences: Bool { get }

  /// The gradients of what the loss itself learns.
  func gradients(_ view: PassView<B>) throws

  /// One for each column.
  func values(_ view: PassView<B>) -> [SumTerm<B.Buffer>]
}

extension OutputLoss {
  var leavesDifferences: Bool { false }

  func gradients(_ view: PassView<B>) throws {}

  func values(_ view: PassView<B>) -> [SumTerm<B.Buffer>] {
    [SumTerm(view.activations.lossPartials, scale: 1 / view.samples)]
  }
}

extension Network {
  /// - Parameter stage: the last one.
  func outputLoss(of stage: Stage<B>) throws -> any OutputLoss<B> {
    if let loss = recipe.loss.reconstruction {
      try FusedOutputLoss(loss, network: self, stage)
    } else if let columns = recipe.objective.columns {
      try MixedOutputLoss(network: self, stage, columns: columns)
    } else {
      SoftmaxOutputLoss(network: self, stage: stage)
    }
  }
}

/// A loss that is a sum over elements ends the output layer's product.
struct FusedOutputLoss<B: Backend>: OutputLoss {
  private let loss: ReconstructionLoss
  private let network: Network<B>
  private let stage: Stage<B>
  private let activation: Activation
  /// log σ² of the gaussian loss.
  private let logVariance: Tensor<B.Buffer>?
  /// Where its gradient goes, if it is learned.
  private let logVarianceGradient: Tensor<B.Buffer>?
  /// Room for the sum of a batch's weights, which that needs.
  private let totalWeight: Tensor<B.Buffer>?
  let columns = [Column("reconstruction")]

  init(_ loss: ReconstructionLoss, network: Network<B>, _ stage: Stage<B>) throws {
    self.loss = loss
    self.network = network
    self.stage = stage
    activation = stage.layer.resolved.spec.activation
    let parameter = network.parameter("loss.log_variance")
    logVariance = parameter?.value
    logVarianceGradient = parameter?.gradient
    totalWeight = parameter?.gradient == nil ? nil : try network.backend.tensor([1])
  }

  func partialCount(rows: Int) -> Int { stage.layer.lossPartialCount(samples: rows) }

  /// The slope of the cross-entropy, times that of the sigmoid.
  var leavesDifferences: Bool { loss == .bce && activation == .sigmoid }

  func run(_ view: PassView<B>) throws {
    try stage.layer.forward(
      try view.input(of: stage.layers.lowerBound),
      loss: FusedLoss(
        loss, activation: activation, bias: nil, target: view.batch.target,
        weight: view.batch.weight, logVariance: logVariance, gradientScale: 1 / view.samples,
        partials: view.activations.lossPartials),
      delta: try view.delta(of: stage.layers.upperBound - 1))
  }

  func gradients(_ view: PassView<B>) throws {
    guard let logVariance, let logVarianceGradient, let totalWeight else { return }
    if let weight = view.batch.weight { try network.backend.sumOfMagnitudes(weight, into: totalWeight) }
    try network.backend.logVarianceGradient(
      view.activations.lossPartials,
      weight: view.batch.weight == nil ? .elements(view.batch.target.count) : .partials(totalWeight),
      logVariance: logVariance, scale: 1 / view.samples, into: logVarianceGradient)
  }
}

/// Softmax needs whole rows, which no product's epilogue has: the logits lie in δ's place until the loss is known.
struct SoftmaxOutputLoss<B: Backend>: OutputLoss {
  let network: Network<B>
  let stage: Stage<B>
  let columns = [Column(Loss.crossEntropyName), Column(Metrics.errorName, weight: nil)]

  func partialCount(rows: Int) -> Int { 2 * rows }

  /// Losses of samples, then errors.
  private func partials(_ view: PassView<B>) -> (losses: Tensor<B.Buffer>, errors: Tensor<B.Buffer>) {
    let (partials, rows) = (view.activations.lossPartials, view.batch.rows)
    return (partials.slice(at: 0, shape: [rows]), partials.slice(at: rows, shape: [rows]))
  }

  func values(_ view: PassView<B>) -> [SumTerm<B.Buffer>] {
    let (losses, errors) = partials(view)
    return [SumTerm(losses, scale: 1 / view.samples), SumTerm(errors, scale: 1 / view.samples)]
  }

  func run(_ view: PassView<B>) throws {
    let delta = try view.delta(of: stage.layers.upperBound - 1)
    let (losses, errors) = partials(view)
    try stage.layer.forward(try view.input(of: stage.layers.lowerBound), into: delta, view.pass)
    try network.backend.softmaxLoss(
      delta, labels: view.batch.target.reshaped([view.batch.rows]), gradientScale: 1 / view.samples, gradient: delta,
      losses: losses, errors: errors)
  }
}
