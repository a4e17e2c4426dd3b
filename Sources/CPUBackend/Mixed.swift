import CVector
import CinchBackend

extension CPUBackend: MixedOps {
  public func mixedOutput(
    _ a: Tensor<CPUBuffer>, _ columns: OutputColumns<CPUBuffer>, into output: Tensor<CPUBuffer>
  ) throws {
    try checkMixedOutput(a, columns, into: output)
    var job = try cinch_mixed(a, columns)
    job.gradient = try output.pointer
    launch("mixedOutput", job, cinch_mixed_output)
  }

  public func mixedLoss(
    _ a: Tensor<CPUBuffer>, _ columns: OutputColumns<CPUBuffer>, target: Tensor<CPUBuffer>, weight: Tensor<CPUBuffer>?,
    gradientScale: Double, gradient: Tensor<CPUBuffer>, losses: Tensor<CPUBuffer>
  ) throws {
    try checkMixedLoss(a, columns, target: target, weight: weight, gradient: gradient, losses: losses)
    var job = try cinch_mixed(a, columns)
    job.target = try target.input
    job.weight = try weight?.input
    job.gradient_scale = Float(gradientScale)
    job.gradient = try gradient.pointer
    job.losses = try losses.pointer
    launch("mixedLoss", job, cinch_mixed_loss)
  }
}

extension cinch_mixed {
  fileprivate init(_ a: Tensor<CPUBuffer>, _ columns: OutputColumns<CPUBuffer>) throws {
    self.init()
    rows = Int64(a.rows)
    width = Int64(a.columns)
    self.columns = Int64(columns.kinds.count)
    self.a = try a.input
    starts = try columns.starts.input
    codes = try columns.codes.input
  }
}
