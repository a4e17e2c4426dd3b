import CVector
import CinchBackend
import Glibc

extension CPUBackend {
  public func optimizerStep(
    _ step: OptimizerStep, parameters: Tensor<CPUBuffer>, gradients: Tensor<CPUBuffer>, first: Tensor<CPUBuffer>?,
    second: Tensor<CPUBuffer>?, gradientScale: Tensor<CPUBuffer>?
  ) throws {
    try requireInside(parameters, "The parameters")
    try require(gradients, "The gradients", count: parameters.count)
    var job = cinch_optimizer()
    job.parameters = parameters.pointer
    job.gradients = gradients.input
    job.count = Int64(parameters.count)
    job.decay_count = Int64(try decayCount(step, of: parameters))
    job.decay = step.decoupled ? 0 : Float(step.weightDecay)
    job.shrink = step.decoupled ? Float(1 - step.learningRate * step.weightDecay) : 1
    job.learning_rate = Float(step.learningRate)

    switch step.rule {
    case .sgd:
      job.rule = cinch_sgd
    case .momentum(let mu):
      job.rule = cinch_momentum
      job.beta1 = Float(mu)
    case .nesterov(let mu):
      job.rule = cinch_nesterov
      job.beta1 = Float(mu)
    case .adam(let beta1, let beta2, let epsilon, let count):
      try require(count >= 1, "Adam's steps count from 1, not \(count).")
      job.rule = cinch_adam
      job.beta1 = Float(beta1)
      job.beta2 = Float(beta2)
      job.one_minus_beta1 = Float(1 - beta1)
      job.one_minus_beta2 = Float(1 - beta2)
      job.epsilon = Float(epsilon)
      job.step_size = Float(step.learningRate / (1 - pow(beta1, Double(count))))
      job.inverse_root = Float(1 / (1 - pow(beta2, Double(count))).squareRoot())
    }
    if job.rule != cinch_sgd {
      guard let first else { throw BackendError.invalidArgument("This optimiser needs its first moments.") }
      try require(first, "The first moments", count: parameters.count)
      job.first = first.pointer
    }
    if job.rule == cinch_adam {
      guard let second else { throw BackendError.invalidArgument("Adam needs its second moments.") }
      try require(second, "The second moments", count: parameters.count)
      job.second = second.pointer
    }
    if let gradientScale {
      try require(gradientScale, "The gradient scale", room: 1)
      job.gradient_scale = gradientScale.input
    }
    counters.launches += 1
    cinch_optimizer_step(device, &job)
  }

  public func clipScale(
    maximum: Double, _ step: OptimizerStep, parameters: Tensor<CPUBuffer>, gradients: Tensor<CPUBuffer>,
    into scale: Tensor<CPUBuffer>
  ) throws {
    try requireInside(parameters, "The parameters")
    try require(gradients, "The gradients", count: parameters.count)
    try require(scale, "The gradient scale", room: 1)
    let decayed = try decayCount(step, of: parameters)
    counters.launches += 1
    guard
      cinch_clip_scale(
        device, maximum, parameters.input, gradients.input, Int64(parameters.count), Int64(decayed),
        step.decoupled ? 0 : Float(step.weightDecay), scale.pointer)
    else { throw BackendError.outOfMemory("The cpu device has no memory for the gradient norm's partial sums.") }
  }

  /// How many of the first parameters decay; none where λ is 0.
  private func decayCount(_ step: OptimizerStep, of parameters: Tensor<CPUBuffer>) throws -> Int {
    try require(
      step.decayCount >= 0 && step.decayCount <= parameters.count,
      "\(step.decayCount) weights cannot decay among \(parameters.count) parameters.")
    return step.weightDecay == 0 ? 0 : step.decayCount
  }
}
