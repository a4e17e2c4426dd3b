/// Rows of bytes on a device, packed into scalars: samples in the type of their file. A byte b stands for the float
/// b / divisor.
public struct ByteRows<Buffer: AnyObject> {
  /// ⌈`rows · columns` / bytes of a scalar⌉ scalars.
  public let packed: Tensor<Buffer>
  public let rows: Int
  public let columns: Int
  public let divisor: Float

  /// `gatherBytes` throws where `packed` is too short.
  public init(_ packed: Tensor<Buffer>, rows: Int, columns: Int, divisor: Float) {
    self.packed = packed
    self.rows = rows
    self.columns = columns
    self.divisor = divisor
  }
}

/// A contiguous, row-major view of a part of a device buffer.
///
/// A tensor never owns or copies its elements: several tensors may view one buffer, as the layers of a
/// model view one parameter arena. Views are laid out once, when a model is built, so a training step
/// allocates nothing.
public struct Tensor<Buffer: AnyObject> {
  public let buffer: Buffer
  /// The first element's index in `buffer`, in elements.
  public let offset: Int
  public let shape: Shape

  public init(_ buffer: Buffer, offset: Int = 0, shape: Shape) {
    self.buffer = buffer
    self.offset = offset
    self.shape = shape
  }

  @inlinable public var count: Int { shape.count }
  @inlinable public var rows: Int { shape.rows }
  @inlinable public var columns: Int { shape.columns }

  /// Whether it lies within a buffer of so many elements, whatever its offset is.
  package func lies(within elements: Int) -> Bool { offset >= 0 && offset <= elements - count }

  /// Whether the two have an element in common, if they lie in their buffers.
  @inlinable package func overlaps(_ other: Tensor) -> Bool {
    buffer === other.buffer && offset < other.offset &+ other.count && other.offset < offset &+ count
  }

  /// The same elements under another shape of the same count.
  public func reshaped(_ shape: Shape) -> Tensor {
    precondition(shape.count == count, "cannot view \(self.shape) as \(shape)")
    return Tensor(buffer, offset: offset, shape: shape)
  }

  /// The first `rows` rows, as a last, partial mini-batch uses them.
  public func prefix(rows: Int) -> Tensor {
    precondition(rows <= self.rows, "\(rows) rows of \(shape)")
    if rows == self.rows { return self }
    return Tensor(buffer, offset: offset, shape: Shape([rows] + shape.dimensions.dropFirst()))
  }

  /// `count` elements that start `start` elements into this tensor, under `shape`.
  public func slice(at start: Int, shape: Shape) -> Tensor {
    precondition(start >= 0 && start + shape.count <= count, "\(shape) at \(start) exceeds \(self.shape)")
    return Tensor(buffer, offset: offset + start, shape: shape)
  }
}
