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
    launch("sampleLosses", (try cinch_epilogue(terms).over(a), try a.input, try losses.pointer)) { device, job in
      var (pass, a, losses) = job
      cinch_sample_losses(device, &pass, Int64(channels), a, losses)
    }
  }

  public func logVarianceGradient(
    _ partials: Tensor<CPUBuffer>, weight: TotalWeight<CPUBuffer>, logVariance: Tensor<CPUBuffer>, scale: Double,
    into gradient: Tensor<CPUBuffer>
  ) throws {
    try checkLogVarianceGradient(logVariance: logVariance, into: gradient)
    let (elements, weights): (Int, UnsafePointer<Float>?) =
      switch weight {
      case .elements(let count): (count, nil)
      case .partials(let sums): (sums.count, try sums.input)
      }
    let count = partials.count
    launch("logVarianceGradient", (try partials.input, weights, try logVariance.input, try gradient.pointer)) {
      _, job in
      let (partials, weights, logVariance, gradient) = job
      let loss = cinch_total(partials, Int64(count))
      let total = weights.map { cinch_total($0, Int64(elements)) } ?? Double(elements)
      gradient[0] = Float(scale * (total / 2 * (1 + log(2 * Double.pi) + Double(logVariance[0])) - loss))
    }
  }

  public func softmaxLoss(
    _ logits: Tensor<CPUBuffer>, labels: Tensor<CPUBuffer>, gradientScale: Double, gradient: Tensor<CPUBuffer>,
    losses: Tensor<CPUBuffer>, errors: Tensor<CPUBuffer>
  ) throws {
    try checkSoftmaxLoss(logits, labels: labels, gradient: gradient, losses: losses, errors: errors)
    let (rows, classes) = (Int64(logits.rows), Int64(logits.columns))
    launch(
      "softmaxLoss", (try logits.input, try labels.input, try gradient.pointer, try losses.pointer, try errors.pointer)
    ) { device, job in
      let (logits, labels, gradient, losses, errors) = job
      cinch_softmax_loss(device, logits, labels, rows, classes, Float(gradientScale), gradient, losses, errors)
    }
  }
}
