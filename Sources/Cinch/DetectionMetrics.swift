import CinchData

/// How well scores tell anomalies from normal samples, over all thresholds.
public struct DetectionMetrics: Sendable, Hashable {
  /// The probability that an anomaly's score is larger than a normal sample's, equal ones counted half: the area under the
  /// ROC curve.
  public let auc: Double
  /// Σ_k (R_k − R_{k−1})·P_k over the different scores from the largest on, P_k and R_k being precision and recall where all
  /// samples of at least that score are called anomalous: without interpolation, as scikit-learn defines it.
  public let averagePrecision: Double
  /// How many samples are anomalies.
  public let anomalies: Int
  /// How many are not.
  public let normal: Int

  /// The name of `auc` in reports.
  public static let aucName = "auc"
  /// The name of `averagePrecision` in reports.
  public static let averagePrecisionName = "average_precision"

  /// - Parameters:
  ///   - scores: one for each sample, the larger the more anomalous.
  ///   - isAnomaly: what each sample is.
  /// - Returns: nil where all samples are anomalies, or none is.
  /// - Throws: `CinchError.usage` where there are not as many of both; `.badData` where a score is not a number.
  public init?(scores: [Double], isAnomaly: [Bool]) throws {
    guard scores.count == isAnomaly.count else {
      throw CinchError.usage(
        "\(scores.count) scores do not fit \(isAnomaly.count) labels: give one of each per sample.")
    }
    guard !scores.contains(where: \.isNaN) else {
      throw CinchError.badData("A score is not a number: score the samples anew.")
    }
    anomalies = isAnomaly.count { $0 }
    normal = isAnomaly.count - anomalies
    guard anomalies > 0, normal > 0 else { return nil }
    let order = scores.indices.sorted { scores[$0] > scores[$1] }
    // Samples of at least the score in turn; pairs count in halves, so that sums are whole numbers.
    var (found, wrong, halves, precisions) = (0, 0, 0.0, 0.0)
    var start = 0
    while start < order.count {
      var end = start
      var (hits, misses) = (0, 0)
      while end < order.count, scores[order[end]] == scores[order[start]] {
        if isAnomaly[order[end]] { hits += 1 } else { misses += 1 }
        end += 1
      }
      halves += Double(hits) * (2 * Double(normal - wrong - misses) + Double(misses))
      found += hits
      wrong += misses
      precisions += Double(hits) * Double(found) / Double(found + wrong)
      start = end
    }
    auc = halves / 2 / (Double(anomalies) * Double(normal))
    averagePrecision = precisions / Double(anomalies)
  }
}

extension Dataset {
  /// Which samples are anomalies, by their labels: those that are not 0, or those of none of the classes that are named.
  ///
  /// - Parameter normal: names of the normal classes, as `classNames` has them; empty for 0.
  /// - Returns: nil where samples have no labels, or labels that are names while no class is called normal.
  /// - Throws: `CinchError.usage` where a class is named that no sample has, or the samples have no labels.
  public func anomalies(normal: [String] = []) throws -> [Bool]? {
    guard let labels, let classLabels else {
      guard let name = normal.first else { return nil }
      throw CinchError.usage(
        "The samples of '\(self.name)' have no labels, so that none is '\(name)': name a \(.labelColumn) or a file of \(.labels)."
      )
    }
    if normal.isEmpty { return classLabels.names == nil ? labels.map { $0 != 0 } : nil }
    let classes = classNames ?? []
    if let unknown = normal.first(where: { !classes.contains($0) }) {
      let known = classes.count <= 12 ? classes.joined(separator: ", ") : "\(classes.count) others"
      throw CinchError.usage("No sample of '\(name)' has the label '\(unknown)': the labels are \(known).")
    }
    return labels.map { !normal.contains(classLabels.text($0)) }
  }
}
