import CinchBackend
import Foundation
import Testing

@testable import CinchCore
@testable import CinchData

/// Eigenvectors in Double by rotations that make one element after the other zero (Jacobi 1846): slow, and short enough to be
/// seen to be right.
struct Jacobi {
  /// Largest first.
  private(set) var values: [Double] = []
  /// One a row, the element of largest magnitude positive.
  private(set) var vectors: [[Double]] = []

  init(_ matrix: [[Double]]) {
    let n = matrix.count
    var a = matrix
    var v = (0..<n).map { i in (0..<n).map { $0 == i ? 1.0 : 0 } }
    for _ in 0..<60 {
      var off = 0.0
      for p in 0..<n {
        for q in p + 1..<max(n, p + 1) where a[p][q] != 0 {
          off += a[p][q] * a[p][q]
          let theta = (a[q][q] - a[p][p]) / (2 * a[p][q])
          let t = (theta >= 0 ? 1.0 : -1) / (abs(theta) + (theta * theta + 1).squareRoot())
          let c = 1 / (t * t + 1).squareRoot()
          let s = t * c
          for k in 0..<n { (a[k][p], a[k][q]) = (c * a[k][p] - s * a[k][q], s * a[k][p] + c * a[k][q]) }
          for k in 0..<n { (a[p][k], a[q][k]) = (c * a[p][k] - s * a[q][k], s * a[p][k] + c * a[q][k]) }
          for k in 0..<n { (v[p][k], v[q][k]) = (c * v[p][k] - s * v[q][k], s * v[p][k] + c * v[q][k]) }
        }
      }
      if off == 0 { break }
    }
    for row in (0..<n).sorted(by: { a[$0][$0] > a[$1][$1] }) {
      values.append(a[row][row])
      let largest = v[row].max { abs($0) < abs($1) } ?? 1
      vectors.append(largest < 0 ? v[row].map { -$0 } : v[row])
    }
  }

  /// The covariance of samples, over n, each less the mean.
  static func covariance(_ samples: [[Double]]) -> (mean: [Double], matrix: [[Double]]) {
    let (n, d) = (Double(samples.count), samples[0].count)
    let mean = (0..<d).map { feature in samples.reduce(0) { $0 + $1[feature] } / n }
    var matrix = [[Double]](repeating: [Double](repeating: 0, count: d), count: d)
    for sample in samples {
      let y = zip(sample, mean).map { $0 - $1 }
      for i in 0..<d { for j in 0..<d { matrix[i][j] += y[i] * y[j] / n } }
    }
    return (mean, matrix)
  }
}

@Suite struct LAPACKTests {
  /// A symmetric matrix with these eigenvalues, by a few reflections.
  private func matrix(_ eigenvalues: [Double]) -> [Double] {
    let n = eigenvalues.count
    var a = (0..<n).map { i in (0..<n).map { $0 == i ? eigenvalues[i] : 0 } }
    let philox = Philox(seed: 4, stream: .test)
    for step in 0..<3 {
      let u = (0..<n).map { philox.gaussian(element: $0, step: UInt64(step)) }
      let h = u.reduce(0) { $0 + $1 * $1 } / 2
      for row in 0..<n {
        let product = (0..<n).reduce(0) { $0 + a[row][$1] * u[$1] } / h
        for k in 0..<n { a[row][k] -= product * u[k] }
      }
      for column in 0..<n {
        let product = (0..<n).reduce(0) { $0 + a[$1][column] * u[$1] } / h
        for k in 0..<n { a[k][column] -= product * u[k] }
      }
    }
    for i in 0..<n { for j in 0..<i { a[i][j] = a[j][i] } }
    return Array(a.joined())
  }

  static let spectra: [[Double]] = [
    [3], [2, -1], [0, 0, 0], [5, 5, 5, 1], (0..<17).map { pow(0.5, Double($0)) }, (0..<40).map { 1 + Double($0) },
    (0..<33).map { $0 < 3 ? 1e6 : 1e-6 * Double($0) }, [1e150, 1, 1e-150], (0..<12).map { $0 % 3 == 0 ? 0 : 7 },
  ]

