import COpenCL
import CinchBackend

/// The arguments of one launch, set in order. A value type without storage of its own: a launch costs
/// the driver's calls and little more.
struct Call {
  let id: KernelID
  /// Nil where the launch is left out; see `compileBackwards`.
  let kernel: cl_kernel?
  private(set) var index: cl_uint = 0
  /// The first error; later arguments leave it.
  private(set) var status: cl_int = 0
  /// Whether a tensor reached beyond its buffer, or a number beyond 32 bits.
  private(set) var overrun = false

  init(_ id: KernelID, _ kernel: cl_kernel?) {
    self.id = id
    self.kernel = kernel
  }

  @inline(__always)
  private mutating func set<T: BitwiseCopyable>(_ value: T) {
    guard let kernel else { return }
    let code = withUnsafePointer(to: value) { clSetKernelArg(kernel, index, MemoryLayout<T>.size, $0) }
    if code != 0 && status == 0 { status = code }
    index += 1
  }

  /// A buffer and the index of the tensor's first element.
  @inline(__always)
  mutating func add(_ tensor: Tensor<OpenCLBuffer>) {
    if !tensor.lies(within: tensor.buffer.count) { overrun = true }
    set(tensor.buffer.memory)
    set(cl_ulong(truncatingIfNeeded: tensor.offset))
  }

  /// A buffer of the backend's own, which a kernel has whole.
  @inline(__always) mutating func add(whole buffer: OpenCLBuffer) { set(buffer.memory) }
  @inline(__always) mutating func add(_ value: Int) {
    if cl_int(exactly: value) == nil { overrun = true }
    set(cl_int(truncatingIfNeeded: value))
  }
  @inline(__always) mutating func add(_ value: Int32) { set(value) }
  @inline(__always) mutating func add(_ value: Bool) { set(cl_int(value ? 1 : 0)) }
  @inline(__always) mutating func add(long value: Int) { set(cl_long(value)) }
  @inline(__always) mutating func add(_ value: UInt32) { set(value) }
  @inline(__always) mutating func add(_ value: Float) { set(value) }
  @inline(__always) mutating func add(_ value: Double) { set(Float(value)) }
  @inline(__always) mutating func add(_ value: SIMD2<UInt32>) { set(value) }
  @inline(__always) mutating func add(_ value: SIMD4<UInt32>) { set(value) }
  @inline(__always) mutating func add(_ value: SIMD4<Int32>) { set(value) }
  @inline(__always) mutating func add(_ value: SIMD4<Float>) { set(value) }
}

/// How a kernel's work is dealt out.
struct Grid {
  var global: (Int, Int, Int)
  var local: (Int, Int, Int)
  /// What one work-item of the CPU family takes.
  var chunk = 0
  /// Pieces of work that the work-items take one after the other; 0 where each has its own.
  var pieces = 0

  /// So many work-groups of one size.
  init(groups: (Int, Int, Int), of local: (Int, Int, Int), chunk: Int = 0) {
    global = (groups.0 * local.0, groups.1 * local.1, groups.2 * local.2)
    self.local = local
    self.chunk = chunk
  }

  /// The number of work-groups of a one-dimensional grid.
  var groups: Int { global.0 / local.0 }
}

extension OpenCLBackend {
  @inline(__always)
  func call(_ id: KernelID) throws -> Call {
    if let kernel = kernels[id] { return Call(id, kernel) }
    return Call(id, try makeKernel(id))
  }

  /// Queues a kernel whose arguments are set.
  @inline(__always)
  func run(_ call: Call, _ grid: Grid) throws {
    try requireAlive()
    if call.overrun {
      throw BackendError.invalidArgument(
        "A tensor given to \(call.id.name) reaches beyond its buffer, or has more rows or columns than 2³¹ - 1.")
    }
    guard let kernel = call.kernel, ahead == nil || ahead?.launches(kernel) == true else { return }
    var status = call.status
    var event: cl_event?
    if status == 0 {
      var global = grid.global
      var local = grid.local
      status = withUnsafePointer(to: &global) { global in
        withUnsafePointer(to: &local) { local in
          global.withMemoryRebound(to: Int.self, capacity: 3) { global in
            local.withMemoryRebound(to: Int.self, capacity: 3) { local in
              // An event per launch costs time, so it is only asked for where someone looks.
              isProfiling
                ? clEnqueueNDRangeKernel(queue, kernel, 3, nil, global, local, 0, nil, &event)
                : clEnqueueNDRangeKernel(queue, kernel, 3, nil, global, local, 0, nil, nil)
            }
          }
        }
      }
    }
    if status != 0 { throw failure("launching the kernel \(call.id.name) on \(grid.global)", status) }
    counters.launches += 1
    if let event { profile.append(TimedCommand(name: call.id.name, grid: grid, event: event)) }
    unflushed += 1
    if unflushed == Self.launchesOfFlush { try flush() }
    if compilesLate { try awaitFirst(kernel, call.id.name) }
  }

