import CinchBackend
import CinchData
import FoundationEssentials
import Glibc

/// How parameters move along the gradient.
///
/// | rule | an update | settings |
/// |---|---|---|
/// | `sgd`, `momentum`, `nesterov`, `adam` | takes a batch; the formulas are in `OptimizerOps` | below |
/// | `lbfgs` | takes the whole training set: a step along −H g, H from the last `historySize` steps and the gradient's \
/// changes, to where the strong Wolfe conditions hold (Nocedal & Wright, "Numerical Optimization", 2nd ed., algorithms \
/// 7.4, 3.5 and 3.6; c₁ = 1e-4, c₂ = 0.9) | `learningRate`, `historySize` |
///
/// With `lbfgs` an epoch is one update, `TrainingSettings.batchSize` the size of the parts that the gradient is added up
/// from, rounded up to a multiple of 4, and a run ends as soon as no step lowers the objective. Weight decay is part of
/// that. Numbers that an objective draws are the same wherever an update evaluates it, and others in the next update.
public struct Optimizer: Sendable, Hashable, Codable {
  public enum Rule: String, CaseIterable, Sendable, Codable { case sgd, momentum, nesterov, adam, lbfgs }

  public var rule: Rule
  /// η, before the schedule scales it; of `lbfgs` the step that its line search tries first.
  public var learningRate: Double
  /// μ of `momentum` and `nesterov`.
  public var momentum: Double
  public var beta1: Double
  public var beta2: Double
  public var epsilon: Double
  /// Whether weight decay acts on the weights directly (AdamW) instead of through the gradient.
  public var decoupledWeightDecay: Bool
  /// m of `lbfgs`: how many of the last updates its steps follow from. Each takes the memory of two gradients.
  public var historySize: Int

  /// - Parameter learningRate: nil takes 1e-3, or 1 for `lbfgs`.
  public init(
    _ rule: Rule = .adam, learningRate: Double? = nil, momentum: Double = 0.9, beta1: Double = 0.9,
    beta2: Double = 0.999, epsilon: Double = 1e-8, decoupledWeightDecay: Bool = false, historySize: Int = 10
  ) {
    self.rule = rule
    self.learningRate = learningRate ?? (rule == .lbfgs ? 1 : 1e-3)
    self.momentum = momentum
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.decoupledWeightDecay = decoupledWeightDecay
    self.historySize = historySize
  }

  /// Whether an update takes the whole training set.
  package var isFullBatch: Bool { rule == .lbfgs }

  /// Moment arenas that `optimizerStep` takes.
  var momentCount: Int {
    switch rule {
    case .sgd, .lbfgs: 0
    case .momentum, .nesterov: 1
    case .adam: 2
    }
  }

  /// The device's numbers for update `step`, counted from 0.
  func step(_ step: Int, scale: Double, weightDecay: Double, decayCount: Int) -> OptimizerStep {
    let rule: OptimizerStep.Rule =
      switch self.rule {
      // Of these numbers L-BFGS takes what it shares with the others: the rate and weight decay.
      case .sgd, .lbfgs: .sgd
      case .momentum: .momentum(momentum)
      case .nesterov: .nesterov(momentum)
      case .adam: .adam(beta1: beta1, beta2: beta2, epsilon: epsilon, step: step + 1)
      }
    return OptimizerStep(
      rule, learningRate: learningRate * scale, weightDecay: weightDecay, decoupled: decoupledWeightDecay,
      decayCount: decayCount)
  }

  private enum CodingKeys: String, CodingKey, CaseIterable {
    case rule, learningRate, momentum, beta1, beta2, epsilon, decoupledWeightDecay, historySize
  }

