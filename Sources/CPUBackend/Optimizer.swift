import CVector
import CinchBackend
import Glibc

extension CPUBackend {
  public func optimizerStep(
    _ step: OptimizerStep, parameters: Tensor<CPUBuffer>, gradients: Tensor<CPUBuffer>, first: Tensor<CPUBuffer>?,
    second: Tensor<CPUBuffer>?, gradientScale: Tensor<CPUBuffer>?
  ) throws {
    try checkOptimizerStep(
      step, parameters: parameters, gradients: gradients, first: first, second: second, gradientScale: gradientScale)
    var job = cinch_optimizer()
    job.parameters = try parameters.pointer
    job.gradients = try gradients.input
    job.count = Int64(parameters.count)
    job.decay_count = Int64(decayCount(step))
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
      job.rule = cinch_adam
      job.beta1 = Float(beta1)
      job.beta2 = Float(beta2)
      job.one_minus_beta1 = Float(1 - beta1)
      job.one_minus_beta2 = Float(1 - beta2)
      job.epsilon = Float(epsilon)
      job.step_size = Float(step.learningRate / (1 - pow(beta1, Double(count))))
      job.inverse_root = Float(1 / (1 - pow(beta2, Double(count))).squareRoot())
    }
    job.first = try first?.pointer
    job.second = try second?.pointer
    job.gradient_scale = try gradientScale?.input
    launch("optimizerStep", job, cinch_optimizer_step)
  }

  public func clipScale(
    maximum: Double, _ step: OptimizerStep, parameters: Tensor<CPUBuffer>, gradients: Tensor<CPUBuffer>,
    into scale: Tensor<CPUBuffer>
  ) throws {
    try checkClipScale(maximum: maximum, step, parameters: parameters, gradients: gradients, into: scale)
    let (count, decayed) = (Int64(parameters.count), Int64(decayCount(step)))
    let decay = step.decoupled ? 0 : Float(step.weightDecay)
    launch("clipScale", (try parameters.input, try gradients.input, try scale.pointer)) {
      guard cinch_clip_scale($0, maximum, $1.0, $1.1, count, decayed, decay, $1.2) else {
        throw BackendError.outOfMemory("The cpu device has no memory for the gradient norm's partial sums.")
      }
    }
  }

  /// How many of the first parameters decay; none where λ is 0.
  private func decayCount(_ step: OptimizerStep) -> Int { step.weightDecay == 0 ? 0 : step.decayCount }
}
