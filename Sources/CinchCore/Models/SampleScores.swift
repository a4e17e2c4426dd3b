import CinchBackend
import CinchData

/// What a model makes of each sample by itself: the higher, the less a sample is like those that it was trained on.
package struct SampleScores: Sendable, Hashable {
  /// One for each sample.
  package var values: [Double] = []
  /// The loss's summands, `[samples, features]`; nil where nobody asked.
  package var features: [Float]?
  /// What the code adds to the loss; nil where it adds nothing.
  package var code: [Double]?
}

extension Recipe {
  /// Whether a sample's score is a sum over its features, but for what the code adds.
  package var scoresFeatures: Bool { loss.target == .samples && objective.chain == nil }
}

/// Scores of samples:
///
///     loss(x̂, x)                                   the recipe's own, of a sample
///     loss(x̂, x) + KL(q(z|x) ‖ p(z))               of a variational autoencoder, x̂ decoded from the code's mean
///     loss(x̂, x) + ½‖h‖² + ½ log det(M/σ²)         of probabilistic PCA: −log p(x), see `FactorLikelihood`
///     −bᵀv − Σ_j softplus(c_j + vᵀW_j)             of a Boltzmann machine: its free energy, see `FreeEnergy`
///
/// Nothing is drawn and nothing corrupted. Batches are always full, the last one filled up with zeros, so that a sample passes
/// through products of the same shape whatever their number.
struct Scoring<B: Backend> {
  private let network: Network<B>
  private let rows: Int
  private let x: Tensor<B.Buffer>
  private let parts: any ScoreParts<B>

  /// Samples that pass at a time; more of them make no device quicker, and a few samples wait for all.
  private static var mostRows: Int { 128 }

  /// - Throws: `CinchError.usage` where the network is a classifier.
  init(_ network: Network<B>) throws {
    guard network.recipe.loss.target == .samples else {
      throw CinchError.usage(
        "A classifier tells nothing of how usual a sample is: score with an autoencoder, such as deep.")
    }
    self.network = network
    rows = min(Self.mostRows, network.resolved.evaluationRows)
    try network.reserve(rows: rows)
    x = try network.backend.tensor(network.input.shape(rows: rows))
    parts =
      if network.recipe.objective.chain != nil {
        try EnergyParts(network, rows: rows)
      } else if let columns = network.recipe.objective.columns {
        try MixedParts(network, columns, rows: rows)
      } else {
        try LossParts(network, network.recipe.loss.reconstruction ?? .sse, rows: rows)
      }
  }

  /// - Parameter byFeature: whether the loss's summands are read, too.
  func run(_ data: Dataset, byFeature: Bool) throws -> SampleScores {
    var result = SampleScores()
    if byFeature {
      let (bytes, overflow) = data.count.multipliedReportingOverflow(by: 4 * data.features)
      try HostMemory.require(overflow ? .max : bytes, for: "the scores of \(data.count) samples by feature")
      result.features = []
    }
    var staging = [B.Scalar](repeating: 0, count: rows * data.features)
    let weight = try data.observed.map { _ in try network.backend.tensor(x.shape) }
    for start in stride(from: 0, to: data.count, by: rows) {
      let n = min(rows, data.count - start)
      func write(_ rows: SampleRows, to tensor: Tensor<B.Buffer>) throws {
        try staging.withUnsafeMutableBufferPointer { staging in
          let part = UnsafeMutableBufferPointer(rebasing: staging[..<(n * data.features)])
          Scalars.fill(part) { rows.read(start..<start + n, into: $0) }
          for place in n * data.features..<staging.count { staging[place] = 0 }
          try network.backend.write(UnsafeBufferPointer(staging), to: tensor)
        }
      }
      try write(data.rows, to: x)
      if let weight, let observed = data.observed { try write(observed, to: weight) }
      let scores = try parts.scores(of: x, weight: weight, byFeature: byFeature)
      result.values += scores.values.prefix(n)
      if let code = scores.code { result.code = (result.code ?? []) + code.prefix(n) }
      if let features = scores.features { result.features? += features.prefix(n * data.features) }
    }
    return result
  }
}

