import CVector
import CinchBackend

extension CPUBackend {
  public func matmul(
    _ a: Tensor<CPUBuffer>, transposeA: Bool, _ b: Tensor<CPUBuffer>, transposeB: Bool, into c: Tensor<CPUBuffer>,
    epilogue: Epilogue<CPUBuffer>
  ) throws {
    let (m, n, k) = try checkMatmul(
      a, transposeA: transposeA, b, transposeB: transposeB, into: c, epilogue: epilogue, partialCount: lossPartialCount)
    try require(!c.overlaps(a) && !c.overlaps(b), "A product of \(c.shape) cannot be stored over its own factors.")

    var product = cinch_product()
    product.scale = 1
    product.a = try a.input
    product.b = try b.input
    product.c = try c.pointer
    product.transpose_a = transposeA
    product.transpose_b = transposeB
    (product.m, product.n, product.k) = (Int64(m), Int64(n), Int64(k))
    switch epilogue {
    case .none:
      run(&product, nil)
    case .accumulate:
      product.accumulate = true
      run(&product, nil)
    case .forward(let bias, let activation):
      var after = try forwardPass(of: c, bias: bias, activation)
      run(&product, &after)
    case .backward(let gradient):
      var after = try backwardPass(of: c, gradient)
      run(&product, &after)
    case .loss(let loss):
      var after = try lossPass(of: c, loss)
      run(&product, &after)
    }
  }

  public func denseGradient(
    delta: Tensor<CPUBuffer>, input: Tensor<CPUBuffer>, weightGradient: Tensor<CPUBuffer>,
    biasGradient: Tensor<CPUBuffer>, scale: Double, accumulate: Bool, accumulateBias: Bool,
    rowPull: RowPull<CPUBuffer>?
  ) throws {
    let (n, inputs, out) = try checkDenseGradient(
      delta: delta, input: input, weightGradient: weightGradient, biasGradient: biasGradient, rowPull: rowPull)
    try require(
      !weightGradient.overlaps(delta) && !weightGradient.overlaps(input),
      "A weight gradient of \(weightGradient.shape) cannot be stored over the delta or the input.")

    var product = cinch_product()
    product.a = try delta.input
    product.b = try input.input
    product.c = try weightGradient.pointer
    product.transpose_a = true
    product.scale = Float(scale)
    product.accumulate = accumulate
    product.accumulate_sums = accumulateBias
    (product.m, product.n, product.k) = (Int64(out), Int64(inputs), Int64(n))
    product.column_sums = try biasGradient.pointer
    guard let rowPull else { return run(&product, nil) }
    var pull = cinch_epilogue()
    pull.kind = cinch_epilogue_row_pull
    pull.other = try rowPull.weight.input
    pull.norms = try rowPull.scale.input
    pull.factor = Float(rowPull.factor)
    (pull.rows, pull.columns) = (Int64(out), Int64(inputs))
    run(&product, &pull)
  }

  public func lossPartialCount(rows: Int, columns: Int) -> Int {
    Int(cinch_loss_partial_count(Int64(rows), Int64(columns)))
  }

  private func run(_ product: inout cinch_product, _ epilogue: UnsafePointer<cinch_epilogue>?) {
    counters.launches += 1
    cinch_matmul(device, &product, epilogue)
  }
}
