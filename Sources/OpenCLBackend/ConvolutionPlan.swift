import COpenCL
import CinchBackend

/// What a plan is for.
struct ConvolutionKey: Hashable {
  enum Mode: Hashable { case convolve, adjoint, gradient }

  var mode: Mode
  var geometry: ConvolutionGeometry
  var samples: Int
  /// Whether its epilogue is a loss.
  var losses = false
  /// Of the image between, where the op pools it.
  var pooling: PoolingGeometry?
}

/// How a CPU device computes a convolution or its adjoint of one geometry for one number of samples: the kernels, and the
/// integers that they read from device memory. See `Kernels/cpu/image.cl` for what those say.
struct CorrelationPlan {
  let table: OpenCLBuffer
  let kernel: (id: KernelID, kernel: cl_kernel?)
  /// Packs the weights into so many floats, by so many work-items; nil where they lie as the kernel wants them.
  let packing: (id: KernelID, kernel: cl_kernel?, items: Int, floats: Int)?
  /// Pieces of work, some bands each.
  let pieces: Int
  /// Work-items, each with scratch memory of its own, and the floats of all of it.
  let items: Int
  let scratch: Int
  /// Bands of all samples: each leaves a partial loss.
  let bands: Int
}

/// The same of the weights' gradient.
struct GradientPlan {
  let table: OpenCLBuffer
  let kernel: (id: KernelID, kernel: cl_kernel?)
  /// Adds up the slices.
  let adding: (id: KernelID, kernel: cl_kernel?)
  /// How many there are, and the floats of all of them.
  let slices: Int
  let floats: Int
  /// Pieces of work, a slice or a part of one each.
  let pieces: Int
  let items: Int
  let scratch: Int
}

extension OpenCLBackend {
  /// Results of fewer channels put pixels in the lanes.
  private var fewChannels: Int { vectorWidth / 2 }

  /// The lanes over channels: of 16, half leave none empty that 16 would not.
  private func channelLanes(_ channels: Int) -> Int {
    vectorWidth == 16 && channels <= fewChannels ? fewChannels : vectorWidth
  }

  /// Multiply-adds of an op that repay compiling kernels for its very shape: some microseconds of work.
  private static let fewSums = 1 << 20

  /// Steps that a turn of a tile's loop takes.
  private static let turnSteps = 4

  /// Bands that are enough for many cores, and the multiply-adds that are worth a band of its own.
  private static let manyBands = 64
  private static let bandSums = 1 << 18

  /// Slices of a weight gradient, at most, and the pixels that repay a slice: its sums are written, read and added up.
  private static let mostSlices = 128
  private static let slicePixels = 1024
  /// Sums of all slices together that are worth the memory.
  private static let sliceSums = 1 << 23
  /// Bands of a slice whose sums are added up plainly. Where it has more, it keeps what rounding takes from them.
  private static let plainBands = 256

  /// Floats of a band that stay in a core's caches beside the weights.
  private static let bandFloats = 16384

  func correlationPlan(_ key: ConvolutionKey) throws -> CorrelationPlan {
    try plan(\.correlations, key) {
      let job = job(key), outputs = job.outputs
      // An image that is strided through, on either side, is split or woven by phases: narrow vectors, more than half full,
      // beat that.
      let width = channelLanes(outputs)
      let strides = max(job.down.a, job.across.a, job.down.b, job.across.b) > 1
      return outputs <= fewChannels && !(strides && 2 * outputs > width)
        ? try planPlanes(job, key) : try planCorrelation(job, key, width: width)
    }
  }

  func gradientPlan(_ key: ConvolutionKey) throws -> GradientPlan {
    try plan(\.gradients, key) { try planGradient(job(key)) }
  }

