import Glibc

extension ReferenceBackend: SamplingOps {
  public func sample(_ ms: Tensor<ReferenceBuffer>, _ draws: Draws?, into z: Tensor<ReferenceBuffer>) throws {
    let (n, k) = try checkSampling("sample", ms, z, "the code", draws)
    counters.launches += 1
    let parameters = try view(ms), code = try view(z)
    for i in 0..<n {
      for j in 0..<k {
        let mean = parameters[i * 2 * k + j], logVariance = parameters[i * 2 * k + k + j]
        let noise = draws.map { exp(logVariance / 2) * $0.normal(row: i, column: j, columns: k) }
        code[i * k + j] = noise.map { mean + $0 } ?? mean
      }
    }
  }

  public func sampleGradient(
    _ delta: Tensor<ReferenceBuffer>, _ ms: Tensor<ReferenceBuffer>, _ draws: Draws, prior: Double,
    into result: Tensor<ReferenceBuffer>
  ) throws {
    let (n, k) = try checkSampleGradient(delta, ms, draws, into: result)
    counters.launches += 1
    let atCode = try view(delta), parameters = try view(ms), gradient = try view(result)
    for i in 0..<n {
      for j in 0..<k {
        let mean = i * 2 * k + j, logVariance = mean + k
        let d = atCode[i * k + j], s = parameters[logVariance]
        let noise = draws.normal(row: i, column: j, columns: k)
        gradient[mean] = d + prior * parameters[mean]
        gradient[logVariance] = 0.5 * d * noise * exp(s / 2) + 0.5 * prior * (exp(s) - 1)
      }
    }
  }

  public func priorDivergence(_ ms: Tensor<ReferenceBuffer>, into divergences: Tensor<ReferenceBuffer>) throws {
    try checkPriorDivergence(ms, into: divergences)
    counters.launches += 1
    let parameters = try view(ms), result = try view(divergences), k = ms.columns / 2
    for i in 0..<ms.rows {
      var sum = 0.0
      for j in 0..<k {
        let mean = parameters[i * 2 * k + j], s = parameters[i * 2 * k + k + j]
        sum += mean * mean + (exp(s) - 1 - s)
      }
      result[i] = sum / 2
    }
  }
}

extension Draws {
  /// The standard normal number of one element of a batch.
  package func normal(row: Int, column: Int, columns: Int) -> Double {
    philox.gaussian(element: (firstRow + row) * columns + column, step: step)
  }
}
