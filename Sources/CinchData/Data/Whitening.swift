import CSamples
import CinchBackend

/// ZCA whitening (Bell and Sejnowski, "The 'independent components' of natural scenes are edge filters", Vision Research
/// 1997): what turns features with correlations into ones without, and changes samples as little as that allows.
///
/// With the features' mean μ and their covariance C = U Λ Uᵀ of the training samples
///
///     y = (x − μ) W,  W = U (Λ + εI)^(−½) Uᵀ
///     x = y W⁻¹ + μ,  W⁻¹ = U (Λ + εI)^½ Uᵀ
///
/// ε keeps what has little variance, in photographs noise of high frequency, from being enlarged to what has much. It is a
/// fraction of the mean eigenvalue, so that it does not depend on the unit of values.
public struct Whitening: Sendable, Hashable {
  /// Of the mean eigenvalue; for patches of photographs.
  public static let usualEpsilon = 0.1
  /// The most features: two matrices of as many rows and columns are kept.
  public static let mostFeatures = 4096

  /// ε as a fraction of the mean eigenvalue.
  public let epsilon: Double
  /// W, symmetric: `[features, features]`.
  public let matrix: [Double]
  /// W⁻¹, likewise.
  public let inverse: [Double]

  package init(epsilon: Double, matrices: Matrices) {
    self.epsilon = epsilon
    matrix = matrices.matrix
    inverse = matrices.inverse
  }

  /// What is too large for JSON that people read.
  package struct Matrices: Sendable, Hashable {
    package var matrix: [Double]
    package var inverse: [Double]

    package init(matrix: [Double], inverse: [Double]) {
      self.matrix = matrix
      self.inverse = inverse
    }
  }

  package var matrices: Matrices { Matrices(matrix: matrix, inverse: inverse) }

  /// - Returns: μ and W, of raw values, features counted channels first.
  static func fitted(to data: Dataset, epsilon: Double) throws -> (mean: [Double], whitening: Whitening) {
    guard epsilon >= 0, epsilon.isFinite else {
      throw CinchError.usage("\(.zcaEpsilon) must be a number of 0 or more, not \(epsilon): try \(usualEpsilon).")
    }
    let features = data.features
    guard features <= mostFeatures else {
      throw CinchError.badData(
        "'\(data.name)' has \(features) features, and whitening takes up to \(mostFeatures): train on "
          + "\(.patches, "8x8") of images, or use \(.scaling, "standard").")
    }
    // Covariance, eigenvectors with what they are found in, and the results.
    try HostMemory.require(56 * features * features, for: "the whitening of \(features) features")
    let (mean, covariance) = covariance(of: data)
    let order = data.channelsFirst(perColumn: Array(0..<features))
    let eigen = try SymmetricEigen(permuted(covariance, order), order: features)
    let values = eigen.values.map { max($0, 0) }
    let average = values.reduce(0, +) / Double(features)
    guard average > 0 else {
      throw CinchError.badData(
        "The samples of '\(data.name)' are all alike, so there is nothing to whiten: use others.")
    }
    let shifted = values.map { $0 + epsilon * average }
    guard let least = shifted.last, let most = shifted.first, least > Double(features) * most.ulp else {
      throw CinchError.badData(
        "Features of '\(data.name)' follow from others, so that they cannot be whitened as they are: "
          + "choose a larger \(.zcaEpsilon), such as \(usualEpsilon).")
    }
    let matrices = Matrices(
      matrix: combined(eigen, shifted.map { 1 / $0.squareRoot() }),
      inverse: combined(eigen, shifted.map { $0.squareRoot() }))
    return (order.map { mean[$0] }, Whitening(epsilon: epsilon, matrices: matrices))
  }

  /// Mean and population covariance of raw values, column by column as they are read.
  private static func covariance(of data: Dataset) -> (mean: [Double], covariance: [Double]) {
    let (features, count) = (data.features, Double(data.count))
    let raw = data.scaling?.kind == .bytes ? 255.0 : 1
    var mean = [Double](repeating: 0, count: features)
    var sum = [Double](repeating: 0, count: features * features)
    func forEachBlock(_ mean: [Double]?, _ body: (UnsafePointer<Double>, _ rows: Int64) -> Void) {
      data.rows.forEachBlock { _, block in
        withUnsafeTemporaryAllocation(of: Double.self, capacity: block.count) { centred in
          let rows = Int64(block.count / features)
          cinch_center(block.baseAddress, rows, Int64(features), raw, mean, centred.baseAddress)
          body(UnsafePointer(centred.baseAddress!), rows)
        }
      }
    }
    forEachBlock(nil) { cinch_add_rows($0, $1, Int64(features), &mean) }
    for index in mean.indices { mean[index] /= count }
    forEachBlock(mean) { cinch_add_gram($0, $1, Int64(features), &sum) }
    mirrorUpperTriangle(of: &sum, features, times: 1 / count)
    return (mean, sum)
  }

  /// U diag(values) Uᵀ: symmetric to the last bit.
  private static func combined(_ eigen: SymmetricEigen, _ values: [Double]) -> [Double] {
    let count = values.count
    var scaled = eigen.vectors
    for row in 0..<count {
      let factor = values[row].squareRoot()
      for column in 0..<count { scaled[row * count + column] *= factor }
    }
    var result = [Double](repeating: 0, count: count * count)
    cinch_add_gram(scaled, Int64(count), Int64(count), &result)
    mirrorUpperTriangle(of: &result, count, times: 1)
    return result
  }

