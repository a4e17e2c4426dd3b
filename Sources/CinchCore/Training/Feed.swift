import CinchBackend
import CinchData

/// What a feed takes its samples from: a data set, or rows that the device has already, as a frozen layer leaves them.
enum FeedSource<B: Backend> {
  case samples(Dataset)
  case rows(Tensor<B.Buffer>, labels: [Int]?)

  var count: Int {
    switch self {
    case .samples(let data): data.count
    case .rows(let rows, _): rows.rows
    }
  }

  /// What of it is on the device already.
  var residentBytes: Int {
    switch self {
    case .samples: 0
    case .rows(let rows, _): rows.count * MemoryLayout<B.Scalar>.size
    }
  }

  fileprivate var labels: [Int]? {
    switch self {
    case .samples(let data): data.labels
    case .rows(_, let labels): labels
    }
  }
}

/// Loads batches of a data set onto the device: the samples, what the first layer sees of them, and labels where the
/// recipe is trained with them.
final class Feed<B: Backend> {
  let count: Int
  /// Of every sample, where they are known.
  let labelValues: [Int]?
  private let backend: B
  private let corruption: Corruption?
  private let samples: FeedRows<B>
  private let labels: FeedRows<B>?
  /// What each value counts, where some are missing.
  private let weights: FeedRows<B>?
  /// The share of values that are there.
  let observedShare: Double
  /// Room for the largest batch's corrupted samples.
  private let corrupted: Tensor<B.Buffer>?

  /// - Parameters:
  ///   - shape: one sample as the first layer takes it.
  ///   - corruption: what is done to the input in training; nil for none.
  ///   - objective: what the output is compared with, and how; nil where nothing is compared.
  ///   - memoryLimit: bytes the data set may take on the device.
  init(
    _ source: FeedSource<B>, on backend: B, as shape: FeatureShape, batchSize: Int, corruption: Corruption?,
    objective: Objective?, memoryLimit: Int
  ) throws {
    self.backend = backend
    self.corruption = corruption
    count = source.count
    labelValues = source.labels
    let batch = shape.shape(rows: batchSize)
    samples =
      switch source {
      case .samples(let data): try FeedRows(data.rows, on: backend, batch: batch, memoryLimit: memoryLimit)
      case .rows(let rows, _): try FeedRows(rows, on: backend, batch: batch)
      }
    var (labels, weights): (FeedRows<B>?, FeedRows<B>?) = (nil, nil)
    var share = 1.0
    switch (objective?.loss.target, source) {
    case (.labels, _):
      labels = try FeedRows(
        SampleRows(labels: labelValues ?? []), on: backend, batch: [batchSize, 1], memoryLimit: memoryLimit)
    case (.samples, .samples(let data)):
      guard let observed = data.observed else { break }
      weights = try FeedRows(
        observed, on: backend, batch: batch, memoryLimit: max(memoryLimit - samples.residentBytes, 0))
      share = data.observedShare(objective?.columns)
    case (.samples, .rows), (nil, _): break
    }
    self.labels = labels
    self.weights = weights
    observedShare = share
    corrupted = corruption == nil ? nil : try backend.tensor(batch)
  }

  /// The same samples, of which the device keeps one copy, in batches of another size; not corrupted.
  init(sharing other: Feed, batchSize: Int) throws {
    backend = other.backend
    corruption = nil
    count = other.count
    labelValues = other.labelValues
    samples = try FeedRows(sharing: other.samples, batchSize: batchSize)
    weights = try other.weights.map { try FeedRows(sharing: $0, batchSize: batchSize) }
    observedShare = other.observedShare
    labels = try other.labels.map { try FeedRows(sharing: $0, batchSize: batchSize) }
    corrupted = nil
  }

  var isStreamed: Bool { samples.isStreamed }

  /// What of the data set lies on the device.
  var residentBytes: Int {
    samples.residentBytes + (labels?.residentBytes ?? 0) + (weights?.residentBytes ?? 0)
  }

  /// What a data set may take on a device where nothing else is said: half of its memory, and of what is left of it
  /// where it is the host's. Larger ones are streamed.
  static func memoryLimit(_ backend: B) -> Int {
    let info = backend.info
    return min(info.memory / 2, info.largestBuffer, info.sharesMemory ? HostMemory.available / 2 : .max)
  }

  /// The next rows of an order. The batch holds until the next one is loaded.
  func load(_ order: SampleOrder, rows: Int, _ pass: Pass) throws -> Batch<B.Buffer> {
    let target = try labels?.load(order, rows: rows)
    let weight = try weights?.load(order, rows: rows)
    guard pass.mode == .training, let corruption, let input = corrupted?.prefix(rows: rows) else {
      let clean = try samples.load(order, rows: rows)
      return Batch(pass: pass, input: clean, target: target ?? clean, weight: weight)
    }
    let clean = try samples.load(order, rows: rows, corruption, pass.draws(.corruption), corrupted: input)
    return Batch(pass: pass, input: input, target: target ?? clean, weight: weight)
  }
}

/// One array of a data set, a row per sample.
///
/// An array that fits stays on the device, bytes as bytes, and rows are gathered there. A larger one stays on the host,
/// which gathers each batch and hands it to the backend's two staging buffers; the order and the corruption are the same,
/// so the results are too.
private final class FeedRows<B: Backend> {
  private enum Place {
    case floats(Tensor<B.Buffer>)
    case bytes(ByteRows<B.Buffer>)
    case host(SampleRows)
  }

