import CinchBackend

/// Rows of a matrix made orthonormal by the modified Gram–Schmidt process, each twice, which leaves them orthogonal to
/// rounding (Giraud, Langou and Rozložník 2005).
enum Orthonormal {
  /// - Parameters:
  ///   - rows: `[rows, columns]`, row-major, with no more rows than columns. A row that depends on those before it gives way
  ///     to one that is drawn.
  ///   - draws: of such rows.
  static func make(_ rows: inout [Double], columns: Int, draws: Philox) {
    rows.withUnsafeMutableBufferPointer { all in
      guard let start = all.baseAddress, columns > 0 else { return }
      for row in 0..<all.count / columns {
        let v = start + row * columns
        var step = UInt64(row + 1)
        while !orthogonalise(v, to: start, rows: row, columns) {
          for column in 0..<columns { v[column] = draws.gaussian(element: column, step: step) }
          step += UInt64(columns)
        }
      }
    }
  }

  /// False where next to nothing is left of a row.
  private static func orthogonalise(
    _ v: UnsafeMutablePointer<Double>, to others: UnsafeMutablePointer<Double>, rows: Int, _ columns: Int
  ) -> Bool {
    let before = norm(v, columns)
    guard before > 0 else { return false }
    for column in 0..<columns { v[column] /= before }
    for _ in 0..<2 {
      for row in 0..<rows {
        let u = others + row * columns
        let product = dot(u, v, columns)
        for column in 0..<columns { v[column] -= product * u[column] }
      }
    }
    let after = norm(v, columns)
    guard after > 1e-10 else { return false }
    for column in 0..<columns { v[column] /= after }
    return true
  }

  private static func norm(_ v: UnsafeMutablePointer<Double>, _ count: Int) -> Double { dot(v, v, count).squareRoot() }

  /// Four sums side by side, which a processor adds up at once.
  static func dot(_ a: UnsafePointer<Double>, _ b: UnsafePointer<Double>, _ count: Int) -> Double {
    var sums = SIMD4<Double>.zero
    for index in stride(from: 0, to: count - 3, by: 4) {
      sums +=
        SIMD4(a[index], a[index + 1], a[index + 2], a[index + 3])
        * SIMD4(b[index], b[index + 1], b[index + 2], b[index + 3])
    }
    for index in (count & ~3)..<count { sums[0] += a[index] * b[index] }
    return sums.sum()
  }
}