/// The scores of a full batch.
private protocol ScoreParts<B> {
  associatedtype B: Backend

  /// - Parameter weight: what each value counts; nil for 1 everywhere.
  func scores(of batch: Tensor<B.Buffer>, weight: Tensor<B.Buffer>?, byFeature: Bool) throws -> SampleScores
}

extension Network {
  /// What comes out of the last of layers, each of which has a place for its output.
  func passing(
    _ batch: Tensor<B.Buffer>, through stages: [Stage<B>], _ outputs: [Tensor<B.Buffer>]
  ) throws -> Tensor<B.Buffer> {
    let pass = Pass(.inference, step: 0, seed: recipe.seed, batchRows: batch.rows)
    var h = batch
    for stage in stages {
      let output = outputs[stage.layers.upperBound - 1].prefix(rows: batch.rows)
      try stage.layer.forward(h, into: output, pass)
      h = output
    }
    return h
  }
}

/// Of a table whose columns are of several kinds.
private struct MixedParts<B: Backend>: ScoreParts {
  private let network: Network<B>
  private let columns: OutputColumns<B.Buffer>
  private let stages: [Stage<B>]
  private let outputs: [Tensor<B.Buffer>]
  /// The loss's summands.
  private let losses: Tensor<B.Buffer>

  init(_ network: Network<B>, _ columns: [OutputColumn], rows: Int) throws {
    self.network = network
    self.columns = try network.backend.outputColumns(columns)
    stages = try network.stages()
    outputs = try network.layers.map { try network.backend.tensor($0.resolved.output.shape(rows: rows)) }
    losses = try network.backend.tensor([rows, network.input.count])
  }

  func scores(of batch: Tensor<B.Buffer>, weight: Tensor<B.Buffer>?, byFeature: Bool) throws -> SampleScores {
    let h = try network.passing(batch, through: stages, outputs)
    try network.backend.mixedLoss(
      h, columns, target: batch, weight: weight, gradientScale: 1, gradient: h, losses: losses)
    let values = Scalars.doubles(try network.backend.read(losses))
    var result = SampleScores()
    result.values = (0..<batch.rows).map { row in
      values[row * losses.columns..<(row + 1) * losses.columns].reduce(0, +)
    }
    if byFeature { result.features = values.map { Float($0) } }
    return result
  }
}

/// Of a reconstruction.
private struct LossParts<B: Backend>: ScoreParts {
  private let network: Network<B>
  private let loss: ReconstructionLoss
  /// The last one without its activation: the loss takes logits.
  private let stages: [Stage<B>]
  private let outputs: [Tensor<B.Buffer>]
  private let losses: Tensor<B.Buffer>
  /// The loss's summands.
  private let elements: Tensor<B.Buffer>
  /// What the code adds to every sample's.
  private let constant: Double

  init(_ network: Network<B>, _ loss: ReconstructionLoss, rows: Int) throws {
    self.network = network
    self.loss = loss
    stages = try network.stages(endsLinear: true)
    for stage in stages { try stage.layer.reserve(rows: rows) }
    outputs = try network.layers.map { try network.backend.tensor($0.resolved.output.shape(rows: rows)) }
    losses = try network.backend.tensor([rows])
    elements = try network.backend.tensor([rows * network.input.count])
    constant = network.recipe.closedForm == .ppca ? try FactorLikelihood.halfLogDeterminant(of: network) : 0
  }

