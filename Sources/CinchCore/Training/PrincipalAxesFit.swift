import CinchBackend
import CinchData

/// How components are found, by the sizes alone.
package enum PrincipalAxesPlan {
  /// Wider samples may be fitted without their covariance.
  static let widestCovariance = 2048
  /// Dimensions of the subspace beyond the components.
  static let oversampling = 10
  static let mostPasses = 24
  /// Of what is left out.
  static let tolerance = 1e-5

  /// The most components that are worth a subspace, a quarter of the features wide.
  static func mostInSubspace(features: Int) -> Int { features / 4 - oversampling }

  static func isRandomised(features: Int, components: Int) -> Bool {
    features > widestCovariance && components <= mostInSubspace(features: features)
  }

  /// Operations that a fit takes, about; an eigenvector's count ten times as much, for they run on one thread.
  package static func operations(samples: Int, features: Int, components: Int) -> Double {
    let (n, d) = (Double(samples), Double(features))
    guard isRandomised(features: features, components: components) else { return 2 * n * d * d + 10 * 5 * d * d * d }
    let width = Double(components + oversampling)
    return Double(mostPasses) / 2 * (4 * n * d * width + 10 * 6 * d * width * width)
  }
}

/// Finds principal components of what a feed loads, a part of the samples at a time.
///
/// The first pass sums the samples up; all others see them less their mean, so that nothing cancels. The device multiplies
/// parts of a few thousand samples in its own precision, and the host adds up their products in Double.
///
/// Up to 2,048 features, or where many components are wanted, the second pass makes the covariance, whose eigenvectors
/// `SymmetricEigen` finds. Otherwise each pass multiplies the covariance C, which is never made, by the basis of a subspace
/// with ten dimensions more than there are components, first a random one (the randomised subspace iteration of Halko,
/// Martinsson and Tropp, SIAM Review 53, 2011): Q ← orthonormal(C Q), and components are the eigenvectors of Qᵀ C Q turned
/// back by Q. It ends when a pass adds less than 10⁻⁵ of what is left out to the variance of the components, and after 24
/// passes.
final class PrincipalAxesFit<B: Backend> {
  private enum Stage {
    case mean
    case covariance
    case subspace(pass: Int)
    case done(PrincipalAxes)
  }

  private let backend: B
  private let feed: Feed<B>
  private let seed: UInt64
  private let features, components, rows: Int
  /// How many vectors a pass multiplies the covariance by: all axes, or the dimensions of the subspace.
  private let width: Int
  private let isRandomised: Bool
  private var stage = Stage.mean
  /// Samples of the pass under way that are done.
  private var position = 0

  private let shift: Tensor<B.Buffer>
  private let centred: Tensor<B.Buffer>
  private let columnSums: Tensor<B.Buffer>
  private let squares: Tensor<B.Buffer>
  /// What the device makes of a part: `[width, features]`.
  private let product: Tensor<B.Buffer>
  /// Qᵀ, `[width, features]`, and samples times Q.
  private let basis: Tensor<B.Buffer>?
  private let projected: Tensor<B.Buffer>?
  private let projectedSums: Tensor<B.Buffer>?

  private var mean: [Double]
  /// Of what is left of the mean in the device's precision.
  private var sums: [Double]
  private var productSums: [Double] = []
  private var squareSum = 0.0
  /// Qᵀ as the device has it.
  private var directions: [Double] = []
  private var captured = 0.0

  /// - Throws: `CinchError.unavailable` where there is no room for the covariance, `.usage` where it cannot be solved for.
  init(_ feed: Feed<B>, features: Int, components: Int, seed: UInt64, on backend: B) throws {
    self.backend = backend
    self.seed = seed
    self.features = features
    self.components = components
    isRandomised = PrincipalAxesPlan.isRandomised(features: features, components: components)
    width = isRandomised ? components + PrincipalAxesPlan.oversampling : features
    guard isRandomised || features <= SymmetricEigen.largestOrder else {
      throw CinchError.usage(
        "\(components) components of \(features) features need a covariance larger than can be solved for: choose "
          + "\(.components) of at most \(PrincipalAxesPlan.mostInSubspace(features: features)).")
    }
    // Products of 4,096 rows are sums of bounded length, and long enough to be quick.
    rows = min(feed.count, max(64, min(4096, (1 << 24) / features)))
    self.feed = try Feed(sharing: feed, batchSize: rows)
    let room = 8 * width * features + (isRandomised ? 0 : SymmetricEigen.bytes(order: features))
    try HostMemory.require(room, for: "the covariance of \(features) features")
    shift = try backend.tensor([features])
    centred = try backend.tensor([rows, features])
    columnSums = try backend.tensor([features])
    squares = try backend.tensor([rows])
    product = try backend.tensor([width, features])
    basis = isRandomised ? try backend.tensor([width, features]) : nil
    projected = isRandomised ? try backend.tensor([rows, width]) : nil
    projectedSums = isRandomised ? try backend.tensor([width]) : nil
    mean = [Double](repeating: 0, count: features)
    sums = mean
  }

