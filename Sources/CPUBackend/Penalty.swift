import CVector
import CinchBackend

extension CPUBackend {
  public func klSparsity(_ h: Tensor<CPUBuffer>, _ settings: KLSettings, _ result: KLResult<CPUBuffer>) throws {
    try checkKLSparsity(h, settings, result)
    let kl = try cinch_kl(
      h: h.input, rows: Int64(h.rows), units: Int64(h.columns), rho: settings.rho, beta: settings.beta,
      momentum: settings.momentum, clamp: KLSettings.clamp, means: result.means.pointer, column: result.column.pointer,
      values: result.values.pointer)
    launch("klSparsity", kl, cinch_kl_sparsity)
  }

  public func contractive(
    _ h: Tensor<CPUBuffer>, _ activation: Activation, norms: Tensor<CPUBuffer>, slopes: Tensor<CPUBuffer>,
    values: Tensor<CPUBuffer>
  ) throws {
    try checkContractive(h, norms: norms, slopes: slopes, values: values)
    let (rows, units) = (Int64(h.rows), Int64(h.columns))
    launch(
      "contractive", (h: try h.input, norms: try norms.input, slopes: try slopes.pointer, values: try values.pointer)
    ) {
      cinch_contractive($0, $1.h, rows, units, cinch_activation(activation), $1.norms, $1.slopes, $1.values)
    }
  }
}
