import CVector
import CinchBackend
import Glibc

/// 64-byte-aligned host memory.
public final class CPUBuffer {
  public let pointer: UnsafeMutablePointer<Float>
  public let count: Int

  /// Zeroed memory for `count` floats, or nil where there is none.
  init?(count: Int) {
    guard let pointer = cinch_allocate(Int64(count)) else { return nil }
    self.pointer = pointer
    self.count = count
  }

  deinit { free(pointer) }
}
