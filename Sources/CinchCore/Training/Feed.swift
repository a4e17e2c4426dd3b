import CinchBackend
import CinchData

/// Loads batches of a data set onto the device: the samples, what the first layer sees of them, and labels where the
/// recipe is trained with them.
final class Feed<B: Backend> {
  let count: Int
  private let backend: B
  private let corruption: Corruption?
  private let samples: FeedRows<B>
  private let labels: FeedRows<B>?
  /// Room for the largest batch's corrupted samples.
  private let corrupted: Tensor<B.Buffer>?

  /// - Parameters:
  ///   - shape: one sample as the first layer takes it.
  ///   - corruption: what is done to the input in training; nil for none.
  ///   - targets: what the output is compared with.
  ///   - memoryLimit: bytes the data set may take on the device.
  init(
    _ data: Dataset, on backend: B, as shape: FeatureShape, batchSize: Int, corruption: Corruption?,
    targets: Loss.Target, memoryLimit: Int
  ) throws {
    self.backend = backend
    self.corruption = corruption
    count = data.count
    let batch = shape.shape(rows: batchSize)
    samples = try FeedRows(data.stored, count: count, on: backend, batch: batch, memoryLimit: memoryLimit)
    switch targets {
    case .samples: labels = nil
    case .labels:
      labels = try FeedRows(
        (data.labels ?? []).map(Float.init), count: count, on: backend, batch: [batchSize, 1], memoryLimit: memoryLimit)
    }
    corrupted = corruption == nil ? nil : try backend.tensor(batch)
  }

  var isStreamed: Bool { samples.isStreamed }

  /// What of the data set lies on the device.
  var residentBytes: Int { samples.residentBytes + (labels?.residentBytes ?? 0) }

  /// What a data set may take on a device where nothing else is said: half of its memory.
  static func memoryLimit(_ backend: B) -> Int { min(backend.info.memory / 2, backend.info.largestBuffer) }

  /// The next rows of an order. The batch holds until the next one is loaded.
  func load(_ order: SampleOrder, rows: Int, _ pass: Pass) throws -> Batch<B.Buffer> {
    let target = try labels?.load(order, rows: rows)
    guard pass.mode == .training, let corruption, let input = corrupted?.prefix(rows: rows) else {
      let clean = try samples.load(order, rows: rows)
      return Batch(pass: pass, input: clean, target: target ?? clean)
    }
    let clean = try samples.load(order, rows: rows, corruption, pass.draws(.corruption), corrupted: input)
    return Batch(pass: pass, input: input, target: target ?? clean)
  }
}

/// One array of a data set, a row per sample.
///
/// An array that fits stays on the device, and rows are gathered there. A larger one stays on the host, which gathers
/// each batch and hands it to the backend's two staging buffers; the order and the corruption are the same, so the
/// results are too.
private final class FeedRows<B: Backend> {
  private let values: [Float]
  private let features: Int
  private let backend: B
  private let resident: Tensor<B.Buffer>?
  private var staging: [B.Scalar]
  /// Room for the largest batch.
  private let room: Tensor<B.Buffer>

  init(_ values: [Float], count: Int, on backend: B, batch: Shape, memoryLimit: Int) throws {
    self.values = values
    self.backend = backend
    features = values.count / count
    if values.count * MemoryLayout<B.Scalar>.size <= memoryLimit {
      let tensor = try backend.tensor([count, features])
      try Self.upload(values, to: tensor, backend)
      resident = tensor
      staging = []
    } else {
      resident = nil
      staging = [B.Scalar](repeating: 0, count: batch.count)
    }
    room = try backend.tensor(batch)
  }

  var isStreamed: Bool { resident == nil }
  var residentBytes: Int { (resident?.count ?? 0) * MemoryLayout<B.Scalar>.size }

  private static func upload(_ values: [Float], to tensor: Tensor<B.Buffer>, _ backend: B) throws {
    if let values = values as? [B.Scalar] {
      try backend.write(values, to: tensor)
    } else {
      try backend.write(values.map { B.Scalar($0) }, to: tensor)
    }
  }

  /// The next rows of an order; they hold until the next ones are loaded.
  func load(_ order: SampleOrder, rows: Int) throws -> Tensor<B.Buffer> {
    let batch = room.prefix(rows: rows)
    if let resident { try backend.gather(resident, order, into: batch) } else { try stage(order, into: batch) }
    return batch
  }

  /// The next rows of an order, and a corrupted copy of them.
  func load(
    _ order: SampleOrder, rows: Int, _ corruption: Corruption, _ draws: Draws, corrupted: Tensor<B.Buffer>
  ) throws -> Tensor<B.Buffer> {
    let batch = room.prefix(rows: rows)
    if let resident {
      try backend.gather(resident, order, into: batch, corruption, draws, corrupted: corrupted)
    } else {
      try stage(order, into: batch)
      try backend.corrupt(batch, corruption, draws, into: corrupted)
    }
    return batch
  }

  private func stage(_ order: SampleOrder, into batch: Tensor<B.Buffer>) throws {
    for row in 0..<batch.rows {
      let source = (order.permutation?(order.start + row) ?? order.start + row) * features
      for feature in 0..<features {
        staging[row * features + feature] = B.Scalar(values[source + feature])
      }
    }
    try staging.withUnsafeBufferPointer { staging in
      try backend.write(UnsafeBufferPointer(rebasing: staging[0..<batch.count]), to: batch)
    }
  }
}
