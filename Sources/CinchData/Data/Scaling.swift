/// What is done to raw feature values before training: scaled = (raw − offset) / scale, feature by feature.
///
/// A feature whose `scale` is 0 was constant when fitted: it scales to 0, and inverts to its offset. Offsets and
/// scales always refer to raw values, bytes being 0…255, so that a run's scaling fits data in any file format.
public struct Scaling: Sendable, Hashable, Codable {
  public enum Kind: String, Sendable, Hashable, Codable, CaseIterable {
    /// Values as they are.
    case none
    /// Bytes 0…255 to [0, 1]: offset 0, scale 255.
    case bytes
    /// Each feature's range to [0, 1]. New data may fall outside.
    case minmax
    /// Each feature to mean 0 and (population) variance 1.
    case standard
  }

  public let kind: Kind
  /// One value per feature; one for all features where `kind` is `bytes`; empty where it is `none`.
  public let offset: [Double]
  /// As `offset`.
  public let scale: [Double]

  /// Leaves values as they are.
  public static let identity = Scaling(kind: .none, offset: [], scale: [])
  /// Bytes 0…255 to [0, 1].
  public static let bytes = Scaling(kind: .bytes, offset: [0], scale: [255])

  init(kind: Kind, offset: [Double], scale: [Double]) {
    self.kind = kind
    self.offset = offset
    self.scale = scale
  }

