import CVector
import CinchBackend

extension CPUBackend {
  public func klSparsity(_ h: Tensor<CPUBuffer>, _ settings: KLSettings, _ result: KLResult<CPUBuffer>) throws {
    try requireInside(h, "The code")
    try require(result.means, "The mean activations", count: h.columns)
    try require(result.column, "The sparsity gradient", count: h.columns)
    try require(result.values, "The sparsity values", count: h.columns)
    try require(h.rows > 0, "The mean activation of a code of \(h.shape) needs at least one sample.")
    counters.launches += 1
    var kl = cinch_kl(
      h: h.input, rows: Int64(h.rows), units: Int64(h.columns), rho: settings.rho, beta: settings.beta,
      momentum: settings.momentum, clamp: KLSettings.clamp, means: result.means.pointer, column: result.column.pointer,
      values: result.values.pointer)
    cinch_kl_sparsity(device, &kl)
  }

  public func contractive(
    _ h: Tensor<CPUBuffer>, _ activation: Activation, norms: Tensor<CPUBuffer>, slopes: Tensor<CPUBuffer>,
    values: Tensor<CPUBuffer>
  ) throws {
    try requireInside(h, "The code")
    try require(norms, "The squared row norms", count: h.columns)
    try require(slopes, "The mean squared slopes", count: h.columns)
    try require(values, "The contractive values", count: h.columns)
    try require(h.rows > 0, "The mean slope of a code of \(h.shape) needs at least one sample.")
    counters.launches += 1
    cinch_contractive(
      device, h.input, Int64(h.rows), Int64(h.columns), cinch_activation(activation), norms.input, slopes.pointer,
      values.pointer)
  }
}
