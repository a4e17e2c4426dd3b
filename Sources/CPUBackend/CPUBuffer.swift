import CVector
import CinchBackend
import Glibc

/// 64-byte-aligned host memory.
public final class CPUBuffer {
  public let pointer: UnsafeMutablePointer<Float>
  public let count: Int
  private let account: MemoryAccount

  /// Zeroed memory for `count` floats, or nil where there is none.
  init?(count: Int, account: MemoryAccount) {
    guard let pointer = cinch_allocate(Int64(count)) else { return nil }
    self.pointer = pointer
    self.count = count
    self.account = account
    account.add(count * MemoryLayout<Float>.stride)
  }

  deinit {
    account.add(-count * MemoryLayout<Float>.stride)
    free(pointer)
  }
}
