import CVector
import CinchBackend

extension CPUBackend: SamplingOps {
  public func sample(_ ms: Tensor<CPUBuffer>, _ draws: Draws?, into z: Tensor<CPUBuffer>) throws {
    let (rows, units) = try checkSampling("sample", ms, z, "the code", draws)
    var job = try cinch_sampling(ms, rows, units, draws)
    job.result = try z.pointer
    launch("sample", job, cinch_sample)
  }

  public func sampleGradient(
    _ delta: Tensor<CPUBuffer>, _ ms: Tensor<CPUBuffer>, _ draws: Draws, prior: Double, into result: Tensor<CPUBuffer>
  ) throws {
    let (rows, units) = try checkSampleGradient(delta, ms, draws, into: result)
    var job = try cinch_sampling(ms, rows, units, draws)
    job.delta = try delta.input
    job.prior = Float(prior)
    job.result = try result.pointer
    launch("sampleGradient", job, cinch_sample_gradient)
  }

  public func priorDivergence(_ ms: Tensor<CPUBuffer>, into divergences: Tensor<CPUBuffer>) throws {
    try checkPriorDivergence(ms, into: divergences)
    let (rows, units) = (Int64(ms.rows), Int64(ms.columns / 2))
    launch("priorDivergence", (try ms.input, try divergences.pointer)) {
      cinch_prior_divergence($0, $1.0, rows, units, $1.1)
    }
  }
}

extension cinch_sampling {
  fileprivate init(_ ms: Tensor<CPUBuffer>, _ rows: Int, _ units: Int, _ draws: Draws?) throws {
    self.init()
    self.ms = try ms.input
    (self.rows, self.units) = (Int64(rows), Int64(units))
    drawn = draws != nil
    if let draws { stream = cinch_stream(draws, first: draws.firstBlock(columns: units)) }
  }
}
