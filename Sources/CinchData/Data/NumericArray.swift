import CSamples
import CinchBackend

/// What an array file holds, in row-major order; row i is sample i.
struct NumericArray {
  let storage: SampleStorage
  /// `[samples, …]`, every extent at least 1.
  let shape: Shape
  /// Whether bytes 0…255 are seen divided by 255.
  let bytesWereScaled: Bool

  /// The bytes of a file from `start` on as an array of `extents`.
  ///
  /// Nothing is allocated before the size that the header claims has been compared with the bytes there are.
  ///
  /// - Throws: `CinchError.badData` if sizes disagree or an element is not finite in 32 bits; `.unavailable` where there
  ///   is no room for it.
  init(
    _ contents: FileContents, from start: Int, extents: [Int], type: ElementType, bigEndian: Bool, scalesBytes: Bool,
    path: String
  ) throws {
    try Self.checkSize(extents: extents, type: type, payloadBytes: contents.count - start, path: path)
    shape = Shape(extents)
    bytesWereScaled = type == .uint8 && scalesBytes
    storage = try SampleStorage(
      contents, from: start, count: shape.count, type, bigEndian: bigEndian, divisor: bytesWereScaled ? 255 : 1)
    if type == .float32 || type == .float64 {
      try requireFinite(type == .float64 ? contents : nil, start, bigEndian: bigEndian, path: path)
    }
  }

  var values: [Float] { SampleRows(storage, features: max(shape.columns, 1)).values }

  /// - Parameter wide: where the numbers lie in double precision, if they do.
  private func requireFinite(_ wide: FileContents?, _ start: Int, bigEndian: Bool, path: String) throws {
    // However large a sample is, some of its values at a time.
    let rows = SampleRows(storage, features: 1)
    try rows.forEachBlock { first, block in
      if first % (64 * rows.rowsAtOnce) == 0 { LoadProgress.tell("checking", path, first, of: rows.count) }
      guard let index = firstNotFinite(block) else { return }
      let element = first + index
      let original = wide?.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: start + 8 * element, as: UInt64.self) }
      let (row, column) = element.quotientAndRemainder(dividingBy: shape.columns)
      throw notFinite(
        block[index], wide: original.map { Double(bitPattern: bigEndian ? $0.bigEndian : $0) },
        subject: "'\(path)'", row: row, column: column)
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
}

func firstNotFinite(_ values: UnsafeBufferPointer<Float>) -> Int? {
  let index = cinch_first_not_finite(values.baseAddress, Int64(values.count))
  return index < 0 ? nil : Int(index)
}

/// - Parameters:
///   - wide: the value as it was before it became a `Float`; nil where it was one.
///   - subject: what holds it, as a sentence begins with it.
func notFinite(_ value: Float, wide: Double?, subject: String, row: Int, column: Int) -> CinchError {
  let place = "in row \(row + 1), column \(column + 1) (counted from 1)"
  if let wide, wide.isFinite {
    return .badData("\(subject) holds \(wide) \(place), which is too large for a 32-bit float: rescale it.")
  }
  guard value.isNaN else {
    return .badData("\(subject) has an infinite value \(place): clean such values first.")
  }
  return .badData(
    "\(subject) has a NaN \(place): fill in such values first, or give a table as CSV, where empty cells count as missing."
  )
}
