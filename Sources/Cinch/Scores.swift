import CinchBackend
import CinchCore
import CinchData

/// Scores of samples with what each feature adds to them.
public struct FeatureScores: Sendable {
  /// One for each sample, as `Autoencoder.scores` gives them.
  public let scores: [Double]
  /// The summands of the loss, a row per sample; of images with channels first, unless another order was asked for.
  public let features: [Float]
  /// What the code adds, so that a score is the sum of its row and this: the divergence of a variational autoencoder,
  /// ½‖h‖² + ½ log det(M/σ²) of probabilistic PCA; nil of all others.
  public let code: [Double]?
}

extension Autoencoder {
  /// How little each sample is like those that the model was trained on, by the recipe's own objective without penalties:
  ///
  ///     loss(x̂, x)                                  of one sample: ½‖x̂−x‖² of sse, ‖x̂−x‖²/d of mse, nats of bce and gaussian
  ///     loss(x̂, x) + KL(q(z|x) ‖ p(z))              of a variational autoencoder, x̂ decoded from the mean of q(z|x)
  ///     −log p(x)                                   of probabilistic PCA
  ///     F(v) = −bᵀv − Σ_j softplus(c_j + vᵀW_j)     of a Boltzmann machine; ½‖v−b‖² for −bᵀv of gaussian units
  ///
  /// The higher, the more unusual. Samples are not corrupted and nothing is drawn, so the same sample has the same score
  /// whatever the other samples are.
  ///
  /// ```swift
  /// let scores = try trainer.model.scores(samples)
  /// let worst = scores.indices.max { scores[$0] < scores[$1] }
  /// ```
  ///
  /// `AnomalyDetector` compares them with those of a run's training samples.
  ///
  /// Reconstruction errors as scores: Hawkins, He, Williams and Baxter, "Outlier detection using replicator neural networks",
  /// DaWaK 2002.
  ///
  /// - Parameter data: scaled as the model's training samples were.
  /// - Returns: one number for each sample.
  /// - Throws: `CinchError.usage` where the model is a classifier; `.badData` where the features do not fit, or a value is
  ///   outside of [0, 1] where the loss needs that; `.diverged` where a score is no finite number.
  public func scores(_ data: Dataset) throws -> [Double] {
    try check(data)
    return try withSession { try $0.scores(data, byFeature: nil).values }
  }

  /// The same, with what each feature adds to the score.
  /// - Parameter data: scaled as the model's training samples were.
  /// - Returns: scores, and their summands.
  /// - Throws: as `scores`; `CinchError.usage` also of a Boltzmann machine, whose free energy is no sum over features.
  public func featureScores(_ data: Dataset) throws -> FeatureScores { try featureScores(data, in: .nchw) }

  /// - Parameter order: in which features of images come.
  package func featureScores(_ data: Dataset, in order: ImageLayout) throws -> FeatureScores {
    try check(data)
    guard recipe.classifier != nil || recipe.scoresFeatures else {
      throw CinchError.usage(
        "A Boltzmann machine's free energy is no sum over features: score without them, or train another recipe.")
    }
    let scores = try withSession { try $0.scores(data, byFeature: order) }
    return FeatureScores(scores: scores.values, features: scores.features ?? [], code: scores.code)
  }
}

/// Sorted scores, against which others are held.
public struct ScoreDistribution: Sendable, Hashable {
  /// In ascending order.
  public let sorted: [Double]

  /// - Parameter scores: in any order.
  /// - Throws: `CinchError.badData` where there are none, or one is no finite number.
  public init(_ scores: [Double]) throws {
    guard !scores.isEmpty, scores.allSatisfy(\.isFinite) else {
      throw CinchError.badData("A distribution needs one finite score or more: score some samples.")
    }
    sorted = scores.sorted()
  }

  /// The share of scores that are no larger: 1 for whatever exceeds them all.
  public func quantile(of score: Double) -> Double {
    var (low, high) = (0, sorted.count)
    while low < high {
      let middle = (low + high) / 2
      if sorted[middle] <= score { low = middle + 1 } else { high = middle }
    }
    return Double(low) / Double(sorted.count)
  }

  /// Midway between the smallest of the scores above which no more than this share of them lies and the next larger one, so
  /// that no sample is moved across by how another device rounds its score; or the largest score, where none may lie above.
  ///
  /// - Parameter share: between 0, for the largest score, and 1.
  /// - Throws: `CinchError.usage` where it is not at least 0 and less than 1.
  public func threshold(above share: Double) throws -> Double {
    guard share >= 0, share < 1 else {
      throw CinchError.usage("A share of \(share) is not at least 0 and less than 1: try 0.01.")
    }
    // 0.29 · 100 is less than 29 in binary.
    let allowed = Int(share * Double(sorted.count) + 1e-9)
    let last = max(sorted.count - 1 - allowed, 0)
    let next = sorted[last...].first { $0 > sorted[last] } ?? sorted[last]
    return allowed > 0 ? sorted[last] + (next - sorted[last]) / 2 : sorted[last]
  }
}
