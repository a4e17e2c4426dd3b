import CinchBackend
import CinchData
import Glibc

/// log Z of a restricted Boltzmann machine, added up over all states of its smaller side. With hidden states h,
///
///     Z = Σ_h e^{cᵀh} Π_i (1 + e^{b_i + (hW)_i})
///
/// or Σ_h e^{cᵀh + bᵀ(hW) + ½‖hW‖²} (2π)^{d/2} where the d visible units are gaussian, whose states cannot be added up; with
/// visible ones Σ_v e^{bᵀv} Π_j (1 + e^{c_j + (Wv)_j}).
struct ExactPartition<B: Backend> {
  /// 2²⁰ states are a matter of seconds.
  static var mostUnits: Int { 20 }

  private let backend: B
  private let encoder: DenseLayer<B>
  private let decoder: DenseLayer<B>
  private let isGaussian: Bool
  private let overHidden: Bool
  /// Units whose states are added up.
  private let units: Int
  /// States that pass at a time.
  private let rows: Int
  private let states, others, ones, sums, squares: Tensor<B.Buffer>

  /// Nil where both sides have too many units.
  /// - Throws: `CinchError.usage` where the network is no Boltzmann machine.
  init?(_ network: Network<B>) throws {
    (encoder, decoder) = try network.boltzmannLayers()
    backend = network.backend
    let (hidden, visible) = (encoder.bias.value.count, decoder.bias.value.count)
    isGaussian = decoder.resolved.spec.activation == .linear
    overHidden = isGaussian || hidden <= visible
    units = overHidden ? hidden : visible
    guard units <= Self.mostUnits else { return nil }
    let others = overHidden ? visible : hidden
    rows = min(1 << units, network.resolved.evaluationRows)
    states = try backend.tensor([rows, units])
    self.others = try backend.tensor([rows, others])
    ones = try backend.tensor([others, 1], [B.Scalar](repeating: 1, count: others))
    sums = try backend.tensor([rows, 1])
    squares = try backend.tensor([rows])
  }

  func run() throws -> Double {
    let bias = Scalars.doubles(try backend.read((overHidden ? encoder : decoder).bias.value))
    let count = 1 << units
    // Σ e^{term − largest}.
    var (largest, sum) = (-Double.infinity, 0.0)
    for first in stride(from: 0, to: count, by: rows) {
      let n = min(rows, count - first)
      var bits = [Float](repeating: 0, count: n * units)
      var linear = [Double](repeating: 0, count: n)
      for row in 0..<n {
        for unit in 0..<units where (first + row) >> unit & 1 == 1 {
          bits[row * units + unit] = 1
          linear[row] += bias[unit]
        }
      }
      for (own, rest) in zip(linear, try otherSide(bits, rows: n)) {
        let term = own + rest
        if term > largest {
          sum *= exp(largest - term)
          largest = term
        }
        sum += exp(term - largest)
      }
    }
    let gaussian = isGaussian ? Double(ones.count) / 2 * log(2 * Double.pi) : 0
    return largest + log(sum) + gaussian
  }

  /// log of the sum over the other side's states, or the integral but for its constant, for each state of this one.
  private func otherSide(_ bits: [Float], rows n: Int) throws -> [Double] {
    let (states, others, sums) = (states.prefix(rows: n), others.prefix(rows: n), sums.prefix(rows: n))
    try backend.write(Scalars.scalars(bits), to: states)
    let bias = (overHidden ? decoder : encoder).bias.value
    try backend.matmul(
      states, transposeA: false, encoder.weight.value, transposeB: !overHidden, into: others,
      epilogue: isGaussian ? .none : .forward(bias: bias, activation: .softplus))
    guard isGaussian else {
      try backend.matmul(others, transposeA: false, ones, transposeB: false, into: sums, epilogue: .none)
      return Scalars.doubles(try backend.read(sums))
    }
    try backend.matmul(
      others, transposeA: false, bias.reshaped([bias.count, 1]), transposeB: false, into: sums, epilogue: .none)
    let squares = squares.prefix(rows: n)
    try backend.rowSquares(others, into: squares)
    return zip(Scalars.doubles(try backend.read(sums)), Scalars.doubles(try backend.read(squares))).map { $0 + $1 / 2 }
  }
}
