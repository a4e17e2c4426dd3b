import Glibc

/// The oracle: every op as plain loops in Double, in the order its formula is written. It is slow, and right.
///
/// Ops run when they are called, so there is never anything to wait for.
public final class ReferenceBackend: Backend {
  public typealias Scalar = Double
  public typealias Buffer = ReferenceBuffer

  public internal(set) var counters = BackendCounters()
  public var memory: MemoryUse { account.use }
  let account = MemoryAccount()
  /// The image between a convolution and its pooling.
  private var unpooled: ReferenceBuffer?

  public init() {}

  public var info: DeviceInfo {
    DeviceInfo(
      identifier: "reference", name: "Reference", detail: "plain loops in Double, for checking other devices",
      memory: HostMemory.total / 2)
  }

  /// Room for the image between a convolution and its pooling.
  func room(_ geometry: ConvolutionGeometry) throws -> Tensor<ReferenceBuffer> {
    let count = geometry.pooledRoom
    if let unpooled, unpooled.count >= count { return Tensor(unpooled, shape: [count]) }
    let made = try tensor([count])
    unpooled = made.buffer
    return made
  }

  /// The tensor's elements. They stay valid as long as the caller's tensor does.
  func view(_ tensor: Tensor<Buffer>) throws -> UnsafeMutableBufferPointer<Double> {
    guard tensor.lies(within: tensor.buffer.count) else {
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
  private let account: MemoryAccount

  /// - Throws: `BackendError.outOfMemory`.
  init(count: Int, account: MemoryAccount) throws {
    // Past physical memory the system would grant the pages and kill the process when they are touched.
    let (bytes, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<Double>.stride)
    guard !overflow, HostMemory.fits(bytes), let memory = calloc(max(count, 1), MemoryLayout<Double>.stride)
    else {
      throw BackendError.outOfMemory(
        "The reference device cannot allocate \(count) doubles; there are "
          + "\(byteText(HostMemory.available)) of memory left. Use a smaller batch or model, or fewer samples.")
    }
    self.count = count
    self.account = account
    account.add(bytes)
    start = memory.bindMemory(to: Double.self, capacity: max(count, 1))
  }

  deinit {
    account.add(-count * MemoryLayout<Double>.stride)
    free(start)
  }
}
