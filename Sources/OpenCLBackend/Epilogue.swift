import CinchBackend

/// What follows a product or a convolution, as the kernels want it; see `Kernels/common/epilogue.cl`.
struct EpilogueArguments {
  enum Mode: Int32 { case none, accumulate, forward, backward, loss, denseGradient }

  var mode = Mode.none
  var accumulates = false
  /// Of a dense gradient: whether the bias gradient is added to.
  var accumulatesSums = false
  var function: Int32 = 0
  var loss: Int32 = 0
  /// Bias, column term or row scale; output, target or weight; row norms; loss partials or bias gradient.
  var u: Tensor<OpenCLBuffer>?
  var v: Tensor<OpenCLBuffer>?
  var w: Tensor<OpenCLBuffer>?
  var partials: Tensor<OpenCLBuffer>?
  var scale = 0.0
  var l1 = 0.0
  var lossScale = 0.0
  /// The factor of a dense gradient's product and sums. It travels in the place of `l1`, which a gradient of weights
  /// has not.
  var productScale: Double {
    get { l1 }
    set { l1 = newValue }
  }

  init(_ mode: Mode) { self.mode = mode }

  /// - Parameter features: the elements of a sample, by which mse divides.
  init(_ epilogue: Epilogue<OpenCLBuffer>, features: Int) {
    switch epilogue {
    case .none: break
    case .accumulate:
      mode = .accumulate
      accumulates = true
    case .forward(let bias, let activation):
      mode = .forward
      function = activation.code
      u = bias
    case .backward(let gradient):
      mode = .backward
      function = gradient.activation.code
      u = gradient.column
      v = gradient.output
      w = gradient.curvature?.norms
      l1 = gradient.l1
      scale = gradient.curvature?.factor ?? 0
    case .loss(let fused):
      mode = .loss
      function = fused.activation.code
      loss = fused.loss.code
      u = fused.bias
      v = fused.target
      partials = fused.partials
      (scale, lossScale) = lossFactors(fused.loss, columns: features, gradientScale: fused.gradientScale)
    }
  }

  /// The tensors. `result` stands in for those that are absent: a kernel wants some buffer.
  @inline(__always)
  func addTensors(_ result: Tensor<OpenCLBuffer>, to call: inout Call) {
    call.add(u ?? result)
    call.add(v ?? result)
    call.add(w ?? result)
  }

  @inline(__always)
  func addNumbers(to call: inout Call) {
    call.add(mode.rawValue)
    call.add((u == nil ? 0 : 1) | (w == nil ? 0 : 2) | (accumulates ? 4 : 0) | (accumulatesSums ? 8 : 0))
    call.add(function)
    call.add(loss)
    call.add(scale)
    call.add(l1)
    call.add(lossScale)
  }
}

/// The factors by which a loss and its gradient are multiplied in the kernels.
func lossFactors(_ loss: ReconstructionLoss, columns: Int, gradientScale: Double) -> (gradient: Double, value: Double) {
  switch loss {
  case .sse: (gradientScale, 0.5)
  case .mse: (gradientScale * 2 / Double(columns), 1 / Double(columns))
  case .bce: (gradientScale, 1)
  }
}
