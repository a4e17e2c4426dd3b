import CinchBackend

extension OpenCLBackend {
  public func activate(
    _ x: Tensor<OpenCLBuffer>, bias: Tensor<OpenCLBuffer>?, _ activation: Activation, into y: Tensor<OpenCLBuffer>
  ) throws {
    let (rows, columns) = (x.rows, x.columns)
    try checkActivate(x, bias: bias, into: y)
    guard x.count > 0 else { return }
    let grid = matrix(rows, columns)
    var call = try call(.activateRows)
    call.add(x)
    call.add(bias ?? y)
    call.add(y)
    call.add(rows)
    call.add(columns)
    call.add(grid.chunk)
    call.add(bias != nil)
    call.add(activation.code)
    try run(call, grid)
  }

  public func activationGradient(
    _ gradient: Tensor<OpenCLBuffer>, _ epilogue: ActivationGradient<OpenCLBuffer>, into result: Tensor<OpenCLBuffer>
  ) throws {
    let (rows, columns) = (gradient.rows, gradient.columns)
    try checkActivationGradient(gradient, epilogue, into: result)
    guard gradient.count > 0 else { return }
    let grid = matrix(rows, columns)
    var call = try call(.activationGradient)
    call.add(gradient)
    call.add(epilogue.output)
    call.add(epilogue.column ?? result)
    call.add(epilogue.curvature?.norms ?? result)
    call.add(result)
    call.add(rows)
    call.add(columns)
    call.add(grid.chunk)
    call.add(epilogue.column != nil)
    call.add(epilogue.curvature != nil)
    call.add(epilogue.activation.code)
    call.add(epilogue.l1)
    call.add(epilogue.curvature?.factor ?? 0)
    try run(call, grid)
  }
}
