import CVector
import CinchBackend

extension CPUBackend {
  public func activate(
    _ x: Tensor<CPUBuffer>, bias: Tensor<CPUBuffer>?, _ activation: Activation, into y: Tensor<CPUBuffer>
  ) throws {
    try requireInside(x, "The input")
    try require(y, "The output", rows: x.rows, columns: x.columns)
    var pass = try forwardPass(of: x, bias: bias, activation)
    counters.launches += 1
    cinch_apply(device, &pass, x.input, y.pointer)
  }

  public func activationGradient(
    _ gradient: Tensor<CPUBuffer>, _ epilogue: ActivationGradient<CPUBuffer>, into result: Tensor<CPUBuffer>
  ) throws {
    try requireInside(gradient, "The gradient")
    try require(result, "The result", rows: gradient.rows, columns: gradient.columns)
    var pass = try backwardPass(of: gradient, epilogue)
    counters.launches += 1
    cinch_apply(device, &pass, gradient.input, result.pointer)
  }

  /// f(x + bias) for a matrix like `x`.
  func forwardPass(
    of x: Tensor<CPUBuffer>, bias: Tensor<CPUBuffer>?, _ activation: Activation
  ) throws -> cinch_epilogue {
    var pass = cinch_epilogue(like: x, cinch_epilogue_forward, activation)
    if let bias {
      try require(bias, "The bias", count: x.columns)
      pass.row = bias.input
    }
    return pass
  }

  /// The gradient at the pre-activation for a gradient like `g`.
  func backwardPass(
    of g: Tensor<CPUBuffer>, _ gradient: ActivationGradient<CPUBuffer>
  ) throws -> cinch_epilogue {
    try require(gradient.output, "The activation gradient's output", rows: g.rows, columns: g.columns)
    var pass = cinch_epilogue(like: g, cinch_epilogue_backward, gradient.activation)
    pass.other = gradient.output.input
    pass.l1 = Float(gradient.l1)
    if let column = gradient.column {
      try require(column, "The activation gradient's column", count: g.columns)
      pass.row = column.input
    }
    if let curvature = gradient.curvature {
      try require(curvature.norms, "The curvature's norms", count: g.columns)
      pass.norms = curvature.norms.input
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
