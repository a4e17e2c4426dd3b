/// Device memory that a backend holds, in bytes.
public struct MemoryUse: Sendable, Hashable {
  /// Of the buffers that were asked for.
  public var buffers = 0
  /// The most of these at once.
  public var mostBuffers = 0
  /// What the backend keeps for its own work, as packed weights. It grows to what shapes need, and does not shrink.
  public var scratch = 0

  public init() {}

  /// The most that there was at once.
  public var most: Int { mostBuffers + scratch }
}

/// Keeps count of buffers, which outlive the call that made them.
public final class MemoryAccount {
  public private(set) var use = MemoryUse()

  public init() {}

  /// Bytes that are held.
  public var bytes: Int { use.buffers + use.scratch }

  /// Enters a buffer, or with negative bytes takes it out again.
  ///
  /// - Parameter isScratch: whether it is the backend's own.
  public func add(_ bytes: Int, isScratch: Bool = false) {
    if isScratch {
      use.scratch += bytes
    } else {
      use.buffers += bytes
      use.mostBuffers = max(use.mostBuffers, use.buffers)
    }
  }
}
