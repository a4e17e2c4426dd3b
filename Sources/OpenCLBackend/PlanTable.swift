import CinchBackend

/// The integers of a plan that the CPU family's convolution kernels read from device memory.
enum PlanField: Int32, KernelCode {
  case inHeight, inWidth, inChannels, outHeight, outWidth, outChannels
  /// The strides of q in the input and in the result.
  case aY, aX, bY, bX
  /// Rows of q that a band has, bands of an image, and the extent of q.
  case band, bands, qHeight, qWidth
  /// The pixel at the padded band's corner is (row·a + firstY, firstX); its extent.
  case firstY, firstX, padHeight, padWidth
  /// Bands of a piece of work or slice, and of all; floats of scratch memory that a work-item has.
  case chunk, units, scratch
  /// Columns of the packed weights, and of taps.
  case packed, tapsX
  /// Planes: floats and columns of a plane; floats of a row of the stage; where in scratch memory the stage and the lines
  /// of the result begin.
  case plane, planeWidth, stage, stageStart, lineStart
  /// Where lists begin: phases along y and x; the first step in the packed weights of each pair of them; and of each phase along
  /// x where the list of a band's pixels begins.
  case phasesY, phasesX, steps, corners
  /// The weight gradient: where in scratch memory rows of y are packed; groups of a run and of all, neighbours of a group,
  /// and whether these are the lanes; floats of a slice, slices, and work-items that share one; how far behind sums lies
  /// what rounding takes from them, or 0; whether taps along x lie side by side; the first taps that meet the image, and
  /// how many do; the list of where groups begin.
  case packedRows, runGroups, groups, groupLength, byRuns, slice, slices, parts, errors, joined, firstTapY, countY,
    firstTapX, countX
  case groupList
  /// Of what is pooled: where in scratch memory the band is, and the extents of the small image.
  case maps, pooledHeight, pooledWidth
}

/// The integers of one phase in its list: how many taps there are, the first one's e − first, the step of e, the first
/// tap and the step.
enum PhaseField: Int32, KernelCode {
  case count, e, eStep, tap, tapStep
}

/// A plan's fields, and the lists that follow them.
struct PlanTable {
  private var numbers = [Int](repeating: 0, count: PlanField.allCases.count)

  subscript(field: PlanField) -> Int {
    get { numbers[Int(field.code)] }
    set { numbers[Int(field.code)] = newValue }
  }

  /// Appends a list; `field` says where it begins.
  mutating func add(_ list: [Int], at field: PlanField) {
    self[field] = numbers.count
    numbers += list
  }

  /// Appends the first step of each pair of phases in the packed weights, and returns how many steps there are.
  mutating func addSteps(of job: CorrelationJob) -> Int {
    var steps = 0
    var firsts: [Int] = []
    for y in job.down.phases {
      for x in job.across.phases {
        firsts.append(steps)
        steps += y.count * x.count * job.inputs
      }
    }
    add(firsts, at: .steps)
    return steps
  }

  /// Appends, for each phase along x, a band's pixels: for each the float at its corner in the padded band, and its own place in the
  /// result, counted from the band's first one of that phase. A tile may go on beyond the last pixel, which is then repeated.
  mutating func addCorners(of job: CorrelationJob, pixels: Int) {
    let (down, across) = (job.down, job.across)
    var starts: [Int: Int] = [:]
    let columns = across.phases.indices.map { (across.output - $0 + across.b - 1) / across.b }
    for count in columns where starts[count] == nil {
      starts[count] = numbers.count
      for pixel in 0..<job.cut.band * count + pixels - 1 {
        let (q, p) = min(pixel, job.cut.band * count - 1).quotientAndRemainder(dividingBy: count)
        numbers.append((q * down.a * job.padWidth + p * across.a) * job.inputs)
        numbers.append((q * down.b * across.output + p * across.b) * job.outputs)
      }
    }
    add(columns.map { starts[$0]! }, at: .corners)
  }

  /// As a buffer of floats holds them.
  var bits: [Float] { numbers.map { Float(bitPattern: UInt32(bitPattern: Int32(truncatingIfNeeded: $0))) } }
}

/// Bands of rows.
struct RowCut {
  var band: Int
  /// Bands of a sample.
  var bands: Int
  var samples: Int
  var units: Int { samples * bands }
}

