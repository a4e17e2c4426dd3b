/// A backend that tells of every op before it returns: for seeing what a run does on a device, and for tests that hold
/// it to that. It changes no number.
public final class TracingBackend<Base: Backend>: Backend {
  public typealias Scalar = Base.Scalar
  public typealias Buffer = Base.Buffer
  typealias Operand = TracedOp<Buffer>.Operand

  public let base: Base
  /// Told of each op after it was queued; what it throws, the op throws.
  private let observer: (TracedOp<Base.Buffer>) throws -> Void

  public init(_ base: Base, observer: @escaping (TracedOp<Base.Buffer>) throws -> Void) {
    self.base = base
    self.observer = observer
  }

  public var info: DeviceInfo { base.info }
  public var counters: BackendCounters { base.counters }
  public func takeLaunches() throws -> [KernelLaunch] { try base.takeLaunches() }

  func trace(_ name: String, _ operands: [Operand], _ settings: String = "", _ body: () throws -> Void) throws {
    let start = ContinuousClock.now
    try body()
    let duration = (ContinuousClock.now - start).components
    let launches = try base.takeLaunches()
    try observer(
      TracedOp(
        name: name, operands: operands, settings: settings, launches: launches,
        seconds: Double(duration.seconds) + Double(duration.attoseconds) * 1e-18))
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

  public func synchronize() throws { try base.synchronize() }
}

/// Six digits: enough to tell settings apart, and the same whatever the last bit of a library function is.
func number(_ value: Double) -> String {
  guard value.isFinite, value != 0 else { return value == 0 ? "0" : "\(value)" }
  if value == value.rounded(), abs(value) < 1e6 { return "\(Int(value))" }
  var scale = 1.0
  while abs(value) * scale < 1e5, scale < 1e300 { scale *= 10 }
  return "\((value * scale).rounded() / scale)"
}
