/// The first principal components of samples, in Double.
struct PrincipalAxes {
  /// μ.
  let mean: [Double]
  /// Uᵀ, `[components, features]`, row-major: unit vectors, the largest element of each positive.
  let axes: [Double]
  /// λ: the variance along each component, over n and not n − 1, largest first.
  let variances: [Double]
  /// The trace of the covariance: the sum of every λ.
  let totalVariance: Double

  init(mean: [Double], axes: [Double], variances: [Double], totalVariance: Double) {
    self.mean = mean
    self.axes = Self.signed(axes, features: mean.count)
    self.variances = variances.map { max($0, 0) }
    self.totalVariance = totalVariance
  }

  /// Eigenvectors are found up to their sign. Of equal magnitudes the first decides.
  private static func signed(_ axes: [Double], features: Int) -> [Double] {
    var axes = axes
    for start in stride(from: 0, to: axes.count, by: features) {
      let row = start..<start + features
      let largest = row.reduce(start) { abs(axes[$1]) > abs(axes[$0]) ? $1 : $0 }
      guard axes[largest] < 0 else { continue }
      for place in row { axes[place].negate() }
    }
    return axes
  }

  /// The mean of the eigenvalues that are left out, which are as many as features without a component.
  var leftOut: Double {
    let count = mean.count - variances.count
    return count > 0 ? max(totalVariance - variances.reduce(0, +), 0) / Double(count) : 0
  }

  /// The share of the variance that the components have.
  var explained: Double { min(variances.reduce(0, +) / totalVariance, 1) }

  /// Each row, times a factor of its own.
  func scaled(_ factors: [Double]) -> [Double] {
    let features = mean.count
    return axes.enumerated().map { $1 * factors[$0 / features] }
  }

  /// A matrix of as many rows as components the other way round.
  func transposed(_ rows: [Double]) -> [Double] {
    let (count, features) = (variances.count, mean.count)
    var result = [Double](repeating: 0, count: rows.count)
    for row in 0..<count {
      for column in 0..<features { result[column * count + row] = rows[row * features + column] }
    }
    return result
  }

  /// −R μ, the bias of a layer with the weight R that sees samples off their mean.
  func offsets(_ rows: [Double]) -> [Double] {
    let features = mean.count
    return rows.withUnsafeBufferPointer { rows in
      mean.withUnsafeBufferPointer { mean in
        stride(from: 0, to: rows.count, by: features).map {
          -Orthonormal.dot(rows.baseAddress! + $0, mean.baseAddress!, features)
        }
      }
    }
  }
}
