import CinchBackend

typealias CPUTensor = Tensor<CPUBuffer>

// Texts are closures: a string costs an allocation, and ops make none.

/// Throws `BackendError.invalidArgument` unless `condition` holds.
@inline(__always)
func require(_ condition: Bool, _ message: @autoclosure () -> String) throws {
  guard condition else { throw BackendError.invalidArgument(message()) }
}

/// Throws unless the tensor lies in its buffer.
func requireInside(_ tensor: CPUTensor, _ name: @autoclosure () -> String) throws {
  try require(
    tensor.offset >= 0 && tensor.offset + tensor.count <= tensor.buffer.count,
    "\(name()) of \(tensor.shape) at \(tensor.offset) exceeds its buffer of \(tensor.buffer.count) elements.")
}

/// Throws unless the tensor is a matrix of this size.
func require(_ tensor: CPUTensor, _ name: @autoclosure () -> String, rows: Int, columns: Int) throws {
  try requireInside(tensor, name())
  try require(
    tensor.rows == rows && tensor.columns == columns,
    "\(name()) is \(tensor.shape) where \(rows) × \(columns) is needed."
  )
}

/// Throws unless the tensor has exactly this many elements.
func require(_ tensor: CPUTensor, _ name: @autoclosure () -> String, count: Int) throws {
  try requireInside(tensor, name())
  try require(tensor.count == count, "\(name()) is \(tensor.shape) where \(count) elements are needed.")
}

/// Throws unless the tensor has room for this many elements.
func require(_ tensor: CPUTensor, _ name: @autoclosure () -> String, room count: Int) throws {
  try requireInside(tensor, name())
  try require(tensor.count >= count, "\(name()) is \(tensor.shape) where at least \(count) elements are needed.")
}

extension CPUTensor {
  var input: UnsafePointer<Float> { UnsafePointer(pointer) }
}