  /// Nil until every pass is done.
  var axes: PrincipalAxes? { if case .done(let axes) = stage { axes } else { nil } }

  /// How much of the work is done, as far as that can be told.
  var fraction: Double {
    let part = Double(position) / Double(feed.count)
    return switch stage {
    case .mean: 0.1 * part
    case .covariance: 0.1 + 0.8 * part
    case .subspace(let pass): 0.1 + 0.9 * (1 - 1 / (1 + (Double(pass) + part) / 4))
    case .done: 1
    }
  }

  /// Works through the next part of the samples, and at the end of a pass on what it came to.
  func advance() throws {
    guard axes == nil else { return }
    let count = min(rows, feed.count - position)
    let pass = Pass(.evaluation, step: 0, seed: seed, batchRows: count)
    let batch = try feed.load(SampleOrder(start: position), rows: count, pass)
    let x = batch.input.reshaped([count, features])
    if case .mean = stage {
      try backend.columnSums(x, scale: 1, into: columnSums)
      Scalars.add(try backend.read(columnSums), to: &mean)
    } else {
      let y = centred.prefix(rows: count)
      try backend.activate(x, bias: shift, .linear, into: y)
      try multiply(y)
    }
    position += count
    guard position == feed.count else { return }
    position = 0
    try endPass()
  }

  /// Adds a part's share of n C, or of n C Q.
  private func multiply(_ y: Tensor<B.Buffer>) throws {
    if let basis, let projected = projected?.prefix(rows: y.rows), let projectedSums {
      try backend.matmul(y, transposeA: false, basis, transposeB: true, into: projected, epilogue: .none)
      try backend.denseGradient(
        delta: projected, input: y, weightGradient: product, biasGradient: projectedSums, accumulate: false,
        rowPull: nil)
      if case .subspace(0) = stage {
        let part = squares.prefix(rows: y.rows)
        try backend.rowSquares(y, into: part)
        try backend.columnSums(y, scale: 1, into: columnSums)
        squareSum += Scalars.doubles(try backend.read(part)).reduce(0, +)
        Scalars.add(try backend.read(columnSums), to: &sums)
      }
    } else {
      try backend.denseGradient(
        delta: y, input: y, weightGradient: product, biasGradient: columnSums, accumulate: false, rowPull: nil)
      Scalars.add(try backend.read(columnSums), to: &sums)
    }
    Scalars.add(try backend.read(product), to: &productSums)
  }

  private func endPass() throws {
    let n = Double(feed.count)
    switch stage {
    case .mean:
      for feature in mean.indices { mean[feature] /= n }
      let shifts: [B.Scalar] = Scalars.scalars(mean.map { -$0 })
      try backend.write(shifts, to: shift)
      // What is subtracted is rounded; what that leaves is taken away below.
      mean = Scalars.doubles(shifts).map { -$0 }
      try beginProduct()
    case .covariance:
      endMean()
      let residual = sums.map { $0 / n }
      for row in 0..<features {
        for column in 0..<features {
          let place = row * features + column
          productSums[place] = productSums[place] / n - residual[row] * residual[column]
        }
      }
      let total = (0..<features).reduce(0) { $0 + productSums[$1 * features + $1] }
      try requireFinite(total)
      let eigen = try SymmetricEigen.fastest(productSums, order: features)
      productSums = []
      stage = .done(
        PrincipalAxes(
          mean: mean, axes: Array(eigen.vectors[..<(components * features)]),
          variances: Array(eigen.values[..<components]), totalVariance: total))
    case .subspace(let pass): try endSubspace(pass)
    case .done: break
    }
  }

