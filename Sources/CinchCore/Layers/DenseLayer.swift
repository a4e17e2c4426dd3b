import CinchBackend

/// h = f(x Wᵀ + b).
///
/// A tied decoder layer uses the weight of the encoder layer it mirrors the other way round, h = f(x W + b) with that
/// layer's W, so its gradient is added to the encoder's.
struct DenseLayer<B: Backend>: Layer {
  let resolved: ResolvedLayer
  /// `weight` is `[units, inputs]`; a tied decoder layer sees the mirrored layer's, which is `[inputs, units]`.
  let parameters: LayerParameters<B.Buffer>
  let backend: B

  func forward(_ x: Tensor<B.Buffer>, into h: Tensor<B.Buffer>) throws {
    try product(x, into: h, .forward(bias: parameters.bias, activation: resolved.spec.activation))
  }

  func forward(_ x: Tensor<B.Buffer>, loss: FusedLoss<B.Buffer>, delta: Tensor<B.Buffer>) throws {
    var loss = loss
    loss.bias = parameters.bias
    try product(x, into: delta, .loss(loss))
  }

  func lossPartialCount(samples: Int) -> Int {
    backend.lossPartialCount(rows: samples, columns: resolved.output.count)
  }

  private func product(_ x: Tensor<B.Buffer>, into c: Tensor<B.Buffer>, _ epilogue: Epilogue<B.Buffer>) throws {
    try backend.matmul(
      x, transposeA: false, parameters.weight, transposeB: !parameters.isTied, into: c, epilogue: epilogue)
  }

  func gradients(delta: Tensor<B.Buffer>, input: Tensor<B.Buffer>, rowPull: RowPull<B.Buffer>?) throws {
    if parameters.isTied {
      try backend.matmul(
        input, transposeA: true, delta, transposeB: false, into: parameters.weightGradient, epilogue: .none)
      try backend.columnSums(delta, scale: 1, into: parameters.biasGradient)
    } else {
      try backend.denseGradient(
        delta: delta, input: input, weightGradient: parameters.weightGradient,
        biasGradient: parameters.biasGradient, accumulate: parameters.accumulates, rowPull: rowPull)
    }
  }

  func inputGradient(
    delta: Tensor<B.Buffer>, below: ActivationGradient<B.Buffer>, into result: Tensor<B.Buffer>
  ) throws {
    try backend.matmul(
      delta, transposeA: false, parameters.weight, transposeB: parameters.isTied, into: result,
      epilogue: .backward(below))
  }
}
