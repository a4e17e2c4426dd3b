/// What is minimised between the output x̂ = f(a) and the target x, **per sample**: summed over the d
/// features of one sample.
///
/// | name | per sample | ∂/∂a |
/// |---|---|---|
/// | `sse` | ½‖x̂−x‖² | (x̂−x)⊙f′(a) |
/// | `mse` | ‖x̂−x‖²/d | 2(x̂−x)⊙f′(a)/d |
/// | `bce` | −Σ x log x̂ + (1−x) log(1−x̂), f = sigmoid | x̂−x |
///
/// `bce` is computed from the logits as max(a,0) − a·x + log(1+e^−|a|): never the log of a rounded sigmoid.
/// So it needs a sigmoid output, and an op that is given another activation throws.
public enum ReconstructionLoss: String, CaseIterable, Sendable, Codable {
  case sse, mse, bce

  /// The number that stands for this loss in device code.
  public var code: Int32 {
    switch self {
    case .sse: 0
    case .mse: 1
    case .bce: 2
    }
  }
}

/// Losses on their own, for where the output is not the end of a product.
public protocol LossOps: MatmulOps {
  /// The loss of pre-activations `a` (`[n, d]`) and its gradient.
  ///
  /// - Parameters:
  ///   - loss: target, bias (added to `a` first), activation, scale and partial sums, as when fused.
  ///   - gradient: `[n, d]`; may be `a`.
  func reconstructionLoss(_ a: Tensor<Buffer>, _ loss: FusedLoss<Buffer>, gradient: Tensor<Buffer>) throws

  /// Softmax cross-entropy, −log softmax(a)[label], with its gradient (softmax − onehot)·`gradientScale`.
  ///
  /// - Parameters:
  ///   - logits: `[n, classes]`.
  ///   - labels: `[n]`, whole numbers in `0 ..< classes` stored as scalars. They are not looked at before the op
  ///     runs: one that is out of range gives its sample a loss of NaN, and a gradient without onehot.
  ///   - gradient: `[n, classes]`; may be `logits`.
  ///   - losses: `[n]`, the loss of each sample.
  func softmaxLoss(
    _ logits: Tensor<Buffer>, labels: Tensor<Buffer>, gradientScale: Double, gradient: Tensor<Buffer>,
    losses: Tensor<Buffer>) throws
}
