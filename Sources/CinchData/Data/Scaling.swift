/// What is done to raw feature values before training: scaled = (raw − offset) / scale, feature by feature; or, of `zca`,
/// scaled = (raw − offset) W, a sample at a time (``Whitening``).
///
/// A feature whose `scale` is 0 was constant when fitted: it scales to 0, and inverts to its offset. Offsets and
/// scales always refer to raw values, bytes being 0…255, so that a run's scaling fits data in any file format.
public struct Scaling: Sendable, Hashable, Codable {
  public enum Kind: String, Sendable, Hashable, Codable, CaseIterable {
    /// Values as they are.
    case none
    /// Bytes 0…255 to [0, 1]: offset 0, scale 255.
    case bytes
    /// Each feature's range to [0, 1]; texts of a table stay 0 and 1. New data may fall outside.
    case minmax
    /// Each feature to mean 0 and (population) variance 1, those of which are observed; texts of a table stay 0 and 1.
    case standard
    /// Features to mean 0 and, where ε is small, to variance 1 and no correlation: ZCA whitening.
    case zca

    /// Whether it follows from samples, so that what it has been done to is no longer raw.
    package var isFitted: Bool {
      switch self {
      case .none, .bytes: false
      case .minmax, .standard, .zca: true
      }
    }
  }

  public let kind: Kind
  /// One value per feature; one for all features where `kind` is `bytes`; empty where it is `none`.
  public let offset: [Double]
  /// As `offset`; empty where `kind` is `zca`.
  public let scale: [Double]
  /// What `zca` has in place of `scale`.
  public let whitening: Whitening?

  /// Leaves values as they are.
  public static let identity = Scaling(kind: .none, offset: [], scale: [])
  /// Bytes 0…255 to [0, 1].
  public static let bytes = Scaling(kind: .bytes, offset: [0], scale: [255])

  init(kind: Kind, offset: [Double], scale: [Double], whitening: Whitening? = nil) {
    self.kind = kind
    self.offset = offset
    self.scale = scale
    self.whitening = whitening
  }

