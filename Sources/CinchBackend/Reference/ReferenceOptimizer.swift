import Glibc

extension ReferenceBackend {
  public func optimizerStep(
    _ step: OptimizerStep, parameters: Tensor<ReferenceBuffer>, gradients: Tensor<ReferenceBuffer>,
    first: Tensor<ReferenceBuffer>?, second: Tensor<ReferenceBuffer>?, gradientScale: Tensor<ReferenceBuffer>?
  ) throws {
    try checkOptimizerStep(
      step, parameters: parameters, gradients: gradients, first: first, second: second,
      gradientScale: gradientScale)
    counters.launches += 1
    let theta = try view(parameters), gradient = try view(gradients)
    let moment = try first.map(view), square = try second.map(view)
    let scale = try gradientScale.map { try view($0)[0] } ?? 1
    let rate = step.learningRate
    for i in 0..<theta.count {
      var g = gradient[i]
      if i < step.decayCount {
        if step.decoupled {
          theta[i] -= rate * step.weightDecay * theta[i]
        } else {
          g += step.weightDecay * theta[i]
        }
      }
      g *= scale
      switch step.rule {
      case .sgd:
        theta[i] -= rate * g
      case .momentum(let mu):
        guard let moment else { break }
        moment[i] = mu * moment[i] + g
        theta[i] -= rate * moment[i]
      case .nesterov(let mu):
        guard let moment else { break }
        moment[i] = mu * moment[i] + g
        theta[i] -= rate * (g + mu * moment[i])
      case .adam(let beta1, let beta2, let epsilon, let count):
        guard let moment, let square else { break }
        moment[i] = beta1 * moment[i] + (1 - beta1) * g
        square[i] = beta2 * square[i] + (1 - beta2) * g * g
        let corrected = moment[i] / (1 - pow(beta1, Double(count)))
        let spread = square[i] / (1 - pow(beta2, Double(count)))
        theta[i] -= rate * corrected / (sqrt(spread) + epsilon)
      }
    }
  }

  public func clipScale(
    maximum: Double, _ step: OptimizerStep, parameters: Tensor<ReferenceBuffer>,
    gradients: Tensor<ReferenceBuffer>, into scale: Tensor<ReferenceBuffer>
  ) throws {
    try checkClipScale(maximum: maximum, step, parameters: parameters, gradients: gradients, into: scale)
    counters.launches += 1
    let theta = try view(parameters), gradient = try view(gradients)
    var squares = 0.0
    for i in 0..<theta.count {
      let decay = i < step.decayCount && !step.decoupled ? step.weightDecay * theta[i] : 0
      squares += (gradient[i] + decay) * (gradient[i] + decay)
    }
    let norm = sqrt(squares)
    // A zero gradient needs no scaling, and a NaN stays one.
    try view(scale)[0] = norm <= maximum ? 1 : maximum / norm
  }
}