  /// Launches that wait for one another to be handed over.
  static let launchesOfFlush = 16

  /// Hands the queue's launches to the device, which begins: some drivers, such as Mesa's and clvk, keep them until somebody
  /// waits, and a chunk of updates is many launches.
  private func flush() throws {
    unflushed = 0
    let status = clFlush(queue)
    if status != CL_SUCCESS { throw failure("handing kernels to the device", status) }
  }

  /// Waits for the first launch of a kernel where the driver compiles only then, as long as compiling may take.
  private func awaitFirst(_ kernel: cl_kernel, _ name: String) throws {
    guard launched.insert(kernel).inserted else { return }
    let queue = Handle(queue)
    let status = building { clFinish(queue.value) }
    guard let status else { throw givenUp(on: "the kernel \(name)") }
    if status != CL_SUCCESS { throw failure("running the kernel \(name)", status) }
  }

  /// Elements that make a work-item of the CPU family worth its while.
  static let smallestChunk = 4096

  /// A grid over `count` elements, walked by vectors. `group` is what a chunk must be a multiple of.
  func elements(_ count: Int, multiple group: Int = 64, pieces limit: Int? = nil) -> Grid {
    switch family {
    case .cpu:
      let pieces = limit ?? shares.elements.pieces * computeUnits
      let share = max((count + pieces - 1) / pieces, limit == nil ? shares.elements.least : 1)
      let chunk = (share + group - 1) / group * group
      return line((count + chunk - 1) / chunk, chunk: chunk)
    case .gpu:
      let size = family.groups.line.0
      return line(max(min((count + size - 1) / size, limit ?? shares.elements.pieces * computeUnits), 1))
    }
  }

  /// So many work-groups one after the other.
  func line(_ groups: Int, chunk: Int = 0) -> Grid {
    Grid(groups: (groups, 1, 1), of: family.groups.line, chunk: chunk)
  }

  /// The number of the next piece of work, of the work-items that are through, and of the pieces that others wait for, as
  /// `FOR_PIECES` has them: zeros between kernels.
  func pieceCounter() throws -> OpenCLBuffer {
    if let counter { return counter }
    let made = try allocate(3, isScratch: true)
    counter = made
    return made
  }

  /// A work-item for each compute unit, which take so many pieces of work.
  func takers(of pieces: Int) -> Grid { takers(of: pieces, items: min(pieces, computeUnits)) }

  /// So many work-items that do.
  func takers(of pieces: Int, items: Int) -> Grid {
    var grid = line(max(1, items))
    grid.pieces = pieces
    return grid
  }

  /// Rows of a CPU work-item that handles whole rows.
  private func rowChunk(_ rows: Int, _ columns: Int, multiple: Int) -> Int {
    let pieces = shares.elements.pieces * computeUnits
    let share = max((rows + pieces - 1) / pieces, shares.elements.least / max(columns, 1), 1)
    return min((share + multiple - 1) / multiple * multiple, (rows + multiple - 1) / multiple * multiple)
  }

  /// A grid of rows for kernels whose work-items take a row each.
  func items(_ rows: Int, columns: Int, multiple: Int = 1) -> Grid {
    guard family == .cpu else { return elements(rows) }
    let chunk = rowChunk(rows, columns, multiple: multiple)
    return line((rows + chunk - 1) / chunk, chunk: chunk)
  }

  /// A grid for kernels that give each row to a work-item of the CPU family, or to a work-group of the GPU's.
  func rowGroups(_ rows: Int, columns: Int) -> Grid { family == .cpu ? items(rows, columns: columns) : line(rows) }

  /// A two-dimensional grid of columns by rows.
  func matrix(_ rows: Int, _ columns: Int) -> Grid {
    let size = family.groups.matrix
    switch family {
    case .cpu:
      let chunk = rowChunk(rows, columns, multiple: 1)
      return Grid(groups: (1, (rows + chunk - 1) / chunk, 1), of: size, chunk: chunk)
    case .gpu:
      let (across, down) = ((columns + size.0 - 1) / size.0, (rows + size.1 - 1) / size.1)
      return Grid(groups: (min(across, 64), min(down, 8192), 1), of: size)
    }
  }

  /// A grid for kernels that reduce columns: work-items of the CPU family take a vector of them each, or with few rows as
  /// many vectors as make one worth its while.
  func columnBlocks(_ columns: Int, rows: Int = .max) -> Grid {
    let size = family.groups.columns
    guard family == .cpu else { return Grid(groups: ((columns + size.0 - 1) / size.0, 1, 1), of: size) }
    let chunk = max(Self.smallestChunk / max(rows, 1) / vectorWidth, 1) * vectorWidth
    return Grid(groups: ((columns + chunk - 1) / chunk, 1, 1), of: size, chunk: chunk)
  }
}
