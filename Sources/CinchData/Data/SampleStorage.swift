import CSamples
import CinchBackend

/// The element types that IDX and .npy files are read from.
enum ElementType: String {
  case uint8, int8, int16, int32, int64, float32, float64

  var size: Int {
    switch self {
    case .uint8, .int8: 1
    case .int16: 2
    case .int32, .float32: 4
    case .int64, .float64: 8
    }
  }

  fileprivate var code: cinch_element {
    switch self {
    case .uint8: cinch_uint8
    case .int8: cinch_int8
    case .int16: cinch_int16
    case .int32: cinch_int32
    case .int64: cinch_int64
    case .float32: cinch_float32
    case .float64: cinch_float64
    }
  }
}

/// Numbers in memory or in a mapped file, in the type that they came in: they are floats once they are asked for.
package struct SampleStorage: Sendable {
  private enum Place {
    case floats([Float])
    case file(FileContents, start: Int, ElementType, isSwapped: Bool)
  }

  private let place: Place
  package let count: Int
  /// What every number is divided by: 255 where bytes are seen as [0, 1].
  package let divisor: Float

  package init(_ values: [Float]) {
    place = .floats(values)
    count = values.count
    divisor = 1
  }

  /// `count` elements that begin `start` bytes into a file, which holds them all.
  ///
  /// Bytes, and whatever is mapped, stay as they are; a few other numbers become floats at once.
  init(
    _ contents: FileContents, from start: Int, count: Int, _ type: ElementType, bigEndian: Bool, divisor: Float
  ) throws {
    let file = Place.file(contents, start: start, type, isSwapped: bigEndian && type.size > 1)
    guard type != .uint8, !contents.isMapped else {
      place = file
      self.count = count
      self.divisor = divisor
      return
    }
    try HostMemory.require(4 * count, for: "an array of \(count) numbers")
    place = .floats(
      [Float](unsafeUninitializedCapacity: count) { floats, initialised in
        Self.widen(file, 0..<count, divisor, into: floats.baseAddress)
        initialised = count
      })
    self.count = count
    self.divisor = 1
  }

  /// The numbers, where they are floats in memory.
  package var floats: [Float]? { if case .floats(let values) = place { values } else { nil } }

  /// Whether they are bytes.
  package var isBytes: Bool { if case .file(_, _, .uint8, _) = place { true } else { false } }

  package func widen(_ range: Range<Int>, into values: UnsafeMutablePointer<Float>?) {
    Self.widen(place, range, divisor, into: values)
  }

  private static func widen(
    _ place: Place, _ range: Range<Int>, _ divisor: Float, into target: UnsafeMutablePointer<Float>?
  ) {
    guard let target else { return }
    switch place {
    case .floats(let values):
      values.withUnsafeBufferPointer { target.update(from: $0.baseAddress! + range.lowerBound, count: range.count) }
    case .file(let contents, let start, let type, let isSwapped):
      contents.withUnsafeBytes {
        cinch_widen(
          type.code, isSwapped, $0.baseAddress! + start + range.lowerBound * type.size, Int64(range.count), divisor,
          target)
      }
    }
  }

  /// A window that begins `start` numbers into the storage.
  func widen(_ window: cinch_window, at start: Int, into values: UnsafeMutablePointer<Float>) {
    switch place {
    case .floats(let floats):
      floats.withUnsafeBufferPointer {
        cinch_widen_window(cinch_float32, false, $0.baseAddress! + start, window, 1, values)
      }
    case .file(let contents, let first, let type, let isSwapped):
      contents.withUnsafeBytes {
        cinch_widen_window(
          type.code, isSwapped, $0.baseAddress! + first + start * type.size, window, divisor, values)
      }
    }
  }

  /// As `widen`, where the numbers are bytes.
  func copyBytes(_ window: cinch_window, at start: Int, into bytes: UnsafeMutablePointer<UInt8>) {
    guard case .file(let contents, let first, .uint8, _) = place else { return }
    contents.withUnsafeBytes {
      cinch_copy_window(
        $0.baseAddress!.assumingMemoryBound(to: UInt8.self) + first + start, window, bytes)
    }
  }

  /// Some of the numbers as they lie there: floats, or nothing.
  package func withFloats<R>(_ range: Range<Int>, _ body: (UnsafeBufferPointer<Float>) throws -> R) rethrows -> R? {
    guard case .floats(let values) = place else { return nil }
    return try values.withUnsafeBufferPointer { try body(UnsafeBufferPointer(rebasing: $0[range])) }
  }

  /// Some of the numbers as they lie there: bytes, or nothing.
  package func withBytes<R>(_ range: Range<Int>, _ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R? {
    guard case .file(let contents, let start, .uint8, _) = place else { return nil }
    return try contents.withUnsafeBytes {
      try body(UnsafeRawBufferPointer(rebasing: $0[(start + range.lowerBound)..<(start + range.upperBound)]))
    }
  }
}
