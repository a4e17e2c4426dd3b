import COpenCL
import CinchBackend

/// Kernels that are built together, at the first use of any of them: start-up pays for what a model needs.
enum Module: Hashable {
  case matmul
  /// The GPU family's matmul and convolutions.
  case matmulTiles(TileProgram, transposeA: Bool, transposeB: Bool)
  case convolveTiles(TileProgram, transposed: Bool)
  case convolutionGradientTiles(TileProgram)
  /// What adds up their products in slices.
  case slices
  case elementwise, losses, reduction, gather, corruption, sampling, mixed, peak
  /// The update by one rule.
  case optimizer(OptimizerCode)
  /// The CPU family's convolutions, for vectors of so many channels and one register tile each, with losses or without.
  case correlation(width: Int, pixels: Int, wide: Int, turnSteps: Int, losses: Bool, pools: PooledWindow?)
  case correlationPlanes(outputs: Int, block: Int, woven: Int, split: Int)
  case gradient(width: Int, wide: Int, length: Int, groups: Int, pools: PooledWindow?)
  case gradientOfFew(outputs: Int)
  /// What packs a convolution's weights, and adds up the slices of their gradient.
  case weights
  /// Sums over a weight's taps.
  case taps
  /// Pooling by vectors of so many channels. A tile of 0 stands for windows that do not tile the image.
  case pooling(width: Int, tileHeight: Int, tileWidth: Int)
}

extension Module {
  /// The same, which may also end in a loss.
  var withLosses: Module {
    guard case .correlation(let width, let pixels, let wide, let turnSteps, _, let pools) = self else { return self }
    return .correlation(width: width, pixels: pixels, wide: wide, turnSteps: turnSteps, losses: true, pools: pools)
  }

  /// The size of a convolution's tile, and then what else two may differ in that differ in their tiles.
  var tile: (Int, Int, Int) {
    switch self {
    case .correlation(_, let pixels, _, let turnSteps, let losses, _): (pixels, turnSteps, losses ? 0 : 1)
    case .correlationPlanes(_, let block, _, _): (block, 0, 0)
    default: (0, 0, 0)
    }
  }

  /// What convolutions have in common that differ in their tiles alone.
  var withAnyTile: Module {
    switch self {
    case .correlation(let width, _, let wide, _, let losses, let pools):
      .correlation(width: width, pixels: 0, wide: wide, turnSteps: 0, losses: losses, pools: pools)
    case .correlationPlanes(let outputs, _, let woven, let split):
      .correlationPlanes(outputs: outputs, block: 0, woven: woven, split: split)
    default: self
    }
  }
}

/// A window that the kernel around it pools by.
struct PooledWindow: Hashable {
  var height: Int
  var width: Int
}

/// Every kernel. The raw value indexes `OpenCLBackend.kernels`.
enum KernelID: Int, CaseIterable {
  case matmul
  case matmulTiles, addSlices
  case fill, activateRows, activationGradient, reconstructionLoss, sampleLosses, softmaxLoss
  case optimizerStep
  case columnSums, klSparsity, contractive, rowSquares, sumPartials, total, clipScale
  case logVarianceGradient
  case gather, corrupt, gatherCorrupt, maskExactly, zeroBlocks
  case mixedOutput, mixedLoss
  case sample, sampleMeans, sampleGradient, priorDivergence
  case peak, stream
  case correlate, correlatePlanes, gradientSlices, gradientSlicesOfFew, sumSlices, packWeights
  case convolveTiles, convolutionGradientTiles
  case tapSums
  case maxPool, unpool, pickSwitches, poolSum, poolSpread

  var name: String {
    switch self {
    case .matmulTiles: "matmul"
    default: "\(self)"
    }
  }

  /// The module of a kernel that comes in one form. Others are compiled for what they are given: the caller names the
  /// module.
  var module: Module? {
    switch self {
    case .matmul: .matmul
    case .addSlices: .slices
    case .fill, .activateRows, .activationGradient: .elementwise
    case .reconstructionLoss, .sampleLosses, .softmaxLoss: .losses
    case .mixedOutput, .mixedLoss: .mixed
    case .columnSums, .klSparsity, .contractive, .rowSquares, .sumPartials, .total, .clipScale,
      .logVarianceGradient:
      .reduction
    case .gather: .gather
    case .corrupt, .gatherCorrupt, .maskExactly, .zeroBlocks: .corruption
    case .sample, .sampleMeans, .sampleGradient, .priorDivergence: .sampling
    case .peak, .stream: .peak
    case .packWeights, .sumSlices: .weights
    case .matmulTiles, .convolveTiles, .convolutionGradientTiles: nil
    case .optimizerStep: nil
    case .tapSums: .taps
    case .correlate, .correlatePlanes, .gradientSlices, .gradientSlicesOfFew: nil
    case .maxPool, .unpool, .pickSwitches, .poolSum, .poolSpread: nil
    }
  }
}