  private func beginProduct() throws {
    productSums = [Double](repeating: 0, count: width * features)
    guard isRandomised else {
      stage = .covariance
      return
    }
    let draws = Philox(seed: seed, stream: .initialisation, site: 1)
    var first = (0..<width * features).map { draws.gaussian(element: $0, step: 0) }
    try take(&first)
    stage = .subspace(pass: 0)
  }

  /// The basis of the next pass.
  private func take(_ rows: inout [Double]) throws {
    Orthonormal.make(&rows, columns: features, draws: Philox(seed: seed, stream: .initialisation, site: 2))
    guard let basis else { return }
    let scalars: [B.Scalar] = Scalars.scalars(rows)
    try backend.write(scalars, to: basis)
    directions = Scalars.doubles(scalars)
  }

  private func endSubspace(_ pass: Int) throws {
    let n = Double(feed.count)
    if pass == 0 { endMean() }
    let residual = sums.map { $0 / n }
    let total = squareSum / n - residual.reduce(0) { $0 + $1 * $1 }
    for row in 0..<width {
      let along = (0..<features).reduce(0) { $0 + directions[row * features + $1] * residual[$1] }
      for column in 0..<features {
        let place = row * features + column
        productSums[place] = productSums[place] / n - along * residual[column]
      }
    }
    try requireFinite(total + productSums.reduce(0) { $0 + abs($1) })
    let eigen = try SymmetricEigen.fastest(inSubspace(), order: width)
    let sum = eigen.values[..<components].reduce(0) { $0 + max($1, 0) }
    let isSettled = pass > 1 && sum - captured <= PrincipalAxesPlan.tolerance * max(total - sum, 0)
    guard isSettled || pass == PrincipalAxesPlan.mostPasses - 1 else {
      captured = sum
      var next = productSums
      try take(&next)
      productSums = [Double](repeating: 0, count: productSums.count)
      stage = .subspace(pass: pass + 1)
      return
    }
    stage = .done(
      PrincipalAxes(
        mean: mean, axes: turned(eigen), variances: Array(eigen.values[..<components]), totalVariance: total))
    productSums = []
  }

  /// Qᵀ C Q, which is symmetric but for rounding.
  private func inSubspace() -> [Double] {
    var inner = [Double](repeating: 0, count: width * width)
    directions.withUnsafeBufferPointer { q in
      productSums.withUnsafeBufferPointer { z in
        for row in 0..<width {
          for column in 0..<width {
            inner[row * width + column] = Orthonormal.dot(
              q.baseAddress! + row * features, z.baseAddress! + column * features, features)
          }
        }
      }
    }
    for row in 0..<width {
      for column in 0..<row {
        let value = (inner[row * width + column] + inner[column * width + row]) / 2
        inner[row * width + column] = value
        inner[column * width + row] = value
      }
    }
    return inner
  }

  /// Eigenvectors within the subspace as directions of samples.
  private func turned(_ eigen: SymmetricEigen) -> [Double] {
    var axes = [Double](repeating: 0, count: components * features)
    axes.withUnsafeMutableBufferPointer { axes in
      directions.withUnsafeBufferPointer { q in
        for row in 0..<components {
          for other in 0..<width {
            let factor = eigen.vectors[row * width + other]
            for column in 0..<features { axes[row * features + column] += factor * q[other * features + column] }
          }
        }
      }
    }
    // The basis was rounded.
    Orthonormal.make(&axes, columns: features, draws: Philox(seed: seed, stream: .initialisation, site: 3))
    return axes
  }

  /// Adds to the mean what the first pass rounded away.
  private func endMean() {
    for feature in mean.indices { mean[feature] += sums[feature] / Double(feed.count) }
  }

  /// - Throws: `CinchError.badData` where the covariance is no number, or nothing varies.
  private func requireFinite(_ variance: Double) throws {
    guard variance.isFinite, productSums.allSatisfy(\.isFinite) else {
      throw CinchError.badData("The squares of these samples are no finite numbers: use \(.scaling, "standard").")
    }
    // Each value less its mean is right to rounding, and so is nothing but rounding where all are alike.
    let rounding = mean.reduce(0) { $0 + $1 * $1 } * Double(B.Scalar.ulpOfOne * B.Scalar.ulpOfOne)
    guard variance > rounding else {
      throw CinchError.badData(
        "All samples are alike, so no direction is principal: use samples that vary, or \(.scaling, "standard") where they "
          + "vary by very little.")
    }
  }
}
