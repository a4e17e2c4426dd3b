import CinchBackend

extension OpenCLBackend: ConvolutionOps {
  public func convolve(
    _ x: Tensor<OpenCLBuffer>, _ weight: Tensor<OpenCLBuffer>, _ geometry: ConvolutionGeometry,
    into y: Tensor<OpenCLBuffer>, epilogue: Epilogue<OpenCLBuffer>
  ) throws {
    let samples = try checkConvolution(
      large: x, small: y, weight: weight, geometry, epilogue: epilogue, result: .small, partialCount: lossPartialCount)
    guard samples > 0 else { return }
    let ending = EpilogueArguments(epilogue, features: y.count / samples)
    switch family {
    case .cpu: try correlate(.convolve, x, weight, geometry, samples, into: y, ending)
    case .gpu: try convolveOnGPU(x, weight, geometry, transposed: false, samples, into: y, ending)
    }
  }

  public func convolveTransposed(
    _ y: Tensor<OpenCLBuffer>, _ weight: Tensor<OpenCLBuffer>, _ geometry: ConvolutionGeometry,
    into x: Tensor<OpenCLBuffer>, epilogue: Epilogue<OpenCLBuffer>
  ) throws {
    let samples = try checkConvolution(
      large: x, small: y, weight: weight, geometry, epilogue: epilogue, result: .large, partialCount: lossPartialCount)
    guard samples > 0 else { return }
    let ending = EpilogueArguments(epilogue, features: x.count / samples)
    switch family {
    case .cpu: try correlate(.adjoint, y, weight, geometry, samples, into: x, ending)
    case .gpu: try convolveOnGPU(y, weight, geometry, transposed: true, samples, into: x, ending)
    }
  }

  public func convolutionGradient(
    x: Tensor<OpenCLBuffer>, y: Tensor<OpenCLBuffer>, _ geometry: ConvolutionGeometry,
    weightGradient: Tensor<OpenCLBuffer>, biasGradient: Tensor<OpenCLBuffer>, delta: ConvolutionSide,
    accumulate: Bool, accumulateBias: Bool
  ) throws {
    let samples = try checkConvolutionGradient(
      x: x, y: y, geometry, weightGradient: weightGradient, biasGradient: biasGradient, delta: delta)
    guard samples > 0 else {
      if !accumulate { try fill(weightGradient, with: 0) }
      if !accumulateBias { try fill(biasGradient, with: 0) }
      return
    }
    switch family {
    case .cpu:
      try gradientOnCPU(x, y, geometry, samples, weightGradient, biasGradient, delta, accumulate, accumulateBias)
    case .gpu:
      try gradientOnGPU(x, y, geometry, samples, weightGradient, accumulate)
      let pixels = delta == .large ? x : y
      let channels = biasGradient.count
      try columnSums(
        pixels.reshaped([pixels.count / channels, channels]), scale: 1, accumulate: accumulateBias, into: biasGradient)
    }
  }

  public func lossPartialCount(_ geometry: ConvolutionGeometry, samples: Int, result side: ConvolutionSide) -> Int {
    guard samples > 0 else { return 1 }
    switch family {
    case .cpu: return correlationBands(side == .small ? .convolve : .adjoint, geometry, samples)
    case .gpu:
      let (m, n, layers) = extents(geometry, transposed: side == .large, samples)
      return layers * Self.cells(m, n)
    }
  }

  /// Scratch memory of at least `count` floats, kept under `path`.
  private func reserve(_ path: WritableKeyPath<ConvolutionState, OpenCLBuffer?>, _ count: Int) throws -> OpenCLBuffer {
    if let buffer = convolutions[keyPath: path], buffer.count >= count { return buffer }
    let made = try allocate(count, isScratch: true)
    convolutions[keyPath: path] = made
    return made
  }

  // MARK: - CPU devices

