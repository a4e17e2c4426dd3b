import CinchBackend

/// Draws the hidden units of a restricted Boltzmann machine towards being on ρ of the time (Hinton, "A practical guide to
/// training restricted Boltzmann machines", 2010, section 11; after Lee, Ekanadham and Ng, "Sparse deep belief net model
/// for visual area V2", NIPS 2007):
///
///     q_j ← m q_j + (1 − m) ⟨p(h_j|v)⟩     ∂/∂a_j of every sample gains β (q_j − ρ)
///
/// a = v Wᵀ + c, so weights and hidden biases move alike. That is the slope of β times the cross entropy of ρ and q_j, were
/// q_j the activation of one unit. What is reported is β Σ_j KL(ρ ‖ q_j).
final class SparsityTarget<B: Backend> {
  let settings: KLSettings
  private let backend: B
  /// Σ p(h|v) of the part, divided by the rows of the whole batch: those of all parts add up to its mean.
  let sums: Tensor<B.Buffer>
  /// q after the last update.
  private let kept: Tensor<B.Buffer>
  /// Of the update at hand.
  private let result: KLResult<B.Buffer>
  /// What each sample's p(h|v) loses.
  private let pull: Tensor<B.Buffer>
  /// It says how far the target is, and is no part of an objective, which contrastive divergence has not.
  let column: Column

  init(_ settings: KLSettings, units: Int, memory: Memory<B>) throws {
    self.settings = settings
    backend = memory.backend
    sums = try memory.scratch([units])
    kept = try memory.kept("mean_activations", [units])
    result = KLResult(
      means: try memory.scratch([units]), column: try memory.scratch([units]), values: try memory.scratch([units]))
    pull = try memory.scratch([units])
    column = Column(KLSparsity(settings: settings).name, weight: nil)
  }

  /// - Parameters:
  ///   - hidden: p(h|v) of the part.
  ///   - pass: of the part.
  func measure(_ hidden: Tensor<B.Buffer>, _ pass: Pass) throws {
    try backend.columnSums(hidden, scale: 1 / Double(pass.batchRows), into: sums)
  }

  /// Takes the penalty's gradient off p(h|v), whose products with the samples are subtracted.
  func apply(to hidden: Tensor<B.Buffer>, _ pass: Pass) throws {
    var settings = settings
    // A moving average starts from the first batch's mean: from 0 it would take every unit for a silent one.
    if pass.step == 0 { settings.momentum = 0 }
    if settings.momentum > 0 { try backend.copy(kept, to: result.means) }
    try backend.klSparsity(sums.reshaped([1, sums.count]), settings, result)
    try backend.fill(pull, with: B.Scalar(settings.beta * settings.rho))
    try backend.columnSums(
      result.means.reshaped([1, pull.count]), scale: -settings.beta, accumulate: true, into: pull)
    try backend.activate(hidden, bias: pull, .linear, into: hidden)
  }

  /// - Parameter share: of the whole batch's samples, the part's.
  func value(share: Double) -> SumTerm<B.Buffer> { SumTerm(result.values, scale: share) }

  func endUpdate() throws { try backend.copy(result.means, to: kept) }
}
