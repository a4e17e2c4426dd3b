import CinchBackend
import CinchData
import Glibc

/// log p(v) of a restricted Boltzmann machine as far as one unit of each sample tells, given all others (Besag 1975):
///
///     d · log σ(F(v with one unit flipped) − F(v))
///
/// averaged over samples; the unit is drawn by Philox. Visible units are Bernoulli's; a value between 0 and 1 is flipped to
/// one minus itself.
struct PseudoLikelihood<B: Backend> {
  private let network: Network<B>
  private let rows: Int
  private let x, softplus, sums, ones: Tensor<B.Buffer>
  private let encoder: DenseLayer<B>
  private let visibleBias: Tensor<B.Buffer>

  /// Nil where the network is none of Bernoulli units.
  init?(_ network: Network<B>) throws {
    guard network.recipe.objective.chain != nil else { return nil }
    let (encoder, decoder) = try network.boltzmannLayers()
    guard decoder.resolved.spec.activation == .sigmoid else { return nil }
    visibleBias = decoder.bias.value
    self.network = network
    self.encoder = encoder
    let (backend, units) = (network.backend, encoder.resolved.output.count)
    rows = network.resolved.evaluationRows
    x = try backend.tensor([rows, network.input.count])
    softplus = try backend.tensor([rows, units])
    sums = try backend.tensor([rows, 1])
    ones = try backend.tensor([units, 1], [B.Scalar](repeating: 1, count: units))
  }

  /// The mean over samples.
  func run(_ data: Dataset) throws -> Double {
    let features = network.input.count
    let philox = Philox(seed: network.recipe.seed, stream: .bernoulli, site: -1)
    let bias = Scalars.doubles(try network.backend.read(visibleBias))
    var total = 0.0
    for start in stride(from: 0, to: data.count, by: rows) {
      let n = min(rows, data.count - start)
      var values = try data.subset(start..<start + n).stored
      let before = try hiddenSums(values, n)
      var visible = [Double](repeating: 0, count: n)
      for row in 0..<n {
        let place = Double(Philox.uniform(philox.word(element: start + row, step: 0))) * Double(features)
        let unit = min(Int(place), features - 1)
        let value = values[row * features + unit]
        values[row * features + unit] = 1 - value
        visible[row] = bias[unit] * Double(1 - 2 * value)
      }
      let after = try hiddenSums(values, n)
      for row in 0..<n {
        // F(flipped) − F(v), and log σ of it.
        let difference = -visible[row] - (after[row] - before[row])
        total += min(difference, 0) - log1p(exp(-abs(difference)))
      }
    }
    return Double(features) * total / Double(data.count)
  }

  /// Σ_j softplus(c_j + vᵀW_j) of each sample.
  private func hiddenSums(_ values: [Float], _ n: Int) throws -> [Double] {
    let (backend, batch, units) = (network.backend, x.prefix(rows: n), softplus.prefix(rows: n))
    try backend.write(Scalars.scalars(values), to: batch)
    try backend.matmul(
      batch, transposeA: false, encoder.weight.value, transposeB: true, into: units,
      epilogue: .forward(bias: encoder.bias.value, activation: .softplus))
    let result = sums.prefix(rows: n)
    try backend.matmul(units, transposeA: false, ones, transposeB: false, into: result, epilogue: .none)
    return Scalars.doubles(try backend.read(result))
  }
}