  func scores(of batch: Tensor<B.Buffer>, weight: Tensor<B.Buffer>?, byFeature: Bool) throws -> SampleScores {
    let h = try network.passing(batch, through: stages, outputs)
    let flat: Shape = [batch.rows, network.input.count]
    var result = SampleScores()
    result.values = try measured(
      h.reshaped(flat), target: batch.reshaped(flat), weight: weight?.reshaped(flat), into: losses)
    if byFeature {
      // Each element as a sample of its own; mse averages over those of a sample.
      let single: Shape = [flat.count, 1]
      let share = loss == .mse ? 1 / Double(flat.columns) : 1
      result.features = try measured(
        h.reshaped(single), target: batch.reshaped(single), weight: weight?.reshaped(single), into: elements
      ).map { Float(share * $0) }
    }
    guard let code = try codePart() else { return result }
    result.code = code
    for row in code.indices { result.values[row] += code[row] }
    return result
  }

  private func measured(
    _ a: Tensor<B.Buffer>, target: Tensor<B.Buffer>, weight: Tensor<B.Buffer>?, into result: Tensor<B.Buffer>
  ) throws -> [Double] {
    let terms = LossTerms(
      loss, activation: network.last.resolved.spec.activation, target: target,
      weight: weight, logVariance: network.parameter("loss.log_variance")?.value)
    try network.backend.sampleLosses(a, terms, into: result)
    return Scalars.doubles(try network.backend.read(result))
  }

  private func codePart() throws -> [Double]? {
    let code = network.encoderCount - 1
    if network.recipe.penalties.prior != nil {
      try network.backend.priorDivergence(outputs[code - 1], into: losses)
      return Scalars.doubles(try network.backend.read(losses))
    }
    guard network.recipe.closedForm == .ppca else { return nil }
    try network.backend.rowSquares(outputs[code], into: losses)
    return Scalars.doubles(try network.backend.read(losses)).map { $0 / 2 + constant }
  }
}

/// Of a Boltzmann machine.
private struct EnergyParts<B: Backend>: ScoreParts {
  private let backend: B
  private let encoder: DenseLayer<B>
  private let bias: Tensor<B.Buffer>
  private let isGaussian: Bool
  private let units, ones, sums, zeros, distances: Tensor<B.Buffer>

  init(_ network: Network<B>, rows: Int) throws {
    let (encoder, decoder) = try network.boltzmannLayers()
    self.encoder = encoder
    backend = network.backend
    bias = decoder.bias.value
    isGaussian = decoder.resolved.spec.activation == .linear
    let count = encoder.bias.value.count
    units = try backend.tensor([rows, count])
    ones = try backend.tensor([count, 1], [B.Scalar](repeating: 1, count: count))
    sums = try backend.tensor([rows, 1])
    zeros = try backend.tensor([rows, isGaussian ? bias.count : 1])
    distances = try backend.tensor([rows])
    try backend.fill(zeros, with: 0)
  }

  func scores(of batch: Tensor<B.Buffer>, weight: Tensor<B.Buffer>?, byFeature: Bool) throws -> SampleScores {
    try backend.matmul(
      batch, transposeA: false, encoder.weight.value, transposeB: true, into: units,
      epilogue: .forward(bias: encoder.bias.value, activation: .softplus))
    try backend.matmul(units, transposeA: false, ones, transposeB: false, into: sums, epilogue: .none)
    let hidden = Scalars.doubles(try backend.read(sums))
    return SampleScores(values: zip(try visible(batch), hidden).map { $0 - $1 })
  }

  /// −bᵀv, or ½‖v − b‖².
  private func visible(_ batch: Tensor<B.Buffer>) throws -> [Double] {
    if isGaussian {
      try backend.sampleLosses(
        zeros, LossTerms(.sse, activation: .linear, bias: bias, target: batch), into: distances)
      return Scalars.doubles(try backend.read(distances))
    }
    try backend.matmul(
      batch, transposeA: false, bias.reshaped([bias.count, 1]), transposeB: false, into: sums, epilogue: .none)
    return Scalars.doubles(try backend.read(sums)).map { -$0 }
  }
}
