/// One op as it was called, with every tensor that it may read or write.
public struct TracedOp<Buffer: AnyObject> {
  /// The method's name in the op protocols.
  public var name: String
  public var operands: [Operand]
  /// Floating-point operations of a product or a convolution, 2 for a multiply-add; taps that lie in the padding count.
  /// 0 for everything else.
  public var operations: Double
  /// Bytes that pass between memory and the device at least: what is read, once, what is written, and both of what is updated.
  public var bytes: Double
  /// When the call began, and what it took, on the host's clock, in seconds since the first op. Where ops are queued, this
  /// is the time to queue it.
  public var start: Double
  public var seconds: Double
  /// The kernels that ran for it, where the device tells and was asked at each op; see `Backend.takeLaunches`.
  public var launches: [KernelLaunch] = []
  /// The scalars: modes, flags and factors, in one line, without what is another at every update.
  public var settings: String { describeSettings() }
  /// The numbers that are others at every update: where in the epoch it is, and keys of draws.
  public var progress: String { describeProgress() }

  // Made only where somebody asks: texts take longer than queueing.
  let describeSettings: () -> String
  let describeProgress: () -> String

  /// A tensor by its role in the op.
  public struct Operand {
    public enum Access: Sendable, Hashable { case read, write, update }

    public var role: String
    public var access: Access
    public var tensor: Tensor<Buffer>

    public static func read(_ role: String, _ tensor: Tensor<Buffer>) -> Operand {
      Operand(role: role, access: .read, tensor: tensor)
    }

    /// Every element is overwritten, and none is read.
    public static func write(_ role: String, _ tensor: Tensor<Buffer>) -> Operand {
      Operand(role: role, access: .write, tensor: tensor)
    }

    /// Read, then written.
    public static func update(_ role: String, _ tensor: Tensor<Buffer>) -> Operand {
      Operand(role: role, access: .update, tensor: tensor)
    }
  }
}

/// One kernel that a device ran.
public struct KernelLaunch: Sendable, Hashable {
  public var kernel: String
  /// Work-items, and those of one work-group.
  public var global: [Int]
  public var local: [Int]
  /// Pieces of work that the work-items take one after the other; 0 where each has its own.
  public var pieces: Int
  /// On the device's own clock, which begins anywhere: when the host queued it, and when it began.
  public var queued: Double
  public var start: Double
  /// What it took on that clock.
  public var microseconds: Double

  public init(
    kernel: String, global: [Int], local: [Int], pieces: Int = 0, queued: Double = 0, start: Double = 0,
    microseconds: Double
  ) {
    self.kernel = kernel
    self.global = global
    self.local = local
    self.pieces = pieces
    self.queued = queued
    self.start = start
    self.microseconds = microseconds
  }

  /// When it ended.
  public var end: Double { start + microseconds }
}

/// Writes traced ops as lines such as `matmul a=A[8×13] b=B[9×13] bias=B+117[9] → c=C[8×9] | bᵀ forward sigmoid`.
///
/// Buffers are named A, B, … in the order in which they are first met; `+117` is where in its buffer a tensor starts.
/// What stands behind the arrow is written, and read too where it is marked with `~`.
public struct TraceFormat {
  private var names: [ObjectIdentifier: String] = [:]

  public init() {}

  public mutating func line<Buffer>(_ op: TracedOp<Buffer>) -> String {
    // In the order of the call, so that names follow it.
    let operands = op.operands.map { ($0.access, text($0)) }
    let reads = operands.filter { $0.0 == .read }.map(\.1)
    let writes = operands.filter { $0.0 != .read }.map(\.1)
    var parts = [op.name] + reads
    if !writes.isEmpty { parts += ["→"] + writes }
    let settings = [op.settings, op.progress].filter { !$0.isEmpty }
    if !settings.isEmpty { parts += ["|"] + settings }
    return parts.joined(separator: " ")
  }

  private mutating func text<Buffer>(_ operand: TracedOp<Buffer>.Operand) -> String {
    let tensor = operand.tensor
    let start = tensor.offset == 0 ? "" : "+\(tensor.offset)"
    let extents = tensor.shape.dimensions.map(String.init).joined(separator: "×")
    return "\(operand.access == .update ? "~" : "")\(operand.role)=\(name(tensor.buffer))\(start)[\(extents)]"
  }

  private mutating func name(_ buffer: AnyObject) -> String {
    let key = ObjectIdentifier(buffer)
    if let name = names[key] { return name }
    var name = ""
    var number = names.count
    repeat {
      name = String(UnicodeScalar(UInt8(65 + number % 26))) + name
      number = number / 26 - 1
    } while number >= 0
    names[key] = name
    return name
  }
}