  private func plan<Plan>(
    _ plans: WritableKeyPath<ConvolutionState, [ConvolutionKey: Plan]>, _ key: ConvolutionKey, _ make: () throws -> Plan
  ) throws -> Plan {
    if let plan = convolutions[keyPath: plans][key] { return plan }
    let plan = try make()
    // Queued kernels keep the tables that they read: OpenCL frees a buffer when they are through.
    if convolutions[keyPath: plans].count >= ConvolutionState.mostPlans { convolutions[keyPath: plans].removeAll() }
    convolutions[keyPath: plans][key] = plan
    return plan
  }

  /// Whether a convolution's channels fill vectors, in the lanes, and whole windows of a usual size tile its image: then
  /// its kernels pool it band by band, in scratch memory.
  func poolsBands(_ g: ConvolutionGeometry, _ pooling: PoolingGeometry) -> Bool {
    family == .cpu && g.outputChannels % vectorWidth == 0 && pooling.tiles
      && min(pooling.kernelHeight, pooling.kernelWidth) > 0 && max(pooling.kernelHeight, pooling.kernelWidth) <= 4
      && pooling.outputHeight <= pooling.height / pooling.kernelHeight
      && pooling.outputWidth <= pooling.width / pooling.kernelWidth
  }

  private func job(_ key: ConvolutionKey) -> CorrelationJob {
    let (g, samples, pooling) = (key.geometry, key.samples, key.pooling)
    let adjoint = key.mode == .adjoint
    let (down, across) = axes(g, adjoint: adjoint)
    let (inputs, outputs) = adjoint ? (g.outputChannels, g.channels) : (g.channels, g.outputChannels)
    let padWidth = across.padded(across.extent)
    // What is pooled is written and read again: it has half of the room.
    let floats = padWidth * inputs + (pooling == nil ? 0 : 2 * across.extent * outputs)
    let cut = cut(down, floats: floats, sums: sums(g), samples: samples, by: pooling?.kernelHeight ?? 1)
    return CorrelationJob(
      geometry: g, down: down, across: across, inputs: inputs, outputs: outputs, cut: cut, padWidth: padWidth,
      padHeight: down.padded(cut.band), small: samples * sums(g) < Self.fewSums, pooling: pooling)
  }

  /// A convolution or its adjoint with channels in the lanes.
  private func planCorrelation(_ job: CorrelationJob, _ key: ConvolutionKey, width: Int) throws -> CorrelationPlan {
    let packed = (job.outputs + width - 1) / width * width, wide = packed > width ? 2 : 1
    let image = job.image(width)
    let scratch = image + (job.pooling == nil ? 0 : job.cut.band * job.across.extent * job.outputs)
    let (chunk, pieces) = share(job.cut)
    let items = min(pieces, computeUnits)
    var table = job.table(packed: packed, scratch: scratch, chunk: chunk)
    table[.maps] = image
    let steps = table.addSteps(of: job)
    let (across, inputs) = (job.across, job.inputs)
    // Runs of equal, small length are worth kernels of their own.
    let run = inputs * (across.phases.first?.count ?? 0)
    let short = !job.small && across.phases.count == 1 && across.phases[0].eStep == 1 && 1...8 ~= run
    let module = available(
      .correlation(
        width: width, pixels: tilePixels(job, wide: wide), wide: wide, turnSteps: short ? run : Self.turnSteps,
        losses: key.losses, pools: job.window), for: job, key)
    guard case .correlation(_, let pixels, _, _, _, _) = module else { preconditionFailure("\(module)") }
    table.addCorners(of: job, pixels: pixels)
    return CorrelationPlan(
      table: try upload(table), kernel: try variant(.correlate, module),
      packing: try packing(job, key, steps: steps, packed: packed), pieces: pieces, items: items,
      scratch: items * scratch, bands: job.cut.units)
  }

