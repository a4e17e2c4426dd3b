import CinchBackend
import CinchData

/// Loads batches of a data set onto the device.
///
/// A data set that fits stays on the device, and rows are gathered there. A larger one stays on the host,
/// which gathers each batch and hands it to the backend's two staging buffers; the order and the corruption
/// are the same, so the results are too.
final class Feed<B: Backend> {
  let count: Int
  private let data: Dataset
  private let backend: B
  private let corruption: Corruption?
  private let resident: Tensor<B.Buffer>?
  private var staging: [B.Scalar]
  /// Room for the largest batch: the clean samples, and what the first layer sees of them.
  private let clean: Tensor<B.Buffer>
  private let corrupted: Tensor<B.Buffer>?

  /// - Parameters:
  ///   - shape: one sample as the first layer takes it.
  ///   - corruption: what is done to the input in training; nil for none.
  ///   - memoryLimit: bytes the data set may take on the device.
  init(
    _ data: Dataset, on backend: B, as shape: FeatureShape, batchSize: Int, corruption: Corruption?, memoryLimit: Int
  ) throws {
    self.data = data
    self.backend = backend
    self.corruption = corruption
    count = data.count
    let bytes = data.stored.count * MemoryLayout<B.Scalar>.size
    if bytes <= memoryLimit {
      let tensor = try backend.tensor([data.count, data.features])
      try Self.upload(data.stored, to: tensor, backend)
      resident = tensor
      staging = []
    } else {
      resident = nil
      staging = [B.Scalar](repeating: 0, count: batchSize * data.features)
    }
    clean = try backend.tensor(shape.shape(rows: batchSize))
    corrupted = corruption == nil ? nil : try backend.tensor(shape.shape(rows: batchSize))
  }

  var isStreamed: Bool { resident == nil }

  /// What a data set may take on a device where nothing else is said: half of its memory.
  static func memoryLimit(_ backend: B) -> Int { min(backend.info.memory / 2, backend.info.largestBuffer) }

  private static func upload(_ values: [Float], to tensor: Tensor<B.Buffer>, _ backend: B) throws {
    if let values = values as? [B.Scalar] {
      try backend.write(values, to: tensor)
    } else {
      try backend.write(values.map { B.Scalar($0) }, to: tensor)
    }
  }

  /// The next rows of an order. The batch holds until the next one is loaded.
  func load(_ order: SampleOrder, rows: Int, _ pass: Pass) throws -> Batch<B.Buffer> {
    let target = clean.prefix(rows: rows)
    let draws = pass.draws(.corruption)
    guard pass.mode == .training, let corruption, let input = corrupted?.prefix(rows: rows) else {
      if let resident { try backend.gather(resident, order, into: target) } else { try stage(order, into: target) }
      return Batch(pass: pass, input: target, target: target)
    }
    if let resident {
      try backend.gather(resident, order, into: target, corruption, draws, corrupted: input)
    } else {
      try stage(order, into: target)
      try backend.corrupt(target, corruption, draws, into: input)
    }
    return Batch(pass: pass, input: input, target: target)
  }

  private func stage(_ order: SampleOrder, into x: Tensor<B.Buffer>) throws {
    let features = data.features
    for row in 0..<x.rows {
      let source = (order.permutation?(order.start + row) ?? order.start + row) * features
      for feature in 0..<features {
        staging[row * features + feature] = B.Scalar(data.stored[source + feature])
      }
    }
    try staging.withUnsafeBufferPointer { staging in
      try backend.write(UnsafeBufferPointer(rebasing: staging[0..<x.count]), to: x)
    }
  }
}