  public init(from decoder: any Decoder) throws {
    try decoder.refuseUnknownKeys(CodingKeys.self, in: "optimizer")
    let container = try decoder.container(keyedBy: CodingKeys.self)
    let standard = Optimizer(try container.choiceIfPresent(.rule, as: Rule.self) ?? Optimizer().rule)
    func value(_ key: CodingKeys, _ standard: Double) throws -> Double {
      try container.decodeIfPresent(Double.self, forKey: key) ?? standard
    }
    self.init(
      standard.rule,
      learningRate: try value(.learningRate, standard.learningRate),
      momentum: try value(.momentum, standard.momentum), beta1: try value(.beta1, standard.beta1),
      beta2: try value(.beta2, standard.beta2), epsilon: try value(.epsilon, standard.epsilon),
      decoupledWeightDecay: try container.decodeIfPresent(Bool.self, forKey: .decoupledWeightDecay) ?? false,
      historySize: try container.wholeIfPresent(.historySize) ?? standard.historySize)
  }

  /// Files of other rules stay readable by versions that know no `lbfgs`.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(rule, forKey: .rule)
    try container.encode(learningRate, forKey: .learningRate)
    try container.encode(momentum, forKey: .momentum)
    try container.encode(beta1, forKey: .beta1)
    try container.encode(beta2, forKey: .beta2)
    try container.encode(epsilon, forKey: .epsilon)
    try container.encode(decoupledWeightDecay, forKey: .decoupledWeightDecay)
    if rule == .lbfgs { try container.encode(historySize, forKey: .historySize) }
  }
}

/// What the learning rate is multiplied by as training goes on.
///
/// With t the update counted from 0, T the updates of the whole run and E those of an epoch:
///
/// | kind | factor |
/// |---|---|
/// | `constant` | 1 |
/// | `step` | decay^⌊t / (every·E)⌋ |
/// | `cosine` | floor + (1−floor)·(1 + cos πt/T)/2 (Loshchilov & Hutter 2017) |
///
/// During the first `warmUpEpochs` the factor also grows linearly from 1/(w+1), w being their updates.
public struct Schedule: Sendable, Hashable, Codable {
  public enum Kind: String, CaseIterable, Sendable, Codable { case constant, step, cosine }

  public var kind: Kind
  public var decay: Double
  /// Epochs between two drops of `step`.
  public var every: Int
  /// What `cosine` ends at, as a fraction of the learning rate.
  public var floor: Double
  public var warmUpEpochs: Double

  public init(
    _ kind: Kind = .constant, decay: Double = 0.5, every: Int = 10, floor: Double = 0, warmUpEpochs: Double = 0
  ) {
    self.kind = kind
    self.decay = decay
    self.every = every
    self.floor = floor
    self.warmUpEpochs = warmUpEpochs
  }

  public func factor(step: Int, stepsPerEpoch: Int, epochs: Int) -> Double {
    /// Of so many epochs, 1 to `Int.max`.
    func updates(_ epochs: Int) -> Int {
      let (count, overflow) = epochs.multipliedReportingOverflow(by: stepsPerEpoch)
      return overflow ? .max : max(1, count)
    }
    let base: Double =
      switch kind {
      case .constant: 1
      case .step: pow(decay, Double(step / updates(every)))
      case .cosine: floor + (1 - floor) * (1 + cos(.pi * Double(step) / Double(updates(epochs)))) / 2
      }
    let warmUp = (warmUpEpochs * Double(stepsPerEpoch)).rounded()
    return Double(step) < warmUp ? base * (Double(step) + 1) / (warmUp + 1) : base
  }

  private enum CodingKeys: String, CodingKey, CaseIterable { case kind, decay, every, floor, warmUpEpochs }

  public init(from decoder: any Decoder) throws {
    try decoder.refuseUnknownKeys(CodingKeys.self, in: "schedule")
    let container = try decoder.container(keyedBy: CodingKeys.self)
    let standard = Schedule()
    self.init(
      try container.choiceIfPresent(.kind, as: Kind.self) ?? .constant,
      decay: try container.decodeIfPresent(Double.self, forKey: .decay) ?? standard.decay,
      every: try container.wholeIfPresent(.every) ?? standard.every,
      floor: try container.decodeIfPresent(Double.self, forKey: .floor) ?? standard.floor,
      warmUpEpochs: try container.decodeIfPresent(Double.self, forKey: .warmUpEpochs) ?? 0)
  }
}
