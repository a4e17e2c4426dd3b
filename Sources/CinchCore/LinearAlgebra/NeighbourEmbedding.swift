import CSamples
import CinchBackend
import CinchData
import Glibc

/// t-SNE: samples as points of a plane in which neighbours stay neighbours, all pairs counted, in Double on the host (van der Maaten
/// and Hinton, "Visualizing data using t-SNE", JMLR 9, 2008).
///
///     p_j|i = exp(−β_i ‖x_i − x_j‖²) / Σ_k≠i exp(−β_i ‖x_i − x_k‖²)        β_i such that 2^H(p_·|i) is the perplexity
///     p_ij = (p_j|i + p_i|j) / 2n
///     q_ij = w_ij / Σ_k≠l w_kl,  w_ij = 1 / (1 + ‖y_i − y_j‖²)
///     C = Σ_ij p_ij log(p_ij / q_ij)
///     ∂C/∂y_i = 4 Σ_j (p_ij − q_ij) w_ij (y_i − y_j)
///
/// y descends the gradient with momentum and a gain for each number. Each row is added up by itself, and rows one after the other, so
/// any number of threads gives the same bits.
package struct NeighbourEmbedding: Sendable {
  package struct Settings: Sendable, Hashable {
    /// Neighbours that each sample has, as it were; fewer where there are fewer than three times as many samples.
    package var perplexity = 30.0
    package var iterations = 1000
    /// What p is multiplied by at first, and for how many iterations; momentum is 0.5 meanwhile, and then 0.8.
    package var exaggeration = 12.0
    package var exaggerated = 250
    /// η; nil for max(n / exaggeration / 4, 50), which is scikit-learn's `auto`: n/12 of Belkina and others ("Automated optimized
    /// parameters for t-SNE", Nature Communications 10, 2019), whose gradient has no factor 4.
    package var learningRate: Double?
    /// Threads; nil for as many as there are processors.
    package var threads: Int?

    package init() {}
  }

  /// The most samples: 8 n² bytes, and a minute or two.
  package static let mostSamples = 5000
  /// Fewer have no neighbourhoods.
  package static let fewestSamples = 4

  let count: Int
  /// p_ij, `[n, n]`.
  let joint: [Double]
  private let settings: Settings
  private let threads: Int

  /// Finds p.
  ///
  /// - Parameters:
  ///   - values: `[count, columns]`, finite.
  ///   - count: n, 4 or more.
  ///   - settings: of the descent.
  /// - Throws: `CinchError.usage` where there are too few or too many samples; `.unavailable` where there is no room.
  package init(_ values: [Float], count: Int, settings: Settings = Settings()) throws {
    guard (Self.fewestSamples...Self.mostSamples).contains(count), values.count % count == 0, !values.isEmpty else {
      throw CinchError.usage(
        "A map of \(count) samples by t-SNE is not possible: choose \(Self.fewestSamples) to \(Self.mostSamples).")
    }
    try HostMemory.require(8 * count * count + 80 * count, for: "t-SNE of \(count) samples")
    self.count = count
    self.settings = settings
    // Fewer rows are done before another thread has begun.
    threads = min(settings.threads ?? max(min(sysconf(Int32(_SC_NPROCESSORS_ONLN)), count / 400), 1), count)
    let perplexity = min(settings.perplexity, Double(count - 1) / 3)
    joint = Self.joint(values, count, perplexity: perplexity, threads: threads)
  }

  /// p_j|i, one row for each i.
  static func conditional(_ values: [Float], _ count: Int, perplexity: Double, threads: Int) -> [Double] {
    let columns = values.count / count
    return [Double](unsafeUninitializedCapacity: count * count) { result, initialised in
      nonisolated(unsafe) let result = result.baseAddress
      values.withUnsafeBufferPointer { values in
        nonisolated(unsafe) let values = values.baseAddress
        inParts(count, threads) { rows in
          withUnsafeTemporaryAllocation(of: Double.self, capacity: count) { scratch in
            cinch_neighbour_weights(
              values, Int64(count), Int64(columns), Int64(rows.lowerBound), Int64(rows.upperBound), perplexity,
              scratch.baseAddress, result)
          }
        }
      }
      initialised = count * count
    }
  }

  private static func joint(_ values: [Float], _ count: Int, perplexity: Double, threads: Int) -> [Double] {
    var p = conditional(values, count, perplexity: perplexity, threads: threads)
    p.withUnsafeMutableBufferPointer { p in
      let scale = 1 / Double(2 * count)
      for row in 0..<count {
        p[row * count + row] = 0
        for column in row + 1..<max(count, row + 1) {
          let mean = (p[row * count + column] + p[column * count + row]) * scale
          (p[row * count + column], p[column * count + row]) = (mean, mean)
        }
      }
    }
    return p
  }

  private static func inParts(_ count: Int, _ threads: Int, _ body: @Sendable (Range<Int>) -> Void) {
    let size = (count + threads - 1) / threads
    inParallel(threads) { index in
      let rows = min(index * size, count)..<min((index + 1) * size, count)
      if !rows.isEmpty { body(rows) }
    }
  }

  /// Points of the plane.
  package struct Points: Sendable, Hashable {
    package var x: [Double]
    package var y: [Double]

    package init(x: [Double], y: [Double]) {
      self.x = x
      self.y = y
    }
  }

  /// What the forces on points come to.
  private struct Forces {
    var attraction: [Double]
    var repulsion: [Double]
    var sums: [Double]

    init(_ count: Int) {
      attraction = [Double](repeating: 0, count: 2 * count)
      repulsion = attraction
      sums = [Double](repeating: 0, count: count)
    }
  }

  private func add(_ points: Points, to forces: inout Forces) {
    let (count, joint) = (count, joint)
    forces.attraction.withUnsafeMutableBufferPointer { attraction in
      forces.repulsion.withUnsafeMutableBufferPointer { repulsion in
        forces.sums.withUnsafeMutableBufferPointer { sums in
          nonisolated(unsafe) let places = (attraction.baseAddress, repulsion.baseAddress, sums.baseAddress)
          Self.inParts(count, threads) { rows in
            cinch_neighbour_forces(
              joint, points.x, points.y, Int64(count), Int64(rows.lowerBound), Int64(rows.upperBound), places.0,
              places.1, places.2)
          }
        }
      }
    }
  }

  /// ∂C/∂y, x and y of each point side by side.
  ///
  /// - Parameter exaggeration: what p is multiplied by.
  func gradient(_ points: Points, exaggeration: Double = 1) -> [Double] {
    var forces = Forces(count)
    return gradient(points, exaggeration: exaggeration, &forces)
  }

  private func gradient(_ points: Points, exaggeration: Double, _ forces: inout Forces) -> [Double] {
    add(points, to: &forces)
    let total = forces.sums.reduce(0, +)
    return zip(forces.attraction, forces.repulsion).map { 4 * (exaggeration * $0 - $1 / total) }
  }

  /// C of points.
  package func divergence(_ points: Points) -> Double {
    func near(_ i: Int, _ j: Int) -> Double {
      let (dx, dy) = (points.x[i] - points.x[j], points.y[i] - points.y[j])
      return 1 / (1 + dx * dx + dy * dy)
    }
    var (total, result) = (0.0, 0.0)
    for i in 0..<count {
      for j in 0..<count where i != j { total += near(i, j) }
    }
    for i in 0..<count {
      for j in 0..<count where i != j && joint[i * count + j] > 0 {
        let p = joint[i * count + j]
        result += p * log(p * total / near(i, j))
      }
    }
    return result
  }

  /// Descends from `start`, which is scaled so that its first numbers have a standard deviation of 10⁻⁴.
  ///
  /// - Parameter start: the first two principal components of the samples, so that nothing is drawn.
  /// - Throws: `CinchError.badData` where all points begin at one place.
  package func embed(from start: Points) throws -> Points {
    let mean = start.x.reduce(0, +) / Double(count)
    let deviation = (start.x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(count)).squareRoot()
    guard start.x.count == count, start.y.count == count, deviation > 0, deviation.isFinite else {
      throw CinchError.badData("All codes are the same, so no map tells them apart: train for longer, or otherwise.")
    }
    let scale = 1e-4 / deviation
    var points = Points(x: start.x.map { $0 * scale }, y: start.y.map { $0 * scale })
    let rate = settings.learningRate ?? max(Double(count) / settings.exaggeration / 4, 50)
    var forces = Forces(count)
    var updates = [Double](repeating: 0, count: 2 * count)
    var gains = [Double](repeating: 1, count: 2 * count)
    for iteration in 0..<settings.iterations {
      let isEarly = iteration < settings.exaggerated
      let gradient = gradient(points, exaggeration: isEarly ? settings.exaggeration : 1, &forces)
      move(&points, gradient, &updates, &gains, momentum: isEarly ? 0.5 : 0.8, rate: rate)
    }
    return points
  }

  /// Gains grow where gradient and update agree on the way, and shrink where they do not (Jacobs 1988).
  private func move(
    _ points: inout Points, _ gradient: [Double], _ updates: inout [Double], _ gains: inout [Double], momentum: Double,
    rate: Double
  ) {
    for place in gradient.indices {
      gains[place] = max(gradient[place] * updates[place] < 0 ? gains[place] + 0.2 : gains[place] * 0.8, 0.01)
      updates[place] = momentum * updates[place] - rate * gains[place] * gradient[place]
      let (point, axis) = place.quotientAndRemainder(dividingBy: 2)
      if axis == 0 { points.x[point] += updates[place] } else { points.y[point] += updates[place] }
    }
  }
}
