/// Element-wise functions on their own. Definition only: layers fuse them into products, and tests compare the two.
public protocol ActivationOps: MemoryOps {
  /// y = f(x + bias), where `bias`, if given, is added to every row. `y` may be `x`.
  func activate(_ x: Tensor<Buffer>, bias: Tensor<Buffer>?, _ activation: Activation, into y: Tensor<Buffer>) throws

  /// The gradient at the pre-activation, from the gradient at the output. See `ActivationGradient`.
  /// `result` may be `gradient`.
  func activationGradient(
    _ gradient: Tensor<Buffer>, _ epilogue: ActivationGradient<Buffer>, into result: Tensor<Buffer>) throws
}
