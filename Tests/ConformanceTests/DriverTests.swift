import COpenCL
import CinchBackend
import TestSupport
import Testing

@testable import OpenCLBackend

/// What drivers differ in, with values that none here gives.
@Suite struct DriverTests {
  private func failure(_ status: cl_int, allocates: Bool = false) -> BackendError {
    .failure(of: "The device D (driver 1)", at: "writing 8 bytes", status, allocates: allocates)
  }

  /// The same code may stand for memory that was asked for, and for a kernel that went astray.
  @Test func outOfResourcesIsMemoryWhereThatIsAskedFor() {
    let codes = [CL_MEM_OBJECT_ALLOCATION_FAILURE, CL_OUT_OF_HOST_MEMORY, CL_OUT_OF_RESOURCES]
    for (code, isMemory) in zip(codes, [true, true, false]) {
      for allocates in [true, false] {
        let error = failure(code, allocates: allocates)
        #expect(isSentence(error.description) && error.description.contains("smaller batch"), "\(error)")
        if case .outOfMemory = error { #expect(isMemory || allocates) } else { #expect(!isMemory && !allocates) }
      }
    }
    #expect(failure(CL_OUT_OF_RESOURCES).description.contains("watchdog"))
    #expect(
      failure(CL_INVALID_VALUE, allocates: true)
        == .device("The device D (driver 1) failed at writing 8 bytes: CL_INVALID_VALUE. Try again, or another device.")
    )
  }

  @Test func errorsHaveNames() {
    for code: cl_int in [-7, -8, -13, -17, -35, -44, -57, -66] { #expect(errorName(code).hasPrefix("CL_"), "\(code)") }
    #expect(errorName(-9999).contains("beyond a buffer") && errorName(-4321) == "OpenCL error -4321")
  }

  private func buildText(_ log: String) -> String {
    BackendError.build(
      of: "gpu/tile", on: "The device D (driver 1)", version: "OpenCL 3.0 D", options: "-cl-std=CL1.2",
      CL_BUILD_PROGRAM_FAILURE, log: log
    ).description
  }

  /// A compiler's lines are read as such, and a driver without any still says something.
  @Test func compilersLinesAreKept() {
    #expect(
      buildText("a.cl:1: error: no\n\n  float x;\r\n  \n")
        == """
        The device D (driver 1) does not compile the kernels of gpu/tile (CL_BUILD_PROGRAM_FAILURE). The compiler says:
        a.cl:1: error: no
          float x;
        Try another driver or device.
        """)
    for log in ["", " \n"] {
      let text = buildText(log)
      #expect(isSentence(text) && text.contains("'-cl-std=CL1.2'") && text.contains("'OpenCL 3.0 D'"), "\(text)")
    }
    let long = logExcerpt((1...100).map { "\($0)" + String(repeating: "x", count: 1000) }.joined(separator: "\n"))
    #expect(long.count < 6000 && long.hasPrefix("1x") && long.hasSuffix("(and 80 more lines)"))
  }

  /// A real compiler's.
  @Test func whatDoesNotCompileIsSaid() throws {
    let backend = try OpenCLBackend(platform: 0, device: 0, family: .cpu)
    do {
      _ = try backend.build(.peak, prefix: backend.target.prefix(.peak) + "#error \"Not here.\"\n")
      Issue.record("it compiles")
    } catch BackendError.device(let text) {
      #expect(text.contains("Not here.") && text.split(separator: "\n").count >= 3, "\(text)")
    }
  }

  @Test func versionsAreRead() {
    for (text, number) in [
      ("OpenCL 1.1 Mesa 22.3.6", (1, 1)), ("OpenCL 3.0 CUDA", (3, 0)), ("OpenCL 1.2", (1, 2)),
      ("opencl 2.10x y", (2, 10)),
    ] {
      let read = DeviceAbility.number(of: text)
      #expect(read?.0 == number.0 && read?.1 == number.1, "\(text)")
    }
    for text in ["", "OpenCL", "OpenCL C 1.1", "1.1", "OpenCL x.y", "OpenCL 1", "OpenCL 1.", "OpenCL  ."] {
      #expect(DeviceAbility.number(of: text) == nil, "\(text)")
    }
  }

  /// What a driver does not say, or says in words of its own, is not held against its device.
  @Test(arguments: KernelFamily.allCases) func whatIsNotSaidIsAssumed(_ family: KernelFamily) throws {
    var ability = DeviceAbility()
    try ability.require(family, of: "D")
    ability.version = "no version at all"
    ability.longestAxes = [256]
    try ability.require(family, of: "D")
  }

  /// Each is said in a sentence, before a kernel is compiled.
  @Test func whatKernelsNeedIsAskedFor() throws {
    let changes: [(String, (inout DeviceAbility) -> Void)] = [
      ("switched off", { $0.isAvailable = false }), ("no compiler", { $0.hasCompiler = false }),
      ("OpenCL 1.1, and kernels need 1.2", { $0.version = "OpenCL 1.1 Mesa 22.3.6" }),
      ("OpenCL 1.0", { $0.version = "OpenCL 1.0 " }), ("EMBEDDED_PROFILE", { $0.profile = "EMBEDDED_PROFILE" }),
      ("128 work-items together, and kernels need 256", { $0.largestGroup = 128 }),
      ("along axis 0, and kernels need 256", { $0.longestAxes = [64, 64, 64] }),
      ("along axis 1, and kernels need 8", { $0.longestAxes = [1024, 1, 1] }),
      ("8.2 kB of local memory", { $0.localMemory = 8192 }),
    ]
    for (part, change) in changes {
      var ability = DeviceAbility()
      change(&ability)
      do {
        try ability.require(.gpu, of: "D")
        Issue.record("\(part) is not refused")
      } catch BackendError.unavailable(let text) {
        #expect(text.contains(part) && isSentence(text), "\(text)")
      }
    }
    // Kernels for processors need no more than one work-item, and no local memory.
    var small = DeviceAbility()
    (small.largestGroup, small.longestAxes, small.localMemory) = (1, [1, 1, 1], 0)
    try small.require(.cpu, of: "D")
  }

  /// A compiler may leave a kernel room for fewer work-items than the device runs of others.
  @Test func groupsThatAreTooSmallAreSaid() {
    let error = BackendError.smallGroups(of: "matmul", on: "The device D (driver 1)", needed: 256, allowed: 128)
    #expect(
      error
        == .device(
          "The device D (driver 1) runs 128 work-items of the kernel matmul together, and it needs 256: use another driver "
            + "or device."))
  }

  /// Devices of drivers that queue until they are told to begin work while the host queues.
  @Test func launchesAreHandedOver() throws {
    let backend = try OpenCLBackend(platform: 0, device: 0, family: .cpu)
    let tensor = try backend.tensor([4])
    let launches = backend.counters.launches, waits = backend.counters.waits
    let count = OpenCLBackend.launchesOfFlush + 3
    for index in 1...count {
      try backend.fill(tensor, with: Float(index))
      #expect(backend.unflushed == index % OpenCLBackend.launchesOfFlush)
    }
    #expect(backend.counters.launches - launches == count)
    #expect(backend.counters.waits == waits)
    #expect(try backend.read(tensor) == [Float](repeating: Float(count), count: 4))
  }
}
