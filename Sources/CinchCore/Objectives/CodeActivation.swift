import CinchBackend

/// The mean of the code over samples and units, which evaluation reports: ρ̂ of a sparse autoencoder.
struct CodeActivation<B: Backend>: Term {
  private let site: Int
  private let count: Int
  private let sums: Tensor<B.Buffer>
  private let backend: B
  let column = Column(Evaluation.meanActivationName, weight: nil)

  init(_ network: Network<B>, memory: Memory<B>) throws {
    let code = network.code.resolved.output
    site = network.encoderCount - 1
    count = code.count
    sums = try memory.scratch([code.units])
    backend = network.backend
  }

  var sites: [Int] { [site] }

  func measure(_ view: PassView<B>) throws {
    try backend.columnSums(try view.output(of: site), scale: 1, into: sums)
  }

  func value(_ view: PassView<B>) -> SumTerm<B.Buffer> {
    SumTerm(sums, scale: 1 / (view.samples * Double(count)))
  }
}
