/// Sums, each in a fixed order: the same input gives the same bits on every run.
public protocol ReductionOps: MemoryOps {
  /// Σ over rows: `x` is `[n, d]`, `sums` is `[d]`; scaled by `scale` (1/n for means), and added to what `sums` holds if
  /// `accumulate`.
  func columnSums(_ x: Tensor<Buffer>, scale: Double, accumulate: Bool, into sums: Tensor<Buffer>) throws

  /// Σ over each row of x²: `x` is `[n, d]`, `sums` is `[n]`.
  func rowSquares(_ x: Tensor<Buffer>, into sums: Tensor<Buffer>) throws

  /// How many partial sums `sumOfSquares` and `sumOfMagnitudes` write for `count` elements.
  func sumPartialCount(_ count: Int) -> Int

  /// Partial sums of x²: `partials` has exactly `sumPartialCount(x.count)` elements.
  func sumOfSquares(_ x: Tensor<Buffer>, into partials: Tensor<Buffer>) throws

  /// Partial sums of |x|: `partials` has exactly `sumPartialCount(x.count)` elements.
  func sumOfMagnitudes(_ x: Tensor<Buffer>, into partials: Tensor<Buffer>) throws

  /// `terms.count` (at most 4) numbers, each `scale · Σ partials`, into `result[0..<terms.count]`.
  /// One launch writes an update's record.
  func total(_ terms: [SumTerm<Buffer>], into result: Tensor<Buffer>) throws
}

extension ReductionOps {
  /// With sums that are overwritten.
  public func columnSums(_ x: Tensor<Buffer>, scale: Double, into sums: Tensor<Buffer>) throws {
    try columnSums(x, scale: scale, accumulate: false, into: sums)
  }
}

/// One number of an update's record: `scale · Σ partials`.
public struct SumTerm<Buffer: AnyObject> {
  public var partials: Tensor<Buffer>
  public var scale: Double

  @inlinable public init(_ partials: Tensor<Buffer>, scale: Double) {
    self.partials = partials
    self.scale = scale
  }
}