  private static func mirrorUpperTriangle(of matrix: inout [Double], _ count: Int, times factor: Double) {
    for row in 0..<count {
      for column in row..<count {
        let value = matrix[row * count + column] * factor
        matrix[row * count + column] = value
        matrix[column * count + row] = value
      }
    }
  }

  /// Rows and columns in another order, of which each place says where it was.
  private static func permuted(_ matrix: [Double], _ order: [Int]) -> [Double] {
    let count = order.count
    if order.elementsEqual(0..<count) { return matrix }
    return order.flatMap { row in order.map { matrix[row * count + $0] } }
  }

  /// The same of features in another order.
  func ordered(_ order: [Int]) -> Whitening {
    Whitening(
      epsilon: epsilon,
      matrices: Matrices(matrix: Self.permuted(matrix, order), inverse: Self.permuted(inverse, order)))
  }

  /// - Parameter raw: what values are multiplied by to be raw.
  func map(from mean: [Double], raw: Double = 1) -> LinearMap {
    LinearMap(raw: raw, before: mean, matrix: matrix, after: nil)
  }

  func inverseMap(to mean: [Double]) -> LinearMap { LinearMap(raw: 1, before: nil, matrix: inverse, after: mean) }

  /// What no result of features within these distances of their means exceeds.
  func bound(_ distances: [Double]) -> Double {
    let count = distances.count
    return (0..<count).reduce(0) { most, row in
      max(most, (0..<count).reduce(0) { $0 + abs(matrix[row * count + $1]) * distances[$1] })
    }
  }
}

/// (x · raw − before) A + after, for rows x: in double precision, the same bits however many rows there are at once.
struct LinearMap: Sendable, Hashable {
  var raw: Double
  var before: [Double]?
  var matrix: [Double]
  var after: [Double]?

  func apply(to values: [Float]) -> [Float] {
    let columns = (before ?? after ?? []).count
    return [Float](unsafeUninitializedCapacity: values.count) { result, count in
      values.withUnsafeBufferPointer { values in
        if let start = values.baseAddress, let target = result.baseAddress {
          apply(to: start, rows: values.count / max(columns, 1), into: target)
        }
      }
      count = values.count
    }
  }

  /// The result may be the values.
  func apply(to values: UnsafePointer<Float>, rows: Int, into result: UnsafeMutablePointer<Float>) {
    let columns = (before ?? after ?? []).count
    let together = min(rows, 64)
    withUnsafeTemporaryAllocation(of: Double.self, capacity: 2 * together * columns) { scratch in
      for first in stride(from: 0, to: rows, by: max(together, 1)) {
        cinch_linear_map(
          values + first * columns, Int64(min(together, rows - first)), Int64(columns), raw, before, matrix, after,
          scratch.baseAddress, result + first * columns)
      }
    }
  }
}

/// `{"epsilon": 0.1, "matrix": […], "inverse": […]}`, or, where the matrices lie in another file, without them.
extension Whitening: Codable {
  private enum CodingKeys: String, CodingKey, CaseIterable { case epsilon, matrix, inverse }

  /// Where the matrices are, of an encoder and of a decoder that do without them.
  package struct Elsewhere: Sendable {
    package static let key = CodingUserInfoKey(rawValue: "cinch.whitening")

    /// Nil where they are missing.
    package var matrices: Matrices?
    /// The file that should have them.
    package var path: String

    package init(_ matrices: Matrices?, path: String) {
      self.matrices = matrices
      self.path = path
    }
  }

  /// - Throws: `DecodingError` where the matrices do not belong together; `CinchError.inputOutput` where they should lie in
  ///   another file that is not there.
  public init(from decoder: any Decoder) throws {
    try decoder.refuseUnknownKeys(CodingKeys.self, in: "a whitening")
    let container = try decoder.container(keyedBy: CodingKeys.self)
    epsilon = try container.decode(Double.self, forKey: .epsilon)
    if !container.contains(.matrix), let key = Elsewhere.key, let place = decoder.userInfo[key] as? Elsewhere {
      guard let matrices = place.matrices else {
        throw CinchError.inputOutput(
          "There is no '\(place.path)', which the run's zca scaling needs: bring back the files that were saved together."
        )
      }
      (matrix, inverse) = (matrices.matrix, matrices.inverse)
    } else {
      matrix = try container.decode([Double].self, forKey: .matrix)
      inverse = try container.decode([Double].self, forKey: .inverse)
    }
    guard matrix.count == inverse.count, matrix.allSatisfy(\.isFinite), inverse.allSatisfy(\.isFinite), epsilon >= 0,
      epsilon.isFinite
    else {
      throw DecodingError.dataCorruptedError(
        forKey: .epsilon, in: container, debugDescription: "the matrices are no whitening and its inverse")
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(epsilon, forKey: .epsilon)
    if let key = Elsewhere.key, encoder.userInfo[key] is Elsewhere { return }
    try container.encode(matrix, forKey: .matrix)
    try container.encode(inverse, forKey: .inverse)
  }
}

extension Scaling {
  /// Enters all that it does.
  package func add(to sum: inout Checksum) throws {
    sum.add(try JSONCoding.line(self))
    guard let whitening else { return }
    whitening.matrix.withUnsafeBytes { sum.add($0) }
    whitening.inverse.withUnsafeBytes { sum.add($0) }
  }
}
