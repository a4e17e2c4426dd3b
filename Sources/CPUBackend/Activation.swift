import CVector
import CinchBackend

extension CPUBackend {
  public func activate(
    _ x: Tensor<CPUBuffer>, bias: Tensor<CPUBuffer>?, _ activation: Activation, into y: Tensor<CPUBuffer>
  ) throws {
    try checkActivate(x, bias: bias, into: y)
    try apply(cinch_epilogue(bias: bias, activation), x, into: y)
  }

  public func activationGradient(
    _ gradient: Tensor<CPUBuffer>, _ epilogue: ActivationGradient<CPUBuffer>, into result: Tensor<CPUBuffer>
  ) throws {
    try checkActivationGradient(gradient, epilogue, into: result)
    try apply(cinch_epilogue(epilogue), gradient, into: result)
  }

  func apply(_ epilogue: cinch_epilogue, _ x: Tensor<CPUBuffer>, into y: Tensor<CPUBuffer>) throws {
    launch("apply", (epilogue.over(x), try x.input, try y.pointer)) { device, job in
      var (pass, x, y) = job
      cinch_apply(device, &pass, x, y)
    }
  }
}
