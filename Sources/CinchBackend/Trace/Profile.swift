/// What the ops of a run's updates took, call by call added up; of all that ran where the optimiser's op did not.
///
/// Of `seconds`, the device was busy with the rows' own; where ops are queued, `launching` is what passed between two kernels
/// though the next was queued; the rest is the host's, or waiting.
public struct Profile: Sendable {
  /// Calls of one op on tensors of the same shapes.
  public struct Row: Sendable, Hashable {
    public var op: String
    /// Shapes and settings of the first call.
    public var text: String
    /// The device's names of what ran; none on `reference`.
    public var kernels: Set<String> = []
    public var calls = 0
    /// On the device.
    public var seconds = 0.0
    /// Of the quickest call: what it takes where nothing else runs.
    public var fastest = Double.infinity
    /// Floating-point operations of products and convolutions, and bytes that must pass to and from memory.
    public var operations = 0.0
    public var bytes = 0.0

    mutating func add(seconds: Double) {
      self.seconds += seconds
      fastest = min(fastest, seconds)
    }

    public var kind: Kind {
      switch op {
      case "matmul", "denseGradient": .product
      case "convolve", "convolveTransposed", "convolutionGradient", "convolvePooled", "pooledConvolutionGradient":
        .convolution
      case "read", "write", "copy": .transfer
      case "synchronize": .wait
      default: .pass
      }
    }
  }

  /// What an op spends its time on.
  public enum Kind: String, Sendable, Hashable, CaseIterable {
    case product, convolution
    /// Over elements, rows or columns: bound by memory.
    case pass
    case transfer, wait
  }

  /// Something that took time, for a timeline: an op as the host called it, or a kernel.
  struct Event: Sendable {
    var row: Int
    var kernel: String?
    /// Seconds on the host's clock since the first op.
    var start: Double
    var seconds: Double
  }

  public internal(set) var rows: [Row] = []
  /// Updates of the optimiser.
  public internal(set) var updates = 0
  /// From the first op's call to the last one's end, between any two waits.
  public internal(set) var seconds = 0.0
  /// From the first call of all to the last one's end, with what was no update.
  public internal(set) var wholeSeconds = 0.0
  /// Between kernels that were both queued.
  public internal(set) var launching = 0.0
  /// The host's, to queue: arguments, plans and dispatch. 0 where the thread that queues computes, too.
  public internal(set) var queueing = 0.0
  var events: [Event] = []
  /// What events are of.
  var names: [Row] = []
  /// Where a name's sums are among the rows.
  private var places: [Int: Int] = [:]

  /// Events of a timeline: some thousand updates, and a file that a viewer opens at once.
  static let mostEvents = 100_000

  public init() {}

  /// What took time, in the order in which it ended on the host or was timed: calls of ops, and kernels by name.
  public var timeline: [(row: Row, kernel: String?, start: Double, seconds: Double)] {
    events.map { (names[$0.row], $0.kernel, $0.start, $0.seconds) }
  }

  /// Adds a call to the row of its name.
  mutating func add(
    _ name: Row, _ index: Int, _ operations: Double, _ bytes: Double, seconds: Double?, _ kernels: [String]
  ) {
    let place = places[index] ?? rows.count
    if place == rows.count {
      rows.append(name)
      places[index] = place
    }
    rows[place].calls += 1
    rows[place].operations += operations
    rows[place].bytes += bytes
    rows[place].kernels.formUnion(kernels)
    if let seconds { rows[place].add(seconds: seconds) }
  }

  /// Seconds on the device.
  public func seconds(of kind: Kind) -> Double { rows.reduce(0) { $0 + ($1.kind == kind ? $1.seconds : 0) } }

  /// Seconds in which the device ran something.
  public var busy: Double { rows.reduce(0) { $0 + ($1.kind == .wait ? 0 : $1.seconds) } }

  /// Seconds in which the device had nothing to do: the host's own work, and waiting.
  public var idle: Double { max(0, seconds - busy - launching) }
}

/// What a device can do at best.
public struct Ceilings: Sendable, Hashable {
  /// float32 multiply-adds on registers alone, in 10⁹ operations a second.
  public var gflops: Double
  /// Bytes read and written a second, by how many bytes a pass touches: caches are quicker than memory.
  public private(set) var bandwidths: [Bandwidth] = []

  public struct Bandwidth: Sendable, Hashable {
    public var bytes: Int
    public var bytesPerSecond: Double
  }

  /// Measures a device. Takes some seconds, and up to 256 MB of its memory; sizes that it has no room for are left out.
  public init(of device: some MeasuresPeak) throws {
    gflops = try device.measurePeakGFLOPS()
    for bytes in [1 << 16, 1 << 18, 1 << 20, 1 << 22, 1 << 24, 1 << 26, 1 << 28] {
      do {
        bandwidths.append(Bandwidth(bytes: bytes, bytesPerSecond: try device.measureBandwidth(bytes: bytes)))
      } catch BackendError.outOfMemory { break }
    }
  }

  /// The least time that a call takes whose operations and bytes overlap wholly: the roofline's.
  public func seconds(operations: Double, bytes: Double) -> Double {
    max(operations / (gflops * 1e9), bytes / bandwidth(of: bytes))
  }

  /// The rate at which a pass over so many bytes can run; between two measured sizes, that of the larger.
  public func bandwidth(of bytes: Double) -> Double {
    (bandwidths.first { Double($0.bytes) >= bytes } ?? bandwidths.last)?.bytesPerSecond ?? .infinity
  }
}

extension Profile.Row {
  /// The share of the roofline that its calls reached; nil where nothing bounds it, or it took no time.
  public func fraction(of ceilings: Ceilings) -> Double? {
    guard calls > 0, seconds > 0, kind != .wait, operations > 0 || bytes > 0 else { return nil }
    let each = Double(calls)
    return ceilings.seconds(operations: operations / each, bytes: bytes / each) * each / seconds
  }
}
