import CVector
import CinchBackend

extension CPUBackend {
  public func columnSums(
    _ x: Tensor<CPUBuffer>, scale: Double, accumulate: Bool, into sums: Tensor<CPUBuffer>
  ) throws {
    try checkColumnSums(x, into: sums)
    counters.launches += 1
    try cinch_column_sums(device, x.input, Int64(x.rows), Int64(x.columns), Float(scale), accumulate, sums.pointer)
  }

  public func rowSquares(_ x: Tensor<CPUBuffer>, into sums: Tensor<CPUBuffer>) throws {
    try checkRowSquares(x, into: sums)
    counters.launches += 1
    try cinch_row_squares(device, x.input, Int64(x.rows), Int64(x.columns), sums.pointer)
  }

  public func sumPartialCount(_ count: Int) -> Int { Int(cinch_sum_partial_count(Int64(count))) }

  public func sumOfSquares(_ x: Tensor<CPUBuffer>, into partials: Tensor<CPUBuffer>) throws {
    try partialSums(x, squares: true, into: partials)
  }

  public func sumOfMagnitudes(_ x: Tensor<CPUBuffer>, into partials: Tensor<CPUBuffer>) throws {
    try partialSums(x, squares: false, into: partials)
  }

  private func partialSums(_ x: Tensor<CPUBuffer>, squares: Bool, into partials: Tensor<CPUBuffer>) throws {
    try checkPartialSums(
      partials, count: sumPartialCount(x.count), op: squares ? "sumOfSquares" : "sumOfMagnitudes")
    counters.launches += 1
    try cinch_partial_sums(device, x.input, Int64(x.count), squares, partials.pointer)
  }

  public func total(_ terms: [SumTerm<CPUBuffer>], into result: Tensor<CPUBuffer>) throws {
    try checkTotal(terms, into: result)
    let totals = try result.pointer
    for (index, term) in terms.enumerated() {
      totals[index] = try Float(term.scale * cinch_total(term.partials.input, Int64(term.partials.count)))
    }
    counters.launches += 1
  }
}
