/// A device that runs every op of Cinch.
///
/// A backend is the sum of small op protocols. Forward and backward passes are explicit ops with the output
/// passed in: there is no tape and no automatic differentiation. Ops are queued in order and return before
/// they have run; only `read` and `synchronize` wait. An op allocates nothing once its shapes have been
/// seen: what scratch it needs is reserved with `reserve…` methods or at the first call.
///
/// A backend is used from one thread at a time.
public protocol Backend: MemoryOps, MatmulOps, ActivationOps, ReductionOps, LossOps, PenaltyOps, RandomOps,
  OptimizerOps, ConvolutionOps, PoolingOps
{
  /// What the device is, for people.
  var info: DeviceInfo { get }
}

/// Names and limits of a device.
public struct DeviceInfo: Sendable, Hashable, Codable {
  /// How `--device` names it: `cpu`, `reference`, `opencl:0:0`.
  public var identifier: String
  /// The hardware's own name.
  public var name: String
  /// Driver, version and kernel family, in one line.
  public var detail: String
  /// Memory that a data set may take, in bytes.
  public var memory: Int

  public init(identifier: String, name: String, detail: String, memory: Int) {
    self.identifier = identifier
    self.name = name
    self.detail = detail
    self.memory = memory
  }
}

/// What a backend has done so far. Tests assert that a training step adds to `launches` alone.
public struct BackendCounters: Sendable, Hashable {
  /// Device buffers made.
  public var allocations = 0
  /// Times the host waited for the device.
  public var waits = 0
  /// Ops or kernels queued.
  public var launches = 0

  public init() {}
}
