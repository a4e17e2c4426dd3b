import Glibc

extension ReconstructionLoss {
  /// One element's share of the loss per sample, and its derivative by the pre-activation a.
  public func element(
    _ a: Double, target x: Double, _ activation: Activation, columns: Int
  ) -> (loss: Double, gradient: Double) {
    let output = activation.value(a)
    let difference = output - x
    let slope = activation.slope(output: output)
    switch self {
    case .sse: return (difference * difference / 2, difference * slope)
    case .mse:
      return (difference * difference / Double(columns), 2 * difference * slope / Double(columns))
    case .bce: return ((a <= 0 ? 0 : a) - a * x + log1p(exp(-abs(a))), difference)
    }
  }
}

extension ReferenceBackend {
  public func reconstructionLoss(
    _ a: Tensor<ReferenceBuffer>, _ loss: FusedLoss<ReferenceBuffer>, gradient: Tensor<ReferenceBuffer>
  ) throws {
    let count = lossPartialCount(rows: a.rows, columns: a.columns)
    try checkReconstructionLoss(a, loss, gradient: gradient, partialCount: count)
    counters.launches += 1
    let values = try view(a), result = try view(gradient)
    let element = try LossElement(loss, on: self)
    for i in 0..<a.rows {
      for j in 0..<a.columns {
        let index = i * a.columns + j
        result[index] = element.gradient(values[index], index: index, column: j, sample: i, features: a.columns)
      }
    }
  }

  public func softmaxLoss(
    _ logits: Tensor<ReferenceBuffer>, labels: Tensor<ReferenceBuffer>, gradientScale: Double,
    gradient: Tensor<ReferenceBuffer>, losses: Tensor<ReferenceBuffer>
  ) throws {
    try checkSoftmaxLoss(logits, labels: labels, gradient: gradient, losses: losses)
    counters.launches += 1
    let a = try view(logits), label = try view(labels), result = try view(gradient), loss = try view(losses)
    let classes = logits.columns
    for i in 0..<logits.rows {
      let row = i * classes
      // No class at all, where the label is out of range or a NaN.
      let wanted = label[i] >= 0 && label[i] < Double(classes) ? Int(label[i]) : -1
      // The largest logit is taken away first: exp cannot overflow, and the quotient is the same.
      var largest = -Double.infinity
      for j in 0..<classes where a[row + j] > largest { largest = a[row + j] }
      var sum = 0.0
      for j in 0..<classes { sum += exp(a[row + j] - largest) }
      loss[i] = wanted >= 0 ? log(sum) - (a[row + wanted] - largest) : .nan
      for j in 0..<classes {
        let softmax = exp(a[row + j] - largest) / sum
        result[row + j] = (softmax - (j == wanted ? 1 : 0)) * gradientScale
      }
    }
  }
}

/// The formula of `FusedLoss` for one element, which it adds to its sample's partial sum.
struct LossElement {
  let loss: ReconstructionLoss
  let activation: Activation
  let bias: UnsafeMutableBufferPointer<Double>?
  let target: UnsafeMutableBufferPointer<Double>
  let gradientScale: Double
  let partials: UnsafeMutableBufferPointer<Double>

  init(_ fused: FusedLoss<ReferenceBuffer>, on backend: ReferenceBackend) throws {
    loss = fused.loss
    activation = fused.activation
    bias = try fused.bias.map(backend.view)
    target = try backend.view(fused.target)
    gradientScale = fused.gradientScale
    partials = try backend.view(fused.partials)
    partials.update(repeating: 0)
  }

  func gradient(_ product: Double, index: Int, column: Int, sample: Int, features: Int) -> Double {
    let a = product + (bias?[column] ?? 0)
    let element = loss.element(a, target: target[index], activation, columns: features)
    partials[sample] += element.loss
    return element.gradient * gradientScale
  }
}