  /// The same with pixels in the lanes, for few channels.
  private func planPlanes(_ job: CorrelationJob, _ key: ConvolutionKey) throws -> CorrelationPlan {
    let (down, across, inputs, outputs) = (job.down, job.across, job.inputs, job.outputs)
    // A power of two, so that kernels come in few variants.
    let packed = powerOfTwo(outputs)
    let planeWidth = (job.padWidth + across.a - 1) / across.a
    let plane = (job.padHeight + down.a - 1) / down.a * planeWidth + vectorWidth
    let lineVectors = (job.cut.band * planeWidth + vectorWidth - 1) / vectorWidth
    let woven = across.b * outputs
    let split = across.a > 1 ? 0 : inputs >= vectorWidth ? vectorWidth : dividesVector(inputs) ? inputs : 0
    let module = available(
      .correlationPlanes(
        outputs: packed, block: job.small ? 1 : planeBlock(lineVectors, outputs: packed),
        woven: dividesVector(woven) ? woven : 0, split: split), for: job, key)
    guard case .correlationPlanes(_, let block, _, _) = module else { preconditionFailure("\(module)") }
    let stage = ((lineVectors + block - 1) / block * block + 2) * vectorWidth
    let planes = down.a * across.a * inputs * plane
    // Both ends of the stage may be read beyond.
    let stages = (1 + down.b * across.b * outputs + packed) * stage
    let lines = (job.cut.band * down.b * across.output + vectorWidth * across.b) * outputs + vectorWidth
    let scratch = planes + stages + lines
    let (chunk, pieces) = share(job.cut)
    let items = min(pieces, computeUnits)
    var table = job.table(packed: packed, scratch: scratch, chunk: chunk)
    table[.plane] = plane
    table[.planeWidth] = planeWidth
    table[.stage] = stage
    table[.stageStart] = planes + stage
    table[.lineStart] = planes + stages
    let steps = table.addSteps(of: job)
    return CorrelationPlan(
      table: try upload(table), kernel: try variant(.correlatePlanes, module),
      packing: try packing(job, key, steps: steps, packed: packed), pieces: pieces, items: items,
      scratch: items * scratch, bands: job.cut.units)
  }

  /// The kernels that a convolution takes: `module`, or others that are there already and make the same, since compiling
  /// takes longer than many convolutions. Those that may end in a loss end in anything; where sums are few, any tile will do,
  /// but for a loss, which is added up tile by tile.
  private func available(_ module: Module, for job: CorrelationJob, _ key: ConvolutionKey) -> Module {
    for same in [module, module.withLosses] where modules.contains(same) { return same }
    guard job.small && !key.losses else { return module }
    let alike = [module.withAnyTile, module.withLosses.withAnyTile]
    return modules.filter { alike.contains($0.withAnyTile) }.max { $0.tile < $1.tile } ?? module
  }

