import CinchBackend

/// Samples to train or evaluate on: a matrix of finite floats, one row a sample.
public struct Dataset: Sendable {
  /// `count` rows of `features` values, row-major.
  public let values: [Float]
  /// Samples, at least 1.
  public let count: Int
  /// One sample's shape: `[28, 28]`, `[3, 32, 32]` (channels, height, width) or `[features]`.
  public let sampleShape: Shape
  /// One class a sample, where known. Training never uses them.
  public let labels: [Int]?
  /// The file or data set the samples came from, for reports.
  public let name: String
  /// What turned raw values into `values`, where anything did.
  public let scaling: Scaling?
  /// One name a feature, where the file has a header.
  public let columnNames: [String]?

  /// Values in a sample: the product of `sampleShape`.
  public var features: Int { sampleShape.count }

  /// Samples of any shape.
  ///
  /// - Parameters:
  ///   - values: `count × sampleShape.count` values, row-major.
  ///   - labels: `count` classes, or none.
  ///   - columnNames: `sampleShape.count` names, or none.
  /// - Throws: `CinchError.badData` if sizes disagree, there are no samples, or a value is NaN or infinite.
  public init(
    values: [Float], count: Int, sampleShape: Shape, labels: [Int]? = nil, name: String = "data",
    scaling: Scaling? = nil, columnNames: [String]? = nil
  ) throws {
    let features = sampleShape.count
    guard count >= 1, features >= 1 else {
      throw CinchError.badData("\(name) has \(count) samples of \(features) features; give at least one of each")
    }
    guard checkedProduct([count, features]) == values.count else {
      throw CinchError.badData(
        "\(name) has \(values.count) values, not \(count) samples of \(features) features; correct the counts")
    }
    guard labels.map({ $0.count == count }) ?? true else {
      throw CinchError.badData("\(name) has \(labels?.count ?? 0) labels for \(count) samples; give one a sample")
    }
    guard columnNames.map({ $0.count == features }) ?? true else {
      throw CinchError.badData(
        "\(name) has \(columnNames?.count ?? 0) column names for \(features) features; give one a feature")
    }
    try requireFinite(values, features: features, source: name)
    self.init(
      unchecked: values, count: count, sampleShape: sampleShape, labels: labels, name: name, scaling: scaling,
      columnNames: columnNames)
  }

  /// Samples that are plain vectors of `features` values. Throws as the other initialiser.
  public init(values: [Float], count: Int, features: Int, labels: [Int]? = nil, name: String = "data") throws {
    guard features >= 1 else {
      throw CinchError.badData("\(name) has \(count) samples of \(features) features; give at least one of each")
    }
    try self.init(values: values, count: count, sampleShape: [features], labels: labels, name: name)
  }

  /// For values that are known to be finite and to fit, such as rows of another data set.
  init(
    unchecked values: [Float], count: Int, sampleShape: Shape, labels: [Int]?, name: String, scaling: Scaling?,
    columnNames: [String]?
  ) {
    self.values = values
    self.count = count
    self.sampleShape = sampleShape
    self.labels = labels
    self.name = name
    self.scaling = scaling
    self.columnNames = columnNames
  }

  /// One sample's values.
  public func sample(_ index: Int) -> ArraySlice<Float> { values[(index * features)..<((index + 1) * features)] }

  /// The samples of a range.
  ///
  /// - Throws: `CinchError.usage` if the range is empty or reaches outside `0 ..< count`.
  public func subset(_ range: Range<Int>) throws -> Dataset {
    guard !range.isEmpty, range.lowerBound >= 0, range.upperBound <= count else {
      throw CinchError.usage(
        "samples \(range.lowerBound) ..< \(range.upperBound) are not within the \(count) of \(name); choose fewer")
    }
    if range.count == count { return self }
    return Dataset(
      unchecked: Array(values[(range.lowerBound * features)..<(range.upperBound * features)]), count: range.count,
      sampleShape: sampleShape, labels: labels.map { Array($0[range]) }, name: name, scaling: scaling,
      columnNames: columnNames)
  }

  /// The first `count` samples, or all if there are fewer.
  ///
  /// - Throws: `CinchError.usage` if `count` is less than 1.
  public func prefix(_ count: Int) throws -> Dataset {
    guard count >= 1 else { throw CinchError.usage("\(count) samples are too few; ask for at least 1") }
    return try subset(0..<min(count, self.count))
  }

