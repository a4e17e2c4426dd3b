import CinchBackend
import Testing

@testable import Cinch

@Suite struct DetectionMetricsTests {
  /// scikit-learn 1.9.1's values: for scores s and labels l,
  ///
  ///     from sklearn.metrics import roc_auc_score, average_precision_score
  ///     print(repr(roc_auc_score(l, s)), repr(average_precision_score(l, s)))
  @Test func valuesAreScikitLearns() throws {
    let cases: [(scores: [Double], labels: [Int], auc: Double, averagePrecision: Double)] = [
      ([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], 0.75, 0.8333333333333333),
      ([1, 2, 2, 3, 3, 3, 4, 0.5, 2, 1], [0, 1, 0, 1, 0, 1, 0, 0, 1, 0], 0.6666666666666666, 0.5357142857142857),
      ([5, 5, 5, 5], [0, 1, 1, 0], 0.5, 0.5),
      ([-1.5, -2, 0, 7, -2, 3.25, 0, 0], [1, 0, 0, 1, 0, 0, 1, 0], 0.6666666666666667, 0.6333333333333333),
      (
        (0..<60).map { Double($0 * 37 % 23) / 4 }, (0..<60).map { $0 * $0 % 7 == 2 ? 1 : 0 }, 0.5465116279069767,
        0.33204877155776347
      ),
    ]
    for (scores, labels, auc, averagePrecision) in cases {
      let metrics = try #require(try DetectionMetrics(scores: scores, isAnomaly: labels.map { $0 == 1 }))
      // A handful of quotients are added up.
      #expect(abs(metrics.auc - auc) < 1e-15 && abs(metrics.averagePrecision - averagePrecision) < 1e-14)
      #expect(metrics.anomalies == labels.reduce(0, +) && metrics.normal == labels.count - metrics.anomalies)
    }
  }

  /// Every pair, and every threshold.
  @Test(arguments: 0..<20)
  func valuesAreThoseOfTheDefinitions(seed: Int) throws {
    let philox = Philox(seed: UInt64(seed), stream: .test)
    let count = 5 + 9 * seed
    // Whole numbers, so that many are equal.
    let scores = (0..<count).map { Double(Int(Philox.uniform(philox.block(index: $0, step: 0).x) * 12)) }
    let isAnomaly = (0..<count).map { $0 == 0 || Philox.uniform(philox.block(index: $0, step: 1).x) < 0.3 }
    guard let metrics = try DetectionMetrics(scores: scores, isAnomaly: isAnomaly) else {
      #expect(!isAnomaly.contains(false))
      return
    }
    var pairs = 0.0
    for one in 0..<count where isAnomaly[one] {
      for other in 0..<count where !isAnomaly[other] {
        pairs += scores[one] > scores[other] ? 1 : scores[one] == scores[other] ? 0.5 : 0
      }
    }
    #expect(abs(metrics.auc - pairs / Double(metrics.anomalies * metrics.normal)) < 1e-15)
    var (precision, recall) = (0.0, 0.0)
    for threshold in Set(scores).sorted(by: >) {
      let called = (0..<count).filter { scores[$0] >= threshold }
      let hits = Double(called.count { isAnomaly[$0] })
      precision += (hits / Double(metrics.anomalies) - recall) * hits / Double(called.count)
      recall = hits / Double(metrics.anomalies)
    }
    #expect(abs(metrics.averagePrecision - precision) < 1e-14)
  }

  @Test func oneKindAloneIsNotCompared() throws {
    #expect(try DetectionMetrics(scores: [1, 2], isAnomaly: [true, true]) == nil)
    #expect(try DetectionMetrics(scores: [1, 2], isAnomaly: [false, false]) == nil)
    #expect(try DetectionMetrics(scores: [], isAnomaly: []) == nil)
    #expect(throws: CinchError.self) { try DetectionMetrics(scores: [1], isAnomaly: [true, false]) }
    #expect(throws: CinchError.self) { try DetectionMetrics(scores: [1, .nan], isAnomaly: [true, false]) }
  }

  @Test func labelsSayWhatIsAnomalous() throws {
    let data = try Dataset(values: [1, 2, 3, 4], count: 4, features: 1, labels: [0, 3, 1, 0])
    #expect(try data.anomalies() == [false, true, true, false])
    #expect(try data.anomalies(normal: ["3", "1"]) == [true, false, false, true])
    #expect(throws: CinchError.self) { try data.anomalies(normal: ["2"]) }
    let plain = try Dataset(values: [1, 2], count: 2, features: 1)
    #expect(try plain.anomalies() == nil)
    #expect(throws: CinchError.self) { try plain.anomalies(normal: ["0"]) }
  }

  @Test func quantilesAndThresholdsAreShares() throws {
    let scores: [Double] = [3, 1, 2, 2, 5, 4, 2, 8, 9, 7]
    let distribution = try ScoreDistribution(scores)
    for score in [-1, 1, 1.5, 2, 8.5, 9, 100] {
      #expect(distribution.quantile(of: score) == Double(scores.count { $0 <= score }) / 10)
    }
    // No more than the share lies above, and of the next smaller score more does. It is no sample's own score.
    for percent in 0..<100 {
      let threshold = try distribution.threshold(above: Double(percent) / 100)
      #expect(10 * scores.count { $0 > threshold } <= percent)
      guard percent >= 10 else {
        #expect(threshold == 9)
        continue
      }
      let below = try #require(scores.filter { $0 < threshold }.max())
      let above = try #require(scores.filter { $0 > threshold }.min())
      #expect(threshold == (below + above) / 2)
      if let next = scores.filter({ $0 < below }).max(), scores.count(where: { $0 == below }) == 1 {
        #expect(10 * scores.count { $0 > next } > percent, "\(percent)")
      }
    }
    #expect(try distribution.threshold(above: 0.3) == 6 && distribution.threshold(above: 0.7) == 2.5)
    let hundred = try ScoreDistribution((1...100).map(Double.init))
    #expect(try hundred.threshold(above: 0.29) == 71.5 && hundred.threshold(above: 0.01) == 99.5)
    #expect(throws: CinchError.self) { try distribution.threshold(above: 1) }
    #expect(throws: CinchError.self) { try distribution.threshold(above: .nan) }
    #expect(throws: CinchError.self) { try ScoreDistribution([]) }
    #expect(throws: CinchError.self) { try ScoreDistribution([1, .infinity]) }
  }
}
