/// Penalties on a code h, `[n, units]`. They hold means over samples, so a code of 0 rows throws.
public protocol PenaltyOps: MemoryOps {
  /// KL sparsity (Ng, "Sparse autoencoder", CS294A): with ρ̂_j the mean activation of unit j,
  ///
  ///     Ω = β Σ_j ρ log(ρ/ρ̂_j) + (1−ρ) log((1−ρ)/(1−ρ̂_j))
  ///     column_j = share·β/n·(−ρ/ρ̂_j + (1−ρ)/(1−ρ̂_j)) = ∂Ω/∂h_kj
  ///
  /// With `momentum` m > 0, ρ̂ is the moving average m·means + (1−m)·batch mean, which is stored back to
  /// `means`, and only the batch's share 1−m carries gradient; with m = 0 `means` simply receives the batch
  /// means. Either way ρ̂ is stored unclamped: it is clamped to [1e-6, 1−1e-6] only inside the formulas, where a
  /// NaN stays one.
  func klSparsity(_ h: Tensor<Buffer>, _ settings: KLSettings, _ result: KLResult<Buffer>) throws

  /// Contractive penalty (Rifai et al., ICML 2011) of one sigmoid, tanh, ReLU… layer:
  /// λ‖∂h/∂x‖²_F = λ Σ_j f′(a_j)²‖W_j‖², averaged over samples.
  ///
  /// - Parameters:
  ///   - h: the code `[n, units]`.
  ///   - norms: ‖W_j‖², `[units]`, from `rowSquares`.
  ///   - slopes: `[units]`, receives (1/n) Σ_k f′(a_kj)².
  ///   - values: `[units]`, receives slopes_j · norms_j: multiply their sum by λ.
  func contractive(
    _ h: Tensor<Buffer>, _ activation: Activation, norms: Tensor<Buffer>, slopes: Tensor<Buffer>,
    values: Tensor<Buffer>) throws
}

/// The numbers of a KL sparsity penalty.
public struct KLSettings: Sendable, Hashable {
  /// ρ, the wanted mean activation.
  public var rho: Double
  /// β, the penalty's weight.
  public var beta: Double
  /// m, the share of the past in ρ̂; 0 for the mini-batch mean.
  public var momentum: Double

  public init(rho: Double, beta: Double, momentum: Double = 0) {
    self.rho = rho
    self.beta = beta
    self.momentum = momentum
  }

  /// The least distance of ρ̂ from 0 and 1 inside the formulas.
  public static let clamp = 1e-6
}

/// Where a KL sparsity penalty goes; each `[units]`.
public struct KLResult<Buffer: AnyObject> {
  /// ρ̂, unclamped; read too where there is momentum.
  public var means: Tensor<Buffer>
  /// ∂Ω/∂h_kj, the same for every sample k.
  public var column: Tensor<Buffer>
  /// Each unit's share of Ω, β included.
  public var values: Tensor<Buffer>

  public init(means: Tensor<Buffer>, column: Tensor<Buffer>, values: Tensor<Buffer>) {
    self.means = means
    self.column = column
    self.values = values
  }
}
