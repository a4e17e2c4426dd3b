import CinchBackend
import Glibc

/// Evaluates probabilistic PCA: what `Backpropagation` reports, and log p(x) of x = W h + μ + ε.
///
/// With the posterior's mean h of x, which the encoder gives, and M = WᵀW + σ²I,
///
///     log p(x) = log N(x; W h + μ, σ²I) − ½‖h‖² − ½ log det(M/σ²)
///
/// The first term is the loss, so nothing is subtracted from what is nearly as large, and an error of h counts by its square
/// (Tipping and Bishop 1999, from their equations 4 to 8).
final class FactorLikelihood<B: Backend>: Learner {
  private let network: Network<B>
  private let evaluation: Backpropagation<B>
  /// ½ log det(M/σ²).
  private var halfLogDeterminant = Double.nan

  init(_ network: Network<B>, memory: Memory<B>) throws {
    self.network = network
    evaluation = try Backpropagation(network, memory: memory, reports: [CodeSquares(network, memory: memory)])
  }

  func columns(_ mode: Pass.Mode) -> [Column] { evaluation.columns(mode) }
  var statistics: [Tensor<B.Buffer>] { evaluation.statistics }
  func reserve(rows: Int, _ mode: Pass.Mode) throws { try evaluation.reserve(rows: rows, mode) }
  func forward(_ part: Batch<B.Buffer>) throws { try evaluation.forward(part) }
  func backward(_ part: Batch<B.Buffer>, into sink: GradientSink) throws {
    try evaluation.backward(part, into: sink)
  }
  func endUpdate() throws { try evaluation.endUpdate() }
  func record(_ part: Batch<B.Buffer>, into row: Tensor<B.Buffer>) throws { try evaluation.record(part, into: row) }

  func beginEvaluation() throws { halfLogDeterminant = try Self.halfLogDeterminant(of: network) }

  /// ½ log det(M/σ²) of a network as it is. It waits.
  static func halfLogDeterminant(of network: Network<B>) throws -> Double {
    guard let decoder = network.layers[1] as? DenseLayer<B>, let variance = network.parameter("loss.log_variance")
    else {
      throw BackendError.invalidArgument("The network is no factor model: it has no linear decoder with a variance.")
    }
    let units = decoder.resolved.input.count
    let gram = try network.backend.tensor([units, units])
    try network.backend.matmul(
      decoder.weight.value, transposeA: true, decoder.weight.value, transposeB: false, into: gram, epilogue: .none)
    var matrix = Scalars.doubles(try network.backend.read(gram))
    let precision = exp(-Double(try network.backend.read(variance.value)[0]))
    for place in matrix.indices { matrix[place] = precision * matrix[place] + (place % (units + 1) == 0 ? 1 : 0) }
    return halfLogDeterminant(&matrix, size: units)
  }

  /// Of a positive definite matrix, by Cholesky's decomposition: the logarithms of its pivots' roots.
  private static func halfLogDeterminant(_ a: inout [Double], size n: Int) -> Double {
    var result = 0.0
    for row in 0..<n {
      for column in 0...row {
        var sum = a[row * n + column]
        for k in 0..<column { sum -= a[row * n + k] * a[column * n + k] }
        a[row * n + column] = row == column ? max(sum, 0).squareRoot() : sum / a[column * n + column]
      }
      result += log(a[row * n + row])
    }
    return result
  }

  func metrics(_ means: [Double], _ mode: Pass.Mode) -> Metrics {
    var metrics = evaluation.metrics(means, mode)
    guard mode == .evaluation else { return metrics }
    let squares = metrics[CodeSquares<B>.name] ?? .nan
    metrics[CodeSquares<B>.name] = nil
    let loss = metrics[Reconstruction.perSampleName] ?? .nan
    metrics[Metrics.logLikelihoodName] = -(loss + squares / 2 + halfLogDeterminant)
    return metrics
  }

  func monitored(_ metrics: Metrics) -> Double { evaluation.monitored(metrics) }
}

/// ‖h‖² of the code.
private struct CodeSquares<B: Backend>: Term {
  static var name: String { "code_squares" }

  let sites: [Int]
  let column = Column(name, weight: nil)
  private let backend: B
  private let partials: RowScratch<B>

  init(_ network: Network<B>, memory: Memory<B>) {
    let (backend, units) = (network.backend, network.code.resolved.output.count)
    self.backend = backend
    sites = [network.encoderCount - 1]
    partials = RowScratch(memory) { backend.sumPartialCount($0 * units) }
  }

  func measure(_ view: PassView<B>) throws {
    let code = try view.output(of: sites[0])
    try backend.sumOfSquares(code.reshaped([code.count]), into: partials.tensor(rows: view.batch.rows))
  }

  func value(_ view: PassView<B>) throws -> SumTerm<B.Buffer> {
    SumTerm(try partials.tensor(rows: view.batch.rows), scale: 1 / view.samples)
  }
}
