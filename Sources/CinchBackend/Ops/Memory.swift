/// Buffers and transfers.
public protocol MemoryOps: AnyObject {
  /// What the device computes in: `Float`, or `Double` on the reference device.
  associatedtype Scalar: BinaryFloatingPoint & Sendable
  /// Device memory that is given back when its last tensor goes.
  associatedtype Buffer: AnyObject

  var counters: BackendCounters { get }

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

  public func write(_ values: [Scalar], to tensor: Tensor<Buffer>) throws {
    guard values.count == tensor.count else {
      throw BackendError.invalidArgument("\(values.count) values cannot fill a tensor of \(tensor.shape).")
    }
    try values.withUnsafeBufferPointer { try write($0, to: tensor) }
  }

  public func read(_ tensor: Tensor<Buffer>) throws -> [Scalar] {
    guard tensor.count > 0 else { return [] }
    var values = [Scalar](repeating: 0, count: tensor.count)
    try values.withUnsafeMutableBufferPointer { try read(tensor, into: $0) }
    return values
  }
}
