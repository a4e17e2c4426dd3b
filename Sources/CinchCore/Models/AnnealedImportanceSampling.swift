import CinchBackend
import CinchData
import Glibc

/// log Z of a restricted Boltzmann machine, whose log-likelihood is −F(v) − log Z, or an estimate of it.
public struct LogPartition: Sendable, Hashable {
  public var value: Double
  /// Of `value`, from how much the chains' weights differ; 0 where it is exact.
  public var standardError: Double
  /// Whether all states have been added up, and nothing was drawn.
  public var isExact: Bool

  /// A value with its error; see the members.
  public init(value: Double, standardError: Double, isExact: Bool = false) {
    self.value = value
    self.standardError = standardError
    self.isExact = isExact
  }
}

/// log Z of a restricted Boltzmann machine of Bernoulli units by annealed importance sampling (Neal 2001; Salakhutdinov and
/// Murray, "On the quantitative analysis of deep belief networks", ICML 2008).
///
/// Chains pass from a machine without weights, whose visible units are on as often as in the data, through machines of
///
///     −log p*_β(v) = −((1−β) b₀ + β b)ᵀv − Σ_j softplus(β (c_j + vᵀW_j)),  β from 0 to 1,
///
/// one step of Gibbs sampling in each. A chain's weight is the product of p*_β′(v)/p*_β(v) over its way; their mean is Z/Z₀.
struct AnnealedImportanceSampling<B: Backend> {
  private let backend: B
  private let chains: Int
  private let encoder: DenseLayer<B>
  private let bias: [Double]
  private let visible, hidden, inputs, scaled: Tensor<B.Buffer>
  private let bases, ones, sums, products: Tensor<B.Buffer>

  init(_ network: Network<B>, chains: Int) throws {
    let (encoder, decoder) = try network.boltzmannLayers()
    guard decoder.resolved.spec.activation == .sigmoid else {
      throw CinchError.usage(
        "Annealed importance sampling knows Bernoulli units alone: train with sigmoid visible units, or leave it out.")
    }
    self.encoder = encoder
    self.chains = chains
    backend = network.backend
    let (units, features) = (encoder.resolved.output.count, network.input.count)
    bias = Scalars.doubles(try backend.read(decoder.bias.value))
    visible = try backend.tensor([chains, features])
    hidden = try backend.tensor([chains, units])
    inputs = try backend.tensor([chains, units])
    scaled = try backend.tensor([chains, max(units, features)])
    bases = try backend.tensor([features])
    ones = try backend.tensor([units, 1], [B.Scalar](repeating: 1, count: units))
    sums = try backend.tensor([chains, 1])
    products = try backend.tensor([chains, 1])
  }

  /// - Parameters:
  ///   - means: how often each visible unit is on in the data.
  ///   - temperatures: how many machines chains pass through.
  func run(means: [Double], temperatures: Int, seed: UInt64) throws -> LogPartition {
    let count = means.count
    // Units that are never or always on have no log odds: one more sample of each kind is thought to be there.
    let base = means.map { log(($0 + 1e-3) / (1 - $0 + 1e-3)) }
    func draws(_ step: Int, _ site: Int) -> Draws {
      Draws(Philox(seed: seed, stream: .bernoulli, site: site), step: UInt64(step))
    }
    let first = (0..<chains).flatMap { _ in base.map { 1 / (1 + exp(-$0)) } }
    try backend.write(Scalars.scalars(first.map { Float($0) }), to: visible)
    try backend.bernoulli(visible, draws(0, 3), into: visible)
    // −b₀ᵀv and what b changes of it, as a column.
    let difference = try backend.tensor([count, 1], Scalars.scalars(zip(bias, base).map { Float($0 - $1) }))
    var logs = [Double](repeating: 0, count: chains)
    for step in 1...temperatures {
      let (before, beta) = (Double(step - 1) / Double(temperatures), Double(step) / Double(temperatures))
      try backend.matmul(
        visible, transposeA: false, encoder.weight.value, transposeB: true, into: inputs,
        epilogue: .forward(bias: encoder.bias.value, activation: .linear))
      try backend.matmul(visible, transposeA: false, difference, transposeB: false, into: products, epilogue: .none)
      let linear = Scalars.doubles(try backend.read(products))
      let (low, high) = (try softplusSums(before), try softplusSums(beta))
      for chain in 0..<chains { logs[chain] += (beta - before) * linear[chain] + high[chain] - low[chain] }
      guard step < temperatures else { break }
      let activity = try multiplied(inputs, by: beta)
      try backend.activate(activity, bias: nil, .sigmoid, into: hidden)
      try backend.bernoulli(hidden, draws(step, 4), into: hidden)
      try backend.matmul(
        hidden, transposeA: false, encoder.weight.value, transposeB: false, into: visible, epilogue: .none)
      let mixed = zip(bias, base).map { beta * $0 + (1 - beta) * $1 }
      try backend.write(Scalars.scalars(mixed.map { Float($0) }), to: bases)
      try backend.activate(try multiplied(visible, by: beta), bias: bases, .sigmoid, into: visible)
      try backend.bernoulli(visible, draws(step, 5), into: visible)
    }
    let logBase = base.reduce(Double(ones.count) * log(2)) { $0 + log1p(exp($1)) }
    return Self.mean(logs, logBase)
  }

  /// log of the mean of the weights, and its standard error by the delta method.
  private static func mean(_ logs: [Double], _ base: Double) -> LogPartition {
    let largest = logs.max() ?? 0
    let weights = logs.map { exp($0 - largest) }
    let mean = weights.reduce(0, +) / Double(weights.count)
    let variance = weights.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(max(weights.count - 1, 1))
    return LogPartition(
      value: base + largest + log(mean), standardError: (variance / Double(weights.count)).squareRoot() / mean)
  }

  private func multiplied(_ x: Tensor<B.Buffer>, by factor: Double) throws -> Tensor<B.Buffer> {
    let result = scaled.slice(at: 0, shape: x.shape)
    try backend.columnSums(x.reshaped([1, x.count]), scale: factor, into: result.reshaped([x.count]))
    return result
  }

  /// Σ_j softplus(β (c_j + vᵀW_j)) of each chain.
  private func softplusSums(_ beta: Double) throws -> [Double] {
    let activity = try multiplied(inputs, by: beta)
    try backend.activate(activity, bias: nil, .softplus, into: activity)
    try backend.matmul(activity, transposeA: false, ones, transposeB: false, into: sums, epilogue: .none)
    return Scalars.doubles(try backend.read(sums))
  }
}
