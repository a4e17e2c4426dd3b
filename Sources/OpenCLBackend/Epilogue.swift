import CinchBackend

/// What follows a product or a convolution, as the kernels want it. Their arguments are slots, in which each mode keeps
/// tensors and numbers of its own; `Kernels/common/epilogue.cl` takes them out by the same names as here.
struct EpilogueArguments {
  enum Mode: Int32, KernelCode { case none, forward, backward, loss, denseGradient }

  /// Which tensors are given, and whether the product is added to what C holds, or δ's sums to a bias gradient.
  enum Flag: Int32, KernelCode {
    case hasBias = 1
    case hasColumn = 2
    case hasNorms = 4
    case hasPull = 8
    case addToC = 16
    case addToSums = 32
    case hasWeight = 64
  }

  private typealias Slot = Tensor<OpenCLBuffer>?

  let mode: Mode
  private var flags: Int32 = 0
  private var activation = Activation.linear
  private var loss = ReconstructionLoss.sse
  /// Read by the kernels.
  private var tensors: (Slot, Slot, Slot, Slot) = (nil, nil, nil, nil)
  /// Written by them, besides C.
  private var sums: Slot = nil
  private var numbers = (0.0, 0.0)

  private init(_ mode: Mode) { self.mode = mode }

  /// Stores the product.
  static var none: Self { Self(.none) }

  /// Adds the product to what C holds.
  static var accumulate: Self {
    var arguments = Self(.none)
    arguments.set(.addToC, if: true)
    return arguments
  }

  /// f(product + bias).
  static func forward(bias: Tensor<OpenCLBuffer>?, _ activation: Activation) -> Self {
    var arguments = Self(.forward)
    arguments.activation = activation
    arguments.set(.hasBias, if: bias != nil)
    arguments.tensors.0 = bias
    return arguments
  }

  /// The gradient at the layer below.
  static func backward(_ gradient: ActivationGradient<OpenCLBuffer>) -> Self {
    var arguments = Self(.backward)
    arguments.activation = gradient.activation
    arguments.flags = gradient.flags
    arguments.tensors = (gradient.column, gradient.output, gradient.curvature?.norms, nil)
    arguments.numbers = (gradient.l1, gradient.curvature?.factor ?? 0)
    return arguments
  }

  /// - Parameter features: the elements of a sample, by which mse divides.
  static func loss(_ fused: FusedLoss<OpenCLBuffer>, features: Int) -> Self {
    var arguments = Self(.loss)
    let terms = fused.terms
    arguments.activation = terms.activation
    arguments.loss = terms.loss
    arguments.set(.hasBias, if: terms.bias != nil)
    arguments.set(.hasWeight, if: terms.weight != nil)
    arguments.tensors = (terms.bias, terms.target, terms.weight, terms.logVariance)
    arguments.sums = fused.partials
    let factors = lossFactors(terms.loss, columns: features, gradientScale: fused.gradientScale)
    arguments.numbers = (factors.gradient, factors.value)
    return arguments
  }

  /// What follows the product δᵀX. A CPU device's kernel also sums δ's columns.
  static func denseGradient(
    biasGradient: Tensor<OpenCLBuffer>, scale: Double, accumulate: Bool, accumulateBias: Bool,
    pull: RowPull<OpenCLBuffer>?
  ) -> Self {
    var arguments = Self(.denseGradient)
    arguments.set(.addToC, if: accumulate)
    arguments.set(.addToSums, if: accumulateBias)
    arguments.set(.hasPull, if: pull != nil)
    arguments.tensors = (pull?.scale, pull?.weight, nil, nil)
    arguments.sums = biasGradient
    arguments.numbers = (pull?.factor ?? 0, scale)
    return arguments
  }

  init(_ epilogue: Epilogue<OpenCLBuffer>, features: Int) {
    self =
      switch epilogue {
      case .none: .none
      case .accumulate: .accumulate
      case .forward(let bias, let activation): .forward(bias: bias, activation)
      case .backward(let gradient): .backward(gradient)
      case .loss(let fused): .loss(fused, features: features)
      }
  }

  private mutating func set(_ flag: Flag, if given: Bool) {
    if given { flags |= flag.code }
  }

  /// The kernels' EPILOGUE_ARGUMENTS, which are their last. C stands in for absent tensors: a kernel wants some buffer.
  @inline(__always)
  func add(to call: inout Call, c: Tensor<OpenCLBuffer>) {
    call.add(tensors.0 ?? c)
    call.add(tensors.1 ?? c)
    call.add(tensors.2 ?? c)
    call.add(tensors.3 ?? c)
    call.add(sums ?? c)
    call.add(mode.code)
    call.add(flags)
    call.add(activation.code)
    call.add(loss.code)
    call.add(numbers.0)
    call.add(numbers.1)
  }
}

extension ActivationGradient<OpenCLBuffer> {
  /// What of it is given, as the kernels say it.
  var flags: Int32 {
    (column == nil ? 0 : EpilogueArguments.Flag.hasColumn.code)
      | (curvature == nil ? 0 : EpilogueArguments.Flag.hasNorms.code)
  }
}

/// The factors by which a loss and its gradient are multiplied in the kernels.
func lossFactors(_ loss: ReconstructionLoss, columns: Int, gradientScale: Double) -> (gradient: Double, value: Double) {
  switch loss {
  case .sse, .gaussian: (gradientScale, 0.5)
  case .mse: (gradientScale * 2 / Double(columns), 1 / Double(columns))
  case .bce: (gradientScale, 1)
  }
}
