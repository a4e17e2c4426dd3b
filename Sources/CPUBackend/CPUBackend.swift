import COpenBLAS
import CVector
import CinchBackend
import Glibc

/// The host's processor: vectorised C on a thread pool of its own, and OpenBLAS for products on processors that have neither
/// AVX2 nor AVX-512.
///
/// Ops run in order on threads of the device's own, while the thread that queues them goes on; it takes part when it waits, or
/// when many are queued. With one thread they have run when they return. Where sums are cut depends on shapes alone, and for
/// OpenBLAS's products on how many processors the machine is configured with, so any number of threads gives the same bits.
public final class CPUBackend: Backend {
  public typealias Scalar = Float
  public typealias Buffer = CPUBuffer

  public let info: DeviceInfo
  /// The threads that ops run on, the one included that queues them.
  public let threads: Int
  public internal(set) var counters = BackendCounters()
  let queue: OpQueue
  let account = MemoryAccount()

  /// How many processors this process may use: its affinity and its control group's quota count.
  package static var processors: Int { Int(cinch_processor_count()) }

  /// - Parameters:
  ///   - threads: nil for as many as the process may use.
  ///   - profiling: keeps the time of every op for `takeLaunches`.
  /// - Throws: `BackendError.unavailable` where products are OpenBLAS's and it is not installed; `.invalidArgument` where
  ///   `CINCH_INSTRUCTIONS` names no instructions.
  public convenience init(threads: Int? = nil, profiling: Bool = false) throws {
    try self.init(threads: threads, profiling: profiling, instructions: nil)
  }

  /// The same with narrower vectors than the processor has, for tests of them.
  /// - Parameter instructions: "avx2" or "baseline"; nil for those of `CINCH_INSTRUCTIONS`, which is for who measures or looks
  ///   for what differs, or for the widest.
  package init(threads: Int? = nil, profiling: Bool = false, instructions: String?) throws {
    let instructions = try instructions ?? Self.environmentInstructions()
    let blas = cinch_blas_load().pointee, multiplies = cinch_multiplies(instructions)
    guard blas.sgemm != nil || multiplies else {
      let reason = blas.error.map { String(cString: $0) } ?? "no reason given"
      throw BackendError.unavailable(
        "The cpu device needs OpenBLAS on this processor, and it could not be loaded (\(reason)). "
          + "Install libopenblas0-pthread or libopenblas-dev.")
    }
    if let threads, threads < 1 {
      throw BackendError.invalidArgument("The cpu device cannot run on \(threads) threads: give 1 or more.")
    }
    // Each thread may be inside OpenBLAS, which has a limited number of work areas.
    let count = try Self.room(for: min(threads ?? Self.processors, 64))
    blas.set_num_threads?(1)
    guard let device = cinch_device_create(Int32(count), blas.sgemm, instructions) else {
      throw BackendError.unavailable(
        "The cpu device could not start \(count) threads: "
          + (threads == nil
            ? "end other processes, or raise the limit on them (ulimit -u)."
            : "give fewer, end other processes, or raise the limit on them (ulimit -u)."))
    }
    queue = OpQueue(device, isProfiling: profiling)
    self.threads = count
    // While there is room for its work areas, which nothing may take before it does. Products of all threads at once make
    // them, too, but only where the processors are free for that.
    if blas.sgemm != nil, HostMemory.addressSpaceLeft != nil, !cinch_blas_reserve(Int32(count)) {
      try queue.run("warmUp") { cinch_warm_up($0) }
    }

    var name = [CChar](repeating: 0, count: 128)
    cinch_processor_name(&name, name.count)
    let vectors = String(cString: cinch_device_instructions(device))
    let products = multiplies ? "" : Self.name(of: blas) + ", "
    info = DeviceInfo(
      identifier: "cpu", name: name.withUnsafeBufferPointer { String(cString: $0.baseAddress!) },
      detail: "\(products)\(vectors), \(count) thread\(count == 1 ? "" : "s")",
      // Room for the program and its host copies.
      memory: HostMemory.total / 2, largestBuffer: 4 * DeviceInfo.mostElements,
      passBytes: DeviceInfo.processorPassBytes)
    askForScratch { HostMemory.fits(Int($0)) }
  }

  private static func environmentInstructions() throws -> String? {
    guard let value = getenv("CINCH_INSTRUCTIONS").map({ String(cString: $0) }), !value.isEmpty else { return nil }
    guard ["avx2", "baseline"].contains(value.lowercased()) else {
      throw BackendError.invalidArgument(
        "CINCH_INSTRUCTIONS is '\(value)', which names no instructions: set it to avx2 or baseline, or unset it for the "
          + "widest.")
    }
    return value
  }

  /// Who is asked whether so many bytes can be had before ops take more memory for themselves.
  func askForScratch(_ fits: @escaping @convention(c) (Int64) -> Bool) {
    queue.wait()
    cinch_device_ask(queue.device, fits)
  }

  /// "OpenBLAS 0.3.21 (Haswell)".
  private static func name(of blas: cinch_blas) -> String {
    let version = String(cString: blas.config).split(separator: " ").prefix(2).joined(separator: " ")
    return "\(version) (\(String(cString: blas.core_name)))"
  }

  /// Address space that OpenBLAS takes for each thread that multiplies: 128 MiB on x86, less elsewhere.
  private static let workArea = 128 << 20

  /// As many threads as the process's limit has room for. OpenBLAS asks again and again, for ever, for a work area that
  /// it does not get.
  private static func room(for threads: Int) throws -> Int {
    guard let left = HostMemory.addressSpaceLeft else { return threads }
    let room = (left - workArea / 4) / (workArea + (8 << 20))
    guard room >= 1 else {
      throw BackendError.unavailable(
        "The cpu device needs \(byteText(workArea)) of address space for OpenBLAS, and \(byteText(left)) are left: raise "
          + "the limit (ulimit -v).")
    }
    return min(threads, room)
  }

  public var memory: MemoryUse {
    var use = account.use
    queue.wait()
    use.scratch = Int(cinch_scratch_bytes(queue.device))
    return use
  }
}

// MARK: Queueing

extension CPUBackend {
  public var launchesToTake: Int? { queue.launchesToTake }
  public var queueingComputes: Bool { true }

  public func takeLaunches() throws -> [KernelLaunch] { try queue.takeLaunches() }

  /// Queues an op that runs `kernel`. It holds no buffer, which the device's own thread might be the last to hold: `@Sendable`
  /// sees to that.
  ///
  /// - Parameter arguments: where the op finds its tensors, and what else it takes.
  func launch<Arguments: BitwiseCopyable>(
    _ kernel: StaticString, _ arguments: Arguments,
    _ op: @escaping @Sendable (OpaquePointer, Arguments) throws -> Void
  ) {
    counters.launches += 1
    if queue.runsAtOnce(kernel, { try op($0, arguments) }) { return }
    queue.submit(kernel) { try op($0, arguments) }
  }

  /// The same as C has it, which takes its arguments by their address.
  func launch<Arguments: BitwiseCopyable>(
    _ kernel: StaticString, _ arguments: Arguments,
    _ op: @escaping @Sendable (OpaquePointer, UnsafePointer<Arguments>) -> Void
  ) {
    counters.launches += 1
    if queue.runsAtOnce(kernel, { device in withUnsafePointer(to: arguments) { op(device, $0) } }) { return }
    queue.submit(kernel) { device in withUnsafePointer(to: arguments) { op(device, $0) } }
  }
}
