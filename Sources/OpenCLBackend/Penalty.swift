import CinchBackend
import FoundationEssentials
import Glibc

extension OpenCLBackend {
  public func klSparsity(
    _ h: Tensor<OpenCLBuffer>, _ settings: KLSettings, _ result: KLResult<OpenCLBuffer>
  ) throws {
    let (rows, columns) = (h.rows, h.columns)
    try checkKLSparsity(h, settings, result)
    guard columns > 0 else { return }
    let (rho, momentum) = (settings.rho, settings.momentum)
    let share = 1 - momentum
    let entropy = rho * log(rho) + (1 - rho) * log(1 - rho)
    var call = try call(.klSparsity)
    call.add(h)
    call.add(result.means)
    call.add(result.column)
    call.add(result.values)
    call.add(rows)
    call.add(columns)
    call.add(momentum)
    call.add(share / Double(rows))
    call.add(rho)
    call.add(settings.beta)
    call.add(share * settings.beta / Double(rows))
    call.add(entropy)
    call.add(KLSettings.clamp)
    try run(call, columnBlocks(columns))
  }

  public func contractive(
    _ h: Tensor<OpenCLBuffer>, _ activation: Activation, norms: Tensor<OpenCLBuffer>, slopes: Tensor<OpenCLBuffer>,
    values: Tensor<OpenCLBuffer>
  ) throws {
    let (rows, columns) = (h.rows, h.columns)
    try checkContractive(h, norms: norms, slopes: slopes, values: values)
    guard columns > 0 else { return }
    var call = try call(.contractive)
    call.add(h)
    call.add(norms)
    call.add(slopes)
    call.add(values)
    call.add(rows)
    call.add(columns)
    call.add(activation.code)
    call.add(1 / Double(rows))
    try run(call, columnBlocks(columns))
  }
}
