import CSamples
import CinchBackend

/// Eigenvalues and eigenvectors of a real symmetric matrix: A = Σₖ λₖ uₖ uₖᵀ.
package struct SymmetricEigen {
  /// λ, the largest first.
  package let values: [Double]
  /// u, in the order of `values`, each of length 1 and one after the other: `[n, n]`.
  package let vectors: [Double]

  package init(values: [Double], vectors: [Double]) {
    self.values = values
    self.vectors = vectors
  }

  /// By Householder's reduction and the QL iteration with implicit shifts (Golub and Van Loan, "Matrix Computations", 8.3):
  /// about 6 n³ multiplications, half a second for n = 784. The same bits on every processor.
  ///
  /// - Parameters:
  ///   - matrix: `[n, n]`, of which the upper triangle counts.
  ///   - order: n, 1 or more.
  /// - Throws: `CinchError.badData` where the matrix has other than n² numbers, or some that are not finite; `.unavailable`
  ///   where there is no room.
  package init(_ matrix: [Double], order n: Int) throws {
    guard n >= 1, checkedProduct([n, n]) == matrix.count, matrix.allSatisfy(\.isFinite) else {
      throw CinchError.badData("A matrix of order \(n) needs \(n)² finite numbers to have eigenvalues: correct it.")
    }
    try HostMemory.require(24 * n * n, for: "the eigenvectors of \(n) features")
    let most = matrix.reduce(0) { max($0, abs($1)) }
    // A power of two changes no digit. Within its range none overflows.
    let scale = most == 0 ? 1 : Double(sign: .plus, exponent: most.exponent, significand: 1)
    var a = [Double](repeating: 0, count: n * n)
    for row in 0..<n {
      for column in row..<n {
        let value = matrix[row * n + column] / scale
        a[row * n + column] = value
        a[column * n + row] = value
      }
    }
    var values = [Double](repeating: 0, count: n)
    var vectors = [Double](repeating: 0, count: n * n)
    var work = [Double](repeating: 0, count: 5 * n)
    guard cinch_symmetric_eigen(&a, Int64(n), &values, &vectors, &work) else {
      throw CinchError.badData("The eigenvalues of a matrix of order \(n) were not found: use other data.")
    }
    let order = values.indices.sorted { values[$0] > values[$1] || values[$0] == values[$1] && $0 < $1 }
    self.values = order.map { values[$0] * scale }
    self.vectors = [Double](unsafeUninitializedCapacity: n * n) { result, count in
      for (place, index) in order.enumerated() {
        vectors.withUnsafeBufferPointer {
          (result.baseAddress! + place * n).initialize(from: $0.baseAddress! + index * n, count: n)
        }
      }
      count = n * n
    }
  }
}
