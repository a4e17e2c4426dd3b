import CinchBackend

extension Dataset {
  /// Samples of a table some of whose values are missing: those that are NaN.
  ///
  /// In their place stands the feature's mean over the samples that have it. Losses leave them out.
  ///
  /// - Parameters:
  ///   - values: `count × features` values, row-major; NaN for one that is missing.
  ///   - labels: `count` classes, or none.
  ///   - columnNames: `features` names, or none.
  /// - Throws: `CinchError.badData` if sizes disagree, a value is infinite, or a feature has no value in any sample.
  public init(
    missing values: [Float], count: Int, features: Int, labels: [Int]? = nil, name: String = "data",
    columnNames: [String]? = nil
  ) throws {
    let observed = values.map { $0.isNaN ? UInt8(0) : 1 }
    try self.init(
      values: values.map { $0.isNaN ? 0 : $0 }, count: count, sampleShape: [max(features, 0)], labels: labels,
      name: name,
      columnNames: columnNames)
    guard observed.contains(0) else { return }
    self.observed = try SampleRows(observed: observed, features: features)
    var known = [Bool](repeating: false, count: features)
    for (index, value) in observed.enumerated() where value != 0 { known[index % features] = true }
    if let feature = known.firstIndex(of: false) {
      throw CinchError.badData(
        "Feature \(feature + 1) of '\(name)' has no value in any sample: leave it out.")
    }
    let means = featureMeans()
    rows = SampleRows(
      SampleStorage(values.indices.map { values[$0].isNaN ? Float(means[$0 % features]) : values[$0] }),
      features: features)
    knownRange = KnownRange()
  }

  /// How many values are missing.
  public var missingCount: Int {
    guard let observed else { return 0 }
    var count = 0
    observed.forEachBlock { _, block in count += block.count { $0 == 0 } }
    return count
  }
}

extension SampleRows {
  /// 1 where a value is observed, and 0 where it is missing.
  init(observed: [UInt8], features: Int) throws {
    let storage = try SampleStorage(
      FileContents(observed), from: 0, count: observed.count, .uint8, bigEndian: false, divisor: 1)
    self.init(storage, features: features)
  }
}
