/// A backend that computes nothing and holds no memory: what a run would ask of a device, without running it.
///
/// Every op checks its shapes as on any device and then does nothing; reads give zeros. How a sum is cut into parts is
/// asked of the real device, so what is allocated is what would be allocated there, but for the device's own scratch memory.
public final class PlanningBackend<Base: Backend>: Backend {
  public typealias Scalar = Base.Scalar
  public typealias Buffer = PlannedBuffer

  /// The device that is planned for.
  public let base: Base
  public private(set) var counters = BackendCounters()
  private let account = MemoryAccount()

  public init(_ base: Base) { self.base = base }

  public var info: DeviceInfo { base.info }
  public var memory: MemoryUse { account.use }

  /// Counts a launch of an op whose shapes were found right.
  func launch() { counters.launches += 1 }
  func wait() { counters.waits += 1 }

  public func allocate(_ count: Int) throws -> PlannedBuffer {
    let (bytes, overflow) = max(count, 1).multipliedReportingOverflow(by: MemoryLayout<Scalar>.stride)
    guard count >= 0, !overflow, bytes <= info.largestBuffer else {
      throw BackendError.outOfMemory(
        "The device \(info.name) holds no buffer of \(count) numbers: use a smaller batch or model.")
    }
    counters.allocations += 1
    return PlannedBuffer(count: count, bytes: bytes, account: account)
  }
}

/// A buffer that only knows its length.
public final class PlannedBuffer {
  /// In elements.
  public let count: Int
  public let bytes: Int
  private let account: MemoryAccount

  init(count: Int, bytes: Int, account: MemoryAccount) {
    self.count = count
    self.bytes = bytes
    self.account = account
    account.add(bytes)
  }

  deinit { account.add(-bytes) }
}
