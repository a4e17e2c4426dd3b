import CinchBackend
import CinchData

/// β Σ_j KL(ρ ‖ ρ̂_j) over the units of the code (Ng, "Sparse autoencoder", CS294A); see `PenaltyOps.klSparsity`.
struct KLSparsity: Penalty {
  let settings: KLSettings
  var name: String { "kl" }
  var weight: Double { settings.beta }
  var setting: CinchError.Setting { .beta }
  var usualWeight: Double { 3 }
  var averagesOverBatch: Bool { true }

  func terms<B: Backend>(on network: Network<B>, memory: Memory<B>) throws -> [any Term<B>] {
    let units = network.code.resolved.output.units
    let kept = try memory.kept("mean_activations", [units])
    return [
      KLSparsityTerm(
        settings: settings, site: network.encoderCount - 1,
        sums: try memory.scratch([units]), kept: kept,
        result: KLResult(
          // Without momentum nobody reads ρ̂ of the last update, and it can be written in its place.
          means: settings.momentum > 0 ? try memory.scratch([units]) : kept, column: try memory.scratch([units]),
          values: try memory.scratch([units])), backend: network.backend, column: Column(name))
    ]
  }
}

private struct KLSparsityTerm<B: Backend>: Term {
  let settings: KLSettings
  let site: Int
  /// Σ h of the part, divided by the rows of the whole batch: those of all parts add up to its mean.
  let sums: Tensor<B.Buffer>
  /// ρ̂ after the last update.
  let kept: Tensor<B.Buffer>
  /// Of the update at hand.
  let result: KLResult<B.Buffer>
  let backend: B
  let column: Column

  var sites: [Int] { [site] }
  var statistics: [Tensor<B.Buffer>] { [sums] }

  /// Those of the part: samples, or pixels of an image's code.
  private func rows(_ view: PassView<B>) throws -> Double { Double(try view.output(of: site).rows) }

  func claim(_ slots: inout ActivationSlots<B>, at site: Int) throws {
    try slots.takeColumn(result.column, for: column.name)
  }

  func measure(_ view: PassView<B>) throws {
    try backend.columnSums(try view.output(of: site), scale: view.share / rows(view), into: sums)
  }

  /// The batch's mean is one row of a code, whose β is what each row of the whole batch has of it.
  func derive(_ view: PassView<B>) throws {
    var settings = settings
    settings.beta *= try view.share / rows(view)
    // A moving average starts from the first batch's mean: from 0 it would take every unit for a silent one.
    if view.pass.step == 0 { settings.momentum = 0 }
    if settings.momentum > 0 { try backend.copy(kept, to: result.means) }
    try backend.klSparsity(sums.reshaped([1, sums.count]), settings, result)
  }

  func endUpdate() throws {
    if settings.momentum > 0 { try backend.copy(result.means, to: kept) }
  }

  func value(_ view: PassView<B>) throws -> SumTerm<B.Buffer> { SumTerm(result.values, scale: try rows(view)) }
}
