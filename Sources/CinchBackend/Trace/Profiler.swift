import Synchronization

/// Adds up what the ops of a device take in updates: calls, time, operations and bytes of each, and the time between them.
/// Evaluation, checkpoints and whatever else the device rests before and after are left out, but where nothing is an update.
///
/// Nothing waits that would not have waited without it: where ops are queued, the times of kernels are asked for when the
/// device has come to rest, after a read or `synchronize`. It changes no number.
public final class Profiler: Sendable {
  private let sums = Mutex(ProfileSums())

  public init() {}

  /// The device, telling this profiler of every op. It must have been opened for profiling, but for `reference`.
  public func profiling<B: Backend>(_ base: B) -> TracingBackend<B> {
    TracingBackend(base, timing: .whenIdle) { [self] op in
      let queued = base.launchesToTake
      let isIdle = op.name == "read" || op.name == "synchronize"
      let launches = isIdle && queued != nil ? try base.takeLaunches() : []
      sums.withLock { sums in
        sums.add(op, launches: queued, computes: base.queueingComputes)
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

/// The sums of a profile, and the calls since the device last came to rest: whether they are an update's is known then.
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

  private struct Call {
    var row: Int
    var operations: Double
    var bytes: Double
    /// On the host's clock.
    var start: Double
    var seconds: Double
    /// The commands that it queued; nil where ops run as they are called.
    var launches: Int?
    /// Of the time that passed on the host, what it took to queue them; 0 where that thread computes, too.
    var queueing: Double
  }

  private var indices: [Key: Int] = [:]
  /// Rows without sums, by those indices.
  private var names: [Profile.Row] = []
  private var calls: [Call] = []
  private var launchesSeen = 0
  private var updating = Profile()
  private var other = Profile()
  private var events: [Profile.Event] = []
  private var first: Double?
  private var end = 0.0
  /// Whether the device came to rest after updates, and has done nothing since.
  private var endsUpdates = false
  /// What the device's clock is ahead of the host's.
  private var ahead: Double?

  /// Of the updates; of all calls where the optimiser's op never ran.
  var profile: Profile {
    var settled = self
    settled.settle([])
    let whole = settled.end - (first ?? 0)
    var result = settled.updating.updates > 0 ? settled.updating : settled.other
    result.wholeSeconds = whole
    if result.updates == 0 { result.seconds = whole }
    // Devices count from when they were opened, a timeline from its first op.
    let begin = events.map(\.start).min() ?? 0
    result.names = names
    result.events = events.map { event in
      var event = event
      event.start -= begin
      return event
    }
    return result
  }

  /// - Parameter launches: how many commands the device has to tell of, this op's included; nil where ops run as they are
  ///   called.
  mutating func add<Buffer>(_ op: TracedOp<Buffer>, launches: Int?, computes: Bool) {
    let row = row(of: op)
    // Of another device than the last op's, the count may be smaller.
    calls.append(
      Call(
        row: row, operations: op.operations, bytes: op.bytes, start: op.start, seconds: op.seconds,
        launches: launches.map { max($0 - launchesSeen, 0) },
        queueing: launches == nil || computes || names[row].kind == .wait || op.name == "read" ? 0 : op.seconds))
    launchesSeen = launches ?? 0
    first = first ?? op.start
    record(.init(row: row, kernel: nil, start: op.start, seconds: op.seconds))
  }

  /// Enters the calls since the last time, with the times of what has run, in order.
  mutating func settle(_ launches: [KernelLaunch]) {
    guard let begin = calls.first?.start, let last = calls.last else { return }
    let updates = calls.count { names[$0.row].op == "optimizerStep" }
    var target = updates > 0 ? updating : other
    target.updates += updates
    var rest = launches[...]
    var before: KernelLaunch?
    for call in calls {
      let own = rest.prefix(call.launches ?? 0)
      rest = rest.dropFirst(call.launches ?? 0)
      let runs = call.launches == nil || !own.isEmpty
      let seconds = call.launches == nil ? call.seconds : own.reduce(0) { $0 + $1.microseconds } * 1e-6
      target.add(
        names[call.row], call.row, call.operations, call.bytes, seconds: runs ? seconds : nil, own.map(\.kernel))
      target.queueing += call.queueing
      for launch in own {
        // A device that was waiting for the host does not count: it could not have begun.
        if let before { target.launching += max(0, launch.start - max(before.end, launch.queued)) * 1e-6 }
        before = launch
        let ahead = self.ahead ?? launch.queued * 1e-6 - call.start
        self.ahead = ahead
        record(
          .init(
            row: call.row, kernel: launch.kernel, start: launch.start * 1e-6 - ahead,
            seconds: launch.microseconds * 1e-6))
      }
    }
    // What the host does between two chunks of updates is theirs.
    target.seconds += last.start + last.seconds - (updates > 0 && endsUpdates ? end : begin)
    end = last.start + last.seconds
    endsUpdates = updates > 0
    if updates > 0 { updating = target } else { other = target }
    calls.removeAll(keepingCapacity: true)
    launchesSeen = 0
  }

  private mutating func record(_ event: Profile.Event) {
    if events.count < Profile.mostEvents { events.append(event) }
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
    indices[key] = names.count
    names.append(Profile.Row(op: op.name, text: text.joined(separator: " ")))
    return names.count - 1
  }
}
