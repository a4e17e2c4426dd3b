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

  /// Rows that components are fitted to, and that neighbours are looked for among; of more they are drawn.
  private static let mostRows = 5000
  private static let neighbourCount = 5
  /// Differences of values that are looked at to find neighbours: of large tables these are found among fewer rows.
  private static let mostDifferences = 4_000_000_000

  /// - Parameters:
  ///   - data: a table in which numbers are standardised, with something in the place of missing cells.
  ///   - kinds: its columns.
  init(_ data: Dataset, _ kinds: [OutputColumn]) {
    values = data.values
    observed = data.observedValues?.map { $0 != 0 } ?? [Bool](repeating: true, count: data.values.count)
    self.kinds = kinds
    count = data.count
    features = data.features
  }

  /// Rows to learn from, in the order of their numbers.
  private func someRows(_ most: Int, seed: UInt64) -> [Int] {
    guard count > most, count <= Permutation.largestCount else { return Array(0..<min(count, most)) }
    let permutation = Permutation(count: count, philox: Philox(seed: seed, stream: .imputation, site: 2), step: 0)
    return (0..<most).map { permutation($0) }.sorted()
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
    let donors = someRows(min(Self.mostRows, max(500, Self.mostDifferences / (count * features))), seed: seed)
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
    let rows = someRows(Self.mostRows, seed: seed)
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
      var filled = left
      _ = try fit(count, to: &filled, known, rows)
      var error = 0.0
      for row in rows {
        for place in row * features..<(row + 1) * features where observed[place] && !known[place] {
          error += Double((filled[place] - values[place]) * (filled[place] - values[place]))
        }
      }
      if error < best.error { best = (count, error) }
    }
    var filled = values
    guard best.count > 0 else { return filled }
    let components = try fit(best.count, to: &filled, observed, rows)
    let fitted = Set(rows)
    for row in 0..<count where !fitted.contains(row) {
      var steps = 0
      while steps < Self.mostSteps, components.fill(row * features..<(row + 1) * features, of: &filled, observed) {
        steps += 1
      }
    }
    return filled
  }

  /// Steps after which what is put in is taken as it is.
  private static let mostSteps = 50

  /// Fits components to rows in which they fill in what is not known.
  private func fit(_ count: Int, to filled: inout [Float], _ known: [Bool], _ rows: [Int]) throws -> Components {
    var components = Components(mean: [], axes: [])
    let steps = features <= 100 ? Self.mostSteps : 10
    for _ in 0..<steps {
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
      components = Components(mean: mean, axes: Array(eigen.vectors.prefix(count * features)))
      var changes = false
      for row in rows {
        changes = components.fill(row * features..<(row + 1) * features, of: &filled, known) || changes
      }
      if !changes { break }
    }
    return components
  }
}

/// A mean and the axes through it that most of the variance lies along.
private struct Components {
  let mean: [Double]
  /// Each of length 1, one after the other.
  let axes: [Double]

  /// Puts what a row's projection has into the cells that are not known.
  /// - Returns: whether one of them has changed by more than a thousandth.
  func fill(_ row: Range<Int>, of values: inout [Float], _ known: [Bool]) -> Bool {
    guard row.contains(where: { !known[$0] }) else { return false }
    var output = mean
    for start in stride(from: 0, to: axes.count, by: mean.count) {
      var projection = 0.0
      for feature in mean.indices {
        projection += axes[start + feature] * (Double(values[row.lowerBound + feature]) - mean[feature])
      }
      for feature in mean.indices { output[feature] += projection * axes[start + feature] }
    }
    var changes = false
    for (feature, place) in row.enumerated() where !known[place] {
      changes = changes || abs(output[feature] - Double(values[place])) > 1e-3
      values[place] = Float(output[feature])
    }
    return changes
  }
}
