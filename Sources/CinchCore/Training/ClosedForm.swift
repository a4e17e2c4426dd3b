import CinchBackend
import CinchData

/// A model whose best weights follow from the mean and the covariance of the training samples, S = (1/n) Σ (x − μ)(x − μ)ᵀ
/// with eigenvalues λ₁ ≥ λ₂ ≥ … and eigenvectors u₁, u₂, …: no gradient is taken, and one pass is all there is.
///
/// | name | code of x | sample of a code h |
/// |---|---|---|
/// | `pca` | Uᵀ(x − μ) | U h + μ |
/// | `ppca` | M⁻¹Wᵀ(x − μ), M = WᵀW + σ²I | W h + μ |
///
/// U has the first p eigenvectors as columns, signed so that the largest element of each is positive; W = U(Λ − σ²I)^½, and σ²
/// is the mean of the eigenvalues that are left out. `ppca` is the model x = W h + μ + ε with h from N(0, I) and ε from
/// N(0, σ²I), of which this is the greatest likelihood (Tipping and Bishop, "Probabilistic principal component analysis",
/// 1999).
public enum ClosedForm: String, Sendable, Hashable, Codable, CaseIterable {
  /// Principal component analysis.
  case pca
  /// Probabilistic principal component analysis.
  case ppca
}

extension Recipe {
  /// What solves for the weights; nil where they are learned by gradients.
  public var closedForm: ClosedForm? {
    get { training.closedForm }
    set { training.closedForm = newValue }
  }
}

extension ClosedForm {
  /// - Throws: `CinchError.usage`, naming what a closed form has no use for.
  func validate(_ recipe: Recipe, on network: ResolvedNetwork) throws {
    let layers = network.layers
    guard layers.count == 2, layers.allSatisfy({ $0.kind is DenseKind && $0.spec.activation == .linear }) else {
      throw CinchError.usage(
        "The recipe \(rawValue) has one dense layer to the code and one back, both linear: give two numbers in \(.layers), "
          + "such as \(recipe.input),\(max(1, min(32, recipe.input - 1))).")
    }
    try validateObjective(recipe.objective, isTied: network.parameters.uses(at: 1).first?.isShared ?? false)
    // Of as many components as features nothing would be left out, and σ² would be nothing's mean.
    let most = self == .ppca ? recipe.input - 1 : recipe.input
    guard most > 0 else {
      throw CinchError.usage(
        "One feature leaves \(rawValue) nothing to find: use samples of more features, or train pca.")
    }
    guard network.codeUnits <= most else {
      throw CinchError.usage(
        "\(network.codeUnits) components are more than \(rawValue) finds in \(recipe.input) features: choose "
          + "\(.components) of at most \(most).")
    }
    try validateTraining(recipe.training)
  }

  private func validateObjective(_ objective: Objective, isTied: Bool) throws {
    switch self {
    case .pca:
      guard objective.loss == .sse || objective.loss == .mse else {
        throw CinchError.usage(
          "What 'pca' makes as small as can be is the squared error: use \(.loss, "sse") or mse, not "
            + "\(objective.loss.rawValue).")
      }
    case .ppca:
      guard objective.loss == .gaussian, objective.sigma == nil else {
        throw CinchError.usage(
          "'ppca' finds σ of the gaussian loss: use \(.loss, "gaussian"), and leave \(.sigma) out.")
      }
      guard !isTied else {
        throw CinchError.usage("The encoder of 'ppca' is not its decoder's transpose: leave tied weights out.")
      }
    }
    guard objective.penalties.active.isEmpty, objective.corruption == nil, objective.chain == nil else {
      throw CinchError.usage(
        "'\(rawValue)' is solved in closed form, without penalties and corruption: leave them out, or train linear.")
    }
  }

  private func validateTraining(_ training: TrainingSettings) throws {
    let standard = TrainingSettings()
    guard training.epochs == 1, training.optimizer == standard.optimizer, training.schedule == standard.schedule,
      training.batchSize == standard.batchSize, training.gradientClip == nil, training.patience == nil,
      training.pretraining == nil, training.frozenLayers == nil
    else {
      throw CinchError.usage(
        "'\(rawValue)' is solved in closed form, in one epoch: leave \(.epochs), \(.batchSize), \(.patience) and the "
          + "optimiser's settings out, or train linear.")
    }
  }

  /// - Throws: `CinchError.badData` where so few samples have no such components.
  func validate(samples: Int, components: Int) throws {
    guard samples >= 2 else {
      throw CinchError.badData(
        "One sample has no covariance: \(rawValue) needs 2 samples or more, so pass more, or hold out fewer.")
    }
    guard components < samples else {
      throw CinchError.badData(
        "\(samples) samples vary in \(samples - 1) directions at most, which are fewer than \(components) components: choose "
          + "\(.components, samples - 1) or fewer, or pass more samples.")
    }
  }
}
