import CVector
import CinchBackend

extension CPUBackend {
  public func columnSums(_ x: Tensor<CPUBuffer>, scale: Double, into sums: Tensor<CPUBuffer>) throws {
    try requireInside(x, "The matrix")
    try require(sums, "The column sums of \(x.shape)", count: x.columns)
    counters.launches += 1
    cinch_column_sums(device, x.input, Int64(x.rows), Int64(x.columns), Float(scale), sums.pointer)
  }

  public func rowSquares(_ x: Tensor<CPUBuffer>, into sums: Tensor<CPUBuffer>) throws {
    try requireInside(x, "The matrix")
    try require(sums, "The row squares of \(x.shape)", count: x.rows)
    counters.launches += 1
    cinch_row_squares(device, x.input, Int64(x.rows), Int64(x.columns), sums.pointer)
  }

  public func sumPartialCount(_ count: Int) -> Int { Int(cinch_sum_partial_count(Int64(count))) }

  public func sumOfSquares(_ x: Tensor<CPUBuffer>, into partials: Tensor<CPUBuffer>) throws {
    try partialSums(x, squares: true, into: partials)
  }

  public func sumOfMagnitudes(_ x: Tensor<CPUBuffer>, into partials: Tensor<CPUBuffer>) throws {
    try partialSums(x, squares: false, into: partials)
  }

  private func partialSums(_ x: Tensor<CPUBuffer>, squares: Bool, into partials: Tensor<CPUBuffer>) throws {
    try requireInside(x, "The tensor")
    try require(partials, "The partial sums of \(x.shape)", room: sumPartialCount(x.count))
    counters.launches += 1
    cinch_partial_sums(device, x.input, Int64(x.count), squares, partials.pointer)
  }

  public func total(_ terms: [SumTerm<CPUBuffer>], into result: Tensor<CPUBuffer>) throws {
    try require(terms.count <= 4, "A total has at most 4 terms, not \(terms.count).")
    try require(result, "The totals", room: terms.count)
    for term in terms { try requireInside(term.partials, "The partial sums") }
    counters.launches += 1
    for (index, term) in terms.enumerated() {
      result.pointer[index] = Float(term.scale * cinch_total(term.partials.input, Int64(term.partials.count)))
    }
  }
}