  /// The gradient of the weights: runs of a window in groups, which a tile of sums takes several of.
  private func planGradient(_ job: CorrelationJob) throws -> GradientPlan {
    let (g, inputs) = (job.geometry, job.inputs), few = job.outputs <= fewChannels
    // Taps that never meet the image are left out; their gradient is 0.
    let (down, across) = (job.down.phases[0], job.across.phases[0])
    let (rows, columns) = (down.count, across.count)
    let joined = g.dilationWidth == 1 || columns == 1
    let runs = joined ? rows : rows * columns
    let runLength = joined ? columns * inputs : inputs
    let width = channelLanes(job.outputs), vectors = (job.outputs + width - 1) / width
    let tiled = target.gradientTile(runs: runs, run: runLength, vectors: vectors)
    let spread = target.gradientTile(runs: runs, run: runLength, few: powerOfTwo(job.outputs))
    // Outputs that fill narrow vectors need not lie in broadcasts, where runs would leave lanes empty.
    let byRuns = few && (job.outputs != width || spread.cost <= tiled.cost)
    let tile = byRuns ? spread : tiled
    let packed = byRuns ? powerOfTwo(job.outputs) : vectors * width
    let groups = tile.allGroups
    let image = job.image(vectorWidth)
    let scratch = image + job.cut.band * job.across.extent * packed + vectorWidth
    let sums = groups * tile.length * packed
    // Where sums are cut follows from the shape. Where slices are fewer than pieces, these share the tiles of a slice.
    let pixels = job.cut.samples * g.outputHeight * g.outputWidth
    let wanted = max(1, min(Self.mostSlices, job.cut.units, pixels / Self.slicePixels, Self.sliceSums / max(sums, 1)))
    let chunk = (job.cut.units + wanted - 1) / wanted
    let slices = (job.cut.units + chunk - 1) / chunk
    let errors = chunk > Self.plainBands ? sums : 0
    // The sums of δ's channels, and what rounding takes from them, come last.
    let slice = sums + errors + 2 * max(inputs, job.outputs)
    let tiles = groups / tile.groups * (byRuns ? 1 : (vectors + tile.wide - 1) / tile.wide)
    let parts = max(
      1, min((shares.imageGradients.pieces * computeUnits + slices - 1) / slices, tiles))
    let pieces = slices * parts, items = min(pieces, computeUnits)

    var table = job.table(packed: packed, scratch: scratch, chunk: chunk)
    table[.packedRows] = image
    table[.runGroups] = tile.runGroups
    table[.groups] = groups
    table[.groupLength] = tile.length
    table[.byRuns] = byRuns ? 1 : 0
    table[.slice] = slice
    table[.slices] = slices
    table[.parts] = parts
    table[.errors] = errors
    table[.joined] = joined ? 1 : 0
    (table[.firstTapY], table[.countY]) = (down.tap, rows)
    (table[.firstTapX], table[.countX]) = (across.tap, columns)
    table.add(
      (0..<groups).map { group in
        let run = group / tile.runGroups
        guard run < runs else { return 0 }
        let (u, v) = joined ? (run, 0) : (run / columns, run % columns)
        return (u * g.dilationHeight * job.padWidth + v * g.dilationWidth) * inputs + group % tile.runGroups
          * tile.length
      }, at: .groupList)

    let module =
      byRuns
      ? Module.gradientOfFew(outputs: packed)
      : .gradient(width: width, wide: tile.wide, length: tile.length, groups: tile.groups, pools: job.window)
    return GradientPlan(
      table: try upload(table), kernel: try variant(byRuns ? .gradientSlicesOfFew : .gradientSlices, module),
      adding: try variant(.sumSlices, .weights), slices: slices, floats: slices * slice, pieces: pieces, items: items,
      scratch: items * scratch)
  }

  private func upload(_ table: PlanTable) throws -> OpenCLBuffer {
    let bits = table.bits
    let buffer = try allocate(bits.count, isScratch: true)
    try bits.withUnsafeBufferPointer { try write($0, to: Tensor(buffer, shape: [$0.count])) }
    return buffer
  }

  /// What packs the weights; nil where they lie as the kernel wants them.
  private func packing(
    _ job: CorrelationJob, _ key: ConvolutionKey, steps: Int, packed: Int
  ) throws -> (id: KernelID, kernel: cl_kernel?, items: Int, floats: Int)? {
    let taps = job.geometry.kernelHeight * job.geometry.kernelWidth
    let whole = taps == job.down.phases[0].count * job.across.phases[0].count
    guard key.mode == .adjoint || packed != job.outputs || !whole else { return nil }
    let (id, kernel) = try variant(.packWeights, .weights)
    return (id, kernel, min(taps, 2 * computeUnits), max(steps, 1) * packed)
  }

  private func powerOfTwo(_ count: Int) -> Int {
    var power = 1
    while power < count { power *= 2 }
    return power
  }

  private func axes(_ g: ConvolutionGeometry, adjoint: Bool) -> (down: CorrelationAxis, across: CorrelationAxis) {
    (
      CorrelationAxis(
        large: g.height, small: g.outputHeight, kernel: g.kernelHeight, stride: g.strideHeight,
        dilation: g.dilationHeight, before: g.top, adjoint: adjoint),
      CorrelationAxis(
        large: g.width, small: g.outputWidth, kernel: g.kernelWidth, stride: g.strideWidth,
        dilation: g.dilationWidth, before: g.left, adjoint: adjoint)
    )
  }