  /// - Throws: `CinchError.badData` where there are more samples than can be shuffled.
  package func requireOrder() throws {
    guard count <= Permutation.largestCount else {
      throw CinchError.badData(
        "'\(name)' has \(count) samples, but only \(Permutation.largestCount) can be shuffled: train on a part of them."
      )
    }
  }

  /// Splits off a validation set: with n = round(fraction · count), samples π(0) … π(count − n − 1) are for training
  /// and the last n of the order π for validation, π being the seed's permutation of the `validationSplit` stream.
  ///
  /// - Throws: `CinchError.usage` if either part would be empty, `.badData` with more than 2³⁰ samples.
  public func split(
    validation fraction: Double, seed: UInt64
  ) throws -> (training: Dataset, validation: Dataset) {
    guard fraction > 0, fraction < 1 else {
      throw CinchError.usage("A validation share of \(fraction) is not between 0 and 1: try 0.1.")
    }
    try requireOrder()
    let held = Int((fraction * Double(count)).rounded())
    guard held >= 1, held < count else {
      throw CinchError.usage(
        "A validation share of \(fraction) leaves one part of the \(count) samples of \(name) empty: "
          + "choose another share or use more samples.")
    }
    let permutation = Permutation(count: count, philox: Philox(seed: seed, stream: .validationSplit), step: 0)
    let order = (0..<count).map { permutation($0) }
    return (gather(order[..<(count - held)]), gather(order[(count - held)...]))
  }

  /// This data set with the samples seen as another shape of as many values.
  ///
  /// - Throws: `CinchError.usage` if the shape does not have `features` elements.
  public func reshaped(_ shape: Shape) throws -> Dataset {
    guard shape.count == features else {
      throw CinchError.usage(
        "a sample of \(name) has \(features) values, which do not fill \(shape); choose a shape that they fill")
    }
    return Dataset(
      unchecked: values, count: count, sampleShape: shape, labels: labels, name: name, scaling: scaling,
      columnNames: columnNames)
  }

  private func gather(_ rows: ArraySlice<Int>) -> Dataset {
    let features = features
    let gathered = [Float](unsafeUninitializedCapacity: rows.count * features) { target, initialised in
      values.withUnsafeBufferPointer { source in
        for (position, row) in rows.enumerated() {
          (target.baseAddress! + position * features)
            .initialize(from: source.baseAddress! + row * features, count: features)
        }
      }
      initialised = rows.count * features
    }
    return Dataset(
      unchecked: gathered, count: rows.count, sampleShape: sampleShape,
      labels: labels.map { all in rows.map { all[$0] } },
      name: name, scaling: scaling, columnNames: columnNames)
  }
}

extension Dataset {
  func forEachRow(_ body: (UnsafeBufferPointer<Float>) -> Void) {
    values.withUnsafeBufferPointer { all in
      for row in 0..<count { body(UnsafeBufferPointer(rebasing: all[(row * features)..<((row + 1) * features)])) }
    }
  }

  /// Where the first value outside `range` is. A plain loop: closures over every value of a large data set take
  /// seconds in debug builds.
  package func firstIndex(outside range: ClosedRange<Float>) -> Int? {
    let (low, high) = (range.lowerBound, range.upperBound)
    return values.withUnsafeBufferPointer { buffer in
      guard let start = buffer.baseAddress else { return nil }
      let count = buffer.count
      var index = 0
      while index < count {
        let value = start[index]
        if !(value >= low && value <= high) { return index }
        index &+= 1
      }
      return nil
    }
  }

  /// Throws `CinchError.usage` if a fitted scaling has been applied, after which raw values are not exactly known.
  func requireRaw() throws {
    if let kind = scaling?.kind, kind == .minmax || kind == .standard {
      throw CinchError.usage("\(name) has been scaled already (\(kind.rawValue)); load it again to scale it otherwise")
    }
  }

  /// Throws `CinchError.badData` if a value lies outside `range`.
  func require(_ range: ClosedRange<Float>, for kind: Scaling.Kind) throws {
    guard let index = firstIndex(outside: range) else { return }
    let (row, column) = index.quotientAndRemainder(dividingBy: features)
    throw CinchError.badData(
      "\(name) has \(values[index]) in row \(row + 1), column \(column + 1), outside \(range) that \(kind.rawValue) "
        + "scaling needs; use another scaling")
  }
}
