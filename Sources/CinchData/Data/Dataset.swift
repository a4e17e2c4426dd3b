import CinchBackend

/// Samples to train or evaluate on: a matrix of finite floats, one row per sample.
///
/// Values keep the type that their file has, and images the order of channels that they came with: they become floats, and
/// are put into another order, where someone reads them. A large file is read in place.
public struct Dataset: Sendable {
  /// `count` rows of `features` values in the order `layout`.
  package internal(set) var rows: SampleRows
  /// As `rows`: 1 where a value was observed, and 0 where it is missing and another stands for it. Nil where none is missing.
  package internal(set) var observed: SampleRows?
  /// How `rows` order the values of an image. Anything but an image is `.nchw`.
  package internal(set) var layout: ImageLayout
  /// One sample's shape, whatever the order of `stored`: `[28, 28]`, `[3, 32, 32]` (channels, height, width) or
  /// `[features]`.
  public internal(set) var sampleShape: Shape
  /// What the columns of its table mean, where it was read from one with a header or with text.
  package var schema: TableSchema?
  /// One class per sample, where known.
  package internal(set) var classLabels: Labels?
  /// One name per sample, where each is a file of its own, or its table names its rows.
  package internal(set) var sampleNames: SampleNames?
  /// The file or data set the samples came from, for reports.
  public let name: String
  /// What turned raw values into `values`, where anything did.
  public internal(set) var scaling: Scaling?
  /// One name per feature, where the file has a header.
  public internal(set) var columnNames: [String]?
  /// Shared by copies, so that values are scanned once.
  var knownRange: KnownRange

  /// `count` rows of `features` values, row-major; of images with channels first.
  ///
  /// An array of them all is made, unless they are floats in memory.
  public var values: [Float] { values(in: .nchw) }

  /// As `values`: 1 where a value was observed, and 0 where it is missing. Nil where none is missing.
  package var observedValues: [Float]? { ordered(.nchw).observed?.values }

  /// `count` rows of `features` values, row-major, in the order `layout`.
  package var stored: [Float] { rows.values }

  /// Samples, at least 1.
  public var count: Int { rows.count }

  /// Values in a sample: the product of `sampleShape`.
  public var features: Int { sampleShape.count }

