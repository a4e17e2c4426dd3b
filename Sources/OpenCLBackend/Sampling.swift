import CinchBackend

extension OpenCLBackend: SamplingOps {
  public func sample(_ ms: Tensor<OpenCLBuffer>, _ draws: Draws?, into z: Tensor<OpenCLBuffer>) throws {
    let (rows, units) = try checkSampling("sample", ms, z, "the code", draws)
    guard z.count > 0 else { return }
    let grid = draws == nil ? matrix(rows, units) : drawGrid(z.count)
    var call = try call(draws == nil ? .sampleMeans : .sample)
    call.add(ms)
    call.add(z)
    call.add(rows)
    call.add(units)
    call.add(grid.chunk)
    if let draws { call.add(draws, first: draws.firstBlock(columns: units)) }
    try run(call, grid)
  }

  public func sampleGradient(
    _ delta: Tensor<OpenCLBuffer>, _ ms: Tensor<OpenCLBuffer>, _ draws: Draws, prior: Double,
    into result: Tensor<OpenCLBuffer>
  ) throws {
    let (rows, units) = try checkSampleGradient(delta, ms, draws, into: result)
    guard delta.count > 0 else { return }
    let grid = drawGrid(delta.count)
    var call = try call(.sampleGradient)
    call.add(delta)
    call.add(ms)
    call.add(result)
    call.add(rows)
    call.add(units)
    call.add(grid.chunk)
    call.add(draws, first: draws.firstBlock(columns: units))
    call.add(prior)
    try run(call, grid)
  }

  public func priorDivergence(_ ms: Tensor<OpenCLBuffer>, into divergences: Tensor<OpenCLBuffer>) throws {
    try checkPriorDivergence(ms, into: divergences)
    let (rows, units) = (ms.rows, ms.columns / 2)
    guard rows > 0 else { return }
    let grid = items(rows, columns: units * 2)
    var call = try call(.priorDivergence)
    call.add(ms)
    call.add(divergences)
    call.add(rows)
    call.add(units)
    call.add(grid.chunk)
    try run(call, grid)
  }
}
