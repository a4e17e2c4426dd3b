import CinchBackend
import Foundation
import TestSupport
import Testing

@testable import CinchData

@Suite struct SymmetricEigenTests {
  private func random(_ n: Int, seed: UInt64) -> [Double] {
    var generator = FixedGenerator(state: seed)
    var matrix = [Double](repeating: 0, count: n * n)
    for row in 0..<n {
      for column in 0...row {
        let value = Double.random(in: -1...1, using: &generator)
        matrix[row * n + column] = value
        matrix[column * n + row] = value
      }
    }
    return matrix
  }

  /// The largest of |A u − λ u| over ‖A‖ and |uᵀ u′ − δ|.
  private func faults(_ eigen: SymmetricEigen, of matrix: [Double], _ n: Int) -> (residual: Double, angle: Double) {
    let norm = max(matrix.reduce(0) { $0 + $1 * $1 }.squareRoot(), .leastNonzeroMagnitude)
    var (residual, angle) = (0.0, 0.0)
    let u = eigen.vectors
    for k in 0..<n {
      for i in 0..<n {
        var (sum, product) = (0.0, 0.0)
        for j in 0..<n {
          sum += matrix[i * n + j] * u[k * n + j]
          product += u[i * n + j] * u[k * n + j]
        }
        residual = max(residual, abs(sum - eigen.values[k] * u[k * n + i]) / norm)
        angle = max(angle, abs(product - (i == k ? 1 : 0)))
      }
    }
    return (residual, angle)
  }

  /// A backward stable method leaves residuals of a few n · 2⁻⁵³ ‖A‖: 64 times that is 7·10⁻¹³ for n = 97.
  @Test(arguments: [1, 2, 3, 4, 7, 32, 97])
  func ofAnyMatrix(n: Int) throws {
    let matrix = random(n, seed: UInt64(n))
    let eigen = try SymmetricEigen(matrix, order: n)
    let (residual, angle) = faults(eigen, of: matrix, n)
    let limit = 64 * Double(n) * 0x1p-53
    #expect(residual < limit && angle < limit, "\(residual) \(angle)")
    #expect(eigen.values == eigen.values.sorted(by: >))
    let trace = (0..<n).reduce(0) { $0 + matrix[$1 * n + $1] }
    #expect(abs(eigen.values.reduce(0, +) - trace) < limit * Double(n))
  }

  @Test func byHand() throws {
    let two = try SymmetricEigen([2, 1, 1, 2], order: 2)
    #expect(zip(two.values, [3, 1]).allSatisfy { abs($0 - $1) < 1e-15 })
    #expect(abs(abs(two.vectors[0]) - 0.5.squareRoot()) < 1e-15 && two.vectors[0] * two.vectors[1] > 0)
    #expect(try SymmetricEigen([-7], order: 1).values == [-7])
    #expect(try SymmetricEigen([3, 0, 0, 0, 5, 0, 0, 0, -1], order: 3).values == [5, 3, -1])
    // The second difference: 2 − 2 cos(kπ/(n+1)).
    let n = 30
    let difference = (0..<n * n).map { place -> Double in
      let (i, j) = place.quotientAndRemainder(dividingBy: n)
      return i == j ? 2 : abs(i - j) == 1 ? -1 : 0
    }
    let eigen = try SymmetricEigen(difference, order: n)
    for (k, value) in eigen.values.reversed().enumerated() {
      #expect(abs(value - (2 - 2 * cos(Double(k + 1) * .pi / Double(n + 1)))) < 1e-13)
    }
  }

  /// Nothing at all, one eigenvalue many times, numbers of very different sizes, and the edges of Double.
  @Test func ofDegenerateMatrices() throws {
    let n = 12
    let zero = try SymmetricEigen([Double](repeating: 0, count: n * n), order: n)
    #expect(
      zero.values.allSatisfy { $0 == 0 } && faults(zero, of: [Double](repeating: 0, count: n * n), n).angle < 1e-14)
    let ones = [Double](repeating: 1, count: n * n)
    let rankOne = try SymmetricEigen(ones, order: n)
    #expect(abs((rankOne.values.first ?? 0) - 12) < 1e-13 && rankOne.values.dropFirst().allSatisfy { abs($0) < 1e-13 })
    #expect(faults(rankOne, of: ones, n).angle < 1e-13)
    var graded = random(n, seed: 4)
    for place in graded.indices { graded[place] *= pow(10, -Double(place / n + place % n)) }
    for factor in [1, 1e-150, 1e-300, 1e150, 1e306] {
      let matrix = graded.map { $0 * factor }
      let eigen = try SymmetricEigen(matrix, order: n)
      // Squares of the edges' numbers do not fit, so all is compared on a scale of 1.
      let scaled = try SymmetricEigen(graded, order: n)
      let limit = 64 * Double(n) * 0x1p-53 * abs(scaled.values.map(abs).max() ?? 0)
      #expect(zip(eigen.values, scaled.values).allSatisfy { abs($0 / factor - $1) < limit }, "\(factor)")
      #expect(faults(eigen, of: matrix.map { $0 / factor }, n).angle < 1e-13)
    }
  }

  /// The covariance of fewer samples than features: most eigenvalues are 0, up to rounding.
  @Test(arguments: [(288, 95), (60, 3), (97, 48)])
  func ofLowRank(n: Int, rank: Int) throws {
    var generator = FixedGenerator(state: UInt64(n))
    let factors = (0..<rank * n).map { _ in Double.random(in: 0...1, using: &generator) }
    var matrix = [Double](repeating: 0, count: n * n)
    for i in 0..<n {
      for j in 0..<n { matrix[i * n + j] = (0..<rank).reduce(0) { $0 + factors[$1 * n + i] * factors[$1 * n + j] } }
    }
    let eigen = try SymmetricEigen(matrix, order: n)
    let limit = 64 * Double(n) * 0x1p-53
    if n < 100 {
      let (residual, angle) = faults(eigen, of: matrix, n)
      #expect(residual < limit && angle < limit, "\(residual) \(angle)")
    }
    let largest = eigen.values[0]
    #expect(eigen.values[rank - 1] > 1e-6 * largest)
    #expect(eigen.values[rank...].allSatisfy { abs($0) < limit * largest })
  }

  @Test func whatIsNoMatrixIsRefused() {
    expectError("finite numbers") { _ = try SymmetricEigen([1, 2, 3], order: 2) }
    expectError("finite numbers") { _ = try SymmetricEigen([], order: 0) }
    expectError("finite numbers") { _ = try SymmetricEigen([1, .nan, .nan, 2], order: 2) }
    expectError("finite numbers") { _ = try SymmetricEigen([.infinity], order: 1) }
    expectError("finite numbers") { _ = try SymmetricEigen([1], order: .max) }
  }
}
