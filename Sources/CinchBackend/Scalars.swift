/// Between floats and a device's scalars. Generic code that is not specialised takes a hundred times as long over an array,
/// so the types are told apart once and not for every element.
package enum Scalars {
  package static func floats<Scalar: BinaryFloatingPoint>(_ values: [Scalar]) -> [Float] {
    if Scalar.self == Float.self { return unsafeBitCast(values, to: [Float].self) }
    if Scalar.self == Double.self { return unsafeBitCast(values, to: [Double].self).map { Float($0) } }
    return values.map { Float($0) }
  }

  package static func doubles<Scalar: BinaryFloatingPoint>(_ values: [Scalar]) -> [Double] {
    if Scalar.self == Double.self { return unsafeBitCast(values, to: [Double].self) }
    if Scalar.self == Float.self { return unsafeBitCast(values, to: [Float].self).map { Double($0) } }
    return values.map { Double($0) }
  }

  package static func scalars<Scalar: BinaryFloatingPoint>(_ values: [Float]) -> [Scalar] {
    if Scalar.self == Float.self { return unsafeBitCast(values, to: [Scalar].self) }
    if Scalar.self == Double.self { return unsafeBitCast(values.map { Double($0) }, to: [Scalar].self) }
    return values.map { Scalar($0) }
  }

  package static func scalars<Scalar: BinaryFloatingPoint>(_ values: [Double]) -> [Scalar] {
    if Scalar.self == Double.self { return unsafeBitCast(values, to: [Scalar].self) }
    if Scalar.self == Float.self { return unsafeBitCast(values.map { Float($0) }, to: [Scalar].self) }
    return values.map { Scalar($0) }
  }

  /// Adds each value to the sum at its place.
  package static func add<Scalar: BinaryFloatingPoint>(_ values: [Scalar], to sums: inout [Double]) {
    sums.withUnsafeMutableBufferPointer { sums in
      let count = min(values.count, sums.count)
      if Scalar.self == Float.self {
        unsafeBitCast(values, to: [Float].self).withUnsafeBufferPointer { values in
          for index in 0..<count { sums[index] += Double(values[index]) }
        }
      } else if Scalar.self == Double.self {
        unsafeBitCast(values, to: [Double].self).withUnsafeBufferPointer { values in
          for index in 0..<count { sums[index] += values[index] }
        }
      } else {
        for index in 0..<count { sums[index] += Double(values[index]) }
      }
    }
  }

  /// Room for floats that become `scalars`; where these are floats, the room is theirs.
  package static func fill<Scalar: BinaryFloatingPoint>(
    _ scalars: UnsafeMutableBufferPointer<Scalar>, _ body: (UnsafeMutablePointer<Float>) -> Void
  ) {
    guard let start = scalars.baseAddress, !scalars.isEmpty else { return }
    if Scalar.self == Float.self {
      return UnsafeMutableRawPointer(start).withMemoryRebound(to: Float.self, capacity: scalars.count, body)
    }
    withUnsafeTemporaryAllocation(of: Float.self, capacity: scalars.count) { floats in
      body(floats.baseAddress!)
      if Scalar.self == Double.self {
        UnsafeMutableRawPointer(start).withMemoryRebound(to: Double.self, capacity: scalars.count) { doubles in
          for index in floats.indices { doubles[index] = Double(floats[index]) }
        }
      } else {
        for index in floats.indices { scalars[index] = Scalar(floats[index]) }
      }
    }
  }
}
