import CVector
import CinchBackend

extension CPUBackend {
  public func reconstructionLoss(
    _ a: Tensor<CPUBuffer>, _ loss: FusedLoss<CPUBuffer>, gradient: Tensor<CPUBuffer>
  ) throws {
    try requireInside(a, "The pre-activations")
    try require(gradient, "The gradient", rows: a.rows, columns: a.columns)
    var pass = try lossPass(of: a, loss)
    counters.launches += 1
    cinch_apply(device, &pass, a.input, gradient.pointer)
  }

  public func softmaxLoss(
    _ logits: Tensor<CPUBuffer>, labels: Tensor<CPUBuffer>, gradientScale: Double, gradient: Tensor<CPUBuffer>,
    losses: Tensor<CPUBuffer>
  ) throws {
    try requireInside(logits, "The logits")
    try require(labels, "The labels", count: logits.rows)
    try require(gradient, "The gradient", rows: logits.rows, columns: logits.columns)
    try require(losses, "The losses", count: logits.rows)
    try require(logits.columns > 0 || logits.rows == 0, "Logits of \(logits.shape) have no classes.")
    counters.launches += 1
    cinch_softmax_loss(
      device, logits.input, labels.input, Int64(logits.rows), Int64(logits.columns), Float(gradientScale),
      gradient.pointer, losses.pointer)
  }

  /// A reconstruction loss of pre-activations like `a`.
  func lossPass(of a: Tensor<CPUBuffer>, _ loss: FusedLoss<CPUBuffer>) throws -> cinch_epilogue {
    try require(loss.target, "The loss's target", rows: a.rows, columns: a.columns)
    try require(
      loss.partials, "The loss's partial sums", room: lossPartialCount(rows: a.rows, columns: a.columns))
    try require(
      loss.loss != .bce || loss.activation == .sigmoid,
      "The loss bce is computed from logits and needs a sigmoid output, not \(loss.activation.rawValue).")
    var pass = cinch_epilogue(like: a, cinch_epilogue_loss, loss.activation)
    pass.loss =
      switch loss.loss {
      case .sse: cinch_sse
      case .mse: cinch_mse
      case .bce: cinch_bce
      }
    if let bias = loss.bias {
      try require(bias, "The bias", count: a.columns)
      pass.row = bias.input
    }
    pass.other = loss.target.input
    pass.gradient_scale = Float(loss.gradientScale)
    pass.partials = loss.partials.pointer
    return pass
  }
}
