import CinchBackend

extension OpenCLBackend: MixedOps {
  public func mixedOutput(
    _ a: Tensor<OpenCLBuffer>, _ columns: OutputColumns<OpenCLBuffer>, into output: Tensor<OpenCLBuffer>
  ) throws {
    try checkMixed("mixedOutput", a, columns, [("the output", output)])
    guard a.count > 0 else { return }
    let grid = items(a.rows, columns: a.columns * 4)
    var call = try call(.mixedOutput)
    call.add(a)
    call.add(columns.starts)
    call.add(columns.codes)
    call.add(output)
    call.add(a.rows)
    call.add(a.columns)
    call.add(columns.kinds.count)
    call.add(grid.chunk)
    try run(call, grid)
  }

  public func mixedLoss(
    _ a: Tensor<OpenCLBuffer>, _ columns: OutputColumns<OpenCLBuffer>, target: Tensor<OpenCLBuffer>,
    weight: Tensor<OpenCLBuffer>?, gradientScale: Double, gradient: Tensor<OpenCLBuffer>, losses: Tensor<OpenCLBuffer>
  ) throws {
    try checkMixed(
      "mixedLoss", a, columns,
      [("the target", target), ("the gradient", gradient), ("the tensor of losses", losses)]
        + (weight.map { [("the weight", $0)] } ?? []))
    guard a.count > 0 else { return }
    let grid = items(a.rows, columns: a.columns * 8)
    var call = try call(.mixedLoss)
    call.add(a)
    call.add(columns.starts)
    call.add(columns.codes)
    call.add(target)
    call.add(weight ?? target)
    call.add(gradient)
    call.add(losses)
    call.add(a.rows)
    call.add(a.columns)
    call.add(columns.kinds.count)
    call.add(grid.chunk)
    call.add(weight != nil)
    call.add(gradientScale)
    try run(call, grid)
  }
}
