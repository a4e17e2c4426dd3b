import COpenCL
import CinchBackend

/// What a plan is for.
struct ConvolutionKey: Hashable {
  enum Mode: Hashable { case convolve, adjoint, gradient }

  var mode: Mode
  var geometry: ConvolutionGeometry
  var samples: Int
}

/// How a CPU device computes one mode of one geometry for one number of samples: the kernels, and the integers that
/// they read from device memory. See `Kernels/cpu/image.cl` for what those say.
struct ConvolutionPlan {
  let table: OpenCLBuffer
  let kernel: (id: KernelID, kernel: cl_kernel)
  /// Packs the weights, or adds the slices of a gradient. Weights that lie as the kernel wants them need none.
  let other: (id: KernelID, kernel: cl_kernel)?
  /// Work-items, and those of the other kernel.
  let items: Int
  let otherItems: Int
  let packedCount: Int
  let slicesCount: Int
  let scratchCount: Int
}

/// The taps that make the pixels q·b + r of a result from the pixels q·a + e of its input.
private struct PhaseTaps {
  var count = 0
  var e = 0
  var eStep = 1
  var tap = 0
  var tapStep = 1
}

/// One axis of a correlation.
private struct CorrelationAxis {
  var input: Int
  var output: Int
  /// The strides of q in the input and in the result.
  var a: Int
  var b: Int
  /// How far q runs.
  var extent: Int
  var phases: [PhaseTaps]
  /// The least e, and how far the greatest is from it.
  var first: Int
  var span: Int

  init(large: Int, small: Int, kernel: Int, stride: Int, dilation: Int, before: Int, adjoint: Bool) {
    a = adjoint ? 1 : stride
    b = adjoint ? stride : 1
    (input, output) = adjoint ? (small, large) : (large, small)
    extent = (output + b - 1) / b
    let step = adjoint ? stride : 1
    phases = (0..<step).map { r in
      let taps = (0..<kernel).map { (tap: $0, place: adjoint ? r + before - $0 * dilation : $0 * dilation - before) }
        .filter { $0.place % step == 0 }
        .map { (tap: $0.tap, e: $0.place / step) }
        .sorted { $0.e < $1.e }
      guard let start = taps.first else { return PhaseTaps() }
      guard taps.count > 1 else { return PhaseTaps(count: 1, e: start.e, tap: start.tap) }
      return PhaseTaps(
        count: taps.count, e: start.e, eStep: taps[1].e - start.e, tap: start.tap, tapStep: taps[1].tap - start.tap)
    }
    let used = phases.filter { $0.count > 0 }
    let first = used.map(\.e).min() ?? 0
    self.first = first
    span = (used.map { $0.e + ($0.count - 1) * $0.eStep }.max() ?? 0) - first
  }

  /// The pixels of the padded input that `count` values of q reach.
  func padded(_ count: Int) -> Int { (count - 1) * a + span + 1 }
}

extension OpenCLBackend {
  /// Results of fewer channels put pixels in the lanes.
  private var fewChannels: Int { vectorWidth / 2 }

  /// Multiply-adds of an op that repay compiling kernels for its very shape: some microseconds of work.
  private static let fewSums = 1 << 20

  /// Floats of a band that stay in a core's caches beside the weights.
  private static let bandFloats = 16384

  func convolutionPlan(_ mode: ConvolutionKey.Mode, _ geometry: ConvolutionGeometry, _ samples: Int) throws
    -> ConvolutionPlan
  {
    let key = ConvolutionKey(mode: mode, geometry: geometry, samples: samples)
    if let plan = convolutions.plans[key] { return plan }
    let plan = try makePlan(mode, geometry, samples)
    // Queued kernels keep the tables that they read: OpenCL frees a buffer when they are through.
    if convolutions.plans.count >= ConvolutionState.mostPlans { convolutions.plans.removeAll() }
    convolutions.plans[key] = plan
    return plan
  }

