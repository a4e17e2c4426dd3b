import CinchBackend
import CinchData

/// The mean reconstruction and code of a data set.
public struct Evaluation: Sendable, Hashable, Codable {
  public var reconstruction: Reconstruction
  /// The mean of the code over samples and units: ρ̂ of a sparse autoencoder.
  public var meanActivation: Double
  public var samples: Int
}

/// Runs a trained network over host data in batches: encode, decode, reconstruct, evaluate. The input is
/// never corrupted here.
final class Evaluator<B: Backend> {
  private let network: Network<B>
  private let backend: B
  private let rows: Int
  private let x: Tensor<B.Buffer>
  private let outputs: [Tensor<B.Buffer>]
  private let gradient: Tensor<B.Buffer>
  private let partials: Tensor<B.Buffer>
  private let sums: Tensor<B.Buffer>
  private let last: any Layer<B>

  init(_ network: Network<B>) throws {
    self.network = network
    let rows = try network.recipe.evaluationRows
    self.rows = rows
    try network.reserve(rows: rows)
    backend = network.backend
    let backend = backend
    x = try backend.tensor(network.input.shape(rows: rows))
    outputs = try backend.tensors(
      network.layers.enumerated().map {
        PlannedTensor(shape: $1.resolved.output.shape(rows: rows), life: $0...$0 + 1)
      })
    gradient = try backend.tensor(network.input.shape(rows: rows))
    last = network.layers[network.layers.count - 1]
    partials = try backend.tensor([last.lossPartialCount(samples: rows)])
    sums = try backend.tensor([network.code.resolved.output.units])
  }

  /// Codes `[samples, code units]`, row-major.
  func encode(_ values: [Float]) throws -> [Float] { try run(values, layers: 0..<network.encoderCount) }

  /// Samples `[samples, features]` from codes.
  func decode(_ codes: [Float]) throws -> [Float] {
    try run(codes, layers: network.encoderCount..<network.layers.count)
  }

  /// x̂ of every sample.
  func reconstruct(_ values: [Float]) throws -> [Float] { try run(values, layers: 0..<network.layers.count) }

  /// What layer `index` makes of samples.
  func outputs(_ values: [Float], of index: Int) throws -> [Float] { try run(values, layers: 0..<index + 1) }

  private func run(_ values: [Float], layers: Range<Int>) throws -> [Float] {
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
      try load(values, start * input.count, into: batch)
      result += try backend.read(try forward(batch, layers: layers)).map { Float($0) }
    }
    return result
  }

  private func load(_ values: [Float], _ start: Int, into batch: Tensor<B.Buffer>) throws {
    try backend.write(values[start..<start + batch.count].map { B.Scalar($0) }, to: batch)
  }

  private func forward(_ input: Tensor<B.Buffer>, layers: Range<Int>) throws -> Tensor<B.Buffer> {
    var h = input
    for index in layers {
      let output = outputs[index].prefix(rows: input.rows)
      try network.layers[index].forward(h, into: output)
      h = output
    }
    return h
  }

  func evaluate(_ data: Dataset) throws -> Evaluation {
    let recipe = network.recipe
    try recipe.validate(data)
    let code = network.code.resolved.output
    var loss = 0.0
    var activation = 0.0
    for start in stride(from: 0, to: data.count, by: rows) {
      let n = min(rows, data.count - start)
      let batch = x.prefix(rows: n)
      try load(data.stored, start * recipe.input, into: batch)
      let codes = try forward(batch, layers: 0..<network.encoderCount)
      try backend.columnSums(codes.unitRows(code), scale: 1, into: sums)
      activation += try backend.read(sums).reduce(0.0) { $0 + Double($1) }
      let hidden = try forward(codes, layers: network.encoderCount..<network.layers.count - 1)
      let partials = try partials(rows: n)
      try last.forward(
        hidden,
        loss: FusedLoss(
          recipe.loss, activation: last.resolved.spec.activation, bias: nil, target: batch, gradientScale: 1,
          partials: partials), delta: gradient.prefix(rows: n))
      loss += try backend.read(partials).reduce(0.0) { $0 + Double($1) }
    }
    return Evaluation(
      reconstruction: Reconstruction(loss / Double(data.count), of: recipe),
      meanActivation: activation / Double(data.count * code.count), samples: data.count)
  }

  private func partials(rows n: Int) throws -> Tensor<B.Buffer> {
    let count = last.lossPartialCount(samples: n)
    return count <= partials.count ? partials.slice(at: 0, shape: [count]) : try backend.tensor([count])
  }
}
