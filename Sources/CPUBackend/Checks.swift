import CinchBackend

// What only this device asks: the shapes are checked by what `CinchBackend` shares.

extension Tensor where Buffer == CPUBuffer {
  /// The first element; throws unless the tensor lies in its buffer.
  var pointer: UnsafeMutablePointer<Float> {
    get throws {
      try require(
        lies(within: buffer.count),
        "A tensor of \(shape) at \(offset) exceeds its buffer of \(buffer.count) elements.")
      return buffer.pointer + offset
    }
  }

  /// The same for what is only read.
  var input: UnsafePointer<Float> { get throws { UnsafePointer(try pointer) } }
}
