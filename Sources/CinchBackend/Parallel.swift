import Dispatch
import Glibc

/// Runs a body for each number below `count` on all processors, or one after the other where the process's limits have no
/// room for threads: Dispatch waits for ever for a thread that it does not get.
package func inParallel(_ count: Int, _ body: @Sendable (Int) -> Void) {
  let processors = max(sysconf(Int32(_SC_NPROCESSORS_ONLN)), 1)
  if let left = HostMemory.addressSpaceLeft, left / threadSpace < processors {
    for index in 0..<count { body(index) }
  } else {
    DispatchQueue.concurrentPerform(iterations: count, execute: body)
  }
}

/// A thread's stack, of 8 MiB unless the system says otherwise, and as much for what it does.
private let threadSpace = 16 << 20