  private func makePlan(_ mode: ConvolutionKey.Mode, _ g: ConvolutionGeometry, _ samples: Int) throws
    -> ConvolutionPlan
  {
    let adjoint = mode == .adjoint
    let (down, across) = axes(g, adjoint: adjoint)
    let (inputs, outputs) = adjoint ? (g.outputChannels, g.channels) : (g.channels, g.outputChannels)
    let few = outputs <= fewChannels
    let padWidth = across.padded(across.extent)
    let cut = cut(down, floats: padWidth * inputs, samples: samples)
    let taps = g.kernelHeight * g.kernelWidth * g.channels * g.outputChannels
    let small = samples * g.outputHeight * g.outputWidth * taps < Self.fewSums
    let padHeight = down.padded(cut.band)

    // Power of two for few channels, so that their kernels come in few variants; whole vectors for others.
    var power = 1
    while power < outputs { power *= 2 }
    let packed = few ? power : (outputs + vectorWidth - 1) / vectorWidth * vectorWidth
    let wide = vectorWidth == 16 && packed > vectorWidth || mode != .gradient && packed > vectorWidth ? 2 : 1

    let planeWidth = (padWidth + across.a - 1) / across.a
    let plane = (padHeight + down.a - 1) / down.a * planeWidth + vectorWidth
    let lineVectors = (cut.band * planeWidth + vectorWidth - 1) / vectorWidth
    let block = small ? 1 : planeBlock(lineVectors, outputs: packed)
    let stage = ((lineVectors + block - 1) / block * block + 2) * vectorWidth
    let image = padHeight * padWidth * inputs + 4 * vectorWidth

    // The runs of a window, for the weight gradient.
    let joined = g.dilationWidth == 1 || g.kernelWidth == 1
    let runs = joined ? g.kernelHeight : g.kernelHeight * g.kernelWidth
    let runLength = joined ? g.kernelWidth * inputs : inputs
    let groupLength = few ? vectorWidth : 3
    let runGroups = (runLength + groupLength - 1) / groupLength
    let tileGroups = few ? tileVectors(packed) : 4
    let groups = (runs * runGroups + tileGroups - 1) / tileGroups * tileGroups

    let scratch: Int
    var slice = 0
    switch mode {
    case .gradient:
      scratch = image + cut.band * across.extent * packed + vectorWidth
      slice = groups * groupLength * packed + max(inputs, outputs)
    default:
      scratch =
        few
        ? down.a * across.a * inputs * plane + (1 + down.b * across.b * outputs + packed) * stage
          + (cut.band * down.b * across.output + vectorWidth * across.b) * outputs + vectorWidth
        : image
    }

    var numbers = [
      down.input, across.input, inputs, down.output, across.output, outputs, down.a, across.a, down.b, across.b,
      cut.band, cut.bands, down.extent, across.extent, down.first, across.first, padHeight, padWidth,
      cut.chunk, cut.units, scratch, packed, g.kernelWidth, mode == .gradient ? image : plane, planeWidth, stage,
    ]
    // The lists follow the numbers: phases, steps, groups.
    let header = numbers.count + 11
    let phasesAt = (header, header + 5 * down.phases.count)
    let stepsAt = phasesAt.1 + 5 * across.phases.count
    numbers += [
      phasesAt.0, phasesAt.1, stepsAt, runs, runLength, runGroups, groups, slice,
      stepsAt + down.phases.count * across.phases.count, joined ? 1 : 0, cut.items,
    ]
    for (axis, first) in [(down, down.first), (across, across.first)] {
      for phase in axis.phases {
        numbers += [phase.count, phase.count == 0 ? 0 : phase.e - first, phase.eStep, phase.tap, phase.tapStep]
      }
    }
    var steps = 0
    for y in down.phases {
      for x in across.phases {
        numbers.append(steps)
        steps += y.count * x.count * inputs
      }
    }
    if mode == .gradient {
      for group in 0..<groups {
        let run = group / runGroups
        guard run < runs else {
          numbers.append(0)
          continue
        }
        let (u, v) = joined ? (run, 0) : (run / g.kernelWidth, run % g.kernelWidth)
        numbers.append(
          (u * g.dilationHeight * padWidth + v * g.dilationWidth) * inputs + group % runGroups * groupLength)
      }
    }

    let table = try allocate(numbers.count)
    let bits = numbers.map { Float(bitPattern: UInt32(bitPattern: Int32(truncatingIfNeeded: $0))) }
    try bits.withUnsafeBufferPointer { try write($0, to: Tensor(table, shape: [$0.count])) }

    let kernel: (KernelID, cl_kernel)
    var other: (KernelID, cl_kernel)?
    var otherItems = 0
    if mode == .gradient {
      let module = few ? Module.gradientOfFew(outputs: packed) : .gradient(wide: wide)
      kernel = try variant(few ? .gradientSlicesOfFew : .gradientSlices, module)
      other = try variant(.sumSlices, module)
    } else if few {
      let woven = across.b * outputs
      let module = Module.correlationPlanes(
        outputs: packed, block: block, woven: dividesVector(woven) ? woven : 0,
        split: across.a > 1 ? 0 : inputs >= vectorWidth ? vectorWidth : dividesVector(inputs) ? inputs : 0)
      kernel = try variant(.correlatePlanes, module)
    } else {
      let tile =
        small
        ? (rows: 1, pixels: across.extent >= 4 ? 4 : 1)
        : registerTile(down: cut.band, across: across.extent, wide: wide)
      // Runs of equal, small length are worth kernels of their own.
      let run = inputs * (across.phases.first?.count ?? 0)
      let short = !small && across.phases.count == 1 && across.phases[0].eStep == 1 && run <= 8
      let module = Module.correlation(
        rows: tile.rows, pixels: tile.pixels, wide: wide, run: short ? run : 0, step: small ? 0 : across.a * inputs)
      kernel = try variant(.correlate, module)
    }
    if mode != .gradient && (adjoint || packed != outputs) {
      other = try variant(.packWeights, .convolutionPacking)
      otherItems = min(g.kernelHeight * g.kernelWidth, 2 * device.computeUnits)
    }
    return ConvolutionPlan(
      table: table, kernel: kernel, other: other, items: cut.items, otherItems: otherItems,
      packedCount: max(steps, 1) * packed, slicesCount: cut.items * slice, scratchCount: cut.items * scratch)
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

  /// The work-items of a convolution or its adjoint, each of which leaves a partial loss.
  func correlationItems(_ mode: ConvolutionKey.Mode, _ g: ConvolutionGeometry, _ samples: Int) -> Int {
    if let plan = convolutions.plans[ConvolutionKey(mode: mode, geometry: g, samples: samples)] { return plan.items }
    let (down, across) = axes(g, adjoint: mode == .adjoint)
    let inputs = mode == .adjoint ? g.outputChannels : g.channels
    return cut(down, floats: across.padded(across.extent) * inputs, samples: samples).items
  }

  private func dividesVector(_ count: Int) -> Bool { vectorWidth % count == 0 }

  private struct Cut {
    var band: Int
    var bands: Int
    var units: Int
    var chunk: Int
    var items: Int
  }

  /// Bands of rows that fit a cache, dealt to a few work-items for each compute unit.
  private func cut(_ down: CorrelationAxis, floats: Int, samples: Int) -> Cut {
    let rows = Self.bandFloats / max(floats, 1)
    var band = max(1, min(down.extent, (rows - down.span - 1) / down.a + 1))
    let wanted = (4 * device.computeUnits + samples - 1) / samples
    band = min(band, (down.extent + wanted - 1) / wanted)
    let bands = (down.extent + band - 1) / band
    band = (down.extent + bands - 1) / bands
    let units = samples * ((down.extent + band - 1) / band)
    let chunk = (units + 8 * device.computeUnits - 1) / (8 * device.computeUnits)
    return Cut(
      band: band, bands: (down.extent + band - 1) / band, units: units, chunk: chunk,
      items: (units + chunk - 1) / chunk)
  }

  /// The rows and pixels of the register tile that covers a band soonest.
  private func registerTile(down: Int, across: Int, wide: Int) -> (rows: Int, pixels: Int) {
    // Of 32 vector registers one is the broadcast and some are weights; of 16 fewer remain.
    let most = vectorWidth == 16 ? (wide == 2 ? 14 : 24) : (wide == 2 ? 6 : 12)
    var best = (rows: 1, pixels: 1)
    var bestCost = Double.infinity
    for pixels in 1...min(across, most) {
      for rows in 1...min(down, 3) where rows * pixels <= most {
        let tiles = ((down + rows - 1) / rows) * ((across + pixels - 1) / pixels)
        // Two FMAs a cycle, four cycles each: fewer than 8 sums leave gaps. A step costs some instructions besides.
        let cost = Double(tiles) * (Double(max(rows * pixels * wide, 8)) + 2)
        if cost < bestCost * 0.999 { (best, bestCost) = ((rows, pixels), cost) }
      }
    }
    return best
  }

  /// Vectors of pixels that meet each broadcast weight: as many as leave room for the sums, in blocks of one size.
  private func planeBlock(_ vectors: Int, outputs: Int) -> Int {
    let most = (vectorWidth == 16 ? [1: 10, 2: 8, 4: 5, 8: 3] : [1: 6, 2: 4, 4: 2])[outputs] ?? 1
    func cost(_ block: Int) -> Int { (vectors + block - 1) / block * (max(block * outputs, 8) + 2) }
    return (1...min(vectors, most)).reversed().min { cost($0) < cost($1) }!
  }

  /// Vectors of a gradient's tile for few channels; the kernel's VECTORS.
  private func tileVectors(_ outputs: Int) -> Int {
    if vectorWidth < 16 { return outputs == 4 ? 2 : outputs == 2 ? 4 : 6 }
    return outputs == 8 ? 3 : outputs == 4 ? 5 : 6
  }
}

/// What convolutions keep: plans, and scratch memory that grows to what shapes need.
struct ConvolutionState {
  /// Far more than a step has: a layer has three. Only numbers of samples that go on changing get there.
  static let mostPlans = 256

  var plans: [ConvolutionKey: ConvolutionPlan] = [:]
  var scratch: OpenCLBuffer?
  var weights: OpenCLBuffer?
  var slices: OpenCLBuffer?
}
