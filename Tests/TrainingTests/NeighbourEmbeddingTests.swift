import CinchBackend
import Foundation
import Testing

@testable import CinchCore
@testable import CinchData

/// t-SNE of codes against its definition.
@Suite struct NeighbourEmbeddingTests {
  private let draws = Philox(seed: 7, stream: .test)

  /// Samples about three points, in turns.
  private func clusters(_ count: Int, columns: Int = 5, apart: Double = 12) -> [Float] {
    (0..<count * columns).map { place in
      let (row, column) = place.quotientAndRemainder(dividingBy: columns)
      return Float(draws.gaussian(element: place, step: 1) + (column == row % 3 ? apart : 0))
    }
  }

  private func points(_ count: Int, step: UInt64 = 2) -> NeighbourEmbedding.Points {
    .init(
      x: (0..<count).map { draws.gaussian(element: $0, step: step) },
      y: (0..<count).map { draws.gaussian(element: count + $0, step: step) })
  }

  @Test func everyRowHasThePerplexity() {
    for (count, perplexity) in [(60, 10.0), (41, 5.0), (200, 30.0)] {
      let p = NeighbourEmbedding.conditional(clusters(count), count, perplexity: perplexity, threads: 1)
      for row in 0..<count {
        let row = p[row * count..<(row + 1) * count]
        let entropy = row.reduce(0) { $1 > 0 ? $0 - $1 * log2($1) : $0 }
        #expect(abs(entropy - log2(perplexity)) < 1e-5 && abs(row.reduce(0, +) - 1) < 1e-12)
      }
    }
  }

  /// Sums in another order, from the definition itself.
  @Test func affinitiesAreThoseOfTheDefinition() throws {
    let (count, columns) = (17, 5)
    let values = clusters(count, columns: columns)
    let p = NeighbourEmbedding.conditional(values, count, perplexity: 5, threads: 2)
    func distance(_ i: Int, _ j: Int) -> Double {
      (0..<columns).reduce(0) { $0 + pow(Double(values[i * columns + $1]) - Double(values[j * columns + $1]), 2) }
    }
    for i in 0..<count {
      let others = (0..<count).filter { $0 != i }
      // β of the two nearest, by which all others follow.
      let order = others.sorted { distance(i, $0) < distance(i, $1) }
      let (a, b) = (order[0], order[1])
      let beta = log(p[i * count + a] / p[i * count + b]) / (distance(i, b) - distance(i, a))
      let weights = others.map { exp(-beta * (distance(i, $0) - distance(i, a))) }
      let total = weights.reduce(0, +)
      for (j, weight) in zip(others, weights) { #expect(abs(p[i * count + j] - weight / total) < 1e-9) }
      #expect(p[i * count + i] == 0)
    }
    let embedding = try NeighbourEmbedding(values, count: count)
    #expect(abs(embedding.joint.reduce(0, +) - 1) < 1e-12)
    for i in 0..<count { for j in 0..<i { #expect(embedding.joint[i * count + j] == embedding.joint[j * count + i]) } }
  }

  @Test func theGradientIsTheDivergences() throws {
    let count = 13
    let embedding = try NeighbourEmbedding(clusters(count), count: count)
    let points = points(count)
    let gradient = embedding.gradient(points)
    let h = 1e-5
    for place in 0..<2 * count {
      let (point, axis) = place.quotientAndRemainder(dividingBy: 2)
      func moved(_ by: Double) -> Double {
        var other = points
        if axis == 0 { other.x[point] += by } else { other.y[point] += by }
        return embedding.divergence(other)
      }
      let expected = (moved(h) - moved(-h)) / (2 * h)
      #expect(abs(gradient[place] - expected) < 1e-8, "\(place): \(gradient[place]), \(expected)")
    }
  }

  @Test func clustersStayApart() throws {
    let count = 90
    let found = try NeighbourEmbedding(clusters(count), count: count).embed(from: points(count))
    for i in 0..<count {
      let nearest = (0..<count).filter { $0 != i }.min { a, b in
        hypot(found.x[a] - found.x[i], found.y[a] - found.y[i])
          < hypot(found.x[b] - found.x[i], found.y[b] - found.y[i])
      }
      #expect(nearest.map { $0 % 3 } == i % 3)
    }
  }

  @Test func threadsChangeNoBit() throws {
    let count = 50
    func embedded(_ threads: Int) throws -> NeighbourEmbedding.Points {
      var settings = NeighbourEmbedding.Settings()
      (settings.threads, settings.iterations) = (threads, 120)
      return try NeighbourEmbedding(clusters(count), count: count, settings: settings).embed(from: points(count))
    }
    let one = try embedded(1)
    for threads in [2, 7] { #expect(try embedded(threads) == one) }
    #expect(one.x.allSatisfy { $0.isFinite })
  }

  /// More samples at one place than have neighbours there, and all at one place.
  @Test func equalSamplesAreNoTrap() throws {
    let doubled = clusters(30, columns: 2).map { ($0 / 20).rounded() }
    let found = try NeighbourEmbedding(doubled, count: 30).embed(from: points(30))
    #expect((found.x + found.y).allSatisfy { $0.isFinite })
    let same = try NeighbourEmbedding([Float](repeating: 3, count: 40), count: 20)
    #expect(same.joint.allSatisfy { $0.isFinite && $0 >= 0 })
    #expect(throws: CinchError.self) {
      try same.embed(from: .init(x: [Double](repeating: 1, count: 20), y: [Double](repeating: 2, count: 20)))
    }
  }

  @Test(arguments: [0, 3, 5001]) func impossibleCountsAreRefused(_ count: Int) {
    #expect(throws: CinchError.self) {
      try NeighbourEmbedding([Float](repeating: 0, count: max(2 * count, 1)), count: count)
    }
  }
}
