import CVector
import CinchBackend

extension CPUBackend {
  public func reconstructionLoss(
    _ a: Tensor<CPUBuffer>, _ loss: FusedLoss<CPUBuffer>, gradient: Tensor<CPUBuffer>
  ) throws {
    try checkReconstructionLoss(
      a, loss, gradient: gradient, partialCount: lossPartialCount(rows: a.rows, columns: a.columns))
    var pass = try lossPass(of: a, loss)
    try apply(&pass, a, into: gradient)
  }

  public func softmaxLoss(
    _ logits: Tensor<CPUBuffer>, labels: Tensor<CPUBuffer>, gradientScale: Double, gradient: Tensor<CPUBuffer>,
    losses: Tensor<CPUBuffer>
  ) throws {
    try checkSoftmaxLoss(logits, labels: labels, gradient: gradient, losses: losses)
    try cinch_softmax_loss(
      device, logits.input, labels.input, Int64(logits.rows), Int64(logits.columns), Float(gradientScale),
      gradient.pointer, losses.pointer)
    counters.launches += 1
  }

  /// A reconstruction loss of pre-activations like `a`.
  func lossPass(of a: Tensor<CPUBuffer>, _ loss: FusedLoss<CPUBuffer>) throws -> cinch_epilogue {
    var pass = cinch_epilogue(like: a, cinch_epilogue_loss, loss.activation)
    pass.loss = cinch_loss(loss.loss)
    pass.row = try loss.bias?.input
    pass.other = try loss.target.input
    pass.gradient_scale = Float(loss.gradientScale)
    pass.partials = try loss.partials.pointer
    return pass
  }
}

extension cinch_loss {
  init(_ loss: ReconstructionLoss) {
    self =
      switch loss {
      case .sse: cinch_sse
      case .mse: cinch_mse
      case .bce: cinch_bce
      }
  }
}
