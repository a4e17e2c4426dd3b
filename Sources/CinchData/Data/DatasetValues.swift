import Synchronization

// The order and the range of a data set's values.
extension Dataset {
  /// `count` rows of `features` values with the channels of each image first or last: free where they are so already.
  ///
  /// - Parameter image: what a sample is, where `sampleShape` does not say; samples of any other size stay as they are.
  package func values(in order: ImageLayout, as image: ImageShape? = nil) -> [Float] {
    inOrder(stored, order, as: image)
  }

  /// The same samples, `stored` in another order.
  package func ordered(_ order: ImageLayout, as image: ImageShape? = nil) -> Dataset {
    let image = image ?? ImageShape(sampleShape)
    guard let image, image.count == features, order != layout else { return self }
    return Dataset(
      unchecked: values(in: order, as: image), count: count, sampleShape: image.shape, layout: order, labels: labels,
      name: name, scaling: scaling, columnNames: columnNames, knownRange: knownRange)
  }

  /// Whole rows in the order of `stored`, in another order.
  func inOrder<Value>(_ rows: [Value], _ order: ImageLayout, as image: ImageShape? = nil) -> [Value] {
    guard order != layout, let image = image ?? ImageShape(sampleShape), image.count == features else { return rows }
    return order == .nhwc ? image.channelsLast(rows) : image.channelsFirst(rows)
  }

  /// What there is one of per feature, channels first, in the order of `stored`. Other lists stay as they are.
  func asStored<Value>(perFeature values: [Value]) -> [Value] {
    guard layout == .nhwc, values.count == features, let image = ImageShape(sampleShape) else { return values }
    return image.channelsLast(values)
  }

  /// The feature, counted channels first, that stands at a place of a row of `stored`.
  func feature(storedAt place: Int) -> Int { asStored(perFeature: Array(0..<features))[place] }

  func forEachRow(_ body: (UnsafeBufferPointer<Float>) -> Void) {
    stored.withUnsafeBufferPointer { all in
      for row in 0..<count { body(UnsafeBufferPointer(rebasing: all[(row * features)..<((row + 1) * features)])) }
    }
  }

  /// The smallest and the largest value; found once for all copies of a data set.
  package var range: ClosedRange<Float> {
    knownRange.value {
      // A plain loop: closures over every value of a large data set take seconds in debug builds.
      stored.withUnsafeBufferPointer { buffer in
        guard let start = buffer.baseAddress else { return 0...0 }
        var (low, high) = (start[0], start[0])
        var index = 1
        while index < buffer.count {
          let value = start[index]
          if value < low { low = value }
          if value > high { high = value }
          index &+= 1
        }
        return low...high
      }
    }
  }

  /// The first value outside `limits`, with its row and its feature counted channels first, both from 0.
  package func first(outside limits: ClosedRange<Float>) -> (row: Int, feature: Int, value: Float)? {
    guard range.lowerBound < limits.lowerBound || range.upperBound > limits.upperBound,
      let index = stored.firstIndex(where: { !limits.contains($0) })
    else { return nil }
    let (row, place) = index.quotientAndRemainder(dividingBy: features)
    return (row, feature(storedAt: place), stored[index])
  }

  /// Throws `CinchError.usage` if a fitted scaling has been applied, after which raw values are not exactly known.
  func requireRaw() throws {
    if let kind = scaling?.kind, kind == .minmax || kind == .standard {
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
