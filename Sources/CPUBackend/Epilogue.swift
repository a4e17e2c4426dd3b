import CVector
import CinchBackend

// What follows a product or an image op, and the same on its own, as C has it. Image ops know the extents themselves;
// for anything else `over` sets them.

extension cinch_epilogue {
  init(_ epilogue: Epilogue<CPUBuffer>) throws {
    switch epilogue {
    case .none: self.init(cinch_epilogue_none)
    case .accumulate: self.init(cinch_epilogue_accumulate)
    case .forward(let bias, let activation): try self.init(bias: bias, activation)
    case .backward(let gradient): try self.init(gradient)
    case .loss(let loss): try self.init(loss)
    }
  }

  /// f(x + bias).
  init(bias: Tensor<CPUBuffer>?, _ activation: Activation) throws {
    self.init(cinch_epilogue_forward, activation)
    self.bias = try bias?.input
  }

  /// The gradient at the layer below.
  init(_ gradient: ActivationGradient<CPUBuffer>) throws {
    self.init(cinch_epilogue_backward, gradient.activation)
    output = try gradient.output.input
    column = try gradient.column?.input
    l1 = Float(gradient.l1)
    if let term = gradient.curvature {
      norms = try term.norms.input
      curvature = Float(term.factor)
    }
  }

  init(_ loss: FusedLoss<CPUBuffer>) throws {
    try self.init(loss.terms)
    gradient_scale = Float(loss.gradientScale)
    partials = try loss.partials.pointer
  }

  /// A loss without gradient and partial sums.
  init(_ terms: LossTerms<CPUBuffer>) throws {
    self.init(cinch_epilogue_loss, terms.activation)
    loss = cinch_loss(terms.loss)
    bias = try terms.bias?.input
    target = try terms.target.input
    weight = try terms.weight?.input
    log_variance = try terms.logVariance?.input
  }

  init(_ pull: RowPull<CPUBuffer>) throws {
    self.init(cinch_epilogue_row_pull)
    pulled = try pull.weight.input
    pull_scale = try pull.scale.input
    pull_factor = Float(pull.factor)
  }

  private init(_ kind: cinch_epilogue_kind, _ activation: Activation = .linear) {
    self.init()
    self.kind = kind
    self.activation = cinch_activation(activation)
  }

  /// The same with the extents of `matrix`.
  func over(_ matrix: Tensor<CPUBuffer>) -> Self {
    var sized = self
    (sized.rows, sized.columns) = (Int64(matrix.rows), Int64(matrix.columns))
    return sized
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

extension cinch_loss {
  init(_ loss: ReconstructionLoss) {
    self =
      switch loss {
      case .sse: cinch_sse
      case .mse: cinch_mse
      case .bce: cinch_bce
      case .gaussian: cinch_gaussian
      }
  }
}