  /// - Parameter pooling: pools the result, and keeps where its windows' largest values were.
  func correlate(
    _ mode: ConvolutionKey.Mode, _ x: Tensor<OpenCLBuffer>, _ weight: Tensor<OpenCLBuffer>,
    _ geometry: ConvolutionGeometry, _ samples: Int, into result: Tensor<OpenCLBuffer>, _ ending: EpilogueArguments,
    pooling: (geometry: PoolingGeometry, switches: Tensor<OpenCLBuffer>)? = nil
  ) throws {
    let plan = try correlationPlan(
      ConvolutionKey(
        mode: mode, geometry: geometry, samples: samples, losses: ending.mode == .loss, pooling: pooling?.geometry))
    var weights = weight
    if let packing = plan.packing {
      weights = Tensor(try reserve(\.weights, packing.floats), shape: [packing.floats])
      var call = Call(packing.id, packing.kernel)
      call.add(weight)
      call.add(weights)
      call.add(whole: plan.table)
      call.add(mode == .adjoint)
      try run(call, line(packing.items))
    }
    var call = Call(plan.kernel.id, plan.kernel.kernel)
    call.add(x)
    call.add(weights)
    call.add(result)
    call.add(whole: try reserve(\.scratch, plan.scratch))
    call.add(whole: plan.table)
    call.add(whole: try pieceCounter())
    if let pooling { call.add(pooling.switches) }
    ending.add(to: &call, c: result)
    try run(call, takers(of: plan.pieces, items: plan.items))
  }

  public func tapSums(
    _ weight: Tensor<OpenCLBuffer>, box: (height: Int, width: Int), turned: Bool, into result: Tensor<OpenCLBuffer>
  ) throws {
    let (top, left) = try checkTapSums(weight, box: box, turned: turned, into: result)
    let from = weight.shape.dimensions, to = result.shape.dimensions
    let grid = elements(result.count)
    var call = try call(.tapSums)
    call.add(weight)
    call.add(result)
    for number in [
      from[0], from[1], from[2], from[3], to[0], to[1], box.height, box.width, top, left,
    ] { call.add(number) }
    call.add(turned)
    call.add(grid.chunk)
    call.add(long: result.count)
    try run(call, grid)
  }

  /// - Parameter pooling: y is δ of what was pooled.
  func gradientOnCPU(
    _ x: Tensor<OpenCLBuffer>, _ y: Tensor<OpenCLBuffer>, _ geometry: ConvolutionGeometry, _ samples: Int,
    _ weightGradient: Tensor<OpenCLBuffer>, _ biasGradient: Tensor<OpenCLBuffer>, _ delta: ConvolutionSide,
    _ accumulate: Bool, _ accumulateBias: Bool,
    pooling: (geometry: PoolingGeometry, switches: Tensor<OpenCLBuffer>)? = nil
  ) throws {
    let plan = try gradientPlan(
      ConvolutionKey(mode: .gradient, geometry: geometry, samples: samples, pooling: pooling?.geometry))
    let slices = try reserve(\.slices, plan.floats)
    var call = Call(plan.kernel.id, plan.kernel.kernel)
    call.add(x)
    call.add(y)
    call.add(whole: slices)
    call.add(whole: try reserve(\.scratch, plan.scratch))
    call.add(whole: plan.table)
    call.add(whole: try pieceCounter())
    call.add(delta == .large)
    if let pooling { call.add(pooling.switches) }
    try run(call, takers(of: plan.pieces, items: plan.items))

    let rows = geometry.kernelHeight * geometry.kernelWidth * geometry.channels
    let grid = items(rows, columns: geometry.outputChannels * plan.slices)
    var second = Call(plan.adding.id, plan.adding.kernel)
    second.add(whole: slices)
    second.add(weightGradient)
    second.add(biasGradient)
    second.add(whole: plan.table)
    second.add(rows)
    second.add(grid.chunk)
    second.add(biasGradient.count)
    second.add(accumulate)
    second.add(accumulateBias)
    try run(second, grid)
  }

  // MARK: - GPUs

