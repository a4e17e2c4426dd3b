import CinchBackend
import CinchData

/// λ Σ_j abs(h_j) of the code, averaged over samples.
struct ActivityL1: Penalty {
  let weight: Double
  var name: String { "l1" }
  var setting: CinchError.Setting { .l1 }
  var usualWeight: Double { 784e-5 }

  func terms<B: Backend>(on network: Network<B>, memory: Memory<B>) throws -> [any Term<B>] {
    [
      ActivityL1Term(
        site: network.encoderCount - 1,
        partials: RowScratch(memory) { rows in
          network.backend.sumPartialCount(rows * network.code.resolved.output.count)
        }, backend: network.backend, column: Column(name), weight: weight)
    ]
  }
}

private struct ActivityL1Term<B: Backend>: Term {
  let site: Int
  let partials: RowScratch<B>
  let backend: B
  let column: Column
  let weight: Double

  var sites: [Int] { [site] }

  func claim(_ slots: inout ActivationSlots<B>, at site: Int) throws {
    try slots.takeL1(weight, for: column.name)
  }

  func measure(_ view: PassView<B>) throws {
    try backend.sumOfMagnitudes(try view.output(of: site), into: partials.tensor(rows: view.batch.rows))
  }

  func value(_ view: PassView<B>) throws -> SumTerm<B.Buffer> {
    SumTerm(try partials.tensor(rows: view.batch.rows), scale: weight / view.samples)
  }
}
