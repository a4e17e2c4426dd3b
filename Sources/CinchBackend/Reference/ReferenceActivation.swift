import Glibc

// Inside `Activation`, `tanh` is a case.
private func tangent(_ a: Double) -> Double { tanh(a) }

extension Activation {
  /// f(a).
  public func value(_ a: Double) -> Double {
    switch self {
    case .linear: a
    case .sigmoid: 1 / (1 + exp(-a))
    // Written so that a NaN comes out as one.
    case .relu: a <= 0 ? 0 : a
    case .tanh: tangent(a)
    // log(1 + eᵃ) overflows for large a; this is the same number.
    case .softplus: a > 0 ? a + log1p(exp(-a)) : log1p(exp(a))
    case .leakyReLU: a > 0 ? a : Activation.leakySlope * a
    }
  }

  /// f′(a), from h = f(a).
  public func slope(output h: Double) -> Double {
    switch self {
    case .linear: 1
    case .sigmoid: h * (1 - h)
    case .relu: h > 0 ? 1 : 0
    case .tanh: 1 - h * h
    case .softplus: -expm1(-h)
    case .leakyReLU: h > 0 ? 1 : Activation.leakySlope
    }
  }

  /// f″(a), from h = f(a).
  public func curvature(output h: Double) -> Double {
    switch self {
    case .linear, .relu, .leakyReLU: 0
    case .sigmoid: h * (1 - h) * (1 - 2 * h)
    case .tanh: -2 * h * (1 - h * h)
    case .softplus: -exp(-h) * expm1(-h)
    }
  }
}

extension ReferenceBackend {
  public func activate(
    _ x: Tensor<ReferenceBuffer>, bias: Tensor<ReferenceBuffer>?, _ activation: Activation,
    into y: Tensor<ReferenceBuffer>
  ) throws {
    try checkActivate(x, bias: bias, into: y)
    counters.launches += 1
    let values = try view(x), biases = try bias.map(view), result = try view(y)
    for i in 0..<values.count {
      result[i] = activation.value(values[i] + (biases?[i % x.columns] ?? 0))
    }
  }

  public func activationGradient(
    _ gradient: Tensor<ReferenceBuffer>, _ epilogue: ActivationGradient<ReferenceBuffer>,
    into result: Tensor<ReferenceBuffer>
  ) throws {
    try checkActivationGradient(gradient, epilogue, into: result)
    counters.launches += 1
    let values = try view(gradient), delta = try view(result)
    let element = try ActivationGradientElement(epilogue, on: self)
    for i in 0..<values.count { delta[i] = element(values[i], index: i, column: i % gradient.columns) }
  }
}

/// The formula of `ActivationGradient` for one element.
struct ActivationGradientElement {
  let activation: Activation
  let output: UnsafeMutableBufferPointer<Double>
  let columnTerm: UnsafeMutableBufferPointer<Double>?
  let l1: Double
  let norms: UnsafeMutableBufferPointer<Double>?
  let factor: Double

  init(_ terms: ActivationGradient<ReferenceBuffer>, on backend: ReferenceBackend) throws {
    activation = terms.activation
    output = try backend.view(terms.output)
    columnTerm = try terms.column.map(backend.view)
    l1 = terms.l1
    norms = try (terms.curvature?.norms).map(backend.view)
    factor = terms.curvature?.factor ?? 0
  }

  func callAsFunction(_ gradient: Double, index: Int, column: Int) -> Double {
    let h = output[index]
    let sign: Double = h > 0 ? 1 : h < 0 ? -1 : 0
    let atOutput = gradient + (columnTerm?[column] ?? 0) + l1 * sign
    var delta = atOutput * activation.slope(output: h)
    if let norms {
      delta += factor * norms[column] * activation.slope(output: h) * activation.curvature(output: h)
    }
    return delta
  }
}
