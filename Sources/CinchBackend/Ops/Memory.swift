/// Buffers and transfers.
public protocol MemoryOps: AnyObject {
  /// What the device computes in: `Float`, or `Double` on the reference device.
  associatedtype Scalar: BinaryFloatingPoint & Sendable
  /// Device memory that is given back when its last tensor goes.
  associatedtype Buffer: AnyObject

  var counters: BackendCounters { get }
  /// Device memory that is held, and the most that there was.
  var memory: MemoryUse { get }

  /// A zeroed buffer of `count` scalars.
  /// - Throws: `BackendError.outOfMemory`.
  func allocate(_ count: Int) throws -> Buffer

  /// Copies host values into the tensor. The host memory may be reused as soon as this returns.
  func write(_ values: UnsafeBufferPointer<Scalar>, to tensor: Tensor<Buffer>) throws

  /// Waits for every op queued so far, then copies the tensor's values to the host.
  func read(_ tensor: Tensor<Buffer>, into values: UnsafeMutableBufferPointer<Scalar>) throws

  /// Sets every element.
  func fill(_ tensor: Tensor<Buffer>, with value: Scalar) throws

  /// Copies `source` to `destination`, which must not overlap.
  func copy(_ source: Tensor<Buffer>, to destination: Tensor<Buffer>) throws

  /// Waits until everything queued so far has run.
  func synchronize() throws
}

extension MemoryOps {
  /// A zeroed tensor in a buffer of its own.
  public func tensor(_ shape: Shape) throws -> Tensor<Buffer> {
    Tensor(try allocate(max(shape.count, 1)), shape: shape)
  }

  /// A tensor in a buffer of its own that holds `values`.
  public func tensor(_ shape: Shape, _ values: [Scalar]) throws -> Tensor<Buffer> {
    let result = try tensor(shape)
    try write(values, to: result)
    return result
  }

  /// Room for rows of bytes.
  public func byteRows(_ rows: Int, columns: Int, divisor: Float) throws -> ByteRows<Buffer> {
    let size = MemoryLayout<Scalar>.size
    return ByteRows(
      try tensor([(rows * columns + size - 1) / size]), rows: rows, columns: columns, divisor: divisor)
  }

  /// Copies bytes to a place among the rows, a multiple of a scalar's size. Up to the next multiple what follows them is
  /// lost.
  public func write(_ bytes: UnsafeRawBufferPointer, to target: ByteRows<Buffer>, at place: Int) throws {
    let size = MemoryLayout<Scalar>.size
    guard place % size == 0, place >= 0, place + bytes.count <= target.rows * target.columns else {
      throw BackendError.invalidArgument(
        "\(bytes.count) bytes at \(place) do not fit \(target.rows) rows of \(target.columns).")
    }
    let count = (bytes.count + size - 1) / size
    try withUnsafeTemporaryAllocation(of: Scalar.self, capacity: count) { scalars in
      let raw = UnsafeMutableRawBufferPointer(scalars)
      raw.copyMemory(from: bytes)
      raw[bytes.count...].initializeMemory(as: UInt8.self, repeating: 0)
      try write(UnsafeBufferPointer(scalars), to: target.packed.slice(at: place / size, shape: [count]))
    }
  }

  public func write(_ values: [Scalar], to tensor: Tensor<Buffer>) throws {
    guard values.count == tensor.count else {
      throw BackendError.invalidArgument("\(values.count) values cannot fill a tensor of \(tensor.shape).")
    }
    try values.withUnsafeBufferPointer { try write($0, to: tensor) }
  }

  public func read(_ tensor: Tensor<Buffer>) throws -> [Scalar] {
    guard tensor.count > 0 else { return [] }
    // Setting numbers of a type that is not known here takes a call for each.
    return try [Scalar](unsafeUninitializedCapacity: tensor.count) { values, count in
      try read(tensor, into: values)
      count = tensor.count
    }
  }
}
