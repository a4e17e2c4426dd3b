import CinchBackend
import CinchCore
import CinchData

/// Ways to complete a table that need no network, to compare with: as they are usually done, on one processor.
struct ImputationBaselines {
  private let values: [Float]
  private let observed: [Bool]
  private let kinds: [OutputColumn]
  private let count: Int
  private let features: Int

  /// Rows that are looked at to find components and neighbours; more are drawn from.
  private static let mostRows = 5000
  private static let neighbourCount = 5

  /// - Parameters:
  ///   - data: a table in which numbers are standardised, with something in the place of missing cells.
  ///   - kinds: its columns.
  init(_ data: Dataset, _ kinds: [OutputColumn]) {
    values = data.values
    observed = data.observed?.values.map { $0 != 0 } ?? [Bool](repeating: true, count: data.values.count)
    self.kinds = kinds
    count = data.count
    features = data.features
  }

  /// Rows to learn from, in the order of their numbers.
  private func someRows(seed: UInt64) -> [Int] {
    guard count > Self.mostRows, count <= Permutation.largestCount else { return Array(0..<min(count, Self.mostRows)) }
    let permutation = Permutation(count: count, philox: Philox(seed: seed, stream: .imputation, site: 2), step: 0)
    return (0..<Self.mostRows).map { permutation($0) }.sorted()
  }

  /// The mean of each number, and the most frequent text, of equals the first.
  func means() -> [Float] {
    var result = values
    for feature in 0..<features {
      let places = (0..<count).map { $0 * features + feature }
      let there = places.filter { observed[$0] }
      guard !there.isEmpty else { continue }
      let mean = there.reduce(0.0) { $0 + Double(values[$1]) } / Double(there.count)
      for place in places where !observed[place] { result[place] = Float(mean) }
    }
    return result
  }

  /// The median of each number, of an even count the mean of the two in the middle, and the most frequent text.
  func medians() -> [Float] {
    var result = means()
    var start = 0
    for kind in kinds {
      defer { start += kind.width }
      guard kind == .number else { continue }
      let places = (0..<count).map { $0 * features + start }
      let there = places.filter { observed[$0] }.map { values[$0] }.sorted()
      guard !there.isEmpty else { continue }
      let median = (there[(there.count - 1) / 2] + there[there.count / 2]) / 2
      for place in places where !observed[place] { result[place] = median }
    }
    return result
  }

  /// Nearest rows by the distance of what both have, divided by how much that is; texts that differ count 1.
  func neighbours(seed: UInt64) -> [Float] {
    var result = means()
    // Of a category two numbers differ.
    let weights = kinds.flatMap { [Float](repeating: $0.width > 1 ? 0.5 : 1, count: $0.width) }
    let donors = someRows(seed: seed)
    for row in 0..<count {
      let own = row * features..<(row + 1) * features
      guard own.contains(where: { !observed[$0] }) else { continue }
      var distances: [(distance: Float, row: Int)] = []
      distances.reserveCapacity(donors.count)
      for donor in donors where donor != row {
        let other = donor * features
        var (sum, common) = (Float(0), Float(0))
        for feature in 0..<features where observed[own.lowerBound + feature] && observed[other + feature] {
          let difference = values[own.lowerBound + feature] - values[other + feature]
          sum += weights[feature] * difference * difference
          common += weights[feature]
        }
        if common > 0 { distances.append((sum / common, donor)) }
      }
      distances.sort { ($0.distance, $0.row) < ($1.distance, $1.row) }
      var start = 0
      for kind in kinds {
        defer { start += kind.width }
        guard !observed[own.lowerBound + start] else { continue }
        let near = distances.lazy.filter { observed[$0.row * features + start] }.prefix(Self.neighbourCount).map(\.row)
        guard !near.isEmpty else { continue }
        for offset in start..<start + kind.width {
          result[own.lowerBound + offset] =
            near.reduce(0) { $0 + values[$1 * features + offset] } / Float(near.count)
        }
      }
    }
    return result
  }

  /// Components are fitted, and what they make of missing cells put in, again and again. How many there are is what does best
  /// on a tenth of the known cells, hidden for that.
  ///
  /// - Throws: `CinchError.unavailable` where there is no room for the covariance.
  func principalComponents(seed: UInt64) throws -> [Float] {
    let rows = someRows(seed: seed)
    let philox = Philox(seed: seed, stream: .imputation, site: 3)
    let threshold = Philox.threshold(0.1)
    var known = observed
    var left = values
    for place in known.indices where known[place] && UInt64(philox.word(element: place, step: 0)) < threshold {
      known[place] = false
      left[place] = 0
    }
    let candidates = [1, 2, 3, 5, 8, 12, 20].filter { $0 < features && (features <= 100 || $0 % 4 == 0) }
    var best = (count: 0, error: Double.infinity)
    for count in candidates {
      let filled = try fitted(left, known, components: count, rows)
      var error = 0.0
      for row in rows {
        for place in row * features..<(row + 1) * features where observed[place] && !known[place] {
          error += Double((filled[place] - values[place]) * (filled[place] - values[place]))
        }
      }
      if error < best.error { best = (count, error) }
    }
    return best.count == 0 ? values : try fitted(values, observed, components: best.count, rows)
  }

  private func fitted(_ start: [Float], _ known: [Bool], components: Int, _ rows: [Int]) throws -> [Float] {
    var filled = start
    let most = features <= 100 ? 50 : 10
    for _ in 0..<most {
      var mean = [Double](repeating: 0, count: features)
      for row in rows { for feature in 0..<features { mean[feature] += Double(filled[row * features + feature]) } }
      for feature in 0..<features { mean[feature] /= Double(rows.count) }
      var covariance = [Double](repeating: 0, count: features * features)
      var centred = [Double](repeating: 0, count: features)
      for row in rows {
        for feature in 0..<features { centred[feature] = Double(filled[row * features + feature]) - mean[feature] }
        for i in 0..<features {
          for j in i..<features { covariance[i * features + j] += centred[i] * centred[j] }
        }
      }
      let eigen = try SymmetricEigen(covariance, order: features)
      var change = 0.0
      for row in 0..<count {
        let own = row * features..<(row + 1) * features
        guard own.contains(where: { !known[$0] }) else { continue }
        var output = mean
        for component in 0..<components {
          let axis = eigen.vectors[component * features..<(component + 1) * features]
          var projection = 0.0
          for (feature, weight) in axis.enumerated() {
            projection += weight * (Double(filled[own.lowerBound + feature]) - mean[feature])
          }
          for (feature, weight) in axis.enumerated() { output[feature] += projection * weight }
        }
        for (feature, place) in own.enumerated() where !known[place] {
          change = max(change, abs(output[feature] - Double(filled[place])))
          filled[place] = Float(output[feature])
        }
      }
      if change < 1e-3 { break }
    }
    return filled
  }
}
