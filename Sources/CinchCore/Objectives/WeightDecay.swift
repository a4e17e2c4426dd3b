import CinchBackend
import CinchData

/// (λ/2) Σ W² over weights, never biases. Its gradient λW is the optimiser's, which can apply it directly, as AdamW does.
struct WeightDecay: Penalty {
  let weight: Double
  var name: String { "weight_decay" }
  var setting: CinchError.Setting { .weightDecay }
  var usualWeight: Double { 1e-3 }

  func sites(encoderCount: Int) -> [Int] { [] }

  func terms<B: Backend>(on network: Network<B>, memory: Memory<B>) throws -> [any Term<B>] {
    [
      WeightDecayTerm(
        weights: network.weights, partials: try memory.scratch([network.backend.sumPartialCount(network.weightCount)]),
        backend: network.backend, column: Column(name), weight: weight)
    ]
  }
}

private struct WeightDecayTerm<B: Backend>: Term {
  let weights: Tensor<B.Buffer>
  let partials: Tensor<B.Buffer>
  let backend: B
  let column: Column
  let weight: Double

  func measure(_ view: PassView<B>) throws { try backend.sumOfSquares(weights, into: partials) }
  func value(_ view: PassView<B>) -> SumTerm<B.Buffer> { SumTerm(partials, scale: weight / 2 * view.share) }
}
