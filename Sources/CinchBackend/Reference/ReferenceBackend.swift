import Glibc

/// The oracle: every op as plain loops in Double, in the order its formula is written. It is slow, and right.
///
/// Ops run when they are called, so there is never anything to wait for.
public final class ReferenceBackend: Backend {
  public typealias Scalar = Double
  public typealias Buffer = ReferenceBuffer

  public internal(set) var counters = BackendCounters()

  public init() {}

  public var info: DeviceInfo {
    let pages = sysconf(Int32(_SC_PHYS_PAGES)), size = sysconf(Int32(_SC_PAGESIZE))
    return DeviceInfo(
      identifier: "reference", name: "Reference", detail: "plain loops in Double, for checking other devices",
      memory: max(pages, 0) * max(size, 0) / 2)
  }

  /// The tensor's elements. They stay valid as long as the caller's tensor does.
  func view(_ tensor: Tensor<Buffer>) throws -> UnsafeMutableBufferPointer<Double> {
    guard tensor.offset >= 0, tensor.offset + tensor.count <= tensor.buffer.count else {
      throw BackendError.invalidArgument(
        "A tensor of \(tensor.shape) at \(tensor.offset) exceeds its buffer of \(tensor.buffer.count) elements.")
    }
    return UnsafeMutableBufferPointer(start: tensor.buffer.start + tensor.offset, count: tensor.count)
  }
}

/// Host memory of a `ReferenceBackend`.
public final class ReferenceBuffer {
  public let count: Int
  let start: UnsafeMutablePointer<Double>

  init(count: Int) {
    self.count = count
    start = .allocate(capacity: max(count, 1))
    start.initialize(repeating: 0, count: max(count, 1))
  }

  deinit { start.deallocate() }
}