  /// Throws `DecodingError` where offsets and scales do not belong together.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    kind = try container.decode(Kind.self, forKey: .kind)
    offset = try container.decode([Double].self, forKey: .offset)
    scale = try container.decode([Double].self, forKey: .scale)
    let fits =
      switch kind {
      case .none: offset.isEmpty
      case .bytes: offset == [0] && scale == [255]
      case .minmax, .standard: !offset.isEmpty
      }
    guard fits, offset.count == scale.count, (offset + scale).allSatisfy(\.isFinite), scale.allSatisfy({ $0 >= 0 })
    else {
      throw DecodingError.dataCorruptedError(
        forKey: .scale, in: container, debugDescription: "the offsets and scales do not fit a \(kind.rawValue) scaling")
    }
  }

  /// The scaling of a kind that fits `data`, usually the training set.
  ///
  /// `none` keeps what the loader did (bytes stay divided by 255).
  ///
  /// - Throws: `CinchError.usage` if `data` has been scaled by `minmax` or `standard` already; `.badData` if `bytes`
  ///   is asked for and values lie outside 0…255.
  public static func fit(_ kind: Kind, to data: Dataset) throws -> Scaling {
    try data.requireRaw()
    switch kind {
    case .none: return data.scaling ?? .identity
    case .bytes:
      if data.scaling?.kind != .bytes { try data.require(0...255, for: .bytes) }
      return .bytes
    case .minmax:
      let (low, high) = ranges(of: data)
      return Scaling(kind: kind, offset: low, scale: zip(high, low).map { $0 - $1 })
    case .standard:
      let (low, high) = ranges(of: data)
      let (mean, deviation) = moments(of: data)
      // Rounding gives a constant feature a tiny deviation; dividing by it would blow up.
      return Scaling(
        kind: kind, offset: mean, scale: deviation.indices.map { low[$0] == high[$0] ? 0 : deviation[$0] })
    }
  }

  /// Scales raw values.
  ///
  /// - Parameter values: rows of `offset.count` features (any number for `none` and `bytes`).
  /// - Throws: `CinchError.badData` if the number of features is not the fitted one, or a result does not fit 32 bits.
  public func apply(to values: [Float]) throws -> [Float] {
    let scaled = try map(values) { value, offset, scale in scale == 0 ? 0 : (Double(value) - offset) / scale }
    if let index = scaled.withUnsafeBufferPointer(firstNotFinite) {
      let (row, column) = index.quotientAndRemainder(dividingBy: offset.count)
      throw notFinite(scaled[index], wide: nil, subject: "The scaled data", row: row, column: column)
    }
    return scaled
  }

  /// Undoes `apply(to:)`: raw = scaled · scale + offset.
  ///
  /// - Throws: `CinchError.badData` if the number of features is not the fitted one.
  public func invert(_ values: [Float]) throws -> [Float] {
    try map(values) { value, offset, scale in Double(value) * scale + offset }
  }

  /// The scaling of the same samples with the channels of each image first or last. Its own are first.
  package func ordered(_ order: ImageLayout, as image: ImageShape) -> Scaling {
    guard order == .nhwc, offset.count == image.count else { return self }
    return Scaling(kind: kind, offset: image.channelsLast(offset), scale: image.channelsLast(scale))
  }

  /// Scales a data set as the one this was fitted to, whatever format it came from.
  ///
  /// `bytes` leaves floats that lie in [0, 1] as they are, since they have been scaled by whoever wrote them.
  ///
  /// - Throws: `CinchError.badData` if features do not match or, for `bytes`, values lie outside 0…255; `.usage` if
  ///   `data` has been scaled by `minmax` or `standard` already.
  public func apply(to data: Dataset) throws -> Dataset {
    if data.scaling == self { return data }
    try data.requireRaw()
    let isBytes = data.scaling?.kind == .bytes
    switch kind {
    case .none: return data
    case .bytes:
      if isBytes || data.first(outside: 0...1) == nil { return data }
      try data.require(0...255, for: .bytes)
    case .minmax, .standard:
      guard data.features == offset.count else {
        throw CinchError.badData(
          "'\(data.name)' has \(data.features) features but its scaling was fitted to \(offset.count): "
            + "use data with the same columns.")
      }
    }
    // What has been scaled already, as floats that were seen as bytes, is scaled again from its result.
    var rows = data.rows.affine == nil ? data.rows : SampleRows(SampleStorage(data.stored), features: data.features)
    func perColumn(_ list: [Double]) -> [Double] {
      guard list.count == data.features else { return [Double](repeating: list[0], count: data.features) }
      let read = data.asStored(perFeature: list)
      // Scaling comes before the order changes.
      guard let way = rows.transposition else { return read }
      return (0..<data.features).map { place in
        let (row, column) = place.quotientAndRemainder(dividingBy: way.columns)
        return read[column * way.rows + row]
      }
    }
    rows.affine = SampleRows.Affine(
      offset: perColumn(offset), scale: perColumn(scale), raw: isBytes ? 255 : 1)
    let scaled = Dataset(
      unchecked: rows, sampleShape: data.sampleShape, layout: data.layout, labels: data.classLabels, name: data.name,
      scaling: self, columnNames: data.columnNames)
    if !apply(to: [data.range.lowerBound, data.range.upperBound], raw: isBytes ? 255 : 1).allSatisfy(\.isFinite) {
      // Some of the values would be; perhaps none is.
      try scaled.requireFinite(subject: "The scaled data")
    }
    return scaled
  }

  /// Every column's image of each value: where these are finite, all between them are.
  private func apply(to values: [Float], raw: Double) -> [Float] {
    values.flatMap { value in
      zip(offset, scale).map { $1 == 0 ? 0 : Float((Double(value) * raw - $0) / $1) }
    }
  }

  private func map(_ values: [Float], _ transform: (Float, Double, Double) -> Double) throws -> [Float] {
    if kind == .none { return values }
    let features = offset.count
    guard values.count % features == 0 else {
      throw CinchError.badData(
        "\(values.count) values are not rows of the \(features) features that the scaling was fitted to: "
          + "use data with the same columns.")
    }
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
    let count = Double(data.count)
    var mean = [Double](repeating: 0, count: data.features)
    data.forEachRow { row in
      for feature in row.indices { mean[feature] += Double(row[feature]) }
    }
    for feature in mean.indices { mean[feature] /= count }
    var squares = [Double](repeating: 0, count: data.features)
    data.forEachRow { row in
      for feature in row.indices {
        let difference = Double(row[feature]) - mean[feature]
        squares[feature] += difference * difference
      }
    }
    let rawScale = data.scaling?.kind == .bytes ? 255.0 : 1
    return (
      data.channelsFirst(perColumn: mean.map { $0 * rawScale }),
      data.channelsFirst(perColumn: squares.map { ($0 / count).squareRoot() * rawScale })
    )
  }
}