  /// Throws `DecodingError` where offsets and scales do not belong together.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    kind = try container.decode(Kind.self, forKey: .kind)
    offset = try container.decode([Double].self, forKey: .offset)
    scale = try container.decode([Double].self, forKey: .scale)
    whitening = try container.decodeIfPresent(Whitening.self, forKey: .whitening)
    let fits =
      switch kind {
      case .none: offset.isEmpty
      case .bytes: offset == [0] && scale == [255]
      case .minmax, .standard: !offset.isEmpty
      case .zca: !offset.isEmpty && whitening?.matrix.count == offset.count * offset.count && scale.isEmpty
      }
    guard fits, kind == .zca || offset.count == scale.count && whitening == nil,
      (offset + scale).allSatisfy(\.isFinite), scale.allSatisfy({ $0 >= 0 })
    else {
      throw DecodingError.dataCorruptedError(
        forKey: .scale, in: container, debugDescription: "the offsets and scales do not fit a \(kind.rawValue) scaling")
    }
  }

  /// The scaling of a kind that fits `data`, usually the training set.
  ///
  /// `none` keeps what the loader did (bytes stay divided by 255).
  ///
  /// - Parameters:
  ///   - kind: which.
  ///   - data: raw samples.
  ///   - epsilon: of `zca`: ε as a fraction of the covariance's mean eigenvalue.
  /// - Throws: `CinchError.usage` if `data` has been scaled by a fitted kind already, or `epsilon` is negative; `.badData` if
  ///   `bytes` is asked for and values lie outside 0…255, or `zca` of samples that cannot be whitened; `.unavailable` where
  ///   there is no room for the matrices.
  public static func fit(
    _ kind: Kind, to data: Dataset, epsilon: Double = Whitening.usualEpsilon
  ) throws -> Scaling {
    try data.requireRaw()
    switch kind {
    case .none: return data.scaling ?? .identity
    case .bytes:
      if data.scaling?.kind != .bytes { try data.require(0...255, for: .bytes) }
      return .bytes
    case .minmax:
      let (low, high) = ranges(of: data)
      return Scaling(kind: kind, offset: low, scale: zip(high, low).map { $0 - $1 }).leavingTexts(of: data)
        .telling(of: data)
    case .standard:
      let (low, high) = ranges(of: data)
      let (mean, deviation) = moments(of: data)
      // Rounding gives a constant feature a tiny deviation; dividing by it would blow up.
      return Scaling(
        kind: kind, offset: mean, scale: deviation.indices.map { low[$0] == high[$0] ? 0 : deviation[$0] }
      ).leavingTexts(of: data).telling(of: data)
    case .zca:
      try requireWhole(data)
      let (mean, whitening) = try Whitening.fitted(to: data, epsilon: epsilon)
      return Scaling(kind: kind, offset: mean, scale: [], whitening: whitening)
    }
  }

  /// The same, having told of a feature that lies so far from 0 that floats hold it in steps of more than 2⁻⁸ of how it varies.
  private func telling(of data: Dataset) -> Scaling {
    if let feature = offset.indices.first(where: { scale[$0] > 0 && abs(offset[$0]) > 0x1p16 * scale[$0] }) {
      LoadProgress.note(
        "column \(data.columnNames.map { "'\($0[feature])'" } ?? "\(feature + 1)") of '\(data.name)' lies so far from 0 that numbers "
          + "of 32 bits keep little of how it varies: take \(Float(offset[feature])) away from it before")
    }
    return self
  }

  /// The same, but for texts of a table, which are told apart by 0 and 1 and no other numbers.
  private func leavingTexts(of data: Dataset) -> Scaling {
    guard let isText = data.textFeatures else { return self }
    return Scaling(
      kind: kind, offset: offset.indices.map { isText[$0] ? 0 : offset[$0] },
      scale: scale.indices.map { isText[$0] ? 1 : scale[$0] })
  }

  /// - Throws: `CinchError.badData` where values are missing, which whitening would spread over all features.
  private static func requireWhole(_ data: Dataset) throws {
    guard data.observed != nil else { return }
    throw CinchError.badData(
      "'\(data.name)' has missing cells, which whitening would spread over all columns: impute them first, or use "
        + "\(.scaling, "standard").")
  }

  /// Scales raw values.
  ///
  /// - Parameter values: rows of `offset.count` features (any number for `none` and `bytes`).
  /// - Throws: `CinchError.badData` if the number of features is not the fitted one, or a result does not fit 32 bits.
  public func apply(to values: [Float]) throws -> [Float] {
    let scaled =
      if let whitening {
        whitening.map(from: offset).apply(to: try rows(values))
      } else {
        try map(values) { value, offset, scale in scale == 0 ? 0 : (Double(value) - offset) / scale }
      }
    if let (value, row, column) = misfit(in: scaled) {
      throw notFinite(value, wide: nil, subject: "The scaled data", row: row, column: column)
    }
    return scaled
  }

  /// Undoes `apply(to:)`: raw = scaled · scale + offset, or of `zca` scaled W⁻¹ + offset.
  ///
  /// - Throws: `CinchError.badData` if the number of features is not the fitted one, or a result does not fit 32 bits.
  public func invert(_ values: [Float]) throws -> [Float] {
    let raw =
      if let whitening {
        whitening.inverseMap(to: offset).apply(to: try rows(values))
      } else {
        try map(values) { value, offset, scale in Double(value) * scale + offset }
      }
    if let (value, row, column) = misfit(in: raw) {
      throw CinchError.badData(
        "Row \(row + 1), column \(column + 1) (counted from 1) is \(value) once its scaling is undone, which is no number that "
          + "fits 32 bits: use values closer to those it was fitted to, or train anew with another \(.scaling).")
    }
    return raw
  }

  /// The first of results that do not fit 32 bits.
  private func misfit(in values: [Float]) -> (value: Float, row: Int, column: Int)? {
    guard let index = values.withUnsafeBufferPointer(firstNotFinite) else { return nil }
    // `none` has no offsets, and takes any number of features.
    let (row, column) = index.quotientAndRemainder(dividingBy: max(offset.count, 1))
    return (values[index], row, column)
  }

  /// The scaling of the same samples with the channels of each image first or last. Its own are first.
  package func ordered(_ order: ImageLayout, as image: ImageShape) -> Scaling {
    guard order == .nhwc, offset.count == image.count else { return self }
    let features = image.channelsLast(Array(offset.indices))
    return Scaling(
      kind: kind, offset: features.map { offset[$0] }, scale: scale.isEmpty ? [] : features.map { scale[$0] },
      whitening: whitening?.ordered(features))
  }

  /// Scales a data set as the one this was fitted to, whatever format it came from.
  ///
  /// `bytes` leaves floats that lie in [0, 1] as they are, since they have been scaled by whoever wrote them.
  ///
  /// - Throws: `CinchError.badData` if features do not match or, for `bytes`, values lie outside 0…255; `.usage` if
  ///   `data` has been scaled by a fitted kind already.
  public func apply(to data: Dataset) throws -> Dataset {
    if data.scaling == self { return data }
    try data.requireRaw()
    let isBytes = data.scaling?.kind == .bytes
    switch kind {
    case .none: return data
    case .bytes:
      if isBytes || data.first(outside: 0...1) == nil { return data }
      try data.require(0...255, for: .bytes)
    case .minmax, .standard, .zca:
      guard data.features == offset.count else {
        throw CinchError.badData(
          "'\(data.name)' has \(data.features) features but its scaling was fitted to \(offset.count): "
            + "use data with the same columns.")
      }
    }
    // What has been scaled already, as floats that were seen as bytes, is scaled again from its result.
    var rows = data.rows.scaler == nil ? data.rows : SampleRows(SampleStorage(data.stored), features: data.features)
    let features = data.features(inStorageOf: rows)
    func perColumn(_ list: [Double]) -> [Double] {
      list.count == data.features
        ? features.map { list[$0] } : [Double](repeating: list[0], count: data.features)
    }
    let raw: Double = isBytes ? 255 : 1
    if kind == .standard, let filled = missingAtOffset(data) { rows = filled }
    if let whitening {
      try Self.requireWhole(data)
      rows.scaler = .whitening(whitening.ordered(features).map(from: perColumn(offset), raw: raw))
    } else {
      rows.scaler = .affine(SampleRows.Affine(offset: perColumn(offset), scale: perColumn(scale), raw: raw))
    }
    var scaled = data.replacing(rows, data.observed)
    scaled.scaling = self
    if !mayReach(from: data.range, raw: raw).allSatisfy({ Float($0).isFinite }) {
      // Some of the values would be; perhaps none is.
      try scaled.requireFinite(subject: "The scaled data")
    }
    return scaled
  }

  /// A table's rows with the mean of the samples that the scaling was fitted to in every missing number, so that it goes in as
  /// 0; nil where it does already. What was read with the table is the mean of all of its rows, held-out ones among them.
  private func missingAtOffset(_ data: Dataset) -> SampleRows? {
    guard data.observed != nil, let schema = data.schema, schema.features == data.features else { return nil }
    let means = zip(schema.columns, schema.ranges).compactMap { column, range -> (feature: Int, mean: Float)? in
      let feature = range.lowerBound
      guard column.kind == .number, let fill = column.fill,
        abs(fill - offset[feature]) > scale[feature] * Double(Float.ulpOfOne)
      else { return nil }
      return (feature, Float(offset[feature]))
    }
    guard !means.isEmpty else { return nil }
    var values: [Float] = []
    values.reserveCapacity(data.count * data.features)
    data.forEachObservedRow { row, observed in
      let start = values.count
      values.append(contentsOf: row)
      guard let observed else { return }
      for (feature, mean) in means where observed[feature] == 0 { values[start + feature] = mean }
    }
    return SampleRows(SampleStorage(values), features: data.features)
  }

  /// Numbers that every result lies between, for values of a range.
  private func mayReach(from range: ClosedRange<Float>, raw: Double) -> [Double] {
    let ends = [range.lowerBound, range.upperBound]
    if let whitening {
      let distances = offset.map { mean in ends.map { abs(Double($0) * raw - mean) }.max() ?? 0 }
      return [whitening.bound(distances)]
    }
    return ends.flatMap { value in
      zip(offset, scale).map { $1 == 0 ? 0 : (Double(value) * raw - $0) / $1 }
    }
  }

  /// The values, where they are rows of the features that this was fitted to.
  private func rows(_ values: [Float]) throws -> [Float] {
    guard values.count % offset.count == 0 else {
      throw CinchError.badData(
        "\(values.count) values are not rows of the \(offset.count) features that the scaling was fitted to: "
          + "use data with the same columns.")
    }
    return values
  }

  private func map(_ values: [Float], _ transform: (Float, Double, Double) -> Double) throws -> [Float] {
    if kind == .none { return values }
    let features = offset.count
    let values = try rows(values)
    return [Float](unsafeUninitializedCapacity: values.count) { result, count in
      values.withUnsafeBufferPointer { values in
        var feature = 0
        for index in values.indices {
          result.initializeElement(
            at: index, to: Float(transform(values[index], offset[feature], scale[feature])))
          feature = feature + 1 == features ? 0 : feature + 1
        }
      }
      count = values.count
    }
  }

  private static func ranges(of data: Dataset) -> (low: [Double], high: [Double]) {
    var low = [Float](repeating: .infinity, count: data.features)
    var high = [Float](repeating: -.infinity, count: data.features)
    data.forEachRow { row in
      for feature in row.indices {
        low[feature] = min(low[feature], row[feature])
        high[feature] = max(high[feature], row[feature])
      }
    }
    let rawScale = data.scaling?.kind == .bytes ? 255.0 : 1
    return (
      data.channelsFirst(perColumn: low.map { Double($0) * rawScale }),
      data.channelsFirst(perColumn: high.map { Double($0) * rawScale })
    )
  }

  private static func moments(of data: Dataset) -> (mean: [Double], deviation: [Double]) {
    let mean = data.featureMeans()
    var squares = [Double](repeating: 0, count: data.features)
    // What stands for a missing value is a mean, or says nothing of the others' spread.
    var counts = [Double](repeating: Double(data.count), count: data.features)
    if data.observed != nil { counts = [Double](repeating: 0, count: data.features) }
    data.forEachObservedRow { row, observed in
      for feature in row.indices where observed?[feature] ?? 1 != 0 {
        let difference = Double(row[feature]) - mean[feature]
        squares[feature] += difference * difference
        if observed != nil { counts[feature] += 1 }
      }
    }
    let rawScale = data.scaling?.kind == .bytes ? 255.0 : 1
    return (
      data.channelsFirst(perColumn: mean.map { $0 * rawScale }),
      data.channelsFirst(perColumn: zip(squares, counts).map { ($0 / max($1, 1)).squareRoot() * rawScale })
    )
  }
}

extension Dataset {
  /// Each feature's mean over samples, which there must be, as the data order features; of the values that are observed, 0 where
  /// none is.
  package func featureMeans() -> [Double] {
    var sums = [Double](repeating: 0, count: features)
    guard observed != nil else {
      forEachRow { row in
        for feature in row.indices { sums[feature] += Double(row[feature]) }
      }
      return sums.map { $0 / Double(count) }
    }
    var counts = [Double](repeating: 0, count: features)
    forEachObservedRow { row, observed in
      for feature in row.indices where observed?[feature] ?? 1 != 0 {
        sums[feature] += Double(row[feature])
        counts[feature] += 1
      }
    }
    return zip(sums, counts).map { $0 / max($1, 1) }
  }

  /// Whether each feature stands for a text; nil where none does.
  var textFeatures: [Bool]? {
    guard let schema, schema.features == features, schema.columns.contains(where: { $0.kind != .number }) else {
      return nil
    }
    return schema.columns.flatMap { [Bool](repeating: $0.kind != .number, count: $0.width) }
  }
}
