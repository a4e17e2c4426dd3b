import CinchBackend
import CinchData

/// Runs host values through the layers of a trained network, in batches: encode, decode, reconstruct, and all between.
/// Nothing is corrupted here.
final class Inference<B: Backend> {
  private let network: Network<B>
  private let backend: B
  private let rows: Int
  private let x: Tensor<B.Buffer>
  private let outputs: [Tensor<B.Buffer>]
  /// How the layers that have been asked for are computed.
  private var stages: [Range<Int>: [Stage<B>]] = [:]
  /// Of a network whose columns have activations of their own.
  private let columns: OutputColumns<B.Buffer>?
  /// What each value counts, where some are missing.
  private var weight: Tensor<B.Buffer>?
  private var staging: [B.Scalar] = []

  init(_ network: Network<B>) throws {
    self.network = network
    let rows = network.resolved.evaluationRows
    self.rows = rows
    try network.reserve(rows: rows)
    backend = network.backend
    x = try backend.tensor(network.input.shape(rows: rows))
    columns = try network.recipe.objective.columns.map(backend.outputColumns)
    // Each until the layers that read it are done, whether these are computed in one or, as part of a range, apart.
    let readers = network.resolved.stages(of: network.layers.indices).flatMap { stage in
      stage.layers.map { _ in stage.layers.upperBound - 1 }
    }
    outputs = try backend.tensors(
      network.layers.enumerated().map { index, layer in
        PlannedTensor(
          shape: layer.resolved.output.shape(rows: rows), life: index...(readers + [readers.count])[index + 1])
      })
  }

  /// Σ (x̂−x)² over all samples.
  func squaredError(_ data: Dataset) throws -> Double {
    let losses = try backend.tensor([min(rows, data.count)])
    var total = 0.0
    if data.observed != nil, weight == nil { weight = try backend.tensor(x.shape) }
    try forEachBatch(of: data, into: x) { start, batch in
      let part = data.observed == nil ? nil : weight?.prefix(rows: batch.rows)
      if let part, let observed = data.observed { try write(observed, start, batch.rows, to: part) }
      let output = try forward(batch, 0..<network.layers.count)
      let flat: Shape = [batch.rows, batch.count / batch.rows]
      let sums = losses.prefix(rows: batch.rows)
      try backend.sampleLosses(
        output.reshaped(flat),
        LossTerms(.sse, activation: .linear, target: batch.reshaped(flat), weight: part?.reshaped(flat)), into: sums)
      // The loss is half of the squares.
      total += 2 * Scalars.doubles(try backend.read(sums)).reduce(0, +)
    }
    return total
  }

  /// What comes out of the last of `layers` where samples go into the first.
  /// - Throws: `CinchError.unavailable` where there is no room for all of it.
  func run(_ data: Dataset, through layers: Range<Int>) throws -> [Float] {
    let output = network.layers[layers.upperBound - 1].resolved.output
    let (total, overflow) = data.count.multipliedReportingOverflow(by: 4 * output.count)
    try HostMemory.require(overflow ? .max : total, for: "what the layers make of \(data.count) samples")
    var result: [Float] = []
    result.reserveCapacity(data.count * output.count)
    // Decoding starts from the code's own place.
    try forEachBatch(of: data, into: layers.lowerBound == 0 ? x : outputs[layers.lowerBound - 1]) { _, batch in
      result += Scalars.floats(try backend.read(try forward(batch, layers)))
    }
    return result
  }

  private func forEachBatch(
    of data: Dataset, into place: Tensor<B.Buffer>, _ body: (_ start: Int, Tensor<B.Buffer>) throws -> Void
  ) throws {
    for start in stride(from: 0, to: data.count, by: rows) {
      let n = min(rows, data.count - start)
      let batch = place.prefix(rows: n)
      try write(data.rows, start, n, to: batch)
      try body(start, batch)
    }
  }

  private func write(_ samples: SampleRows, _ start: Int, _ count: Int, to batch: Tensor<B.Buffer>) throws {
    if staging.count < batch.count { staging = [B.Scalar](repeating: 0, count: batch.count) }
    try staging.withUnsafeMutableBufferPointer { staging in
      let part = UnsafeMutableBufferPointer(rebasing: staging[..<batch.count])
      Scalars.fill(part) { samples.read(start..<start + count, into: $0) }
      try backend.write(UnsafeBufferPointer(part), to: batch)
    }
  }

  private func stages(of layers: Range<Int>) throws -> [Stage<B>] {
    if let made = stages[layers] { return made }
    let made = try network.stages(of: layers)
    stages[layers] = made
    return made
  }

  private func forward(_ input: Tensor<B.Buffer>, _ layers: Range<Int>) throws -> Tensor<B.Buffer> {
    let pass = Pass(.inference, step: 0, seed: network.recipe.seed, batchRows: input.rows)
    var h = input
    for stage in try stages(of: layers) {
      let output = outputs[stage.layers.upperBound - 1].prefix(rows: input.rows)
      try stage.layer.forward(h, into: output, pass)
      h = output
    }
    if let columns, layers.upperBound == network.layers.count { try backend.mixedOutput(h, columns, into: h) }
    return h
  }
}
