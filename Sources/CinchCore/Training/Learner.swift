import CinchBackend

/// Turns batches into gradients, and into the numbers that are reported. What comes after — the sum over processes, the
/// update, checkpoints — is the same for every learner and belongs to the run.
///
/// A part is a batch, or a share of one. The three calls are apart so that what a term averages over the batch can be
/// made whole between `forward` and `backward`.
protocol Learner<B>: AnyObject {
  associatedtype B: Backend

  /// What `record` writes, in order.
  func columns(_ mode: Pass.Mode) -> [Column]

  /// What an evaluation needs of the weights as they are, once for all of its parts. It may wait.
  func beginEvaluation() throws

  /// What must be summed over all parts before the backward pass.
  var statistics: [Tensor<B.Buffer>] { get }

  /// Makes room for batches of so many rows, so that no pass allocates.
  func reserve(rows: Int, _ mode: Pass.Mode) throws

  /// Up to the loss, in either mode. Leaves no trace in what is kept.
  func forward(_ part: Batch<B.Buffer>) throws

  /// Leaves no trace in what is kept, either: the same weights and pass give the same gradients again.
  func backward(_ part: Batch<B.Buffer>, into sink: GradientSink) throws

  /// Moves on what is kept, such as moving averages: once after each update, however many gradients it took.
  func endUpdate() throws

  /// One number per column, each the part's share of the mean over the whole batch's samples: those of all parts add up.
  func record(_ part: Batch<B.Buffer>, into row: Tensor<B.Buffer>) throws

  /// Σ (x̂−x)² of a part that has just passed forward in evaluation, its share of the mean over the batch's samples. False
  /// where the pass leaves no such differences: `Inference.squaredError` makes them anew.
  func squaredError(_ part: Batch<B.Buffer>, into sum: Tensor<B.Buffer>) throws -> Bool

  /// What the columns' means over samples come to, by name.
  func metrics(_ means: [Double], _ mode: Pass.Mode) -> Metrics

  /// What says which weights are best: the lower the better.
  func monitored(_ metrics: Metrics) -> Double
}

extension Learner {
  func beginEvaluation() throws {}
  func squaredError(_ part: Batch<B.Buffer>, into sum: Tensor<B.Buffer>) throws -> Bool { false }
}

extension Recipe {
  /// The learner that trains this recipe's network: the one place that tells learners apart.
  func makeLearner<B: Backend>(_ network: Network<B>, memory: Memory<B>) throws -> any Learner<B> {
    if let chain = objective.chain { return try ContrastiveDivergence(network, chain, memory: memory) }
    if closedForm == .ppca { return try FactorLikelihood(network, memory: memory) }
    return try Backpropagation(network, memory: memory)
  }
}
