import CVector
import CinchBackend
import Glibc

extension CPUBackend {
  public func reconstructionLoss(
    _ a: Tensor<CPUBuffer>, _ loss: FusedLoss<CPUBuffer>, gradient: Tensor<CPUBuffer>
  ) throws {
    try checkReconstructionLoss(
      a, loss, gradient: gradient, partialCount: lossPartialCount(rows: a.rows, columns: a.columns))
    try apply(cinch_epilogue(loss), a, into: gradient)
  }

  public func sampleLosses(
    _ a: Tensor<CPUBuffer>, _ terms: LossTerms<CPUBuffer>, into losses: Tensor<CPUBuffer>
  ) throws {
    let channels = try checkSampleLosses(a, terms, into: losses)
    var pass = try cinch_epilogue(terms).over(a)
    try cinch_sample_losses(device, &pass, Int64(channels), a.input, losses.pointer)
    counters.launches += 1
  }

  public func logVarianceGradient(
    _ partials: Tensor<CPUBuffer>, weight: TotalWeight<CPUBuffer>, logVariance: Tensor<CPUBuffer>, scale: Double,
    into gradient: Tensor<CPUBuffer>
  ) throws {
    try checkLogVarianceGradient(logVariance: logVariance, into: gradient)
    let loss = cinch_total(try partials.input, Int64(partials.count))
    let total =
      switch weight {
      case .elements(let count): Double(count)
      case .partials(let sums): cinch_total(try sums.input, Int64(sums.count))
      }
    let s = try Double(logVariance.pointer[0])
    try gradient.pointer[0] = Float(scale * (total / 2 * (1 + log(2 * Double.pi) + s) - loss))
    counters.launches += 1
  }

  public func softmaxLoss(
    _ logits: Tensor<CPUBuffer>, labels: Tensor<CPUBuffer>, gradientScale: Double, gradient: Tensor<CPUBuffer>,
    losses: Tensor<CPUBuffer>, errors: Tensor<CPUBuffer>
  ) throws {
    try checkSoftmaxLoss(logits, labels: labels, gradient: gradient, losses: losses, errors: errors)
    try cinch_softmax_loss(
      device, logits.input, labels.input, Int64(logits.rows), Int64(logits.columns), Float(gradientScale),
      gradient.pointer, losses.pointer, errors.pointer)
    counters.launches += 1
  }
}
