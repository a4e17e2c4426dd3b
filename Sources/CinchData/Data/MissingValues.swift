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

  /// How many cells of its table are missing: a category has one, however many texts.
  public var missingCells: Int {
    guard let observed, let schema, schema.features == features else { return missingCount }
    let starts = schema.ranges.map(\.lowerBound)
    var count = 0
    observed.forEachBlock { _, block in
      for row in stride(from: 0, to: block.count, by: features) {
        for start in starts where block[row + start] == 0 { count += 1 }
      }
    }
    return count
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

extension Dataset {
  /// The samples with other values where some are missing; none is missing then.
  ///
  /// - Parameter values: as those of the data, of which only the missing ones are looked at.
  /// - Throws: `CinchError.badData` where there are others than the data's, or one that is needed is not finite.
  package func completed(with values: [Float]) throws -> Dataset {
    guard values.count == count * features else {
      throw CinchError.badData("\(values.count) values do not complete \(count) samples of \(features): give as many.")
    }
    let plain = ordered(.nchw)
    guard let observed = plain.observed?.values else { return self }
    var own = plain.stored
    for (index, share) in observed.enumerated() where share == 0 { own[index] = values[index] }
    let completed = plain.replacing(SampleRows(SampleStorage(own), features: features), nil).ordered(layout)
    try completed.requireFinite(subject: "What stands for missing cells of '\(name)'")
    return completed
  }

  /// The same with probabilities: the most probable text of a column gets 1, the others 0.
  package func completed(with values: [Float], columns: [OutputColumn]) throws -> Dataset {
    try completed(with: Self.choosing(values, columns))
  }

  private static func choosing(_ probabilities: [Float], _ columns: [OutputColumn]) -> [Float] {
    let width = columns.reduce(0) { $0 + $1.width }
    guard width > 0, probabilities.count % width == 0 else { return probabilities }
    var values = probabilities
    var start = 0
    while start < values.count {
      for column in columns {
        switch column {
        case .number: break
        case .binary: values[start] = values[start] >= 0.5 ? 1 : 0
        case .category(let texts):
          let own = start..<start + texts
          let largest = own.max { values[$0] < values[$1] } ?? start
          for place in own { values[place] = place == largest ? 1 : 0 }
        }
        start += column.width
      }
    }
    return values
  }

  /// The samples with more cells missing. The mean of what is left stands for a missing number, none for a text.
  ///
  /// - Parameters:
  ///   - columns: what the features are.
  ///   - isHidden: whether a cell becomes missing, of those that are not.
  package func hiding(_ columns: [OutputColumn], _ isHidden: (_ row: Int, _ column: Int) -> Bool) throws -> Dataset {
    let plain = ordered(.nchw)
    var values = plain.stored
    var observed = plain.observed?.values.map { UInt8($0) } ?? [UInt8](repeating: 1, count: values.count)
    var start = 0
    for (index, column) in columns.enumerated() {
      func cell(_ row: Int) -> Range<Int> { row * features + start..<row * features + start + column.width }
      let there = (0..<count).filter { observed[cell($0).lowerBound] != 0 }
      let hidden = there.filter { isHidden($0, index) }
      // A column of which nothing is left says nothing.
      if there.count - hidden.count >= 2 {
        for row in hidden { for place in cell(row) { observed[place] = 0 } }
      }
      let left = there.map { cell($0).lowerBound }.filter { observed[$0] != 0 }
      let mean = left.reduce(0.0) { $0 + Double(values[$1]) } / Double(max(left.count, 1))
      let fill: Float =
        switch column {
        case .number: Float(mean)
        case .binary: 0.5
        case .category: 0
        }
      for row in 0..<count where observed[cell(row).lowerBound] == 0 {
        for place in cell(row) { values[place] = fill }
      }
      start += column.width
    }
    let rows = SampleRows(SampleStorage(values), features: features)
    let known = observed.contains(0) ? try SampleRows(observed: observed, features: features) : nil
    return plain.replacing(rows, known).ordered(layout)
  }
}
