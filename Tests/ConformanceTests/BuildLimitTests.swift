import CinchBackend
import Foundation
import Synchronization
import Testing

@testable import OpenCLBackend

/// A driver that does not come to an end with compiling.
@Suite struct BuildLimitTests {
  @Test func whatIsDoneInTimeIsReturned() throws {
    var notices = 0
    #expect(BuildLimit.run(onNotice: { notices += 1 }) { 42 } == 42)
    #expect(notices == 0)
  }

  @Test func whatTakesLongIsTold() throws {
    var notices = 0
    let result = BuildLimit.run(notice: .milliseconds(20), limit: .seconds(60), onNotice: { notices += 1 }) {
      Thread.sleep(forTimeInterval: 0.2)
      return 7
    }
    #expect(result == 7 && notices == 1)
  }

  /// Many kernels that each take little.
  @Test func whatTakesLongTogetherIsTold() throws {
    let backend = try OpenCLBackend(platform: 0, device: 0, family: .cpu)
    #expect(backend.building { 1 } == 1 && !backend.hasTold && backend.buildTime > .zero)
    backend.buildTime += BuildLimit.notice
    #expect(backend.building { Thread.sleep(forTimeInterval: 0.1) } != nil)
    #expect(backend.hasTold)
  }

  /// The thread goes on by itself, and harms nobody when it ends.
  @Test func whatTakesTooLongIsLeftBehind() throws {
    let begin = ContinuousClock.now
    let done = Done()
    let result: Int? = BuildLimit.run(notice: .milliseconds(10), limit: .milliseconds(40), onNotice: {}) {
      while !done.value.withLock({ $0 }) { Thread.sleep(forTimeInterval: 0.01) }
      return 1
    }
    #expect(result == nil && ContinuousClock.now - begin < .seconds(30))
    done.value.withLock { $0 = true }
  }

  /// A limit below the time after which somebody is told holds, too.
  @Test func aShortLimitIsKept() throws {
    var notices = 0
    let done = Done()
    let result: Int? = BuildLimit.run(notice: .seconds(60), limit: .milliseconds(20), onNotice: { notices += 1 }) {
      while !done.value.withLock({ $0 }) { Thread.sleep(forTimeInterval: 0.01) }
      return 1
    }
    #expect(result == nil && notices == 0)
    done.value.withLock { $0 = true }
  }

  @Test func aLimitThatIsNoneIsTold() {
    for text in ["abc", "0", "-5", "nan", "5 s"] {
      #expect(
        BuildLimit.fault(["CINCH_COMPILE_LIMIT": text]) == "ignoring CINCH_COMPILE_LIMIT=\(text): give seconds above 0")
    }
    for text in ["", "0.5", "600", "inf"] { #expect(BuildLimit.fault(["CINCH_COMPILE_LIMIT": text]) == nil) }
    #expect(BuildLimit.fault([:]) == nil)
  }

