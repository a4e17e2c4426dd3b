import CVector
import CinchBackend

extension CPUBackend {
  public func columnSums(
    _ x: Tensor<CPUBuffer>, scale: Double, accumulate: Bool, into sums: Tensor<CPUBuffer>
  ) throws {
    try checkColumnSums(x, into: sums)
    let (rows, columns) = (Int64(x.rows), Int64(x.columns))
    launch("columnSums", (try x.input, try sums.pointer)) {
      cinch_column_sums($0, $1.0, rows, columns, Float(scale), accumulate, $1.1)
    }
  }

  public func rowSquares(_ x: Tensor<CPUBuffer>, into sums: Tensor<CPUBuffer>) throws {
    try checkRowSquares(x, into: sums)
    let (rows, columns) = (Int64(x.rows), Int64(x.columns))
    launch("rowSquares", (try x.input, try sums.pointer)) { cinch_row_squares($0, $1.0, rows, columns, $1.1) }
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
    let count = Int64(x.count)
    launch("partialSums", (try x.input, try partials.pointer)) { cinch_partial_sums($0, $1.0, count, squares, $1.1) }
  }

  public func total(_ terms: [SumTerm<CPUBuffer>], into result: Tensor<CPUBuffer>) throws {
    try checkTotal(terms, into: result)
    // Numbers and addresses alone.
    nonisolated(unsafe) let sums = try terms.map { ($0.scale, try $0.partials.input, Int64($0.partials.count)) }
    launch("total", try result.pointer) { _, totals in
      for (index, (scale, partials, count)) in sums.enumerated() {
        totals[index] = Float(scale * cinch_total(partials, count))
      }
    }
  }
}
