extension ReferenceBackend {
  public func columnSums(
    _ x: Tensor<ReferenceBuffer>, scale: Double, accumulate: Bool, into sums: Tensor<ReferenceBuffer>
  ) throws {
    try checkColumnSums(x, into: sums)
    counters.launches += 1
    let values = try view(x), result = try view(sums)
    for j in 0..<x.columns {
      var sum = 0.0
      for i in 0..<x.rows { sum += values[i * x.columns + j] }
      result[j] = accumulate ? result[j] + scale * sum : scale * sum
    }
  }

  public func rowSquares(_ x: Tensor<ReferenceBuffer>, into sums: Tensor<ReferenceBuffer>) throws {
    try checkRowSquares(x, into: sums)
    counters.launches += 1
    let values = try view(x), result = try view(sums)
    for i in 0..<x.rows {
      var sum = 0.0
      for j in 0..<x.columns { sum += values[i * x.columns + j] * values[i * x.columns + j] }
      result[i] = sum
    }
  }

  public func sumPartialCount(_ count: Int) -> Int { 1 }

  public func sumOfSquares(_ x: Tensor<ReferenceBuffer>, into partials: Tensor<ReferenceBuffer>) throws {
    try checkPartialSums(partials, count: sumPartialCount(x.count), op: "sumOfSquares")
    counters.launches += 1
    let values = try view(x)
    var sum = 0.0
    for value in values { sum += value * value }
    try view(partials)[0] = sum
  }

  public func sumOfMagnitudes(_ x: Tensor<ReferenceBuffer>, into partials: Tensor<ReferenceBuffer>) throws {
    try checkPartialSums(partials, count: sumPartialCount(x.count), op: "sumOfMagnitudes")
    counters.launches += 1
    let values = try view(x)
    var sum = 0.0
    for value in values { sum += abs(value) }
    try view(partials)[0] = sum
  }

  public func total(_ terms: [SumTerm<ReferenceBuffer>], into result: Tensor<ReferenceBuffer>) throws {
    try checkTotal(terms, into: result)
    counters.launches += 1
    let totals = try view(result)
    for (i, term) in terms.enumerated() {
      var sum = 0.0
      for value in try view(term.partials) { sum += value }
      totals[i] = term.scale * sum
    }
  }
}
