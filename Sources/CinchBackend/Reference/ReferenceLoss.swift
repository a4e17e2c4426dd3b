import Glibc

extension ReconstructionLoss {
  /// One element's share of the loss per sample, and its derivative by the pre-activation a.
  ///
  /// - Parameter logVariance: log σ², of `gaussian` alone.
  public func element(
    _ a: Double, target x: Double, _ activation: Activation, columns: Int, logVariance: Double = 0
  ) -> (loss: Double, gradient: Double) {
    let output = activation.value(a)
    let difference = output - x
    let slope = activation.slope(output: output)
    switch self {
    case .sse: return (difference * difference / 2, difference * slope)
    case .mse:
      return (difference * difference / Double(columns), 2 * difference * slope / Double(columns))
    case .bce: return ((a <= 0 ? 0 : a) - a * x + log1p(exp(-abs(a))), difference)
    case .gaussian:
      let precision = exp(-logVariance)
      return (
        (difference * difference * precision + log(2 * Double.pi) + logVariance) / 2, difference * slope * precision
      )
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
    let element = try FusedLossElement(loss, on: self)
    for i in 0..<a.rows {
      for j in 0..<a.columns {
        let index = i * a.columns + j
        result[index] = element.gradient(values[index], index: index, column: j, sample: i, features: a.columns)
      }
    }
  }

  public func sampleLosses(
    _ a: Tensor<ReferenceBuffer>, _ terms: LossTerms<ReferenceBuffer>, into losses: Tensor<ReferenceBuffer>
  ) throws {
    let channels = try checkSampleLosses(a, terms, into: losses)
    counters.launches += 1
    let values = try view(a), result = try view(losses), element = try LossElement(terms, on: self)
    for i in 0..<a.rows {
      var sum = 0.0
      for j in 0..<a.columns {
        let index = i * a.columns + j
        sum += element(values[index], index: index, column: j % channels, features: a.columns).loss
      }
      result[i] = sum
    }
  }

  public func logVarianceGradient(
    _ partials: Tensor<ReferenceBuffer>, weight: TotalWeight<ReferenceBuffer>, logVariance: Tensor<ReferenceBuffer>,
    scale: Double, into gradient: Tensor<ReferenceBuffer>
  ) throws {
    try checkLogVarianceGradient(logVariance: logVariance, into: gradient)
    counters.launches += 1
    let loss = try view(partials).reduce(0, +)
    let total =
      switch weight {
      case .elements(let count): Double(count)
      case .partials(let sums): try view(sums).reduce(0, +)
      }
    try view(gradient)[0] = scale * (total / 2 * (1 + log(2 * Double.pi) + view(logVariance)[0]) - loss)
  }

  public func softmaxLoss(
    _ logits: Tensor<ReferenceBuffer>, labels: Tensor<ReferenceBuffer>, gradientScale: Double,
    gradient: Tensor<ReferenceBuffer>, losses: Tensor<ReferenceBuffer>, errors: Tensor<ReferenceBuffer>
  ) throws {
    try checkSoftmaxLoss(logits, labels: labels, gradient: gradient, losses: losses, errors: errors)
    counters.launches += 1
    let a = try view(logits), label = try view(labels), result = try view(gradient), loss = try view(losses)
    let error = try view(errors)
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
      let own = wanted >= 0 ? a[row + wanted] : .nan
      let isFirst = (0..<classes).allSatisfy { a[row + $0] < own || (a[row + $0] == own && $0 >= wanted) }
      error[i] = isFirst ? 0 : 1
      for j in 0..<classes {
        let softmax = exp(a[row + j] - largest) / sum
        result[row + j] = (softmax - (j == wanted ? 1 : 0)) * gradientScale
      }
    }
  }
}

/// The formula of `LossTerms` for one element.
struct LossElement {
  private let loss: ReconstructionLoss
  private let activation: Activation
  private let bias: UnsafeMutableBufferPointer<Double>?
  private let target: UnsafeMutableBufferPointer<Double>
  private let weight: UnsafeMutableBufferPointer<Double>?
  private let logVariance: Double

  init(_ terms: LossTerms<ReferenceBuffer>, on backend: ReferenceBackend) throws {
    loss = terms.loss
    activation = terms.activation
    bias = try terms.bias.map(backend.view)
    target = try backend.view(terms.target)
    weight = try terms.weight.map(backend.view)
    logVariance = try terms.logVariance.map { try backend.view($0)[0] } ?? 0
  }

  func callAsFunction(
    _ product: Double, index: Int, column: Int, features: Int
  ) -> (loss: Double, gradient: Double) {
    let element = loss.element(
      product + (bias?[column] ?? 0), target: target[index], activation, columns: features, logVariance: logVariance)
    guard let weight else { return element }
    // Not multiplied: 0 · NaN is NaN.
    return weight[index] == 0 ? (0, 0) : (weight[index] * element.loss, weight[index] * element.gradient)
  }
}

/// The formula of `FusedLoss` for one element, which it adds to its sample's partial sum.
struct FusedLossElement {
  private let element: LossElement
  private let gradientScale: Double
  private let partials: UnsafeMutableBufferPointer<Double>

  init(_ fused: FusedLoss<ReferenceBuffer>, on backend: ReferenceBackend) throws {
    element = try LossElement(fused.terms, on: backend)
    gradientScale = fused.gradientScale
    partials = try backend.view(fused.partials)
    partials.update(repeating: 0)
  }

  func gradient(_ product: Double, index: Int, column: Int, sample: Int, features: Int) -> Double {
    let element = element(product, index: index, column: column, features: features)
    partials[sample] += element.loss
    return element.gradient * gradientScale
  }
}