  /// 1 feature, 784 features
  package var featuresText: String { "\(features) feature\(features == 1 ? "" : "s")" }

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
    try self.init(
      stored: values, count: count, sampleShape: sampleShape, layout: .nchw, labels: labels, name: name,
      scaling: scaling, columnNames: columnNames)
  }

  /// Samples whose values are ordered as `layout` says, where they are images.
  package init(
    stored values: [Float], count: Int, sampleShape: Shape, layout: ImageLayout, labels: [Int]? = nil,
    name: String = "data", scaling: Scaling? = nil, columnNames: [String]? = nil
  ) throws {
    let features = sampleShape.count
    guard count >= 1, features >= 1 else {
      throw CinchError.badData("'\(name)' has \(count) samples of \(features) features: give at least one of each.")
    }
    guard checkedProduct([count, features]) == values.count else {
      throw CinchError.badData(
        "'\(name)' has \(values.count) values, not \(count) samples of \(features) features: correct the counts.")
    }
    guard labels.map({ $0.count == count }) ?? true else {
      throw CinchError.badData("'\(name)' has \(labels?.count ?? 0) labels for \(count) samples: give one per sample.")
    }
    guard columnNames.map({ $0.count == features }) ?? true else {
      throw CinchError.badData(
        "'\(name)' has \(columnNames?.count ?? 0) column names for \(features) features: give one per feature.")
    }
    self.init(
      unchecked: SampleRows(SampleStorage(values), features: features), sampleShape: sampleShape, layout: layout,
      labels: labels.map { Labels($0) }, name: name, scaling: scaling, columnNames: columnNames)
    try requireFinite(subject: "'\(name)'")
  }

  /// Samples that are plain vectors of `features` values. Throws as the other initialiser.
  public init(values: [Float], count: Int, features: Int, labels: [Int]? = nil, name: String = "data") throws {
    guard features >= 1 else {
      throw CinchError.badData("'\(name)' has \(count) samples of \(features) features: give at least one of each.")
    }
    try self.init(values: values, count: count, sampleShape: [features], labels: labels, name: name)
  }

  /// For values that are known to be finite and to fit, such as rows of another data set.
  init(
    unchecked rows: SampleRows, sampleShape: Shape, layout: ImageLayout = .nchw, labels: Labels?, name: String,
    scaling: Scaling?, columnNames: [String]?, sampleNames: SampleNames? = nil, knownRange: KnownRange = KnownRange()
  ) {
    self.knownRange = knownRange
    self.rows = rows
    self.layout = ImageShape(sampleShape) == nil ? .nchw : layout
    self.sampleShape = sampleShape
    classLabels = labels
    self.name = name
    self.scaling = scaling
    self.columnNames = columnNames
    self.sampleNames = sampleNames
  }

  /// Enters every value; of images with channels first, so that the order of a file does not count.
  package func add(to sum: inout Checksum) {
    let ordered = ordered(.nchw)
    Self.add(ordered.rows, to: &sum)
    if let observed = ordered.observed { Self.add(observed, to: &sum) }
  }

  private static func add(_ rows: SampleRows, to sum: inout Checksum) {
    let (count, features) = (rows.count, rows.features)
    guard rows.areBytes else { return rows.forEachBlock { sum.add(UnsafeRawBufferPointer($1)) } }
    let together = rows.rowsAtOnce
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: min(together, count) * features) { block in
      for first in stride(from: 0, to: count, by: together) {
        let end = min(first + together, count)
        rows.readBytes(first..<end, into: block.baseAddress!)
        sum.add(
          UnsafeRawBufferPointer(
            UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(block)[..<((end - first) * features)])
          ))
      }
    }
  }

  /// One sample's values; of an image with channels first.
  ///
  /// - Throws: `CinchError.usage` unless `index` is one of `0 ..< count`.
  public func sample(_ index: Int) throws -> ArraySlice<Float> {
    guard (0..<count).contains(index) else {
      throw CinchError.usage("There is no sample \(index) among the \(count) of '\(name)': choose 0 to \(count - 1).")
    }
    return ordered(.nchw).rows.selecting(index..<index + 1).values[...]
  }

  /// The samples of a range.
  ///
  /// - Throws: `CinchError.usage` if the range is empty or reaches outside `0 ..< count`.
  public func subset(_ range: Range<Int>) throws -> Dataset {
    guard !range.isEmpty, range.lowerBound >= 0, range.upperBound <= count else {
      throw CinchError.usage(
        "Samples \(range.lowerBound) ..< \(range.upperBound) are not within the \(count) of '\(name)': choose fewer.")
    }
    if range.count == count { return self }
    var part = replacing(rows.selecting(range), observed?.selecting(range))
    part.classLabels = classLabels.map { $0[range] }
    part.sampleNames = sampleNames?.gather(range)
    return part
  }

  /// The first `count` samples, or all if there are fewer.
  ///
  /// - Throws: `CinchError.usage` if `count` is less than 1.
  public func prefix(_ count: Int) throws -> Dataset {
    guard count >= 1 else { throw CinchError.usage("\(count) samples are too few: ask for at least 1.") }
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
        "A validation share of \(fraction) leaves one part of the \(count) samples of '\(name)' empty: "
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
        "A sample of '\(name)' has \(features) values, which do not fill \(shape): choose a shape that they fill.")
    }
    if shape == sampleShape { return self }
    var other = ordered(.nchw)
    other.sampleShape = shape
    return other
  }

  /// Samples in another order, or some of them; their numbers must lie in `0 ..< count`.
  package func gather(_ order: ArraySlice<Int>) -> Dataset {
    var part = replacing(rows.selecting(order), observed?.selecting(order))
    part.classLabels = classLabels?.gather(order)
    part.sampleNames = sampleNames?.gather(order)
    return part
  }

  /// The same description of other values.
  func replacing(_ rows: SampleRows, _ observed: SampleRows?) -> Dataset {
    var other = self
    other.rows = rows
    other.observed = observed
    other.knownRange = KnownRange()
    return other
  }
}
