import CSamples
import Synchronization

// The order and the range of a data set's values.
extension Dataset {
  /// `count` rows of `features` values with the channels of each image first or last: free where they are so already.
  ///
  /// - Parameter image: what a sample is, where `sampleShape` does not say; samples of any other size stay as they are.
  package func values(in order: ImageLayout, as image: ImageShape? = nil) -> [Float] {
    ordered(order, as: image).stored
  }

  /// The same samples, read in another order.
  package func ordered(_ order: ImageLayout, as image: ImageShape? = nil) -> Dataset {
    let image = image ?? ImageShape(sampleShape)
    guard let image, image.count == features, order != layout else { return self }
    var other = self
    other.sampleShape = image.shape
    other.layout = order
    if image.channels > 1, image.height * image.width > 1 {
      let (channels, pixels) = (image.channels, image.height * image.width)
      let way =
        order == .nhwc
        ? SampleRows.Transposition(rows: channels, columns: pixels)
        : SampleRows.Transposition(rows: pixels, columns: channels)
      other.rows = rows.transposed(way)
      other.observed = observed?.transposed(way)
    }
    return other
  }

  /// What there is one of per column, as it is read, channels first.
  func channelsFirst<Value>(perColumn values: [Value]) -> [Value] {
    guard layout == .nhwc, values.count == features, let image = ImageShape(sampleShape) else { return values }
    return image.channelsFirst(values)
  }

  /// What there is one of per feature, channels first, in the order of `stored`. Other lists stay as they are.
  func asStored<Value>(perFeature values: [Value]) -> [Value] {
    guard layout == .nhwc, values.count == features, let image = ImageShape(sampleShape) else { return values }
    return image.channelsLast(values)
  }

  /// Which feature, counted channels first, stands at each place of a row in the storage: scaling comes before the order
  /// changes.
  func features(inStorageOf rows: SampleRows) -> [Int] {
    let read = asStored(perFeature: Array(0..<features))
    guard let way = rows.transposition else { return read }
    return (0..<features).map { place in
      let (row, column) = place.quotientAndRemainder(dividingBy: way.columns)
      return read[column * way.rows + row]
    }
  }

  /// The feature, counted channels first, that stands at a place of a row of `stored`.
  func feature(storedAt place: Int) -> Int { asStored(perFeature: Array(0..<features))[place] }

  func forEachRow(_ body: (UnsafeBufferPointer<Float>) -> Void) {
    let features = features
    rows.forEachBlock { _, block in
      for start in stride(from: 0, to: block.count, by: features) {
        body(UnsafeBufferPointer(rebasing: block[start..<start + features]))
      }
    }
  }

  /// Rows with what is known of them: nil where nothing is missing.
  func forEachObservedRow(_ body: (UnsafeBufferPointer<Float>, UnsafeBufferPointer<Float>?) -> Void) {
    guard let observed else { return forEachRow { body($0, nil) } }
    let features = features
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * features) { room in
      guard let values = room.baseAddress else { return }
      let shares = values + features
      for row in 0..<count {
        rows.read(row, into: values)
        observed.read(row, into: shares)
        body(UnsafeBufferPointer(start: values, count: features), UnsafeBufferPointer(start: shares, count: features))
      }
    }
  }

  /// The smallest and the largest value; found once for all copies of a data set.
  package var range: ClosedRange<Float> {
    knownRange.value {
      var (low, high) = (Float.infinity, -Float.infinity)
      rows.forEachBlock { _, block in cinch_extend_range(block.baseAddress, Int64(block.count), &low, &high) }
      return low <= high ? low...high : 0...0
    }
  }

  /// Whether all samples are the same.
  package var isConstant: Bool {
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * features) { values in
      guard let first = values.baseAddress else { return true }
      let other = first + features
      rows.read(0, into: first)
      return !(1..<max(count, 1)).contains { row in
        rows.read(row, into: other)
        return (0..<features).contains { first[$0] != other[$0] }
      }
    }
  }

  /// The first value outside `limits`, with its row and its feature counted channels first, both from 0.
  package func first(outside limits: ClosedRange<Float>) -> (row: Int, feature: Int, value: Float)? {
    // Bytes need no look where any byte would do.
    if rows.areBytes, limits.contains(0), limits.contains(255 / rows.divisor) { return nil }
    guard range.lowerBound < limits.lowerBound || range.upperBound > limits.upperBound else { return nil }
    return firstValue { block in block.firstIndex { !limits.contains($0) } }
  }

  /// The first value that `find` finds in a block of rows.
  private func firstValue(
    _ find: (UnsafeBufferPointer<Float>) -> Int?
  ) -> (row: Int, feature: Int, value: Float)? {
    var found: (row: Int, feature: Int, value: Float)?
    rows.forEachBlock { first, block in
      guard found == nil, let index = find(block) else { return }
      let (row, place) = index.quotientAndRemainder(dividingBy: features)
      found = (first + row, feature(storedAt: place), block[index])
    }
    return found
  }

  /// Throws `CinchError.badData` naming the first element that is NaN or infinite.
  ///
  /// - Parameter subject: what holds the values, as a sentence begins with it.
  func requireFinite(subject: String) throws {
    guard let found = firstValue(firstNotFinite) else { return }
    throw notFinite(found.value, wide: nil, subject: subject, row: found.row, column: found.feature)
  }

  /// Throws `CinchError.usage` if a fitted scaling has been applied, after which raw values are not exactly known.
  func requireRaw() throws {
    if let kind = scaling?.kind, kind.isFitted {
      throw CinchError.usage(
        "'\(name)' has been scaled already (\(kind.rawValue)): load it again to scale it otherwise.")
    }
  }

  /// Throws `CinchError.badData` if a value lies outside `range`.
  func require(_ range: ClosedRange<Float>, for kind: Scaling.Kind) throws {
    guard let found = first(outside: range) else { return }
    throw CinchError.badData(
      "'\(name)' has \(found.value) in row \(found.row + 1), column \(found.feature + 1), outside \(range) that "
        + "\(kind.rawValue) scaling needs: use another scaling.")
  }
}

/// The range of a data set's values, once someone has asked for it.
final class KnownRange: Sendable {
  private let range = Mutex<ClosedRange<Float>?>(nil)

  func value(_ find: () -> ClosedRange<Float>) -> ClosedRange<Float> {
    range.withLock { known in
      if let known { return known }
      let found = find()
      known = found
      return found
    }
  }
}
