/// What is minimised between the output x̂ = f(a) and the target x, **per sample**: summed over the d
/// features of one sample.
///
/// | name | per sample | ∂/∂a |
/// |---|---|---|
/// | `sse` | ½‖x̂−x‖² | (x̂−x)⊙f′(a) |
/// | `mse` | ‖x̂−x‖²/d | 2(x̂−x)⊙f′(a)/d |
/// | `bce` | −Σ x log x̂ + (1−x) log(1−x̂), f = sigmoid | x̂−x |
/// | `gaussian` | ½Σ (x̂−x)²/σ² + log 2πσ² | (x̂−x)⊙f′(a)/σ² |
///
/// With weights w the terms of the sums are multiplied by them, and ∂/∂a too.
///
/// `bce` is computed from the logits as max(a,0) − a·x + log(1+e^−|a|): never the log of a rounded sigmoid.
/// So it needs a sigmoid output, and an op that is given another activation throws.
public enum ReconstructionLoss: String, CaseIterable, Sendable, Codable {
  case sse, mse, bce, gaussian

  /// The number that stands for this loss in device code.
  public var code: Int32 {
    switch self {
    case .sse: 0
    case .mse: 1
    case .bce: 2
    case .gaussian: 3
    }
  }
}

/// What an output x̂ = f(a + bias) is compared with, and how.
public struct LossTerms<Buffer: AnyObject> {
  public var loss: ReconstructionLoss
  public var activation: Activation
  /// `[d]`, or one for each channel of an image.
  public var bias: Tensor<Buffer>?
  /// x, `[n, d]`.
  public var target: Tensor<Buffer>
  /// w, shaped as the target; nil for 1 everywhere. What has weight 0 contributes 0, whatever its target is.
  public var weight: Tensor<Buffer>?
  /// log σ² of `gaussian`, one element; other losses refuse it.
  public var logVariance: Tensor<Buffer>?

  @inlinable public init(
    _ loss: ReconstructionLoss, activation: Activation, bias: Tensor<Buffer>? = nil, target: Tensor<Buffer>,
    weight: Tensor<Buffer>? = nil, logVariance: Tensor<Buffer>? = nil
  ) {
    self.loss = loss
    self.activation = activation
    self.bias = bias
    self.target = target
    self.weight = weight
    self.logVariance = logVariance
  }
}

/// Σ w over a batch's elements.
public enum TotalWeight<Buffer: AnyObject> {
  /// Without weights: n · d.
  case elements(Int)
  /// Partial sums, as `sumOfMagnitudes` leaves them of weights that are not negative.
  case partials(Tensor<Buffer>)
}

/// Losses on their own, for where the output is not the end of a product.
public protocol LossOps: MatmulOps {
  /// The loss of pre-activations `a` (`[n, d]`) and its gradient. Definition only: a training step fuses it into the
  /// product, and tests compare the two.
  ///
  /// - Parameters:
  ///   - loss: target, bias (added to `a` first), activation, scale and partial sums, as when fused.
  ///   - gradient: `[n, d]`; may be `a`.
  func reconstructionLoss(_ a: Tensor<Buffer>, _ loss: FusedLoss<Buffer>, gradient: Tensor<Buffer>) throws

  /// The loss of each sample of pre-activations `a`, where its sum over a batch is not enough: an importance-weighted
  /// bound, a score for each sample. A sample's elements are summed in an order that does not depend on the other samples.
  ///
  /// - Parameters:
  ///   - a: `[n, d]`; an image is one row, channels last.
  ///   - loss: its bias may have fewer than d elements, c of them where c divides d: then column j has bias j mod c.
  ///   - losses: `[n]`.
  func sampleLosses(_ a: Tensor<Buffer>, _ loss: LossTerms<Buffer>, into losses: Tensor<Buffer>) throws

  /// The gradient of a `gaussian` loss by its log variance s = log σ², from the loss alone:
  ///
  ///     ∂/∂s ½Σ w((x̂−x)²/σ² + log 2πσ²) = ½ Σw (1 + log 2πσ²) − loss
  ///
  /// - Parameters:
  ///   - partials: partial sums, or losses of samples, that add up to the batch's loss.
  ///   - weight: Σw of the same elements.
  ///   - logVariance: s, one element.
  ///   - scale: multiplies the result: 1/n for a mean over samples.
  ///   - gradient: one element.
  func logVarianceGradient(
    _ partials: Tensor<Buffer>, weight: TotalWeight<Buffer>, logVariance: Tensor<Buffer>, scale: Double,
    into gradient: Tensor<Buffer>) throws

  /// Softmax cross-entropy, −log softmax(a)[label], with its gradient (softmax − onehot)·`gradientScale`.
  ///
  /// - Parameters:
  ///   - logits: `[n, classes]`.
  ///   - labels: `[n]`, whole numbers in `0 ..< classes` stored as scalars. They are not looked at before the op
  ///     runs: one that is out of range gives its sample a loss of NaN, and a gradient without onehot.
  ///   - gradient: `[n, classes]`; may be `logits`.
  ///   - losses: `[n]`, the loss of each sample.
  ///   - errors: `[n]`, 0 where the label is the class of the largest logit, of equals the first, and 1 where it is not.
  func softmaxLoss(
    _ logits: Tensor<Buffer>, labels: Tensor<Buffer>, gradientScale: Double, gradient: Tensor<Buffer>,
    losses: Tensor<Buffer>, errors: Tensor<Buffer>) throws
}
