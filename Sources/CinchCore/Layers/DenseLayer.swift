import CinchBackend

/// A dense layer on a device: views of its part of the parameter and gradient arenas.
///
/// Forward: h = f(x Wᵀ + b). A tied decoder layer uses the weight `[inputs… of its mirror]` the other way
/// round: h = f(x W + b) with the encoder's W, so its gradient is added to the encoder's.
struct DenseLayer<B: Backend> {
  let activation: Activation
  let inputs: Int
  let units: Int
  /// `[units, inputs]`; of a tied decoder layer the mirrored encoder layer's `[inputs, units]`.
  let weight: Tensor<B.Buffer>
  let weightGradient: Tensor<B.Buffer>
  let bias: Tensor<B.Buffer>
  let biasGradient: Tensor<B.Buffer>
  /// Whether `weight` is the mirrored encoder layer's.
  let isTied: Bool
  /// Whether a tied decoder layer has already written `weightGradient` in this backward pass.
  let accumulates: Bool

  /// h = f(a).
  func forward(_ x: Tensor<B.Buffer>, into h: Tensor<B.Buffer>, on backend: B) throws {
    try product(x, into: h, .forward(bias: bias, activation: activation), on: backend)
  }

  /// x·Wᵀ with any epilogue, as the output layer of a training step needs.
  func product(_ x: Tensor<B.Buffer>, into c: Tensor<B.Buffer>, _ epilogue: Epilogue<B.Buffer>, on backend: B) throws {
    try backend.matmul(x, transposeA: false, weight, transposeB: !isTied, into: c, epilogue: epilogue)
  }

  /// dW and db from δ at the pre-activation and the layer's input.
  func gradients(
    delta: Tensor<B.Buffer>, input: Tensor<B.Buffer>, rowPull: RowPull<B.Buffer>? = nil, on backend: B
  ) throws {
    if isTied {
      try backend.matmul(
        input, transposeA: true, delta, transposeB: false, into: weightGradient, epilogue: .none)
      try backend.columnSums(delta, scale: 1, into: biasGradient)
    } else {
      try backend.denseGradient(
        delta: delta, input: input, weightGradient: weightGradient, biasGradient: biasGradient,
        accumulate: accumulates, rowPull: rowPull)
    }
  }

  /// δ at the layer below: (δ·W)… with that layer's activation gradient fused in.
  func inputGradient(
    delta: Tensor<B.Buffer>, _ below: ActivationGradient<B.Buffer>, into result: Tensor<B.Buffer>, on backend: B
  ) throws {
    try backend.matmul(
      delta, transposeA: false, weight, transposeB: isTied, into: result, epilogue: .backward(below))
  }
}
