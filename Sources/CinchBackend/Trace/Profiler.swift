import Synchronization

/// Adds up what the ops of a device take: calls, time, operations and bytes of each, and the time between them.
///
/// Nothing waits that would not have waited without it: where ops are queued, the times of kernels are asked for when the
/// device has come to rest, after a read or `synchronize`. It changes no number.
public final class Profiler: Sendable {
  private let sums = Mutex(ProfileSums())

  public init() {}

  /// The device, telling this profiler of every op. An OpenCL device must have been opened for profiling.
  public func profiling<B: Backend>(_ base: B) -> TracingBackend<B> {
    TracingBackend(base, timing: .whenIdle) { [self] op in
      let queued = base.launchesToTake
      let isIdle = op.name == "read" || op.name == "synchronize"
      let launches = isIdle && queued != nil ? try base.takeLaunches() : []
      sums.withLock { sums in
        sums.add(op, launches: queued)
        if isIdle { sums.settle(launches) }
      }
    }
  }

  /// What has been added up since the last `reset`, without what the device has not yet run.
  public var profile: Profile { sums.withLock { $0.profile } }

  /// Forgets what was added up. Call it when the device is idle.
  public func reset() { sums.withLock { $0 = ProfileSums() } }
}

extension Profiler: Hashable {
  public static func == (a: Profiler, b: Profiler) -> Bool { a === b }
  public func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}

/// The sums of a profile, and the ops whose kernels have not been timed yet.
private struct ProfileSums {
  /// What makes calls of an op alike: shapes say more than settings, and are quick to compare.
  private struct Key: Hashable {
    var name: String
    var operands: [Part]

    struct Part: Hashable {
      var role: String
      var shape: Shape
    }
  }

  private struct Pending {
    var row: Int
    var launches: Int
    var start: Double
  }

  private var indices: [Key: Int] = [:]
  private var pending: [Pending] = []
  private var launchesSeen = 0
  private(set) var profile = Profile()
  private var first: Double?
  /// What the device's clock is ahead of the host's.
  private var ahead: Double?

  /// - Parameter launches: how many commands the device has to tell of, this op's included; nil where ops run as they are
  ///   called.
  mutating func add<Buffer>(_ op: TracedOp<Buffer>, launches: Int?) {
    let row = row(of: op)
    profile.rows[row].calls += 1
    profile.rows[row].operations += op.operations
    profile.rows[row].bytes += op.bytes
    if op.name == "optimizerStep" { profile.updates += 1 }
    first = first ?? op.start
    profile.seconds = op.start + op.seconds - (first ?? 0)
    profile.record(.init(row: row, kernel: nil, start: op.start, seconds: op.seconds))
    if let launches {
      if op.name != "read" && op.name != "synchronize" { profile.queueing += op.seconds }
      pending.append(Pending(row: row, launches: launches - launchesSeen, start: op.start))
      launchesSeen = launches
    } else {
      profile.rows[row].add(seconds: op.seconds)
    }
  }

  /// Enters the times of what has run, in order.
  mutating func settle(_ launches: [KernelLaunch]) {
    var rest = launches[...]
    var last: KernelLaunch?
    for op in pending {
      let own = rest.prefix(op.launches)
      if !own.isEmpty { profile.rows[op.row].add(seconds: own.reduce(0) { $0 + $1.microseconds } * 1e-6) }
      for launch in own {
        profile.rows[op.row].kernels.insert(launch.kernel)
        // A device that was waiting for the host does not count: it could not have begun.
        if let last { profile.launching += max(0, launch.start - max(last.end, launch.queued)) * 1e-6 }
        last = launch
        let ahead = self.ahead ?? launch.queued * 1e-6 - op.start
        self.ahead = ahead
        profile.record(
          .init(
            row: op.row, kernel: launch.kernel, start: launch.start * 1e-6 - ahead, seconds: launch.microseconds * 1e-6)
        )
      }
      rest = rest.dropFirst(op.launches)
    }
    pending.removeAll(keepingCapacity: true)
    launchesSeen = 0
  }

  private mutating func row<Buffer>(of op: TracedOp<Buffer>) -> Int {
    let key = Key(name: op.name, operands: op.operands.map { .init(role: $0.role, shape: $0.tensor.shape) })
    if let index = indices[key] { return index }
    // Biases and sums say nothing where there are matrices.
    let rank = op.operands.contains { $0.tensor.shape.dimensions.count > 1 } ? 2 : 1
    func shapes(_ operands: [TracedOp<Buffer>.Operand]) -> String {
      operands.map(\.tensor.shape.dimensions).filter { $0.count >= rank }
        .map { $0.map(String.init).joined(separator: "×") }.joined(separator: " · ")
    }
    let reads = shapes(op.operands.filter { $0.access == .read })
    let writes = shapes(op.operands.filter { $0.access != .read })
    let text = [reads, writes.isEmpty ? "" : "→ \(writes)", op.settings].filter { !$0.isEmpty }
    indices[key] = profile.rows.count
    profile.rows.append(Profile.Row(op: op.name, text: text.joined(separator: " ")))
    return profile.rows.count - 1
  }
}
