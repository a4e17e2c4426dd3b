/// A backend that tells of every op before it returns: for seeing what a run does on a device, and for tests that hold
/// it to that. It changes no number.
public final class TracingBackend<Base: Backend>: Backend {
  public typealias Scalar = Base.Scalar
  public typealias Buffer = Base.Buffer
  typealias Operand = TracedOp<Buffer>.Operand

  public let base: Base
  private let timing: Timing
  /// Told of each op after it was queued; what it throws, the op throws.
  private let observer: (TracedOp<Base.Buffer>) throws -> Void
  private let opened = ContinuousClock.now

  /// When kernels are timed.
  public enum Timing: Sendable {
    /// Each op waits for its kernels and tells of them.
    case eachOp
    /// No op waits: the observer takes the launches when the device has come to rest.
    case whenIdle
  }

  public init(
    _ base: Base, timing: Timing = .eachOp, observer: @escaping (TracedOp<Base.Buffer>) throws -> Void
  ) {
    self.base = base
    self.timing = timing
    self.observer = observer
  }

  public var info: DeviceInfo { base.info }
  public var counters: BackendCounters { base.counters }
  public var memory: MemoryUse { base.memory }
  public var launchesToTake: Int? { base.launchesToTake }
  public var queueingComputes: Bool { base.queueingComputes }
  public func takeLaunches() throws -> [KernelLaunch] { try base.takeLaunches() }

  /// - Parameters:
  ///   - bytes: what passes between memory and the device, where not all of the operands do.
  ///   - progress: what of its numbers is another at every update.
  func trace(
    _ name: String, _ operands: [Operand], operations: Double = 0, bytes: Double? = nil,
    _ settings: @autoclosure @escaping () -> String = "", progress: @autoclosure @escaping () -> String = "",
    _ body: () throws -> Void
  ) throws {
    let start = ContinuousClock.now
    try body()
    let end = ContinuousClock.now
    var op = TracedOp<Buffer>(
      name: name, operands: operands, operations: operations, bytes: bytes ?? Self.bytes(operands),
      start: seconds(start - opened), seconds: seconds(end - start),
      describeSettings: settings, describeProgress: progress)
    if timing == .eachOp { op.launches = try base.takeLaunches() }
    try observer(op)
  }

  private static func bytes(_ operands: [Operand]) -> Double {
    let elements = operands.reduce(0) { $0 + $1.tensor.count * ($1.access == .update ? 2 : 1) }
    return Double(elements * MemoryLayout<Scalar>.stride)
  }

  private func seconds(_ duration: Duration) -> Double {
    Double(duration.components.seconds) + Double(duration.components.attoseconds) * 1e-18
  }
}

extension TracingBackend {
  public func allocate(_ count: Int) throws -> Buffer { try base.allocate(count) }

  public func write(_ values: UnsafeBufferPointer<Scalar>, to tensor: Tensor<Buffer>) throws {
    try trace("write", [.write("tensor", tensor)]) { try base.write(values, to: tensor) }
  }

  public func read(_ tensor: Tensor<Buffer>, into values: UnsafeMutableBufferPointer<Scalar>) throws {
    try trace("read", [.read("tensor", tensor)]) { try base.read(tensor, into: values) }
  }

  public func fill(_ tensor: Tensor<Buffer>, with value: Scalar) throws {
    try trace("fill", [.write("tensor", tensor)], "with \(number(Double(value)))") {
      try base.fill(tensor, with: value)
    }
  }

  public func copy(_ source: Tensor<Buffer>, to destination: Tensor<Buffer>) throws {
    try trace("copy", [.read("source", source), .write("destination", destination)]) {
      try base.copy(source, to: destination)
    }
  }

  public func synchronize() throws { try trace("synchronize", []) { try base.synchronize() } }
}

extension TracingBackend: MeasuresPeak where Base: MeasuresPeak {
  public func measurePeakGFLOPS() throws -> Double { try base.measurePeakGFLOPS() }
  public func measureBandwidth(bytes: Int) throws -> Double { try base.measureBandwidth(bytes: bytes) }
}

/// Six digits: enough to tell settings apart, and the same whatever the last bit of a library function is.
func number(_ value: Double) -> String {
  guard value.isFinite, value != 0 else { return value == 0 ? "0" : "\(value)" }
  if value == value.rounded(), abs(value) < 1e6 { return "\(Int(value))" }
  var scale = 1.0
  while abs(value) * scale < 1e5, scale < 1e300 { scale *= 10 }
  return "\((value * scale).rounded() / scale)"
}
