import CinchBackend

/// Everything one mini-batch passes through, laid out once for the largest batch; smaller batches use the
/// first rows of it.
final class Workspace<B: Backend> {
  /// The views for one batch size.
  struct Batch {
    let rows: Int
    /// The clean samples.
    let x: Tensor<B.Buffer>
    /// What the encoder sees: `x`, or its corrupted copy.
    let input: Tensor<B.Buffer>
    /// Each layer's output; the last is only used outside training.
    let outputs: [Tensor<B.Buffer>]
    /// Each layer's δ, the gradient at its pre-activation.
    let deltas: [Tensor<B.Buffer>]
    let lossPartials: Tensor<B.Buffer>
    let magnitudePartials: Tensor<B.Buffer>?
  }

  private let full: Batch
  private var partial: Batch?
  private let network: Network<B>
  let norms: Tensor<B.Buffer>?
  let slopes: Tensor<B.Buffer>?
  /// Each code unit's share of the penalty on the code.
  let contractiveValues: Tensor<B.Buffer>?
  let kl: KLResult<B.Buffer>?
  let decayPartials: Tensor<B.Buffer>?
  let gradientScale: Tensor<B.Buffer>?

  init(_ network: Network<B>, rows: Int) throws {
    self.network = network
    let backend = network.backend
    let recipe = network.recipe
    let x = try backend.tensor([rows, recipe.input])
    let input = recipe.corruption == nil ? x : try backend.tensor([rows, recipe.input])
    let units = network.layers.map(\.units)
    let code = recipe.codeUnits
    full = Batch(
      rows: rows, x: x, input: input,
      outputs: try units.map { try backend.tensor([rows, $0]) },
      deltas: try units.map { try backend.tensor([rows, $0]) },
      lossPartials: try backend.tensor([Self.lossPartials(network, rows: rows)]),
      magnitudePartials: recipe.penalties.l1 > 0 ? try backend.tensor([backend.sumPartialCount(rows * code)]) : nil)
    let contracts = recipe.penalties.contraction > 0
    norms = contracts ? try backend.tensor([code]) : nil
    slopes = contracts ? try backend.tensor([code]) : nil
    contractiveValues = contracts ? try backend.tensor([code]) : nil
    kl =
      recipe.penalties.kl == nil
      ? nil
      : KLResult(
        means: try backend.tensor([code]), column: try backend.tensor([code]), values: try backend.tensor([code]))
    decayPartials =
      recipe.penalties.weightDecay > 0
      ? try backend.tensor([backend.sumPartialCount(network.weightCount)]) : nil
    gradientScale = recipe.gradientClip == nil ? nil : try backend.tensor([1])
  }

  private static func lossPartials(_ network: Network<B>, rows: Int) -> Int {
    network.backend.lossPartialCount(rows: rows, columns: network.recipe.input)
  }

  /// The views for a batch of `rows`; the last partial batch's are kept too.
  func batch(rows: Int) throws -> Batch {
    if rows == full.rows { return full }
    if let partial, partial.rows == rows { return partial }
    let backend = network.backend
    let batch = Batch(
      rows: rows, x: full.x.prefix(rows: rows), input: full.input.prefix(rows: rows),
      outputs: full.outputs.map { $0.prefix(rows: rows) }, deltas: full.deltas.map { $0.prefix(rows: rows) },
      lossPartials: try backend.tensor([Self.lossPartials(network, rows: rows)]),
      magnitudePartials: full.magnitudePartials == nil
        ? nil : try backend.tensor([backend.sumPartialCount(rows * network.recipe.codeUnits)]))
    partial = batch
    return batch
  }
}
