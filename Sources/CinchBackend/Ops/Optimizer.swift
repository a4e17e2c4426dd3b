/// One launch updates every parameter of a model: they lie in one arena, as do gradients and moments.
public protocol OptimizerOps: MemoryOps {
  /// Updates θ in place from its gradient g. The formulas are PyTorch's (torch.optim.SGD and Adam):
  ///
  /// | rule | update |
  /// |---|---|
  /// | `sgd` | θ −= η g |
  /// | `momentum` | v = μ v + g; θ −= η v |
  /// | `nesterov` | v = μ v + g; θ −= η (g + μ v) |
  /// | `adam` | m = β₁m + (1−β₁)g; v = β₂v + (1−β₂)g²; θ −= η·m̂/(√v̂ + ε), m̂ = m/(1−β₁ᵗ), v̂ = v/(1−β₂ᵗ) |
  ///
  /// Before that, the first `decayCount` gradients (weights, never biases) gain λθ, or, where decay is
  /// decoupled (AdamW), their parameters lose ηλθ; then every gradient is multiplied by `gradientScale`.
  ///
  /// - Parameters:
  ///   - first: v, or m; nil for `sgd`.
  ///   - second: Adam's v; nil otherwise.
  ///   - gradientScale: one number on the device, from `clipScale`.
  func optimizerStep(
    _ step: OptimizerStep, parameters: Tensor<Buffer>, gradients: Tensor<Buffer>, first: Tensor<Buffer>?,
    second: Tensor<Buffer>?, gradientScale: Tensor<Buffer>?) throws

  /// min(1, maximum/‖g‖₂) into `scale[0]`, where g is the whole objective's gradient: λθ of the first
  /// `step.decayCount` included unless decay is decoupled. A norm of 0 gives 1, and one that is NaN gives NaN.
  func clipScale(
    maximum: Double, _ step: OptimizerStep, parameters: Tensor<Buffer>, gradients: Tensor<Buffer>,
    into scale: Tensor<Buffer>) throws
}

/// The numbers of one optimiser step.
public struct OptimizerStep: Sendable, Hashable {
  public enum Rule: Sendable, Hashable {
    case sgd
    case momentum(Double)
    case nesterov(Double)
    /// `step` counts from 1, for the bias correction.
    case adam(beta1: Double, beta2: Double, epsilon: Double, step: Int)
  }

  public var rule: Rule
  /// η.
  public var learningRate: Double
  /// λ.
  public var weightDecay: Double
  /// Whether λ acts on parameters directly, as in AdamW.
  public var decoupled: Bool
  /// How many of the arena's first parameters are weights.
  public var decayCount: Int

  public init(
    _ rule: Rule, learningRate: Double, weightDecay: Double = 0, decoupled: Bool = false, decayCount: Int = 0
  ) {
    self.rule = rule
    self.learningRate = learningRate
    self.weightDecay = weightDecay
    self.decoupled = decoupled
    self.decayCount = decayCount
  }
}
