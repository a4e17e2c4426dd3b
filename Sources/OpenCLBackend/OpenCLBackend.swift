import COpenCL
import CinchBackend
import FoundationEssentials
import Glibc

/// Any OpenCL 1.2 device: one context, one in-order queue, and a kernel family for CPUs or GPUs.
public final class OpenCLBackend: Backend {
  public typealias Scalar = Float
  public typealias Buffer = OpenCLBuffer

  public let device: OpenCLDevice
  public let info: DeviceInfo
  public internal(set) var counters = BackendCounters()

  let context: cl_context
  let queue: cl_command_queue
  let handle: cl_device_id
  let account: MemoryAccount
  let target: KernelTarget
  /// What programs are compiled for: `target`, as far as the driver takes it.
  var compiled: KernelTarget
  /// Which of the GPU family's kernels run: what is shipped, and that with what was chosen by measuring. No result
  /// depends on it.
  let shippedChoice: GPUChoice
  var choice: GPUChoice
  /// How work is dealt out, likewise.
  var shares: WorkShares
  /// What `adopt` was given.
  package internal(set) var tuning = Tuning()
  /// How many pieces of work keep the device busy. It decides how work is dealt out, and never where a sum is cut: so one
  /// family's sums come out alike on any number of cores. Tests change it.
  var computeUnits: Int

  var kernels = KernelCache()
  /// Launches since the queue was flushed last.
  var unflushed = 0
  /// Whether the driver compiles at a kernel's first launch: asked of the device's names once, not at every launch.
  let compilesLate: Bool
  /// Kernels that have run, where it does.
  var launched: Set<cl_kernel> = []
  /// Whether a thread still waits for the driver, which must then keep what it has.
  var hasGivenUp = false
  var hasTold = false
  /// What its compiling has taken.
  var buildTime = Duration.zero
  var programs: [Module: cl_program] = [:]
  /// Those that were asked for: all that have programs, but where only some are compiled.
  var modules: Set<Module> = []
  /// Where kernels are compiled for other processes; see `compileBackwards`.
  var ahead: KernelsAhead?
  /// Kernels that were begun with, and who hears of them.
  var kernelsBegun = 0
  var kernelListener: EmptyKernelCache.Listener?
  var plans: [MatmulKey: MatmulPlan] = [:]
  var convolutions = ConvolutionState()
  var staging: StagingRing?
  /// What the work-items of a CPU device's kernel take pieces of work by.
  var counter: OpenCLBuffer?
  /// The left factor of a product on a CPU device, its rows and columns exchanged.
  var turned: OpenCLBuffer?
  /// Products in slices, on a GPU.
  var slices: OpenCLBuffer?
  /// The image between a convolution and its pooling.
  var unpooled: OpenCLBuffer?
  /// What `clipScale` sums in.
  var clipPartials: OpenCLBuffer?
  /// Whether every launch leaves an event for `takeLaunches`.
  let isProfiling: Bool
  var profile: [TimedCommand] = []

  /// Opens a device.
  ///
  /// - Parameters:
  ///   - family: which kernels run; by default those for the device's type.
  ///   - profiling: keeps the time of every kernel for `takeLaunches`.
  /// - Throws: `BackendError.unavailable` where there is no such device.
  public convenience init(
    platform: Int, device index: Int, family: KernelFamily? = nil, profiling: Bool = false
  ) throws {
    try self.init(platform: platform, device: index, family: family, profiling: profiling, choice: nil)
  }

  /// - Parameter choice: which of the GPU family's kernels run; by default those that are shipped for the device.
  init(platform: Int, device index: Int, family: KernelFamily?, profiling: Bool = false, choice: GPUChoice?) throws {
    isProfiling = profiling
    Self.setUp.lock()
    defer { Self.setUp.unlock() }
    try Self.requireRoom()
    let platforms = Self.platforms()
    let handles = platforms.indices.contains(platform) ? Self.handles(of: platforms[platform]) : []
    guard handles.indices.contains(index) else {
      throw BackendError.unavailable(Self.absence(of: "opencl:\(platform):\(index)"))
    }
    handle = handles[index]
    device = Self.describe(handle, platform: platforms[platform], at: (platform, index))
    compilesLate = device.compilesLate
    let width: cl_uint = Self.value(handle, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT) ?? 4
    target = KernelTarget(
      family: family ?? device.naturalFamily, nativeWidth: Int(width), isProcessor: device.kind == .cpu,
      emulatesSubgroups: device.subgroups?.areEmulated ?? false, declaresBuiltins: device.takesBuiltins)
    compiled = target
    try DeviceAbility(handle).require(target.family, of: device.description)
    shippedChoice = choice ?? .shipped(for: device)
    self.choice = shippedChoice
    shares = WorkShares(target.family, tuning)
    computeUnits = device.computeUnits

    var status = CL_SUCCESS
    var properties: [cl_context_properties] = [
      cl_context_properties(CL_CONTEXT_PLATFORM), cl_context_properties(Int(bitPattern: platforms[platform])), 0,
    ]
    var device: cl_device_id? = handle
    guard let context = clCreateContext(&properties, 1, &device, nil, nil, &status) else {
      throw BackendError.device(
        "The device \(self.device.description) gives no context (\(errorName(status))): name another device.")
    }
    guard
      let queue = clCreateCommandQueue(
        context, handle, profiling ? cl_command_queue_properties(CL_QUEUE_PROFILING_ENABLE) : 0, &status)
    else {
      clReleaseContext(context)
      throw BackendError.device(
        "The device \(self.device.description) gives no command queue (\(errorName(status))): name another device.")
    }
    self.context = context
    self.queue = queue
    account = MemoryAccount()

    info = DeviceInfo(
      identifier: self.device.identifier
        + (target.family == self.device.naturalFamily ? "" : "/\(target.family.rawValue)"),
      name: self.device.name,
      detail: "\(self.device.platformName), driver \(self.device.driver), \(target.family.rawValue) kernels",
      memory: self.device.sharesMemory
        ? min(self.device.globalMemory, HostMemory.total) / 4 * 3 : self.device.globalMemory / 4 * 3,
      largestBuffer: min(self.device.largestBuffer, 4 * DeviceInfo.mostElements),
      sharesMemory: self.device.sharesMemory,
      passBytes: target.family == .cpu ? DeviceInfo.processorPassBytes : nil)
  }

  public var family: KernelFamily { target.family }
  var vectorWidth: Int { target.vectorWidth }
  var tileRows: Int { target.tileRows }

  deinit {
    guard !hasGivenUp else { return }
    clFinish(queue)
    for entry in profile { clReleaseEvent(entry.event) }
    staging?.release(queue)
    kernels.release()
    for program in programs.values { clReleaseProgram(program) }
    clReleaseCommandQueue(queue)
    clReleaseContext(context)
  }

  private static func absence(of identifier: String) -> String {
    let found = (try? devices()) ?? []
    if !found.isEmpty {
      return "There is no device \(identifier): name one of "
        + found.map { "\($0.identifier) (\($0.name))" }.joined(separator: ", ") + "."
    }
    return "There is no OpenCL device: "
      + (hint ?? "install ocl-icd-libopencl1 and a driver, such as pocl-opencl-icd for CPUs or your GPU vendor's.")
  }
}
