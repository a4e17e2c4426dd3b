import CinchBackend
import CinchData

/// Puts mini-batches of a data set into the workspace.
///
/// A data set that fits stays on the device, and rows are gathered there. A larger one stays on the host,
/// which gathers each batch and hands it to the backend's two staging buffers; the order and the corruption
/// are the same, so the results are too.
final class DataFeed<B: Backend> {
  let count: Int
  private let data: Dataset
  private let backend: B
  private let resident: Tensor<B.Buffer>?
  private var staging: [B.Scalar]

  /// - Parameter memoryLimit: bytes the data set may take on the device.
  init(_ data: Dataset, on backend: B, batchSize: Int, memoryLimit: Int) throws {
    self.data = data
    self.backend = backend
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
  }

  var isStreamed: Bool { resident == nil }

  private static func upload(_ values: [Float], to tensor: Tensor<B.Buffer>, _ backend: B) throws {
    if let values = values as? [B.Scalar] {
      try backend.write(values, to: tensor)
    } else {
      try backend.write(values.map { B.Scalar($0) }, to: tensor)
    }
  }

  /// Fills `batch.x`, and `batch.input` with its corrupted copy where there is corruption.
  func load(
    _ order: SampleOrder, into batch: Workspace<B>.Batch, corruption: Corruption?, philox: Philox, step: UInt64
  ) throws {
    guard let resident else {
      try stage(order, into: batch.x)
      if let corruption { try backend.corrupt(batch.x, corruption, Draws(philox, step: step), into: batch.input) }
      return
    }
    if let corruption {
      try backend.gather(
        resident, order, into: batch.x, corruption, Draws(philox, step: step), corrupted: batch.input)
    } else {
      try backend.gather(resident, order, into: batch.x)
    }
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
