import CVector
import CinchBackend
import Glibc

/// The threads of a `cpu` device, and the ops that wait for them: they run in order, while the thread that submits them goes
/// on.
final class OpQueue {
  let device: OpaquePointer
  let isProfiling: Bool
  private var submitted = 0
  private let outcome: UnsafeMutablePointer<Outcome>

  /// What ops have come to: of the device's thread until that is at rest, which `wait` sees to. In memory of its own, as two
  /// threads that count references to one object wait for each other.
  private struct Outcome {
    /// What the first op that failed threw: those behind it do nothing until `finish` has told of it.
    var failure: (any Error)?
    var launches: [KernelLaunch] = []

    /// Runs an op, where none has failed, and takes its time where it was queued at one.
    mutating func add(_ kernel: StaticString, queued: Double?, _ op: () throws -> Void) {
      let start = queued == nil ? 0 : microseconds()
      if failure == nil {
        do { try op() } catch { failure = error }
      }
      guard let queued else { return }
      launches.append(
        KernelLaunch(
          kernel: "\(kernel)", global: [], local: [], queued: queued, start: start, microseconds: microseconds() - start
        ))
    }
  }

  /// - Parameter device: destroyed with the queue.
  init(_ device: OpaquePointer, isProfiling: Bool) {
    self.device = device
    self.isProfiling = isProfiling
    outcome = .allocate(capacity: 1)
    outcome.initialize(to: Outcome())
  }

  deinit {
    cinch_device_destroy(device)
    outcome.deinitialize(count: 1)
    outcome.deallocate()
  }

  /// Runs an op at once where handing it over would take as long; whether it did. Otherwise it is to be submitted.
  @inline(__always)
  func runsAtOnce(_ kernel: StaticString, _ op: (OpaquePointer) throws -> Void) -> Bool {
    guard cinch_take_turn(device) else { return false }
    if isProfiling { submitted += 1 }
    outcome.pointee.add(kernel, queued: isProfiling ? microseconds() : nil) { try op(device) }
    cinch_end_turn(device)
    return true
  }

  /// Queues an op. The memory that it reads and writes must be that of buffers, which wait for it before they are freed;
  /// itself it must hold none, as it lives on when it has run.
  func submit(_ kernel: StaticString, _ op: @escaping (OpaquePointer) throws -> Void) {
    if isProfiling { submitted += 1 }
    let submission = Unmanaged.passRetained(Submission(op, kernel, to: self))
    cinch_submit(
      device, { Unmanaged<Submission>.fromOpaque($0!).takeUnretainedValue().run() },
      { Unmanaged<Submission>.fromOpaque($0!).release() }, submission.toOpaque())
  }

  /// Waits until all ops have run.
  ///
  /// - Throws: what the first of them threw that failed since the last call.
  func finish() throws {
    wait()
    guard let failure = outcome.pointee.failure else { return }
    outcome.pointee.failure = nil
    throw failure
  }

  /// The same, where it does not matter whether ops failed.
  func wait() { cinch_wait(device) }

  /// Runs an op after those that were submitted before, and waits for it.
  func run<Result>(_ kernel: StaticString, _ op: @escaping (OpaquePointer) -> Result) throws -> Result {
    var result: Result?
    if !runsAtOnce(kernel, { result = op($0) }) { submit(kernel) { result = op($0) } }
    try finish()
    guard let result else { throw BackendError.device("The cpu device has left out the op \(kernel).") }
    return result
  }

  /// How many `takeLaunches` would give; nil where ops are not timed.
  var launchesToTake: Int? { isProfiling ? submitted : nil }

  func takeLaunches() throws -> [KernelLaunch] {
    wait()
    let taken = outcome.pointee.launches
    (outcome.pointee.launches, submitted) = ([], 0)
    try finish()
    return taken
  }

  private final class Submission {
    private let op: (OpaquePointer) throws -> Void
    private let kernel: StaticString
    private let device: OpaquePointer
    private let outcome: UnsafeMutablePointer<Outcome>
    /// Nil where ops are not timed.
    private let queued: Double?

    init(_ op: @escaping (OpaquePointer) throws -> Void, _ kernel: StaticString, to queue: OpQueue) {
      self.op = op
      self.kernel = kernel
      (device, outcome) = (queue.device, queue.outcome)
      queued = queue.isProfiling ? microseconds() : nil
    }

    func run() { outcome.pointee.add(kernel, queued: queued) { try op(device) } }
  }
}

/// Since anywhere.
private func microseconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Double(time.tv_sec) * 1e6 + Double(time.tv_nsec) * 1e-3
}
