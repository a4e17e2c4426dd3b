import CinchBackend
import FoundationEssentials
import Glibc

extension OpenCLBackend {
  public func optimizerStep(
    _ step: OptimizerStep, parameters: Tensor<OpenCLBuffer>, gradients: Tensor<OpenCLBuffer>,
    first: Tensor<OpenCLBuffer>?, second: Tensor<OpenCLBuffer>?, gradientScale: Tensor<OpenCLBuffer>?
  ) throws {
    let count = parameters.count
    try checkOptimizerStep(
      step, parameters: parameters, gradients: gradients, first: first, second: second, gradientScale: gradientScale)
    var rule = OptimizerCode.sgd
    var rate = step.learningRate
    var (beta1, beta2, correction, epsilon) = (0.0, 0.0, 0.0, 0.0)
    switch step.rule {
    case .sgd: break
    case .momentum(let mu):
      rule = .momentum
      beta1 = mu
    case .nesterov(let mu):
      rule = .nesterov
      beta1 = mu
    case .adam(let b1, let b2, let small, let t):
      rule = .adam
      (beta1, beta2, epsilon) = (b1, b2, small)
      rate /= 1 - pow(b1, Double(t))
      correction = 1 / (1 - pow(b2, Double(t))).squareRoot()
    }
    guard count > 0 else { return }
    let grid = elements(count)
    let (id, kernel) = try variant(.optimizerStep, .optimizer(rule))
    var call = Call(id, kernel)
    call.add(parameters)
    call.add(gradients)
    call.add(first ?? parameters)
    call.add(second ?? parameters)
    call.add(gradientScale ?? gradients)
    call.add(long: count)
    call.add(grid.chunk)
    call.add(step.decoupled)
    call.add(gradientScale != nil)
    call.add(long: step.decayCount)
    call.add(rate)
    call.add(step.decoupled ? step.learningRate * step.weightDecay : step.weightDecay)
    call.add(beta1)
    call.add(1 - beta1)
    call.add(beta2)
    call.add(1 - beta2)
    call.add(correction)
    call.add(epsilon)
    try run(call, grid)
  }

  public func clipScale(
    maximum: Double, _ step: OptimizerStep, parameters: Tensor<OpenCLBuffer>, gradients: Tensor<OpenCLBuffer>,
    into scale: Tensor<OpenCLBuffer>
  ) throws {
    let count = gradients.count
    try checkClipScale(maximum: maximum, step, parameters: parameters, gradients: gradients, into: scale)
    let pieces = sumPartialCount(count)
    if clipPartials == nil || clipPartials!.count < pieces {
      clipPartials = try allocate(max(pieces, 256), isScratch: true)
    }
    let partials = Tensor(clipPartials!, shape: [pieces])
    let decayed = step.decoupled || step.weightDecay == 0 ? 0 : step.decayCount
    try sumPartials(gradients, .objective, into: partials, objective: (parameters, decayed, step.weightDecay))
    var call = try call(.clipScale)
    call.add(partials)
    call.add(scale)
    call.add(pieces)
    call.add(maximum)
    try run(call, oneGroup)
  }
}