  /// Backward stable: ‖A v − λ v‖ and what orthogonality lacks are a small multiple of n·2⁻⁵² of ‖A‖ and of 1.
  private func check(_ eigen: SymmetricEigen, _ a: [Double], _ eigenvalues: [Double], _ what: String) {
    let n = eigen.values.count
    let scale = eigenvalues.map(abs).max() ?? 0
    let tolerance = 10 * Double(n) * 0x1p-52
    let expected = eigenvalues.sorted(by: >)
    // The matrix itself was rounded as it was made.
    #expect(zip(eigen.values, expected).allSatisfy { abs($0 - $1) <= 4 * tolerance * scale }, "\(what)")
    for row in 0..<n {
      let v = Array(eigen.vectors[row * n..<(row + 1) * n])
      for i in 0..<n {
        let product = (0..<n).reduce(0) { $0 + a[max(i, $1) * n + min(i, $1)] * v[$1] }
        #expect(abs(product - eigen.values[row] * v[i]) <= tolerance * scale, "\(what)")
      }
      for other in 0...row {
        let product = (0..<n).reduce(0) { $0 + v[$1] * eigen.vectors[other * n + $1] }
        #expect(abs(product - (other == row ? 1 : 0)) <= tolerance, "\(what)")
      }
    }
  }

  /// LAPACK's and the program's own.
  @Test(arguments: spectra)
  func eigenvectorsAreEigenvectors(_ eigenvalues: [Double]) throws {
    let a = matrix(eigenvalues)
    check(try SymmetricEigen(a, order: eigenvalues.count), a, eigenvalues, "own")
    check(try #require(.byLAPACK(a, order: eigenvalues.count), "OpenBLAS is here"), a, eigenvalues, "LAPACK")
  }

  /// The same up to rounding over the gap between eigenvalues, and to a sign.
  @Test func bothAreJacobis() throws {
    let a = matrix((0..<20).map { 20 - Double($0) })
    let exact = Jacobi((0..<20).map { row in Array(a[row * 20..<(row + 1) * 20]) })
    for eigen in [try #require(SymmetricEigen.byLAPACK(a, order: 20)), try SymmetricEigen(a, order: 20)] {
      for row in 0..<20 {
        let v = Array(eigen.vectors[row * 20..<(row + 1) * 20])
        let product = zip(v, exact.vectors[row]).reduce(0) { $0 + $1.0 * $1.1 }
        let distance = zip(v, exact.vectors[row]).reduce(0) { $0 + abs($1.0 - (product < 0 ? -1 : 1) * $1.1) }
        #expect(distance <= 20 * 20 * 20 * 0x1p-52)
        #expect(abs(eigen.values[row] - exact.values[row]) <= 20 * 20 * 0x1p-52)
      }
    }
  }

  /// Rows that depend on others give way to drawn ones.
  @Test func rowsAreMadeOrthonormal() {
    let (count, width) = (6, 9)
    let philox = Philox(seed: 2, stream: .test)
    var rows = (0..<count * width).map { philox.gaussian(element: $0, step: 0) }
    for column in 0..<width {
      rows[2 * width + column] = 3 * rows[column] - rows[width + column]
      rows[4 * width + column] = 0
    }
    let first = Array(rows[..<width])
    Orthonormal.make(&rows, columns: width, draws: philox)
    for a in 0..<count {
      for b in 0...a {
        let product = (0..<width).reduce(0) { $0 + rows[a * width + $1] * rows[b * width + $1] }
        #expect(abs(product - (a == b ? 1 : 0)) <= 100 * 0x1p-52)
      }
    }
    let length = first.reduce(0) { $0 + $1 * $1 }.squareRoot()
    #expect(zip(rows, first).allSatisfy { abs($0 - $1 / length) <= 10 * 0x1p-52 })
  }
}
