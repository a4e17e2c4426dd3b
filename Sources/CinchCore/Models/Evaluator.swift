import CinchBackend

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

  init(_ network: Network<B>, rows: Int = 1024) throws {
    self.network = network
    self.rows = rows
    backend = network.backend
    let backend = backend
    x = try backend.tensor([rows, network.recipe.input])
    outputs = try network.layers.map { try backend.tensor([rows, $0.units]) }
    gradient = try backend.tensor([rows, network.recipe.input])
    partials = try backend.tensor([backend.lossPartialCount(rows: rows, columns: network.recipe.input)])
    sums = try backend.tensor([network.recipe.codeUnits])
  }

  /// Codes `[samples, code units]`, row-major.
  func encode(_ values: [Float]) throws -> [Float] { try run(values, layers: 0..<network.encoderCount) }

  /// Samples `[samples, features]` from codes.
  func decode(_ codes: [Float]) throws -> [Float] {
    try run(codes, layers: network.encoderCount..<network.layers.count)
  }

  /// x̂ of every sample.
  func reconstruct(_ values: [Float]) throws -> [Float] { try run(values, layers: 0..<network.layers.count) }

  private func run(_ values: [Float], layers: Range<Int>) throws -> [Float] {
    let features = network.layers[layers.lowerBound].inputs
    let units = network.layers[layers.upperBound - 1].units
    let count = values.count / features
    var result: [Float] = []
    result.reserveCapacity(count * units)
    for start in stride(from: 0, to: count, by: rows) {
      let n = min(rows, count - start)
      let input = try load(values, start * features, shape: [n, features])
      let output = try forward(input, layers: layers)
      result += try backend.read(output).map { Float($0) }
    }
    return result
  }

  /// Writes rows into the first tensor of a pass: the batch, or where decoding starts, a code of its own.
  private func load(_ values: [Float], _ start: Int, shape: Shape) throws -> Tensor<B.Buffer> {
    let target: Tensor<B.Buffer>
    if shape.columns == network.recipe.input {
      target = x.prefix(rows: shape.rows)
    } else {
      target = outputs[network.encoderCount - 1].prefix(rows: shape.rows)
    }
    try backend.write(values[start..<start + shape.count].map { B.Scalar($0) }, to: target)
    return target
  }

  private func forward(_ input: Tensor<B.Buffer>, layers: Range<Int>) throws -> Tensor<B.Buffer> {
    var h = input
    for index in layers {
      let output = outputs[index].prefix(rows: input.rows)
      try network.layers[index].forward(h, into: output, on: backend)
      h = output
    }
    return h
  }

  func evaluate(_ data: Dataset) throws -> Evaluation {
    let recipe = network.recipe
    try recipe.validate(data)
    let last = network.layers.count - 1
    let layer = network.layers[last]
    var loss = 0.0
    var activation = 0.0
    for start in stride(from: 0, to: data.count, by: rows) {
      let n = min(rows, data.count - start)
      let input = try load(data.values, start * recipe.input, shape: [n, recipe.input])
      let code = try forward(input, layers: 0..<network.encoderCount)
      try backend.columnSums(code, scale: 1, into: sums)
      activation += try backend.read(sums).reduce(0.0) { $0 + Double($1) }
      let hidden = try self.hidden(code, upTo: last)
      let partials = try partials(rows: n)
      try layer.product(
        hidden, into: gradient.prefix(rows: n),
        .loss(
          FusedLoss(
            recipe.loss, activation: layer.activation, bias: layer.bias, target: input, gradientScale: 1,
            partials: partials)), on: backend)
      loss += try backend.read(partials).reduce(0.0) { $0 + Double($1) }
    }
    return Evaluation(
      reconstruction: Reconstruction(loss / Double(data.count), of: recipe),
      meanActivation: activation / Double(data.count * recipe.codeUnits), samples: data.count)
  }

  private func hidden(_ code: Tensor<B.Buffer>, upTo last: Int) throws -> Tensor<B.Buffer> {
    guard network.encoderCount < last else { return code }
    return try forward(code, layers: network.encoderCount..<last)
  }

  private func partials(rows n: Int) throws -> Tensor<B.Buffer> {
    let count = backend.lossPartialCount(rows: n, columns: network.recipe.input)
    return count <= partials.count
      ? partials.slice(at: 0, shape: [count]) : try backend.tensor([count])
  }
}
