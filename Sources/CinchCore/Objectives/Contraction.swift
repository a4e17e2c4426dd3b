import CinchBackend
import CinchData

/// λ ‖∂h/∂x‖²_F of a one-layer encoder, averaged over samples (Rifai et al., ICML 2011); see `PenaltyOps.contractive`.
struct Contraction: Penalty {
  let weight: Double
  var name: String { "contractive" }
  var setting: CinchError.Setting { .contraction }
  var usualWeight: Double { 0.1 }

  func terms<B: Backend>(on network: Network<B>, memory: Memory<B>) throws -> [any Term<B>] {
    let layer = network.code.resolved
    let units = layer.output.units
    return [
      ContractionTerm(
        site: network.encoderCount - 1, activation: layer.spec.activation, rows: network.codeWeight,
        norms: try memory.scratch([units]), slopes: try memory.scratch([units]), values: try memory.scratch([units]),
        backend: network.backend, column: Column(name), weight: weight)
    ]
  }
}

private struct ContractionTerm<B: Backend>: Term {
  let site: Int
  let activation: Activation
  /// The encoder's weight, `[units, inputs]`.
  let rows: Tensor<B.Buffer>
  let norms: Tensor<B.Buffer>
  let slopes: Tensor<B.Buffer>
  let values: Tensor<B.Buffer>
  let backend: B
  let column: Column
  let weight: Double

  var sites: [Int] { [site] }

  func claim(_ slots: inout ActivationSlots<B>, at site: Int) throws {
    try slots.takeCurvature(norms: norms, factor: 2 * weight, for: column.name)
    try slots.takeRowPull(RowPull(scale: slopes, weight: rows, factor: 2 * weight), for: column.name)
  }

  func measure(_ view: PassView<B>) throws {
    try backend.rowSquares(rows, into: norms)
    try backend.contractive(try view.output(of: site), activation, norms: norms, slopes: slopes, values: values)
  }

  func value(_ view: PassView<B>) -> SumTerm<B.Buffer> { SumTerm(values, scale: weight * view.share) }
}
