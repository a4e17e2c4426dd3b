/// A reconstruction error, always stated twice; the two differ by the number of features.
public struct Reconstruction: Sendable, Hashable, Codable {
  /// Summed over features, averaged over samples. `mse` minimises this divided by the features.
  public var perSample: Double
  /// Averaged over features too.
  public var perElement: Double

  public init(perSample: Double, features: Int) {
    self.perSample = perSample
    self.perElement = perSample / Double(features)
  }

  /// From the mean over samples of a recipe's loss. `mse` averages over features by itself: it *is* the error per
  /// element.
  init(_ loss: Double, of recipe: Recipe) {
    let sum = recipe.loss == .mse ? loss * Double(recipe.input) : loss
    self.init(perSample: sum, features: recipe.input)
  }
}

/// What one pass over the training data came to.
public struct Epoch: Sendable, Hashable, Codable {
  /// Counted from 1.
  public var number: Int
  /// The objective: the recipe's loss plus every penalty, averaged over the epoch's samples. With `sse` and `bce` the
  /// former is `reconstruction.perSample`, with `mse` `reconstruction.perElement`.
  public var loss: Double
  public var reconstruction: Reconstruction
  /// Each penalty's mean contribution to `loss`, by name.
  public var penalties: [String: Double]
  /// The reconstruction loss on the held-out samples, their input clean, after the epoch.
  public var validation: Reconstruction?
  /// The learning rate of the epoch's last update.
  public var learningRate: Double
  /// Training throughput, validation and files left out.
  public var samplesPerSecond: Double
  public var seconds: Double
}

/// Where a training run stands, a few times a second.
public struct TrainingProgress: Sendable {
  /// Counted from 1.
  public var epoch: Int
  public var epochs: Int
  /// Samples done of this epoch.
  public var samples: Int
  public var samplesPerEpoch: Int
  /// The mean objective of this epoch so far.
  public var loss: Double
  public var reconstruction: Reconstruction
  public var samplesPerSecond: Double
  /// Until the last epoch ends.
  public var secondsLeft: Double
}

/// How far a call of `trainEpoch` came.
public enum EpochOutcome: Sendable {
  case finished(Epoch)
  /// Stopped by the observer between two updates; the next call goes on from there.
  case interrupted
  /// Every epoch has been run, or early stopping has ended the run.
  case complete(EndReason)
}

public enum EndReason: String, Sendable, Codable {
  case epochs
  /// No better validation loss for `patience` epochs; the best weights are back.
  case earlyStopping
}
