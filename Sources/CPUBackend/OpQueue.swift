import CVector
import CinchBackend
import Glibc

/// The threads of a `cpu` device, and the ops that wait for them: they run in order, while the thread that submits them goes
/// on.
final class OpQueue {
  let device: OpaquePointer
  let isProfiling: Bool
  private var submitted = 0
  // Of the device's thread until that is at rest, which `wait` sees to:
  /// What the first op that failed threw: those behind it do nothing until `finish` has told of it.
  private var failure: (any Error)?
  private var launches: [KernelLaunch] = []

  /// - Parameter device: destroyed with the queue.
  init(_ device: OpaquePointer, isProfiling: Bool) {
    self.device = device
    self.isProfiling = isProfiling
  }

  deinit { cinch_device_destroy(device) }

  /// Queues an op. The memory that it reads and writes must be that of buffers, which wait for it before they are freed;
  /// itself it must hold none, as a buffer that the device's thread frees would wait for that thread.
  func submit(_ kernel: StaticString, _ op: @escaping (OpaquePointer) throws -> Void) {
    let submission = Unmanaged.passRetained(Submission(op, kernel, to: self))
    if isProfiling { submitted += 1 }
    cinch_submit(device, { Unmanaged<Submission>.fromOpaque($0!).takeRetainedValue().run() }, submission.toOpaque())
  }

  /// Waits until all ops have run.
  ///
  /// - Throws: what the first of them threw that failed since the last call.
  func finish() throws {
    wait()
    guard let failure else { return }
    self.failure = nil
    throw failure
  }

  /// The same, where it does not matter whether ops failed.
  func wait() { cinch_wait(device) }

  /// Runs an op after those that were submitted before, and waits for it.
  func run<Result>(_ kernel: StaticString, _ op: @escaping (OpaquePointer) -> Result) throws -> Result {
    var result: Result?
    submit(kernel) { result = op($0) }
    try finish()
    guard let result else { throw BackendError.device("The cpu device has left out the op \(kernel).") }
    return result
  }

  /// How many `takeLaunches` would give; nil where ops are not timed.
  var launchesToTake: Int? { isProfiling ? submitted : nil }

  func takeLaunches() throws -> [KernelLaunch] {
    try finish()
    defer { (launches, submitted) = ([], 0) }
    return launches
  }

  private final class Submission {
    // It outlives its submissions, as its device waits for them; the last reference must not be a thread's of that device.
    private unowned(unsafe) let queue: OpQueue
    private let op: (OpaquePointer) throws -> Void
    private let kernel: StaticString
    private let queued: Double

    init(_ op: @escaping (OpaquePointer) throws -> Void, _ kernel: StaticString, to queue: OpQueue) {
      self.op = op
      self.queue = queue
      self.kernel = kernel
      queued = queue.isProfiling ? microseconds() : 0
    }

    func run() {
      let start = queue.isProfiling ? microseconds() : 0
      if queue.failure == nil {
        do { try op(queue.device) } catch { queue.failure = error }
      }
      guard queue.isProfiling else { return }
      queue.launches.append(
        KernelLaunch(
          kernel: "\(kernel)", global: [], local: [], queued: queued, start: start, microseconds: microseconds() - start
        ))
    }
  }
}

/// Since anywhere.
private func microseconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Double(time.tv_sec) * 1e6 + Double(time.tv_nsec) * 1e-3
}
