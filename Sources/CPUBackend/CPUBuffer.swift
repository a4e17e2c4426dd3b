import CVector
import CinchBackend
import Glibc

/// 64-byte-aligned host memory.
public final class CPUBuffer {
  public let pointer: UnsafeMutablePointer<Float>
  public let count: Int
  private let queue: OpQueue
  private let account: MemoryAccount

  /// Zeroed memory for `count` floats, or nil where there is none.
  init?(count: Int, queue: OpQueue, account: MemoryAccount) {
    guard let pointer = cinch_allocate(Int64(count)) else { return nil }
    self.pointer = pointer
    self.count = count
    self.queue = queue
    self.account = account
    account.add(count * MemoryLayout<Float>.stride)
  }

  deinit {
    // Ops that were queued may be about to use it.
    queue.wait()
    account.add(-count * MemoryLayout<Float>.stride)
    free(pointer)
  }
}