  /// A convolution as a product: its rows are pixels of the result, its columns the result's channels. A transposed one has
  /// a layer for each phase of the stride, of as many rows as the first has.
  private func extents(_ g: ConvolutionGeometry, transposed: Bool, _ samples: Int) -> (m: Int, n: Int, layers: Int) {
    guard transposed else { return (samples * g.outputHeight * g.outputWidth, g.outputChannels, 1) }
    let (down, across) = ((g.height - 1) / g.strideHeight + 1, (g.width - 1) / g.strideWidth + 1)
    return (samples * down * across, g.channels, min(g.strideHeight, g.height) * min(g.strideWidth, g.width))
  }

  private func add(_ g: ConvolutionGeometry, _ samples: Int, to call: inout Call) {
    for number in [
      g.height, g.width, g.channels, g.outputHeight, g.outputWidth, g.outputChannels, g.kernelHeight, g.kernelWidth,
      g.strideHeight, g.strideWidth, g.dilationHeight, g.dilationWidth, g.top, g.left, samples,
    ] { call.add(number) }
  }

  private func convolveOnGPU(
    _ x: Tensor<OpenCLBuffer>, _ weight: Tensor<OpenCLBuffer>, _ g: ConvolutionGeometry, transposed: Bool,
    _ samples: Int, into result: Tensor<OpenCLBuffer>, _ ending: EpilogueArguments
  ) throws {
    let (m, n, layers) = extents(g, transposed: transposed, samples)
    let width = loadWidth([x, weight], transposed ? [g.outputChannels] : [g.channels, g.outputChannels])
    let tile = choice.tiles(loadWidth: width).image(channels: n, isGradient: false)
    let program = TileProgram(tile: tile, loadWidth: width, mode: ending.mode)
    let (id, kernel) = try variant(.convolveTiles, .convolveTiles(program, transposed: transposed))
    var call = Call(id, kernel)
    call.add(x)
    call.add(weight)
    call.add(result)
    add(g, samples, to: &call)
    ending.add(to: &call, c: result)
    try run(call, grid(tile, m, n, layers))
  }

  private func gradientOnGPU(
    _ x: Tensor<OpenCLBuffer>, _ y: Tensor<OpenCLBuffer>, _ g: ConvolutionGeometry, _ samples: Int,
    _ weightGradient: Tensor<OpenCLBuffer>, _ accumulate: Bool
  ) throws {
    // Kernels count from the image to where a window begins in 32 bits.
    let reach = Int(Int32.max) / g.channels
    try require(
      g.left <= reach && g.top <= (reach - g.left) / g.width,
      "'convolutionGradient': \(g.top) rows and \(g.left) columns of padding are 2³¹ elements or more: dilate less.")
    let (m, n) = (g.kernelHeight * g.kernelWidth * g.channels, g.outputChannels)
    let k = samples * g.outputHeight * g.outputWidth
    // Few cells over very many pixels: slices of these keep a large GPU busy, and are the same on any.
    let wanted = max(1, min(2 * Self.manyBlocks / Self.cells(m, n), k / 64, 128))
    let kBlock = wholeSteps((k + wanted - 1) / wanted)
    let count = (k + kBlock - 1) / kBlock
    let width = loadWidth([x, y], [g.channels, g.outputChannels])
    let tile = choice.tiles(loadWidth: width).image(channels: n, isGradient: true)
    let ending = accumulate ? EpilogueArguments.accumulate : .none
    let target = count == 1 ? weightGradient : Tensor(try sliceBuffer(count * m * n), shape: [count * m * n])
    let (id, kernel) = try variant(
      .convolutionGradientTiles,
      .convolutionGradientTiles(TileProgram(tile: tile, loadWidth: width, mode: ending.mode)))
    var call = Call(id, kernel)
    call.add(x)
    call.add(y)
    call.add(target)
    add(g, samples, to: &call)
    call.add(kBlock)
    (count == 1 ? ending : .none).add(to: &call, c: target)
    try run(call, grid(tile, m, n, count))
    if count > 1 { try addSlices(target, count, into: weightGradient, m, n, ending) }
  }
}
