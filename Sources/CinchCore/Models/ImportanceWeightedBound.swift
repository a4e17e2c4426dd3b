import CinchBackend
import CinchData
import Glibc

/// log p(x) of a variational autoencoder, as far as K codes of each sample tell (Burda, Grosse and Salakhutdinov 2016):
///
///     log 1/K Σ_k p(x|z_k) p(z_k) / q(z_k|x),  z_k from q(z|x)
///
/// The devices make and decode codes; what a code's weight is made of beside its loss is added up on the host, in Double.
struct ImportanceWeightedBound<B: Backend> {
  private let network: Network<B>
  private let rows: Int
  private let x: Tensor<B.Buffer>
  private let outputs: [Tensor<B.Buffer>]
  private let losses: Tensor<B.Buffer>
  /// Up to the code's distribution.
  private let encoder: [Stage<B>]
  /// Its output without an activation: the loss takes logits.
  private let decoder: [Stage<B>]

  init(_ network: Network<B>) throws {
    self.network = network
    rows = network.resolved.evaluationRows
    let (backend, rows) = (network.backend, rows)
    try network.reserve(rows: rows)
    x = try backend.tensor(network.input.shape(rows: rows))
    outputs = try network.layers.map { try backend.tensor($0.resolved.output.shape(rows: rows)) }
    losses = try backend.tensor([rows])
    encoder = try network.stages(of: 0..<network.encoderCount - 1)
    decoder = try network.stages(of: network.encoderCount..<network.layers.count, endsLinear: true)
    for stage in decoder { try stage.layer.reserve(rows: rows) }
  }

  /// The mean over samples.
  func run(_ data: Dataset, draws: Int) throws -> Double {
    var total = 0.0
    // Of missing cells nothing is asked.
    let weight = try data.observed.map { _ in try network.backend.tensor(x.shape) }
    for (index, start) in stride(from: 0, to: data.count, by: rows).enumerated() {
      let n = min(rows, data.count - start)
      let batch = x.prefix(rows: n)
      let part = try data.subset(start..<start + n)
      try network.backend.write(Scalars.scalars(part.stored), to: batch)
      let shares = weight?.prefix(rows: n)
      if let shares, let observed = part.observed {
        try network.backend.write(Scalars.scalars(observed.values), to: shares)
      }
      total += try sum(over: batch, weight: shares, step: index * draws, draws: draws)
    }
    return total / Double(data.count)
  }

  private func sum(
    over batch: Tensor<B.Buffer>, weight: Tensor<B.Buffer>?, step: Int, draws: Int
  ) throws -> Double {
    let (n, code) = (batch.rows, network.encoderCount - 1)
    let ms = try network.passing(batch, through: encoder, outputs)
    let moments = Scalars.doubles(try network.backend.read(ms))
    // log Σ_k of the weights so far, each as a largest one and a sum in units of that.
    var largest = [Double](repeating: -.infinity, count: n)
    var sums = [Double](repeating: 0, count: n)
    for draw in 0..<draws {
      let z = outputs[code].prefix(rows: n)
      let philox = Philox(seed: network.recipe.seed, stream: .sampling, site: code)
      try network.backend.sample(ms, Draws(philox, step: UInt64(step + draw)), into: z)
      let losses = try decoded(z, target: batch, weight: weight)
      let codes = Scalars.doubles(try network.backend.read(z))
      for row in 0..<n {
        let weight = Self.priorRatio(codes, moments, row, units: z.columns) - losses[row]
        if weight > largest[row] {
          sums[row] = sums[row] * exp(largest[row] - weight) + 1
          largest[row] = weight
        } else {
          sums[row] += exp(weight - largest[row])
        }
      }
    }
    return zip(largest, sums).reduce(0) { $0 + $1.0 + log($1.1 / Double(draws)) }
  }

  /// log p(z) − log q(z|x) = ½ Σ (ε² + s − z²), ε = (z − μ)/e^{s/2}.
  private static func priorRatio(_ codes: [Double], _ moments: [Double], _ row: Int, units: Int) -> Double {
    (0..<units).reduce(0) { sum, unit in
      let z = codes[row * units + unit]
      let (mean, s) = (moments[2 * row * units + unit], moments[(2 * row + 1) * units + unit])
      return sum + 0.5 * ((z - mean) * (z - mean) * exp(-s) + s - z * z)
    }
  }

  /// −log p(x|z) of each sample.
  private func decoded(
    _ z: Tensor<B.Buffer>, target: Tensor<B.Buffer>, weight: Tensor<B.Buffer>?
  ) throws -> [Double] {
    let h = try network.passing(z, through: decoder, outputs)
    let flat: Shape = [z.rows, h.count / z.rows]
    let part = losses.prefix(rows: z.rows)
    let terms = LossTerms(
      network.recipe.loss.reconstruction ?? .bce, activation: network.last.resolved.spec.activation,
      target: target.reshaped(flat), weight: weight?.reshaped(flat),
      logVariance: network.parameter("loss.log_variance")?.value)
    try network.backend.sampleLosses(h.reshaped(flat), terms, into: part)
    return Scalars.doubles(try network.backend.read(part))
  }
}