/// Kernels, made at first use.
struct KernelCache {
  /// Those of one form, by `KernelID`.
  private var single = [cl_kernel?](repeating: nil, count: KernelID.allCases.count)
  private var variants: [KernelKey: cl_kernel] = [:]

  subscript(id: KernelID) -> cl_kernel? {
    @inline(__always) get { single[id.rawValue] }
    set { single[id.rawValue] = newValue }
  }

  subscript(id: KernelID, module: Module) -> cl_kernel? {
    get { variants[KernelKey(id: id, module: module)] }
    set { variants[KernelKey(id: id, module: module)] = newValue }
  }

  func release() {
    for case let kernel? in single { clReleaseKernel(kernel) }
    for kernel in variants.values { clReleaseKernel(kernel) }
  }
}

/// OpenCL's calls may come from any thread.
struct Handle<Value>: @unchecked Sendable {
  let value: Value

  init(_ value: Value) { self.value = value }
}

extension KernelTarget {
  /// The files of a module, without their ending, in order.
  func sources(_ module: Module) -> [String] {
    (declaresBuiltins ? ["common/builtins"] : []) + ownSources(module)
  }

  private func ownSources(_ module: Module) -> [String] {
    let family = family.rawValue
    let functions = ["common/prelude", "common/functions"]
    let pooledBand = ["common/largest", "cpu/pooledBand"]
    func tiles(_ program: TileProgram) -> [String] {
      let operands = program.tile.lanes > 0 ? "gpu/subgroupTile" : "gpu/localTile"
      return functions + ["common/epilogue", "gpu/tile", operands, "gpu/copies", "gpu/ending"]
    }
    switch module {
    case .matmul: return functions + ["common/epilogue", "cpu/productTile", "cpu/productEnding", "cpu/matmul"]
    case .matmulTiles(let program, _, _): return tiles(program) + ["gpu/matmul"]
    case .convolveTiles(let program, _): return tiles(program) + ["gpu/image", "gpu/convolution"]
    case .convolutionGradientTiles(let program): return tiles(program) + ["gpu/image", "gpu/convolutionGradient"]
    case .slices: return functions + ["common/epilogue", "gpu/slices"]
    case .elementwise: return functions + ["common/memory", "common/activation"]
    case .losses: return functions + ["common/softmax", "common/loss"]
    case .optimizer: return ["common/prelude", "common/optimizer"]
    case .reduction: return functions + ["\(family)/reduction", "common/penalty"]
    case .gather: return functions + ["common/random", "common/samples", "common/gather"]
    case .corruption: return functions + ["common/random", "common/samples", "common/corruption"]
    case .sampling: return functions + ["common/random", "common/sampling"]
    case .mixed: return functions + ["common/softmax", "common/mixed"]
    case .peak: return ["common/prelude", "common/peak"]
    case .correlation:
      return functions + ["common/epilogue", "cpu/image", "cpu/imageEnding"] + pooledBand + ["cpu/convolution"]
    case .correlationPlanes:
      return functions + ["common/epilogue", "cpu/image", "cpu/imageEnding", "cpu/convolutionPlanes"]
    case .gradient, .gradientOfFew:
      return ["common/prelude", "cpu/image"] + pooledBand + ["cpu/convolutionGradient"]
    case .weights: return ["common/prelude", "cpu/image", "cpu/packing", "cpu/slices"]
    case .taps: return ["common/prelude", "common/taps"]
    case .pooling: return functions + ["common/largest", "common/pooling"]
    }
  }
}

/// Work-items of a kernel's group: as many as its source asks for, and as many as its registers and local memory leave room
/// for on a device. Nil where the driver does not say.
private func groupItems(_ kernel: cl_kernel, _ device: cl_device_id) -> (needed: Int, allowed: Int)? {
  let size = MemoryLayout<Int>.size
  var extents = [Int](repeating: 0, count: 3), allowed = 0
  let asked = cl_kernel_work_group_info(CL_KERNEL_COMPILE_WORK_GROUP_SIZE)
  let most = cl_kernel_work_group_info(CL_KERNEL_WORK_GROUP_SIZE)
  guard clGetKernelWorkGroupInfo(kernel, device, asked, 3 * size, &extents, nil) == CL_SUCCESS,
    clGetKernelWorkGroupInfo(kernel, device, most, size, &allowed, nil) == CL_SUCCESS, allowed > 0
  else { return nil }
  return (extents.reduce(1) { $0 &* $1 }, allowed)
}

extension OpenCLBackend {
  private func program(_ module: Module) throws -> cl_program {
    if let program = programs[module] {
      if ahead != nil { modules.insert(module) }
      return program
    }
    let program = try build(module, prefix: target.prefix(module))
    programs[module] = program
    modules.insert(module)
    return program
  }

  /// A program that the caller owns.
  func build(_ module: Module, prefix: String) throws -> cl_program {
    do {
      return try build(module, prefix: prefix, for: compiled)
    } catch  where !hasGivenUp {
      guard let plainer = compiled.plainer else { throw error }
      let program = try build(module, prefix: prefix, for: plainer)
      // A driver that refuses clang's builtins does so in every program; a declaration is one program's.
      if plainer.isPortable { compiled = plainer }
      return program
    }
  }

