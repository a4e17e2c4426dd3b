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
    case .gpu: try product(.convolveTiles, x, weight, geometry, samples, into: y, ending)
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
    case .gpu: try product(.convolveTransposedTiles, y, weight, geometry, samples, into: x, ending)
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
      let (m, n, _) = extents(side == .small ? .convolveTiles : .convolveTransposedTiles, geometry, samples)
      return ((m + Self.lossCell - 1) / Self.lossCell) * ((n + Self.lossCell - 1) / Self.lossCell)
    }
  }

  /// Scratch memory of at least `count` floats, kept under `path`.
  private func reserve(_ path: WritableKeyPath<ConvolutionState, OpenCLBuffer?>, _ count: Int) throws -> OpenCLBuffer {
    if let buffer = convolutions[keyPath: path], buffer.count >= count { return buffer }
    let made = try allocate(count)
    convolutions[keyPath: path] = made
    return made
  }

  // MARK: - CPU devices

  private func correlate(
    _ mode: ConvolutionKey.Mode, _ x: Tensor<OpenCLBuffer>, _ weight: Tensor<OpenCLBuffer>,
    _ geometry: ConvolutionGeometry, _ samples: Int, into result: Tensor<OpenCLBuffer>, _ ending: EpilogueArguments
  ) throws {
    let plan = try convolutionPlan(mode, geometry, samples)
    var weights = weight
    if let packing = plan.other {
      weights = Tensor(try reserve(\.weights, plan.packedCount), shape: [plan.packedCount])
      var call = Call(packing.id, packing.kernel)
      call.add(weight)
      call.add(weights)
      call.add(plan.table)
      call.add(mode == .adjoint)
      try run(call, line(plan.otherItems))
    }
    var call = Call(plan.kernel.id, plan.kernel.kernel)
    call.add(x)
    call.add(weights)
    call.add(result)
    call.add(try reserve(\.scratch, plan.scratchCount))
    call.add(plan.table)
    ending.add(to: &call, c: result)
    try run(call, line(plan.items))
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

  private func gradientOnCPU(
    _ x: Tensor<OpenCLBuffer>, _ y: Tensor<OpenCLBuffer>, _ geometry: ConvolutionGeometry, _ samples: Int,
    _ weightGradient: Tensor<OpenCLBuffer>, _ biasGradient: Tensor<OpenCLBuffer>, _ delta: ConvolutionSide,
    _ accumulate: Bool, _ accumulateBias: Bool
  ) throws {
    let plan = try convolutionPlan(.gradient, geometry, samples)
    let slices = try reserve(\.slices, plan.slicesCount)
    var call = Call(plan.kernel.id, plan.kernel.kernel)
    call.add(x)
    call.add(y)
    call.add(slices)
    call.add(try reserve(\.scratch, plan.scratchCount))
    call.add(plan.table)
    call.add(delta == .large)
    try run(call, line(plan.items))

    guard let adding = plan.other else { return }
    let rows = geometry.kernelHeight * geometry.kernelWidth * geometry.channels
    let grid = items(rows, columns: geometry.outputChannels * plan.items)
    var second = Call(adding.id, adding.kernel)
    second.add(slices)
    second.add(weightGradient)
    second.add(biasGradient)
    second.add(plan.table)
    second.add(rows)
    second.add(grid.chunk)
    second.add(biasGradient.count)
    second.add(accumulate)
    second.add(accumulateBias)
    try run(second, grid)
  }

  // MARK: - GPUs

  /// The rows, columns and steps of the product that a mode is.
  private func extents(_ id: KernelID, _ g: ConvolutionGeometry, _ samples: Int) -> (m: Int, n: Int, k: Int) {
    let taps = g.kernelHeight * g.kernelWidth
    let pixels = samples * g.outputHeight * g.outputWidth
    switch id {
    case .convolveTiles: return (pixels, g.outputChannels, taps * g.channels)
    case .convolveTransposedTiles: return (samples * g.height * g.width, g.channels, taps * g.outputChannels)
    default: return (taps * g.channels, g.outputChannels, pixels)
    }
  }

  private func product(
    _ id: KernelID, _ a: Tensor<OpenCLBuffer>, _ b: Tensor<OpenCLBuffer>, _ g: ConvolutionGeometry, _ samples: Int,
    into c: Tensor<OpenCLBuffer>, _ ending: EpilogueArguments, kBlock: Int? = nil
  ) throws {
    let (m, n, k) = extents(id, g, samples)
    let kBlock = kBlock ?? k
    var call = try call(id)
    call.add(a)
    call.add(b)
    call.add(c)
    for number in [
      g.height, g.width, g.channels, g.outputHeight, g.outputWidth, g.outputChannels, g.kernelHeight, g.kernelWidth,
      g.strideHeight, g.strideWidth, g.dilationHeight, g.dilationWidth, g.top, g.left, m, n, k, kBlock,
    ] { call.add(number) }
    ending.add(to: &call, c: c)
    let (across, down) = ((n + Self.imageTile - 1) / Self.imageTile, (m + Self.imageTile - 1) / Self.imageTile)
    try run(call, Grid(groups: (across, down, (k + kBlock - 1) / kBlock), of: family.groups.tile))
  }

  private func gradientOnGPU(
    _ x: Tensor<OpenCLBuffer>, _ y: Tensor<OpenCLBuffer>, _ g: ConvolutionGeometry, _ samples: Int,
    _ weightGradient: Tensor<OpenCLBuffer>, _ accumulate: Bool
  ) throws {
    let (m, n, k) = extents(.convolutionGradientTiles, g, samples)
    // Few blocks over very many pixels: slices of these keep a large GPU busy, and are the same on any.
    let blocks = ((m + Self.imageTile - 1) / Self.imageTile) * ((n + Self.imageTile - 1) / Self.imageTile)
    let wanted = max(1, min(2 * Self.manyBlocks / blocks, k / 64, 128))
    let kBlock = wholeSteps((k + wanted - 1) / wanted)
    let count = (k + kBlock - 1) / kBlock
    if count == 1 {
      let ending = accumulate ? EpilogueArguments.accumulate : .none
      try product(.convolutionGradientTiles, x, y, g, samples, into: weightGradient, ending, kBlock: kBlock)
      return
    }
    let slices = Tensor(try reserve(\.slices, count * m * n), shape: [count * m * n])
    try product(.convolutionGradientTiles, x, y, g, samples, into: slices, .none, kBlock: kBlock)
    var second = try call(.convolutionSlices)
    second.add(slices)
    second.add(weightGradient)
    second.add(m * n)
    second.add(count)
    second.add(accumulate)
    try run(second, elements(m * n))
  }
}