/// What the planners of all modes start from.
struct CorrelationJob {
  var geometry: ConvolutionGeometry
  var down: CorrelationAxis
  var across: CorrelationAxis
  var inputs: Int
  var outputs: Int
  var cut: RowCut
  var padWidth: Int
  var padHeight: Int
  /// Too little work to compile kernels for this very shape.
  var small: Bool
  /// Of the result, where the op pools it.
  var pooling: PoolingGeometry?

  var window: PooledWindow? { pooling.map { PooledWindow(height: $0.kernelHeight, width: $0.kernelWidth) } }

  /// Floats of a padded band, whose end may be read beyond.
  func image(_ vectorWidth: Int) -> Int { padHeight * padWidth * inputs + 4 * vectorWidth }

  /// The fields that every mode has.
  func table(packed: Int, scratch: Int, chunk: Int) -> PlanTable {
    var table = PlanTable()
    (table[.inHeight], table[.inWidth], table[.inChannels]) = (down.input, across.input, inputs)
    (table[.outHeight], table[.outWidth], table[.outChannels]) = (down.output, across.output, outputs)
    (table[.aY], table[.aX], table[.bY], table[.bX]) = (down.a, across.a, down.b, across.b)
    (table[.band], table[.bands]) = (cut.band, cut.bands)
    (table[.qHeight], table[.qWidth]) = (down.extent, across.extent)
    (table[.firstY], table[.firstX]) = (down.first, across.first)
    (table[.padHeight], table[.padWidth]) = (padHeight, padWidth)
    (table[.chunk], table[.units], table[.scratch]) = (chunk, cut.units, scratch)
    (table[.packed], table[.tapsX]) = (packed, geometry.kernelWidth)
    if let pooling { (table[.pooledHeight], table[.pooledWidth]) = (pooling.outputHeight, pooling.outputWidth) }
    table.add(down.phaseList, at: .phasesY)
    table.add(across.phaseList, at: .phasesX)
    return table
  }
}

/// How a weight gradient cuts runs of neighbours into groups, some of which share a tile of sums.
struct GradientTile {
  /// Neighbours of a group, and groups of a tile.
  let length: Int
  let groups: Int
  /// Groups of a run.
  let runGroups: Int
  /// Of all runs, in whole tiles.
  let allGroups: Int
  /// Vectors of y's channels in a tile.
  let wide: Int
  /// A pixel's instructions in all tiles.
  let cost: Int

  /// - Parameters:
  ///   - inputs: numbers of x that a pixel of a tile takes.
  ///   - outputs: of y, each of which meets each of those.
  ///   - passes: over y's channels.
  init(
    runs: Int, run: Int, length: Int, groups: Int, wide: Int = 1, inputs: Int, outputs: Int, passes: Int = 1
  ) {
    self.length = length
    self.groups = groups
    self.wide = wide
    runGroups = (run + length - 1) / length
    let tiles = (runs * runGroups + groups - 1) / groups
    allGroups = tiles * groups
    // Two FMAs a cycle, four cycles each: fewer than 8 sums leave gaps.
    cost = passes * tiles * (max(inputs * outputs, 8) + inputs + outputs + 2)
  }
}

/// The taps that make the pixels q·b + r of a result from the pixels q·a + e of its input.
struct PhaseTaps {
  var count = 0
  var e = 0
  var eStep = 1
  var tap = 0
  var tapStep = 1
}

/// One axis of a correlation.
struct CorrelationAxis {
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
    let extent = (output + b - 1) / b
    self.extent = extent
    // A single q needs no strides, however large they are.
    if extent == 1 { (a, b) = (1, min(b, output)) }
    let (step, input, a) = (adjoint ? stride : 1, input, a)
    phases = (0..<b).map { r in
      // Taps that meet nothing but zeros for every q are left out: however far they reach, the copy of an image is little
      // larger than the image.
      let taps = (0..<kernel).map { (tap: $0, place: adjoint ? r + before - $0 * dilation : $0 * dilation - before) }
        .filter { $0.place % step == 0 }
        .map { (tap: $0.tap, e: $0.place / step) }
        .filter { $0.e < input && $0.e + (extent - 1) * a >= 0 }
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

  /// The phases as `PhaseField` orders them.
  var phaseList: [Int] {
    phases.flatMap { phase in
      PhaseField.allCases.map { field in
        switch field {
        case .count: phase.count
        case .e: phase.count == 0 ? 0 : phase.e - first
        case .eStep: phase.eStep
        case .tap: phase.tap
        case .tapStep: phase.tapStep
        }
      }
    }
  }
}
