import CinchBackend

extension OpenCLBackend: MixedOps {
  public func mixedOutput(
    _ a: Tensor<OpenCLBuffer>, _ columns: OutputColumns<OpenCLBuffer>, into output: Tensor<OpenCLBuffer>
  ) throws {
    try checkMixedOutput(a, columns, into: output)
    guard a.count > 0 else { return }
    let (cells, each) = cells(a, columns)
    let grid = items(cells, columns: each * 4)
    var call = try call(.mixedOutput)
    call.add(a)
    call.add(columns.starts)
    call.add(columns.codes)
    call.add(output)
    call.add(cells)
    call.add(a.columns)
    call.add(columns.kinds.count)
    call.add(grid.chunk)
    try run(call, grid)
  }

  public func mixedLoss(
    _ a: Tensor<OpenCLBuffer>, _ columns: OutputColumns<OpenCLBuffer>, target: Tensor<OpenCLBuffer>,
    weight: Tensor<OpenCLBuffer>?, gradientScale: Double, gradient: Tensor<OpenCLBuffer>, losses: Tensor<OpenCLBuffer>
  ) throws {
    try checkMixedLoss(a, columns, target: target, weight: weight, gradient: gradient, losses: losses)
    guard a.count > 0 else { return }
    let (cells, each) = cells(a, columns)
    let grid = items(cells, columns: each * 8)
    var call = try call(.mixedLoss)
    call.add(a)
    call.add(columns.starts)
    call.add(columns.codes)
    call.add(target)
    call.add(weight ?? target)
    call.add(gradient)
    call.add(losses)
    call.add(cells)
    call.add(a.columns)
    call.add(columns.kinds.count)
    call.add(grid.chunk)
    call.add(weight != nil)
    call.add(gradientScale)
    try run(call, grid)
  }

  /// How many columns all rows have, and how many outputs one of them about.
  private func cells(_ a: Tensor<OpenCLBuffer>, _ columns: OutputColumns<OpenCLBuffer>) -> (count: Int, outputs: Int) {
    let count = a.rows * columns.kinds.count
    return (count, max(1, a.count / count))
  }
}
