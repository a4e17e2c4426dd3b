/// The sampling layer of a variational autoencoder (Kingma & Welling, "Auto-encoding variational Bayes", ICLR 2014).
///
/// The layer below gives ms, `[n, 2k]`: in each row k means μ, then k log variances s = log σ². The code is drawn from
/// N(μ, diag eˢ), and its prior is N(0, I).
public protocol SamplingOps: MemoryOps {
  /// z = μ + e^{s/2}⊙ε, where ε are standard normal numbers as `Corruption.gaussian` draws them, one for each element
  /// of z.
  ///
  /// - Parameters:
  ///   - draws: nil for z = μ, as evaluation and encoding want it.
  ///   - z: `[n, k]`; does not overlap `ms`.
  func sample(_ ms: Tensor<Buffer>, _ draws: Draws?, into z: Tensor<Buffer>) throws

  /// The gradient at ms, of the path through z and of the divergence from the prior:
  ///
  ///     δμ = δz + prior·μ
  ///     δs = ½ δz⊙ε⊙e^{s/2} + ½ prior·(eˢ − 1)
  ///
  /// - Parameters:
  ///   - delta: δz, `[n, k]`.
  ///   - draws: those of the forward pass.
  ///   - prior: the divergence's weight β, divided by n for a mean over samples.
  ///   - result: [δμ | δs], `[n, 2k]`; overlaps neither.
  func sampleGradient(
    _ delta: Tensor<Buffer>, _ ms: Tensor<Buffer>, _ draws: Draws, prior: Double, into result: Tensor<Buffer>) throws

  /// KL(N(μ, diag eˢ) ‖ N(0, I)) of each sample, ½ Σ (μ² + eˢ − 1 − s). `divergences` is `[n]`.
  func priorDivergence(_ ms: Tensor<Buffer>, into divergences: Tensor<Buffer>) throws
}
