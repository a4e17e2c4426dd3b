import CVector
import CinchBackend

extension CPUBackend {
  public func activate(
    _ x: Tensor<CPUBuffer>, bias: Tensor<CPUBuffer>?, _ activation: Activation, into y: Tensor<CPUBuffer>
  ) throws {
    try checkActivate(x, bias: bias, into: y)
    var pass = try forwardPass(of: x, bias: bias, activation)
    try apply(&pass, x, into: y)
  }

  public func activationGradient(
    _ gradient: Tensor<CPUBuffer>, _ epilogue: ActivationGradient<CPUBuffer>, into result: Tensor<CPUBuffer>
  ) throws {
    try checkActivationGradient(gradient, epilogue, into: result)
    var pass = try backwardPass(of: gradient, epilogue)
    try apply(&pass, gradient, into: result)
  }

  func apply(_ pass: inout cinch_epilogue, _ x: Tensor<CPUBuffer>, into y: Tensor<CPUBuffer>) throws {
    try cinch_apply(device, &pass, x.input, y.pointer)
    counters.launches += 1
  }

  /// f(x + bias) for a matrix like `x`.
  func forwardPass(
    of x: Tensor<CPUBuffer>, bias: Tensor<CPUBuffer>?, _ activation: Activation
  ) throws -> cinch_epilogue {
    var pass = cinch_epilogue(like: x, cinch_epilogue_forward, activation)
    pass.row = try bias?.input
    return pass
  }

  /// The gradient at the pre-activation for a gradient like `g`.
  func backwardPass(
    of g: Tensor<CPUBuffer>, _ gradient: ActivationGradient<CPUBuffer>
  ) throws -> cinch_epilogue {
    var pass = cinch_epilogue(like: g, cinch_epilogue_backward, gradient.activation)
    pass.other = try gradient.output.input
    pass.l1 = Float(gradient.l1)
    pass.row = try gradient.column?.input
    if let curvature = gradient.curvature {
      pass.norms = try curvature.norms.input
      pass.factor = Float(curvature.factor)
    }
    return pass
  }
}

extension cinch_epilogue {
  init(like matrix: Tensor<CPUBuffer>, _ kind: cinch_epilogue_kind, _ activation: Activation) {
    self.init()
    self.kind = kind
    self.activation = cinch_activation(activation)
    (rows, columns) = (Int64(matrix.rows), Int64(matrix.columns))
  }
}

extension cinch_activation {
  init(_ activation: Activation) {
    self =
      switch activation {
      case .linear: cinch_linear
      case .sigmoid: cinch_sigmoid
      case .relu: cinch_relu
      case .tanh: cinch_tanh
      case .softplus: cinch_softplus
      case .leakyReLU: cinch_leaky_relu
      }
  }
}