  /// LLVM ends the process where it cannot write.
  @Test func aFullDiskIsRefused() throws {
    try OpenCLBackend.requireKernelRoom()
    try OpenCLBackend.requireKernelRoom(Double(1 << 20), in: "/cache")
    // A folder that PoCL would make lies where its parent does.
    let root = try #require(OpenCLBackend.volume(of: "/"))
    #expect(OpenCLBackend.volume(of: "/is/not/there")?.f_fsid == root.f_fsid)
    #expect(OpenCLBackend.volume(of: "is-not-there") != nil && OpenCLBackend.volume(of: "/dev/null/below") == nil)
    #expect(
      throws: BackendError.unavailable(
        "PoCL keeps compiled kernels in '/cache', whose disk has 300 kB left: free some space, or set POCL_CACHE_DIR to a "
          + "folder that has it.")
    ) { try OpenCLBackend.requireKernelRoom(300_000, in: "/cache") }
    try OpenCLBackend.requireKernelRoom(.infinity, files: 64, in: "/cache")
    #expect(
      throws: BackendError.unavailable(
        "PoCL keeps compiled kernels in '/cache', whose disk has room for 3 more files: remove some, or set "
          + "POCL_CACHE_DIR to a folder on another disk.")
    ) { try OpenCLBackend.requireKernelRoom(.infinity, files: 3, in: "/cache") }
  }

  @Test func foldersThatCannotBeWrittenAreKnown() {
    #expect(OpenCLBackend.isWritable(NSTemporaryDirectory() + "/is/not/there"))
    #expect(!OpenCLBackend.isWritable("/dev/null") && !OpenCLBackend.isWritable("/dev/null/below"))
  }

  /// Whatever is queued behind a kernel that was given up would be waited for without end.
  @Test func whatWasGivenUpTakesNothingMore() throws {
    let backend = try OpenCLBackend(platform: 0, device: 0, family: .cpu)
    let tensor = try backend.tensor([4], [1, 2, 3, 4])
    backend.hasGivenUp = true
    defer { backend.hasGivenUp = false }
    let calls: [() throws -> Void] = [
      { _ = try backend.read(tensor) }, { try backend.write([1, 2, 3, 4], to: tensor) },
      { try backend.fill(tensor, with: 1) }, { try backend.copy(tensor, to: tensor) }, { _ = try backend.tensor([4]) },
      { try backend.synchronize() }, { _ = try backend.takeLaunches() },
    ]
    for (index, call) in calls.enumerated() {
      do {
        try call()
        Issue.record("call \(index) was taken")
      } catch BackendError.unavailable(let text) {
        #expect(text.contains("was given up"))
      }
    }
  }

  private final class Done: Sendable { let value = Mutex(false) }

  private func device(
    _ platform: String, _ name: String, _ kind: OpenCLDevice.Kind, vendor: String = "", driver: String = "3.1"
  ) -> OpenCLDevice {
    OpenCLDevice(
      platform: 0, device: 0, name: name, vendor: vendor, platformName: platform, driver: driver, version: "",
      kind: kind,
      computeUnits: 8, globalMemory: 1, largestBuffer: 1)
  }

  /// Mesa compiles for its processor device as for a GPU; PoCL and Intel have long functions done in no time.
  @Test func familiesFollowThePlatform() {
    #expect(device("rusticl", "llvmpipe (LLVM 15.0.6, 256 bits)", .cpu).naturalFamily == .gpu)
    #expect(device("Portable Computing Language", "pthread-skylake", .cpu).naturalFamily == .cpu)
    #expect(device("Intel(R) OpenCL", "Xeon", .cpu).naturalFamily == .cpu)
    #expect(device("rusticl", "AMD Radeon RX 6600", .gpu).naturalFamily == .gpu)
    #expect(device("Clover", "llvmpipe (LLVM 15.0.6)", .gpu).isSoftware)
    #expect(!device("rusticl", "AMD Radeon RX 6600", .gpu).isSoftware)
    #expect(device("rusticl", "llvmpipe", .cpu).compilesLate)
  }

  /// PoCL's GPUs are other vendors', with other headers.
  @Test func builtinsFollowPlatformAndKind() {
    let pocl = "Portable Computing Language"
    #expect(device(pocl, "pthread-skylake", .cpu).takesBuiltins && device(pocl, "NVIDIA H200", .gpu).isPoCL)
    #expect(!device(pocl, "pthread-skylake", .cpu, driver: "1.8").takesBuiltins)
    #expect(!device(pocl, "NVIDIA H200", .gpu).takesBuiltins && !device("Intel(R) OpenCL", "Xeon", .cpu).takesBuiltins)
  }

  /// What a GPU beside the processor's cores has, the program has no more.
  @Test func memoryFollowsTheDriver() {
    var graphics = device("Intel(R) OpenCL Graphics", "Intel(R) UHD Graphics 770", .gpu)
    #expect(!graphics.sharesMemory && device("P", "pthread", .cpu).sharesMemory)
    graphics.isUnified = true
    #expect(graphics.sharesMemory)
  }

  /// NVIDIA's driver takes few groups along the second and third axes, and says no more than that something is wrong.
  @Test func gridsFollowTheVendor() throws {
    let most = device("NVIDIA CUDA", "H200", .gpu, vendor: "NVIDIA Corporation").mostGroups
    #expect(most == 65_535 && device("ROCm", "gfx90a", .gpu, vendor: "Advanced Micro Devices, Inc.").mostGroups == .max)
    try OpenCLBackend.checkGroups(65_535, most: most, "H200")
    #expect(throws: BackendError.self) { try OpenCLBackend.checkGroups(90_000, most: most, "H200") }
  }
}
