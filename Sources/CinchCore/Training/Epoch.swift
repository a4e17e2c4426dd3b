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

  public static let perSampleName = "reconstruction_per_sample"
  public static let perElementName = "reconstruction_per_element"

  /// By the names of the metrics.
  init(_ metrics: Metrics) {
    perSample = metrics[Self.perSampleName] ?? .nan
    perElement = metrics[Self.perElementName] ?? .nan
  }

  /// What is stated per element, where only some of the elements are there.
  static func correct(_ metrics: inout Metrics, observed share: Double) {
    guard share > 0, share < 1, let mean = metrics[perElementName] else { return }
    metrics[perElementName] = mean / share
  }

  var metrics: Metrics { [Self.perSampleName: perSample, Self.perElementName: perElement] }

  /// From the mean over samples of a recipe's loss. `mse` averages over features by itself: it *is* the error per
  /// element.
  init(_ loss: Double, of recipe: Recipe) {
    let sum = recipe.loss == .mse ? loss * Double(recipe.input) : loss
    // A column of a table counts once, however many texts it has.
    self.init(perSample: sum, features: recipe.objective.columns?.count ?? recipe.input)
  }
}

/// What one pass over the training data came to.
public struct Epoch: Sendable, Hashable {
  /// Counted from 1.
  public var number: Int
  /// Which layer of a stack it trained, counted from 1; nil where all layers are trained together.
  public var layer: Int?
  /// The objective: the recipe's loss plus every penalty, averaged over the epoch's samples. With `sse`, `bce` and
  /// `gaussian` the former is `reconstruction.perSample`, with `mse` `reconstruction.perElement`.
  public var loss: Double
  /// What the learner reports of the training samples: what its loss comes to, then every penalty.
  public var metrics: Metrics
  /// What it reports of the held-out samples, their input clean, after the epoch.
  public var validationMetrics: Metrics?
  /// The learning rate of the epoch's last update.
  public var learningRate: Double
  /// Training throughput, validation and files left out.
  public var samplesPerSecond: Double
  public var seconds: Double

  /// Not a number where the model reconstructs nothing.
  public var reconstruction: Reconstruction { Reconstruction(metrics) }
  /// Each penalty's mean contribution to `loss`, by name.
  public var penalties: [String: Double] {
    // What a Boltzmann machine reports beside its reconstruction is no part of it.
    guard metrics[Metrics.freeEnergyName] == nil else { return [:] }
    // A bound's divergence is reported beside what it counts.
    let derived =
      (metrics[Metrics.boundName] == nil ? [] : Metrics.derivedNames)
      + [Metrics.logLikelihoodName, Metrics.explainedVarianceName]
    let others = metrics.filter { !Loss.allMetricNames.contains($0.name) && !derived.contains($0.name) }
    return Dictionary(uniqueKeysWithValues: others.map { ($0.name, $0.value) })
  }
  /// The reconstruction loss on the held-out samples.
  public var validation: Reconstruction? { validationMetrics.map { Reconstruction($0) } }

  /// What reports call a metric of the held-out samples: `validation_per_sample` for `reconstruction_per_sample`.
  public static func validationName(_ metric: String) -> String {
    "validation_" + metric.replacing("reconstruction_", with: "")
  }
}

/// Checkpoints of 0.1 hold `reconstruction`, `penalties` and `validation` in place of the metrics.
extension Epoch: Codable {
  private enum CodingKeys: String, CodingKey {
    case number, layer, loss, metrics, validationMetrics, learningRate, samplesPerSecond, seconds
  }

  private enum OldKeys: String, CodingKey { case reconstruction, penalties, validation }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    number = try container.decode(Int.self, forKey: .number)
    layer = try container.decodeIfPresent(Int.self, forKey: .layer)
    loss = try container.decode(Double.self, forKey: .loss)
    learningRate = try container.decode(Double.self, forKey: .learningRate)
    samplesPerSecond = try container.decode(Double.self, forKey: .samplesPerSecond)
    seconds = try container.decode(Double.self, forKey: .seconds)
    if let metrics = try container.decodeIfPresent(Metrics.self, forKey: .metrics) {
      self.metrics = metrics
      validationMetrics = try container.decodeIfPresent(Metrics.self, forKey: .validationMetrics)
    } else {
      let old = try decoder.container(keyedBy: OldKeys.self)
      metrics = try old.decode(Reconstruction.self, forKey: .reconstruction).metrics
      let penalties = try old.decode([String: Double].self, forKey: .penalties)
      for (name, value) in penalties.sorted(by: { $0.key < $1.key }) { metrics[name] = value }
      validationMetrics = try old.decodeIfPresent(Reconstruction.self, forKey: .validation)?.metrics
    }
  }
}

/// Where a training run stands, a few times a second.
public struct TrainingProgress: Sendable {
  /// Counted from 1.
  public var epoch: Int
  public var epochs: Int
  /// Which layer of a stack is being trained, counted from 1; nil where all layers are trained together.
  public var layer: Int?
  /// Samples done of this epoch.
  public var samples: Int
  public var samplesPerEpoch: Int
  /// The mean objective of this epoch so far.
  public var loss: Double
  /// What the learner reports of this epoch so far.
  public var metrics: Metrics
  public var samplesPerSecond: Double
  /// Until the last epoch ends.
  public var secondsLeft: Double

  public var reconstruction: Reconstruction { Reconstruction(metrics) }
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
  /// No step along the gradient lowers the objective by more than rounding: `Optimizer.Rule.lbfgs` alone can tell.
  case converged
}