  private let backend: B
  private let place: Place
  private var staging: [B.Scalar]
  /// Room for the largest batch.
  private let room: Tensor<B.Buffer>

  init(_ rows: SampleRows, on backend: B, batch: Shape, memoryLimit: Int) throws {
    self.backend = backend
    place = try Self.place(rows, on: backend, memoryLimit: memoryLimit)
    if case .host = place { staging = [B.Scalar](repeating: 0, count: batch.count) } else { staging = [] }
    room = try backend.tensor(batch)
  }

  /// Of rows that are on the device.
  init(_ rows: Tensor<B.Buffer>, on backend: B, batch: Shape) throws {
    self.backend = backend
    place = .floats(rows)
    staging = []
    room = try backend.tensor(batch)
  }

  init(sharing other: FeedRows, batchSize: Int) throws {
    backend = other.backend
    place = other.place
    let shape = Shape([batchSize] + other.room.shape.dimensions.dropFirst())
    if case .host = place { staging = [B.Scalar](repeating: 0, count: shape.count) } else { staging = [] }
    room = try backend.tensor(shape)
  }

  private static func place(_ rows: SampleRows, on backend: B, memoryLimit: Int) throws -> Place {
    let count = rows.count * rows.features
    let bytes = rows.areBytes ? count : count * MemoryLayout<B.Scalar>.size
    guard bytes <= memoryLimit else { return .host(rows) }
    return rows.areBytes ? .bytes(try uploadBytes(rows, to: backend)) : .floats(try upload(rows, to: backend))
  }

  var isStreamed: Bool { if case .host = place { true } else { false } }

  var residentBytes: Int {
    switch place {
    case .floats(let tensor): tensor.count * MemoryLayout<B.Scalar>.size
    case .bytes(let bytes): bytes.packed.count * MemoryLayout<B.Scalar>.size
    case .host: 0
    }
  }

  private static func upload(_ rows: SampleRows, to backend: B) throws -> Tensor<B.Buffer> {
    let tensor = try backend.tensor([rows.count, rows.features])
    try rows.forEachBlock { first, block in
      let part = tensor.slice(at: first * rows.features, shape: [block.count])
      try withUnsafeTemporaryAllocation(of: B.Scalar.self, capacity: block.count) { scalars in
        Scalars.fill(scalars) { $0.update(from: block.baseAddress!, count: block.count) }
        try backend.write(UnsafeBufferPointer(scalars), to: part)
      }
    }
    return tensor
  }

  private static func uploadBytes(_ rows: SampleRows, to backend: B) throws -> ByteRows<B.Buffer> {
    let target = try backend.byteRows(rows.count, columns: rows.features, divisor: rows.divisor)
    // A multiple of a scalar's bytes.
    let together = (rows.rowsAtOnce + 7) / 8 * 8
    try withUnsafeTemporaryAllocation(of: UInt8.self, capacity: min(together, rows.count) * rows.features) { block in
      for first in stride(from: 0, to: rows.count, by: together) {
        let end = min(first + together, rows.count)
        rows.readBytes(first..<end, into: block.baseAddress!)
        let part = UnsafeBufferPointer(rebasing: UnsafeBufferPointer(block)[..<((end - first) * rows.features)])
        try backend.write(UnsafeRawBufferPointer(part), to: target, at: first * rows.features)
      }
    }
    return target
  }

  /// The next rows of an order; they hold until the next ones are loaded.
  func load(_ order: SampleOrder, rows: Int) throws -> Tensor<B.Buffer> {
    let batch = room.prefix(rows: rows)
    switch place {
    case .floats(let resident): try backend.gather(resident, order, into: batch)
    case .bytes(let resident): try backend.gatherBytes(resident, order, into: batch)
    case .host(let samples): try stage(samples, order, into: batch)
    }
    return batch
  }

  /// The next rows of an order, and a corrupted copy of them.
  func load(
    _ order: SampleOrder, rows: Int, _ corruption: Corruption, _ draws: Draws, corrupted: Tensor<B.Buffer>
  ) throws -> Tensor<B.Buffer> {
    let batch = room.prefix(rows: rows)
    switch place {
    case .floats(let resident):
      try backend.gather(resident, order, into: batch, corruption, draws, corrupted: corrupted)
    case .bytes(let resident):
      try backend.gatherBytes(resident, order, into: batch, corruption, draws, corrupted: corrupted)
    case .host(let samples):
      try stage(samples, order, into: batch)
      try backend.corrupt(batch, corruption, draws, into: corrupted)
    }
    return batch
  }

  private func stage(_ rows: SampleRows, _ order: SampleOrder, into batch: Tensor<B.Buffer>) throws {
    let count = batch.count
    try staging.withUnsafeMutableBufferPointer { staging in
      let part = UnsafeMutableBufferPointer(rebasing: staging[..<count])
      Scalars.fill(part) { floats in
        for row in 0..<batch.rows {
          rows.read(order.permutation?(order.start + row) ?? order.start + row, into: floats + row * rows.features)
        }
      }
      try backend.write(UnsafeBufferPointer(part), to: batch)
    }
  }
}