  /// The bands of a convolution or its adjoint, each of which leaves a partial loss.
  func correlationBands(_ mode: ConvolutionKey.Mode, _ g: ConvolutionGeometry, _ samples: Int) -> Int {
    let key = ConvolutionKey(mode: mode, geometry: g, samples: samples, losses: true)
    if let plan = convolutions.correlations[key] { return plan.bands }
    let (down, across) = axes(g, adjoint: mode == .adjoint)
    let inputs = mode == .adjoint ? g.outputChannels : g.channels
    return cut(down, floats: across.padded(across.extent) * inputs, sums: sums(g), samples: samples).units
  }

  /// The multiply-adds of a sample.
  private func sums(_ g: ConvolutionGeometry) -> Int {
    g.outputHeight * g.outputWidth * g.kernelHeight * g.kernelWidth * g.channels * g.outputChannels
  }

  private func dividesVector(_ count: Int) -> Bool { vectorWidth % count == 0 }

  /// Bands of rows that fit a cache, and enough of them where samples are few: by shape alone, for sums of losses and of
  /// gradients end with them.
  ///
  /// - Parameter step: rows of which a band has a multiple, but for an image's last.
  private func cut(_ down: CorrelationAxis, floats: Int, sums: Int, samples: Int, by step: Int = 1) -> RowCut {
    let rows = Self.bandFloats / max(floats, 1)
    var band = max(1, min(down.extent, (rows - down.span - 1) / down.a + 1))
    let wanted = max(1, min((Self.manyBands + samples - 1) / samples, sums / Self.bandSums))
    band = min(band, (down.extent + wanted - 1) / wanted)
    let bands = (down.extent + band - 1) / band
    band = ((down.extent + bands - 1) / bands + step - 1) / step * step
    return RowCut(band: band, bands: (down.extent + band - 1) / band, samples: samples)
  }

  /// Bands of a piece, and pieces: some for each compute unit.
  private func share(_ cut: RowCut) -> (chunk: Int, pieces: Int) {
    let wanted = shares.images.pieces * computeUnits
    let chunk = (cut.units + wanted - 1) / wanted
    return (chunk, (cut.units + chunk - 1) / chunk)
  }

  /// The pixels of a register tile that cover a band soonest. Of 16 vector registers, sums leave some to weights and to the
  /// broadcast; of 32, more would leave no room for pointers.
  private func tilePixels(_ job: CorrelationJob, wide: Int) -> Int {
    let most = vectorWidth == 16 ? 12 : wide == 2 ? 6 : 10, count = job.cut.band * job.across.extent
    if job.small { return count >= 4 ? most : 1 }
    // Two FMAs a cycle, four cycles each: fewer than 8 sums leave gaps. A step costs some instructions besides.
    func cost(_ pixels: Int) -> Int { (count + pixels - 1) / pixels * (max(pixels * wide, 8) + 2) }
    return (1...min(count, most)).reversed().min { cost($0) < cost($1) }!
  }

  /// Vectors of pixels that meet each broadcast weight: as many as leave room for the sums, in blocks of one size.
  private func planeBlock(_ vectors: Int, outputs: Int) -> Int {
    let most = (vectorWidth == 16 ? [1: 10, 2: 8, 4: 5, 8: 3] : [1: 6, 2: 4, 4: 2])[outputs] ?? 1
    func cost(_ block: Int) -> Int { (vectors + block - 1) / block * (max(block * outputs, 8) + 2) }
    return (1...min(vectors, most)).reversed().min { cost($0) < cost($1) }!
  }
}

/// What convolutions keep: plans, and scratch memory that grows to what shapes need.
struct ConvolutionState {
  /// Far more than a step has: a layer has three. Only numbers of samples that go on changing get there.
  static let mostPlans = 256

  var correlations: [ConvolutionKey: CorrelationPlan] = [:]
  var gradients: [ConvolutionKey: GradientPlan] = [:]
  var scratch: OpenCLBuffer?
  var weights: OpenCLBuffer?
  var slices: OpenCLBuffer?
}
