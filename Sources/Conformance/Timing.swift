import CinchBackend
import CinchCore

/// What a call of an op amounts to: the measure of its speed.
public enum Work: Sendable, Hashable {
  /// Floating-point operations, a multiply-add being two.
  case operations(Double)
  /// Bytes that must pass between memory and the device: every element read once, every element written once.
  case bytes(Double)

  public var operations: Double? { if case .operations(let count) = self { count } else { nil } }
  public var bytes: Double? { if case .bytes(let count) = self { count } else { nil } }
}

/// How long a call of one case takes.
public struct OpTiming: Sendable, Hashable {
  public var op: String
  public var name: String
  /// Of one call: the median over the repeats.
  public var seconds: Double
  public var work: Work
}

extension Conformance {
  /// The ops that `time` knows cases of. Allocation and transfers to and from the host are not among them.
  public static func timedOps() throws -> [String] {
    let timed = try Set(timedCases().map(\.row.op))
    return ops.filter(timed.contains)
  }

  /// Times the calls of a training step, or those of them that are about `ops`.
  ///
  /// Each case is called until `least` has passed, and that as often as `repeats` says; nothing waits between two calls.
  /// What the ops compute is not looked at: `run` does that, on tensors small enough for the reference.
  ///
  /// - Parameter onCase: told of every case as it has been timed.
  public static func time<B: Backend>(
    _ backend: B, ops: Set<String>? = nil, repeats: Int = 5, least: Duration = .milliseconds(100),
    onCase: (OpTiming) throws -> Void
  ) throws {
    for timed in try timedCases() where ops?.contains(timed.row.op) ?? true {
      let seconds = try timed.row.secondsPerCall(on: backend, repeats: repeats, least: least)
      try onCase(OpTiming(op: timed.row.op, name: timed.name, seconds: seconds, work: timed.row.work(for: backend)))
    }
  }
}

/// A case to be timed, under a name that says where a training step has it.
struct TimedCase: Sendable {
  let name: String
  let row: any OpCase

  init(_ row: some OpCase, _ name: String? = nil) {
    self.row = row
    self.name = name ?? row.name
  }
}

extension OpCase {
  /// Bytes, of each tensor once, and of one that is both read and written twice.
  func work<B: Backend>(for backend: B) -> Work {
    let elements = arguments(for: backend).reduce(0) { $0 + $1.shape.count * ($1.role == .update ? 2 : 1) }
    return .bytes(Double(elements * MemoryLayout<B.Scalar>.stride))
  }

  func secondsPerCall<B: Backend>(on backend: B, repeats: Int, least: Duration) throws -> Double {
    let bench = try Workbench(backend, arguments(for: backend), expectsNaN: expectsNaN, salt: 0)
    func time(_ count: Int) throws -> Duration {
      let start = ContinuousClock.now
      for _ in 0..<count { try call(backend, bench.tensors) }
      try backend.synchronize()
      return ContinuousClock.now - start
    }
    // The first call makes kernels and scratch memory.
    _ = try time(2)
    var count = 1
    while try time(count) < least { count *= 2 }
    let seconds = try (0..<repeats).map { _ in try time(count).seconds / Double(count) }.sorted()
    return seconds[seconds.count / 2]
  }
}
