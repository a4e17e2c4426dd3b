import CinchBackend

/// Everything one mini-batch passes through, laid out once for the largest batch; smaller batches use the
/// first rows of it. Outputs and δs share memory: the backward pass writes where it has read its last.
final class Workspace<B: Backend> {
  /// The views for one batch size.
  struct Batch {
    let rows: Int
    /// The clean samples.
    let x: Tensor<B.Buffer>
    /// What the encoder sees: `x`, or its corrupted copy.
    let input: Tensor<B.Buffer>
    /// Each hidden layer's output; of the output layer a step needs δ alone.
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
    try network.reserve(rows: rows)
    let backend = network.backend
    let recipe = network.recipe
    let x = try backend.tensor(network.input.shape(rows: rows))
    let input = recipe.corruption == nil ? x : try backend.tensor(network.input.shape(rows: rows))
    let passing = try backend.tensors(Recipe.passing(network.layers.map(\.resolved), rows: rows))
    let hidden = network.layers.count - 1
    let code = network.code.resolved.output
    full = Batch(
      rows: rows, x: x, input: input, outputs: Array(passing[..<hidden]), deltas: Array(passing[hidden...]),
      lossPartials: try backend.tensor([Self.lossPartials(network, rows: rows)]),
      magnitudePartials: recipe.penalties.l1 > 0
        ? try backend.tensor([backend.sumPartialCount(rows * code.count)]) : nil)
    let contracts = recipe.penalties.contraction > 0
    norms = contracts ? try backend.tensor([code.units]) : nil
    slopes = contracts ? try backend.tensor([code.units]) : nil
    contractiveValues = contracts ? try backend.tensor([code.units]) : nil
    kl =
      recipe.penalties.kl == nil
      ? nil
      : KLResult(
        means: try backend.tensor([code.units]), column: try backend.tensor([code.units]),
        values: try backend.tensor([code.units]))
    decayPartials =
      recipe.penalties.weightDecay > 0
      ? try backend.tensor([backend.sumPartialCount(network.weightCount)]) : nil
    gradientScale = recipe.gradientClip == nil ? nil : try backend.tensor([1])
  }

  private static func lossPartials(_ network: Network<B>, rows: Int) -> Int {
    network.layers[network.layers.count - 1].lossPartialCount(samples: rows)
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
        ? nil : try backend.tensor([backend.sumPartialCount(rows * network.code.resolved.output.count)]))
    partial = batch
    return batch
  }
}

extension FeatureShape {
  /// Of a batch as a device holds it: channels last.
  func shape(rows: Int) -> Shape {
    switch self {
    case .flat(let count): [rows, count]
    case .image(let image): [rows, image.height, image.width, image.channels]
    }
  }
}

extension Tensor {
  /// One row a unit that shares statistics: a sample of a vector, a pixel of an image.
  func unitRows(_ shape: FeatureShape) -> Tensor { reshaped([count / shape.units, shape.units]) }
}
