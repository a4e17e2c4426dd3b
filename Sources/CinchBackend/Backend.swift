/// A device that runs every op of Cinch.
///
/// A backend is the sum of small op protocols. Forward and backward passes are explicit ops with the output
/// passed in: there is no tape and no automatic differentiation. Ops are queued in order and return before
/// they have run; only `read` and `synchronize` wait. An op allocates nothing once its shapes have been
/// seen: what scratch it needs is reserved with `reserve…` methods or at the first call.
///
/// A backend is used from one thread at a time.
public protocol Backend: MemoryOps, MatmulOps, ActivationOps, ReductionOps, LossOps, PenaltyOps, RandomOps,
  OptimizerOps, PooledConvolutionOps, SamplingOps, MixedOps
{
  /// What the device is, for people.
  var info: DeviceInfo { get }

  /// The kernels that have run since the last call, in order, where the backend was opened for profiling; else none.
  /// Waits for them.
  func takeLaunches() throws -> [KernelLaunch]

  /// How many `takeLaunches` would give; nil where ops are not timed one by one, or have run when they return.
  var launchesToTake: Int? { get }

  /// Whether the thread that queues ops takes part in them, so that how long it takes says nothing of queueing.
  var queueingComputes: Bool { get }
}

extension Backend {
  public var launchesToTake: Int? { nil }
  public var queueingComputes: Bool { false }
  public func takeLaunches() throws -> [KernelLaunch] { [] }
}

/// Names and limits of a device.
public struct DeviceInfo: Sendable, Hashable, Codable {
  /// What names it completely: `cpu`, `reference`, `opencl:0:0`, or `opencl:0:0/gpu` where kernels run that are not
  /// made for its type.
  public var identifier: String
  /// The hardware's own name.
  public var name: String
  /// Driver, version and kernel family, in one line.
  public var detail: String
  /// Memory that a model and its data may take, in bytes.
  public var memory: Int
  /// The largest single buffer, in bytes: OpenCL devices often give no more than a quarter of their memory at once.
  public var largestBuffer = Int.max
  /// Whether its memory is the host's.
  public var sharesMemory = true
  /// What a batch may leave between the layers and stay in the caches, in bytes; nil where passes of fewer samples gain
  /// nothing.
  public var passBytes: Int?

  /// `passBytes` of a processor. Results depend on it, so it is the same on all of them: between the 6 MiB that are best where
  /// 32 MB of cache are shared and the 50 MiB where there are 260. See `Benchmarks/README.md`.
  public static let processorPassBytes = 16 << 20

  /// The most elements of a float32 buffer: kernels and BLAS count in 32 bits.
  public static let mostElements = Int(Int32.max)

  // Of a run on record only what names the device matters.
  private enum CodingKeys: CodingKey { case identifier, name, detail, memory }

  public init(
    identifier: String, name: String, detail: String, memory: Int, largestBuffer: Int = .max, sharesMemory: Bool = true,
    passBytes: Int? = nil
  ) {
    self.identifier = identifier
    self.name = name
    self.detail = detail
    self.memory = memory
    self.largestBuffer = largestBuffer
    self.sharesMemory = sharesMemory
    self.passBytes = passBytes
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
