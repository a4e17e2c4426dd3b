import CVector
import CinchBackend

extension CPUBackend {
  public func klSparsity(_ h: Tensor<CPUBuffer>, _ settings: KLSettings, _ result: KLResult<CPUBuffer>) throws {
    try checkKLSparsity(h, settings, result)
    counters.launches += 1
    var kl = try cinch_kl(
      h: h.input, rows: Int64(h.rows), units: Int64(h.columns), rho: settings.rho, beta: settings.beta,
      momentum: settings.momentum, clamp: KLSettings.clamp, means: result.means.pointer, column: result.column.pointer,
      values: result.values.pointer)
    cinch_kl_sparsity(device, &kl)
  }

  public func contractive(
    _ h: Tensor<CPUBuffer>, _ activation: Activation, norms: Tensor<CPUBuffer>, slopes: Tensor<CPUBuffer>,
    values: Tensor<CPUBuffer>
  ) throws {
    try checkContractive(h, norms: norms, slopes: slopes, values: values)
    counters.launches += 1
    try cinch_contractive(
      device, h.input, Int64(h.rows), Int64(h.columns), cinch_activation(activation), norms.input, slopes.pointer,
      values.pointer)
  }
}
