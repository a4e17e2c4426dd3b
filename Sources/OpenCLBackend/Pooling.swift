import CinchBackend

extension OpenCLBackend: PoolingOps {
  public func maxPool(
    _ x: Tensor<OpenCLBuffer>, _ geometry: PoolingGeometry, into y: Tensor<OpenCLBuffer>,
    switches: Tensor<OpenCLBuffer>
  ) throws {
    try checkPooling("maxPool", large: x, small: y, switches: switches, geometry, result: .small)
    try pool(.maxPool, [x, y, switches], geometry, result: y, mean: nil, below: nil)
  }

  public func unpool(
    _ y: Tensor<OpenCLBuffer>, switches: Tensor<OpenCLBuffer>, _ geometry: PoolingGeometry,
    into x: Tensor<OpenCLBuffer>, below: ActivationGradient<OpenCLBuffer>?
  ) throws {
    try checkPooling("unpool", large: x, small: y, switches: switches, geometry, below: below, result: .large)
    try pool(.unpool, [y, switches, x], geometry, result: x, mean: nil, below: below)
  }

  public func pickSwitches(
    _ x: Tensor<OpenCLBuffer>, switches: Tensor<OpenCLBuffer>, _ geometry: PoolingGeometry,
    into y: Tensor<OpenCLBuffer>, below: ActivationGradient<OpenCLBuffer>?
  ) throws {
    try checkPooling("pickSwitches", large: x, small: y, switches: switches, geometry, below: below, result: .small)
    try pool(.pickSwitches, [x, switches, y], geometry, result: y, mean: nil, below: below)
  }

  public func poolSum(
    _ x: Tensor<OpenCLBuffer>, _ geometry: PoolingGeometry, mean: Bool, into y: Tensor<OpenCLBuffer>,
    below: ActivationGradient<OpenCLBuffer>?
  ) throws {
    try checkPooling("poolSum", large: x, small: y, geometry, below: below, result: .small)
    try pool(.poolSum, [x, y], geometry, result: y, mean: mean, below: below)
  }

  public func poolSpread(
    _ y: Tensor<OpenCLBuffer>, _ geometry: PoolingGeometry, mean: Bool, into x: Tensor<OpenCLBuffer>,
    below: ActivationGradient<OpenCLBuffer>?
  ) throws {
    try checkPooling("poolSpread", large: x, small: y, geometry, below: below, result: .large)
    try pool(.poolSpread, [y, x], geometry, result: x, mean: mean, below: below)
  }

  /// The widest vector that a pixel's channels fill, for a narrower one beats one with idle lanes; and the windows' size
  /// if they are of a usual one and tile the image.
  private func poolingModule(_ g: PoolingGeometry) -> Module {
    guard family == .cpu else { return .pooling(width: 1, tileHeight: 0, tileWidth: 0) }
    var width = vectorWidth
    while width > 1 && width > g.channels { width /= 2 }
    let tiles =
      g.tiles && g.height == g.outputHeight * g.kernelHeight && g.width == g.outputWidth * g.kernelWidth
      && g.channels % width == 0 && max(g.kernelHeight, g.kernelWidth) <= 4
    return .pooling(width: width, tileHeight: tiles ? g.kernelHeight : 0, tileWidth: tiles ? g.kernelWidth : 0)
  }

  /// - Parameter mean: nil for kernels that take no such argument.
  private func pool(
    _ id: KernelID, _ tensors: [Tensor<OpenCLBuffer>], _ g: PoolingGeometry, result: Tensor<OpenCLBuffer>,
    mean: Bool?, below: ActivationGradient<OpenCLBuffer>?
  ) throws {
    guard result.count > 0 else { return }
    // Rows of pixels: those of the large image for ops that gather from windows.
    let width = id == .unpool || id == .poolSpread ? g.width : g.outputWidth
    let rows = result.count / (width * g.channels)
    let grid = matrix(rows, width * g.channels)
    let (_, kernel) = try variant(id, poolingModule(g))
    var call = Call(id, kernel)
    for tensor in tensors { call.add(tensor) }
    call.add(rows)
    call.add(grid.chunk)
    if let mean { call.add(mean) }
    for number in [
      g.height, g.width, g.channels, g.outputHeight, g.outputWidth, g.kernelHeight, g.kernelWidth, g.strideHeight,
      g.strideWidth, g.top, g.left,
    ] { call.add(number) }
    if id != .maxPool {
      call.add(below?.output ?? result)
      call.add(below?.column ?? result)
      call.add(below?.curvature?.norms ?? result)
      call.add((below == nil ? EpilogueArguments.Mode.none : .backward).code)
      call.add(below?.flags ?? 0)
      call.add((below?.activation ?? .linear).code)
      call.add(below?.l1 ?? 0)
      call.add(below?.curvature?.factor ?? 0)
    }
    try run(call, grid)
  }
}
