import CinchBackend

/// Runs host values through the layers of a trained network, in batches: encode, decode, reconstruct, and all between.
/// Nothing is corrupted here.
final class Inference<B: Backend> {
  private let network: Network<B>
  private let backend: B
  private let rows: Int
  private let x: Tensor<B.Buffer>
  private let outputs: [Tensor<B.Buffer>]

  init(_ network: Network<B>) throws {
    self.network = network
    let rows = network.resolved.evaluationRows
    self.rows = rows
    try network.reserve(rows: rows)
    backend = network.backend
    x = try backend.tensor(network.input.shape(rows: rows))
    outputs = try backend.tensors(
      network.layers.enumerated().map {
        PlannedTensor(shape: $1.resolved.output.shape(rows: rows), life: $0...$0 + 1)
      })
  }

  /// What comes out of the last of `layers` where `values` go into the first, sample by sample.
  func run(_ values: [Float], through layers: Range<Int>) throws -> [Float] {
    let input = network.layers[layers.lowerBound].resolved.input
    let output = network.layers[layers.upperBound - 1].resolved.output
    let count = values.count / input.count
    var result: [Float] = []
    result.reserveCapacity(count * output.count)
    for start in stride(from: 0, to: count, by: rows) {
      let n = min(rows, count - start)
      // Decoding starts from the code's own place.
      let place = layers.lowerBound == 0 ? x : outputs[layers.lowerBound - 1]
      let batch = place.prefix(rows: n)
      try backend.write(
        values[start * input.count..<start * input.count + batch.count].map { B.Scalar($0) }, to: batch)
      result += try backend.read(try forward(batch, layers)).map { Float($0) }
    }
    return result
  }

  private func forward(_ input: Tensor<B.Buffer>, _ layers: Range<Int>) throws -> Tensor<B.Buffer> {
    let pass = Pass(.evaluation, step: 0, seed: network.recipe.seed, batchRows: input.rows)
    var h = input
    for index in layers {
      let output = outputs[index].prefix(rows: input.rows)
      try network.layers[index].forward(h, into: output, pass)
      h = output
    }
    return h
  }
}
