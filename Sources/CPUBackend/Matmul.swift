import CVector
import CinchBackend

extension CPUBackend {
  public func matmul(
    _ a: Tensor<CPUBuffer>, transposeA: Bool, _ b: Tensor<CPUBuffer>, transposeB: Bool, into c: Tensor<CPUBuffer>,
    epilogue: Epilogue<CPUBuffer>
  ) throws {
    let (m, k) = transposeA ? (a.columns, a.rows) : (a.rows, a.columns)
    let (inner, n) = transposeB ? (b.columns, b.rows) : (b.rows, b.columns)
    try requireInside(a, "The left factor")
    try requireInside(b, "The right factor")
    try require(
      k == inner,
      "Factors of \(a.shape)\(transposeA ? " (transposed)" : "") and \(b.shape)\(transposeB ? " (transposed)" : "") "
        + "do not fit: \(k) columns meet \(inner) rows.")
    try require(c, "The product of \(a.shape) and \(b.shape)", rows: m, columns: n)
    try require(!c.overlaps(a) && !c.overlaps(b), "A product of \(c.shape) cannot be stored over its own factors.")

    var product = cinch_product()
    product.a = a.input
    product.b = b.input
    product.c = c.pointer
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
    biasGradient: Tensor<CPUBuffer>, accumulate: Bool, rowPull: RowPull<CPUBuffer>?
  ) throws {
    let (n, out, inputs) = (delta.rows, delta.columns, input.columns)
    try requireInside(delta, "The delta")
    try require(input, "The input beside a delta of \(delta.shape)", rows: n, columns: inputs)
    try require(weightGradient, "The weight gradient", rows: out, columns: inputs)
    try require(biasGradient, "The bias gradient", count: out)
    try require(
      !weightGradient.overlaps(delta) && !weightGradient.overlaps(input),
      "A weight gradient of \(weightGradient.shape) cannot be stored over the delta or the input.")

    var product = cinch_product()
    product.a = delta.input
    product.b = input.input
    product.c = weightGradient.pointer
    product.transpose_a = true
    product.accumulate = accumulate
    (product.m, product.n, product.k) = (Int64(out), Int64(inputs), Int64(n))
    product.column_sums = biasGradient.pointer
    guard let rowPull else { return run(&product, nil) }

    try require(rowPull.scale, "The row pull's scale", count: out)
    try require(rowPull.weight, "The row pull's weight", rows: out, columns: inputs)
    var pull = cinch_epilogue()
    pull.kind = cinch_epilogue_row_pull
    pull.other = rowPull.weight.input
    pull.norms = rowPull.scale.input
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
