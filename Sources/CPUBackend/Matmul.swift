import CVector
import CinchBackend

extension CPUBackend {
  public func matmul(
    _ a: Tensor<CPUBuffer>, transposeA: Bool, _ b: Tensor<CPUBuffer>, transposeB: Bool, into c: Tensor<CPUBuffer>,
    epilogue: Epilogue<CPUBuffer>
  ) throws {
    let (m, n, k) = try checkMatmul(
      a, transposeA: transposeA, b, transposeB: transposeB, into: c, epilogue: epilogue, partialCount: lossPartialCount)

    var product = cinch_product()
    product.scale = 1
    product.a = try a.input
    product.b = try b.input
    product.c = try c.pointer
    product.transpose_a = transposeA
    product.transpose_b = transposeB
    (product.m, product.n, product.k) = (Int64(m), Int64(n), Int64(k))
    if case .accumulate = epilogue { product.accumulate = true }
    try run(product, cinch_epilogue(epilogue).over(c))
  }

  public func denseGradient(
    delta: Tensor<CPUBuffer>, input: Tensor<CPUBuffer>, weightGradient: Tensor<CPUBuffer>,
    biasGradient: Tensor<CPUBuffer>, scale: Double, accumulate: Bool, accumulateBias: Bool,
    rowPull: RowPull<CPUBuffer>?
  ) throws {
    let (n, inputs, out) = try checkDenseGradient(
      delta: delta, input: input, weightGradient: weightGradient, biasGradient: biasGradient, rowPull: rowPull)

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
    try run(product, (rowPull.map { try cinch_epilogue($0) } ?? cinch_epilogue(.none)).over(weightGradient))
  }

  public func lossPartialCount(rows: Int, columns: Int) -> Int {
    Int(cinch_loss_partial_count(Int64(rows), Int64(columns)))
  }

  private func run(_ product: cinch_product, _ epilogue: cinch_epilogue) throws {
    launch("product", (product, epilogue)) { device, job in
      var (product, epilogue) = job
      guard cinch_matmul(device, &product, &epilogue) else {
        throw BackendError.outOfMemory(
          "There is no memory for the scratch space of a product of \(product.m) × \(product.n) × \(product.k): use smaller "
            + "batches.")
      }
    }
  }
}
