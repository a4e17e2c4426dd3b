import CinchBackend

/// The element types that IDX and .npy files are read from.
enum ElementType: String {
  case uint8, int8, int16, int32, float32, float64

  var size: Int {
    switch self {
    case .uint8, .int8: 1
    case .int16: 2
    case .int32, .float32: 4
    case .float64: 8
    }
  }
}

/// What an array file holds, as 32-bit floats in row-major order; row i is sample i.
struct NumericArray {
  let values: [Float]
  /// `[samples, …]`, every extent at least 1.
  let shape: Shape
  /// Whether bytes 0…255 were divided by 255.
  let bytesWereScaled: Bool

  /// Reads `payload` as an array of `extents`.
  ///
  /// Nothing is allocated before the size that the header claims has been compared with the bytes there are.
  ///
  /// - Throws: `CinchError.badData` if sizes disagree or an element is not finite in 32 bits.
  init(
    payload: ArraySlice<UInt8>, extents: [Int], type: ElementType, bigEndian: Bool, scalesBytes: Bool, path: String
  ) throws {
    try Self.checkSize(extents: extents, type: type, payloadBytes: payload.count, path: path)
    shape = Shape(extents)
    bytesWereScaled = type == .uint8 && scalesBytes
    let divisor: Float = bytesWereScaled ? 255 : 1
    values = payload.withUnsafeBytes { raw in
      switch type {
      case .uint8:
        return Self.convert(raw, through: (0..<256).map { Float($0) / divisor })
      case .int8: return Self.convert(raw, Int8.self) { Float($0) }
      case .int16: return Self.convert(raw, Int16.self) { Float(bigEndian ? $0.bigEndian : $0) }
      case .int32: return Self.convert(raw, Int32.self) { Float(bigEndian ? $0.bigEndian : $0) }
      case .float32:
        return Self.convert(raw, UInt32.self) { Float(bitPattern: bigEndian ? $0.bigEndian : $0) }
      case .float64:
        return Self.convert(raw, UInt64.self) { Float(Double(bitPattern: bigEndian ? $0.bigEndian : $0)) }
      }
    }
    if type == .float32 || type == .float64 {
      try requireFinite(values, features: shape.columns, subject: "'\(path)'") { index in
        guard type == .float64 else { return nil }
        let bits = payload.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: 8 * index, as: UInt64.self) }
        return Double(bitPattern: bigEndian ? bits.bigEndian : bits)
      }
    }
  }

  /// Throws `CinchError.badData` unless `extents` elements of `type` are exactly `payloadBytes` bytes.
  static func checkSize(extents: [Int], type: ElementType, payloadBytes: Int, path: String) throws {
    let shape = Shape.text(extents)
    guard extents.allSatisfy({ $0 > 0 }) else {
      throw CinchError.badData("'\(path)' holds no values (its shape is \(shape)): write it with at least one sample.")
    }
    guard let bytes = checkedProduct(extents + [type.size]), checkedProduct([bytes, 4]) != nil else {
      throw CinchError.badData("'\(path)' claims an impossible shape (\(shape)): fetch or write it again.")
    }
    guard bytes == payloadBytes else {
      throw CinchError.badData(
        "'\(path)' should hold \(bytes) bytes of data (\(shape) \(type.rawValue)) but holds \(payloadBytes): "
          + "fetch or write it again.")
    }
  }

  /// Bytes through a table of 256. Images come this way by the tens of millions, so this is a loop of its own that
  /// is quick in debug builds too.
  private static func convert(_ bytes: UnsafeRawBufferPointer, through table: [Float]) -> [Float] {
    [Float](unsafeUninitializedCapacity: bytes.count) { values, initialised in
      table.withUnsafeBufferPointer { table in
        guard let from = bytes.baseAddress, let to = values.baseAddress, let table = table.baseAddress else { return }
        var index = 0
        while index < bytes.count {
          to[index] = table[Int(from.load(fromByteOffset: index, as: UInt8.self))]
          index &+= 1
        }
      }
      initialised = bytes.count
    }
  }

  private static func convert<Stored: BitwiseCopyable>(
    _ raw: UnsafeRawBufferPointer, _: Stored.Type, _ transform: (Stored) -> Float
  ) -> [Float] {
    let size = MemoryLayout<Stored>.size
    let count = raw.count / size
    return [Float](unsafeUninitializedCapacity: count) { values, initialised in
      for index in 0..<count {
        values.initializeElement(
          at: index, to: transform(raw.loadUnaligned(fromByteOffset: index * size, as: Stored.self)))
      }
      initialised = count
    }
  }
}

/// Throws `CinchError.badData` naming the first element that is NaN or infinite.
///
/// - Parameters:
///   - subject: what holds the values, as a sentence begins with it.
///   - stored: an element as it was before it became a `Float`; nil where it was one.
///   - feature: of a place in a row.
func requireFinite(
  _ values: [Float], features: Int, subject: String, stored: (Int) -> Double? = { _ in nil },
  feature: (Int) -> Int = { $0 }
) throws {
  // Without an early exit the compiler can do many at a time; data are nearly always clean.
  var found: UInt32 = 0
  values.withUnsafeBufferPointer { buffer in
    for value in buffer { found |= value.bitPattern & 0x7F80_0000 == 0x7F80_0000 ? 1 : 0 }
  }
  guard found != 0, let index = values.firstIndex(where: { !$0.isFinite }) else { return }
  let (row, column) = index.quotientAndRemainder(dividingBy: features)
  let place = "in row \(row + 1), column \(feature(column) + 1) (counted from 1)"
  if let wide = stored(index), wide.isFinite {
    throw CinchError.badData("\(subject) holds \(wide) \(place), which is too large for a 32-bit float: rescale it.")
  }
  throw CinchError.badData(
    "\(subject) has \(values[index].isNaN ? "a NaN" : "an infinite value") \(place): clean or impute such values first."
  )
}
