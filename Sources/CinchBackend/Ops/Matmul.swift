/// Matrix products with what follows them fused in.
public protocol MatmulOps: MemoryOps {
  /// C = epilogue(op(A)·op(B)), where op transposes if asked.
  ///
  /// - Parameters:
  ///   - a: `[m, k]`, or `[k, m]` if `transposeA`.
  ///   - b: `[k, n]`, or `[n, k]` if `transposeB`.
  ///   - c: `[m, n]`; overlaps neither factor.
  ///   - epilogue: what is done to each element of the product before it is stored.
  /// - Throws: `BackendError.invalidArgument` where shapes do not fit.
  func matmul(
    _ a: Tensor<Buffer>, transposeA: Bool, _ b: Tensor<Buffer>, transposeB: Bool, into c: Tensor<Buffer>,
    epilogue: Epilogue<Buffer>) throws

  /// The gradients of a dense layer's weight and bias: dW = scale·δᵀX and db = scale·Σₙ δₙ.
  ///
  /// - Parameters:
  ///   - delta: δ, the gradient at the pre-activation, `[n, out]`.
  ///   - input: X, the layer's input, `[n, in]`.
  ///   - weightGradient: `[out, in]`; added to if `accumulate` (weights used twice, as tied ones are). It overlaps neither
  ///     δ nor X.
  ///   - biasGradient: `[out]`; added to if `accumulateBias`, whatever `accumulate` says.
  ///   - scale: multiplies the products and the sums, but neither what is added to nor `rowPull`.
  ///   - rowPull: adds `factor · scale[j] · weight[j, :]` to row j: the contractive penalty's direct term.
  func denseGradient(
    delta: Tensor<Buffer>, input: Tensor<Buffer>, weightGradient: Tensor<Buffer>, biasGradient: Tensor<Buffer>,
    scale: Double, accumulate: Bool, accumulateBias: Bool, rowPull: RowPull<Buffer>?) throws

  /// How many partial sums the `loss` epilogue and `reconstructionLoss` write for an output of this shape.
  func lossPartialCount(rows: Int, columns: Int) -> Int
}

extension MatmulOps {
  /// With a scale of 1 and a bias gradient that is overwritten.
  public func denseGradient(
    delta: Tensor<Buffer>, input: Tensor<Buffer>, weightGradient: Tensor<Buffer>, biasGradient: Tensor<Buffer>,
    accumulate: Bool, rowPull: RowPull<Buffer>?
  ) throws {
    try denseGradient(
      delta: delta, input: input, weightGradient: weightGradient, biasGradient: biasGradient, scale: 1,
      accumulate: accumulate, accumulateBias: false, rowPull: rowPull)
  }
}

/// What a matrix product does to each element before storing it.
public enum Epilogue<Buffer: AnyObject> {
  /// Stores the product.
  case none
  /// Adds the product to what C holds.
  case accumulate
  /// f(product + bias): a dense layer's forward pass. `bias` is `[n]`.
  case forward(bias: Tensor<Buffer>?, activation: Activation)
  /// (product + …)⊙f′(h) + …: the gradient at the layer below. See `ActivationGradient`.
  case backward(ActivationGradient<Buffer>)
  /// The output layer of a training step: stores ∂loss/∂a instead of the output. See `FusedLoss`.
  case loss(FusedLoss<Buffer>)
}

/// The gradient at a hidden pre-activation a, given the gradient g at its output h = f(a):
///
///     δ_kj = (g_kj + column_j + l1·sign(h_kj))·f′(a_kj) + curvature·norm_j·f′(a_kj)·f″(a_kj)
///
/// `column` carries the KL term, added *before* f′ multiplies, as the sparse autoencoder's derivation
/// requires; `l1` the L1 activity term; `curvature`, with the squared row norms of the encoder's weight,
/// the contractive penalty's 2λ/n·‖W_j‖²·f′f″. sign(0) is 0.
public struct ActivationGradient<Buffer: AnyObject> {
  public var activation: Activation
  /// h, the layer's output: `[n, units]`.
  public var output: Tensor<Buffer>
  /// Added to every row: `[units]`.
  public var column: Tensor<Buffer>?
  public var l1: Double
  /// ‖W_j‖², `[units]`, and the factor 2λ/n.
  public var curvature: (norms: Tensor<Buffer>, factor: Double)?

  @inlinable public init(
    _ activation: Activation, output: Tensor<Buffer>, column: Tensor<Buffer>? = nil, l1: Double = 0,
    curvature: (norms: Tensor<Buffer>, factor: Double)? = nil
  ) {
    self.activation = activation
    self.output = output
    self.column = column
    self.l1 = l1
    self.curvature = curvature
  }

  /// Whether a gradient passes through unchanged: a linear layer without penalties.
  public var isPlain: Bool { activation == .linear && column == nil && l1 == 0 && curvature == nil }
}

/// A reconstruction loss fused into the product that makes the output layer's pre-activation a.
///
/// C receives ∂(Σ loss)/∂a · `gradientScale` (use 1/n for a mean over samples); `partials` receives
/// `lossPartialCount` numbers whose sum is Σ over samples of the loss per sample. It must have exactly that
/// count, and `bce` needs a sigmoid output: anything else throws.
public struct FusedLoss<Buffer: AnyObject> {
  public var terms: LossTerms<Buffer>
  public var gradientScale: Double
  public var partials: Tensor<Buffer>

  @inlinable public init(
    _ loss: ReconstructionLoss, activation: Activation, bias: Tensor<Buffer>?, target: Tensor<Buffer>,
    weight: Tensor<Buffer>? = nil, logVariance: Tensor<Buffer>? = nil, gradientScale: Double,
    partials: Tensor<Buffer>
  ) {
    terms = LossTerms(
      loss, activation: activation, bias: bias, target: target, weight: weight, logVariance: logVariance)
    self.gradientScale = gradientScale
    self.partials = partials
  }
}

/// factor · scale[j] · weight[j, :], added to row j of a weight gradient.
public struct RowPull<Buffer: AnyObject> {
  /// `[out]`.
  public var scale: Tensor<Buffer>
  /// `[out, in]`.
  public var weight: Tensor<Buffer>
  public var factor: Double

  @inlinable public init(scale: Tensor<Buffer>, weight: Tensor<Buffer>, factor: Double) {
    self.scale = scale
    self.weight = weight
    self.factor = factor
  }
}