  /// The same without a second try, for a target that may differ from the device's own.
  func build(_ module: Module, prefix: String, for target: KernelTarget) throws -> cl_program {
    try requireAlive()
    if device.isPoCL { try Self.requireKernelRoom() }
    let text = target.text(module, prefix: prefix)
    var status = CL_SUCCESS
    let created = text.withCString { pointer in
      var pointer: UnsafePointer<CChar>? = pointer
      return clCreateProgramWithSource(context, 1, &pointer, nil, &status)
    }
    guard let program = created else { throw failure("making the program \(module)", status) }
    // Kept by the thread, should it be left behind.
    clRetainProgram(program)
    let handles = Handle((program, handle))
    let options = target.options
    let start = ContinuousClock.now
    let built = building {
      var device: cl_device_id? = handles.value.1
      return clBuildProgram(handles.value.0, 1, &device, options, nil, nil)
    }
    guard let status = built else {
      throw givenUp(on: "the kernels of \(target.sources(module).joined(separator: ", "))")
    }
    clReleaseProgram(program)
    if device.isPoCL, kernelListener == nil, .now - start > EmptyKernelCache.notice {
      kernelListener = EmptyKernelCache.listener()
      kernelListener?(kernelsBegun)
    }
    guard status == CL_SUCCESS else {
      let key = cl_program_build_info(CL_PROGRAM_BUILD_LOG)
      let log = Self.wholeText { clGetProgramBuildInfo(program, handle, key, $0, $1, $2) }
      clReleaseProgram(program)
      throw BackendError.build(
        of: target.sources(module).joined(separator: ", "), on: deviceText, version: device.version, options: options,
        status, log: log)
    }
    return program
  }

  /// A kernel of one form; nil where it is left out, as in all that follow.
  func makeKernel(_ id: KernelID) throws -> cl_kernel? {
    guard let module = id.module else { preconditionFailure("\(id.name) comes in variants: name its module") }
    let kernel = try makeKernel(id, in: module)
    kernels[id] = kernel
    return kernel
  }

  /// A kernel as one module has it.
  func variant(_ id: KernelID, _ module: Module) throws -> (id: KernelID, kernel: cl_kernel?) {
    if let kernel = kernels[id, module] {
      if ahead != nil { modules.insert(module) }
      return (id, kernel)
    }
    let kernel = try makeKernel(id, in: module)
    kernels[id, module] = kernel
    return (id, kernel)
  }

  private func makeKernel(_ id: KernelID, in module: Module) throws -> cl_kernel? {
    if ahead?.makes(KernelKey(id: id, module: module)) == false {
      modules.insert(module)
      return nil
    }
    kernelsBegun += 1
    kernelListener?(1)
    // A kernel that nobody waits for any more is still being compiled: another would be, too, beside it.
    try requireAlive()
    // Some drivers compile here.
    let handles = Handle((try program(module), handle))
    let made = building {
      var status = CL_SUCCESS
      let kernel = clCreateKernel(handles.value.0, id.name, &status)
      return Handle((kernel, status, kernel.flatMap { groupItems($0, handles.value.1) }))
    }
    guard let made else { throw givenUp(on: "the kernel \(id.name)") }
    guard let kernel = made.value.0 else { throw failure("making the kernel \(id.name)", made.value.1) }
    if let items = made.value.2, items.needed > items.allowed {
      clReleaseKernel(kernel)
      throw BackendError.smallGroups(of: id.name, on: deviceText, needed: items.needed, allowed: items.allowed)
    }
    ahead?.add(kernel)
    return kernel
  }

  /// Waits for the driver to compile something, as long as that may take; nil where it takes longer. Somebody is told where
  /// all of its compiling together takes long: a model has many kernels of half a second each.
  func building<Result: Sendable>(_ body: @escaping @Sendable () -> Result) -> Result? {
    let start = ContinuousClock.now
    defer { buildTime += .now - start }
    return BuildLimit.run(notice: max(.zero, BuildLimit.notice - buildTime), onNotice: tellOnce, body)
  }

  /// Somebody is told once that this device's driver takes long.
  private func tellOnce() {
    guard !hasTold else { return }
    hasTold = true
    BuildLimit.tell(device.name)
  }

  /// What is queued behind a kernel that was given up would never run.
  @inline(__always)
  func requireAlive() throws { if hasGivenUp { throw givenUp(on: "kernels") } }

  /// The driver did not come to an end with compiling something.
  func givenUp(on what: String) -> BackendError {
    hasGivenUp = true
    return .unavailable(
      "\(deviceText) has been compiling \(what) for longer than \(BuildLimit.limit) and was given up: use "
        + "another device, or give it more time with CINCH_COMPILE_LIMIT=SECONDS.")
  }
}
