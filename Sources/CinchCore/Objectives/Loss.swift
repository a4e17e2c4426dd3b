import CinchBackend

/// What is minimised between the output and the target, **per sample**.
///
/// | name | per sample | target |
/// |---|---|---|
/// | `sse`, `mse`, `bce`, `gaussian` | see `ReconstructionLoss` | the clean sample |
/// | `mixed` | Σ over the columns of a table, each with the loss of its kind: see `OutputColumn` | the clean sample |
/// | `softmax` | −log softmax(a)[label] | a label |
///
/// Where cells of a table are missing, their summands are left out, and what is stated per element is the mean over those that
/// are there.
public enum Loss: String, CaseIterable, Sendable, Codable {
  case sse, mse, bce, gaussian, mixed, softmax

  /// As a sum over the output's elements, which a product's epilogue takes; nil where it needs whole rows.
  var reconstruction: ReconstructionLoss? { ReconstructionLoss(rawValue: rawValue) }

  /// What the output is compared with.
  enum Target { case samples, labels }

  var target: Target { self == .softmax ? .labels : .samples }

  /// The names of what it reports, in order; the first says which weights are best.
  public var metricNames: [String] {
    self == .softmax
      ? [Self.crossEntropyName, Metrics.errorName] : [Reconstruction.perSampleName, Reconstruction.perElementName]
  }

  /// The name of −log of the probability that the model gives to a sample's label, averaged over samples: nats.
  public static let crossEntropyName = "cross_entropy"

  /// Every name that some loss reports.
  static let allMetricNames = allCases.reduce(into: [String]()) { names, loss in
    names += loss.metricNames.filter { !names.contains($0) }
  }
}

extension Metrics {
  /// The fraction of samples whose most probable class is not their label.
  public static let errorName = "error"
}

extension Recipe {
  /// The names of what training reports of each epoch, in the order of `history.csv`.
  public var metricNames: [String] {
    if let modules { return union(modules.map(\.metricNames)) }
    // A Boltzmann machine's decay is a part of its updates alone.
    let reported = objective.chain == nil ? penalties.active : penalties.active.filter { !($0 is WeightDecay) }
    return loss.metricNames + reported.map(\.name) + boundNames + likelihoodNames
      + (closedForm == nil ? [] : [Metrics.explainedVarianceName]) + energyNames
      + (energyNames.isEmpty ? [] : [Metrics.freeEnergyGapName])
  }

  /// The names of what is reported of held-out samples.
  public var heldOutMetricNames: [String] {
    if let modules { return union(modules.map(\.heldOutMetricNames)) }
    return loss.metricNames + boundNames + likelihoodNames + energyNames
  }

  private func union(_ lists: [[String]]) -> [String] {
    lists.joined().reduce(into: []) { names, name in if !names.contains(name) { names.append(name) } }
  }

  private var likelihoodNames: [String] { closedForm == .ppca ? [Metrics.logLikelihoodName] : [] }

  private var energyNames: [String] { objective.chain == nil ? [] : [Metrics.freeEnergyName] }

  private var boundNames: [String] { penalties.prior == nil ? [] : [Metrics.divergenceName, Metrics.boundName] }

  /// Adds the bound, where there is one.
  func addBound(to metrics: inout Metrics) {
    guard penalties.prior != nil, let divergence = metrics[Metrics.divergenceName] else { return }
    metrics[Metrics.boundName] = -((metrics[Reconstruction.perSampleName] ?? .nan) + divergence)
  }

  /// What early stopping goes by: the negative of the bound, or of the log-likelihood that `ppca` is fitted by, or else the
  /// loss.
  package func monitored(_ metrics: Metrics) -> Double {
    let likelihood = metrics[Metrics.boundName] ?? (closedForm == .ppca ? metrics[Metrics.logLikelihoodName] : nil)
    return likelihood.map { -$0 } ?? metrics[loss.metricNames[0]] ?? .nan
  }

  /// What the loss's mean over samples comes to, by name.
  func lossMetrics(_ mean: Double) -> Metrics {
    loss == .softmax ? [Loss.crossEntropyName: mean] : Reconstruction(mean, of: self).metrics
  }
}
