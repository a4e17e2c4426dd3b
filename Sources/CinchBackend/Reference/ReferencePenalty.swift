import Glibc

extension ReferenceBackend {
  public func klSparsity(
    _ h: Tensor<ReferenceBuffer>, _ settings: KLSettings, _ result: KLResult<ReferenceBuffer>
  ) throws {
    try checkKLSparsity(h, settings, result)
    counters.launches += 1
    let values = try view(h)
    let means = try view(result.means), column = try view(result.column), penalties = try view(result.values)
    let n = Double(h.rows), rho = settings.rho, beta = settings.beta
    for j in 0..<h.columns {
      var sum = 0.0
      for i in 0..<h.rows { sum += values[i * h.columns + j] }
      var mean = sum / n
      // Not m·means + (1 − m)·mean for every m: with m = 0 `means` may hold anything, NaN included.
      if settings.momentum > 0 { mean = settings.momentum * means[j] + (1 - settings.momentum) * mean }
      means[j] = mean
      let clamped = clampedMean(mean)
      column[j] = (1 - settings.momentum) * beta / n * (-rho / clamped + (1 - rho) / (1 - clamped))
      penalties[j] = beta * (rho * log(rho / clamped) + (1 - rho) * log((1 - rho) / (1 - clamped)))
    }
  }

  /// ρ̂ within its bounds; a NaN stays one.
  private func clampedMean(_ mean: Double) -> Double {
    if mean < KLSettings.clamp { return KLSettings.clamp }
    if mean > 1 - KLSettings.clamp { return 1 - KLSettings.clamp }
    return mean
  }

  public func contractive(
    _ h: Tensor<ReferenceBuffer>, _ activation: Activation, norms: Tensor<ReferenceBuffer>,
    slopes: Tensor<ReferenceBuffer>, values: Tensor<ReferenceBuffer>
  ) throws {
    try checkContractive(h, norms: norms, slopes: slopes, values: values)
    counters.launches += 1
    let code = try view(h), squares = try view(norms), means = try view(slopes), penalties = try view(values)
    for j in 0..<h.columns {
      var sum = 0.0
      for i in 0..<h.rows {
        let slope = activation.slope(output: code[i * h.columns + j])
        sum += slope * slope
      }
      means[j] = sum / Double(h.rows)
      penalties[j] = means[j] * squares[j]
    }
  }
}
