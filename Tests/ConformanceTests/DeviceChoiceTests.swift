import CPUBackend
import CinchBackend
import CinchCore
import Foundation
import Testing

@testable import Cinch
@testable import OpenCLBackend

/// How devices are named, and what `auto` takes.
@Suite struct DeviceChoiceTests {
  @Test(arguments: [
    Device.automatic, .reference, .cpu, .opencl(), .opencl(family: .gpu), .opencl(platform: 1),
    .opencl(platform: 1, device: 2), .opencl(platform: 0, device: 1, family: .cpu),
  ])
  func namesReadBack(_ device: Device) throws {
    #expect(try Device(device.description) == device)
    let coded = try JSONEncoder().encode([device])
    #expect(String(decoding: coded, as: UTF8.self).replacing("\\/", with: "/") == "[\"\(device.description)\"]")
    #expect(try JSONDecoder().decode([Device].self, from: coded) == [device])
  }

  @Test func whatIsNoDeviceIsNotDecoded() {
    #expect(throws: DecodingError.self) { try JSONDecoder().decode([Device].self, from: Data(#"["gpu7"]"#.utf8)) }
  }

  /// A backend's own name opens the same backend again, kernels that were forced included.
  @Test(arguments: [nil] + KernelFamily.allCases.map(Optional.some))
  func identifiersAreComplete(family: KernelFamily?) throws {
    let backend = try OpenCLBackend(platform: 0, device: 0, family: family)
    let again = try #require(try backend.info.device.open().backend as? OpenCLBackend)
    #expect(again.family == backend.family && again.device == backend.device)
    #expect(again.info == backend.info)
    #expect(backend.info.identifier.contains("/") == (backend.family != backend.device.naturalFamily))
  }

  /// `opencl:1` would be another device: the first of platform 1.
  @Test func aDeviceWithoutAPlatformIsOfTheFirst() throws {
    #expect(Device.opencl(device: 1).description == "opencl:0:1")
    #expect(Device.opencl(device: 1, family: .gpu).description == "opencl:0:1/gpu")
    #expect(try Device("opencl:1") == .opencl(platform: 1))
  }

  private struct Broken: Error, CustomStringConvertible {
    var description: String { "The driver is\nout of order." }
  }

  private func device(
    _ index: Int, _ kind: OpenCLDevice.Kind, platform: String = "", isUnified: Bool = false
  ) -> OpenCLDevice {
    var device = OpenCLDevice(
      platform: 0, device: index, name: "\(kind.rawValue)-\(index)", vendor: "", platformName: platform, driver: "",
      version: "", kind: kind, computeUnits: 1, globalMemory: 1, largestBuffer: 1)
    device.isUnified = isUnified
    return device
  }

  /// What `auto` takes where OpenCL lists these devices, of which `broken` do not open, and others have faults.
  private func choice(
    _ devices: [OpenCLDevice], broken: [Int] = [], faults: [Int: SaboteurBackend.Fault] = [:], hasCPU: Bool = true
  ) -> AutomaticDevice.Choice {
    AutomaticDevice(
      devices: { devices },
      openOpenCL: {
        if broken.contains($0.device) { throw Broken() }
        if let fault = faults[$0.device] { return SaboteurBackend(fault) }
        return ReferenceBackend()
      },
      openCPU: {
        if !hasCPU { throw Broken() }
        return ReferenceBackend()
      }
    ).choose()
  }

  @Test func aGPUComesFirst() {
    let choice = choice([device(0, .cpu), device(1, .gpu)])
    #expect(choice.device == .opencl(platform: 0, device: 1))
    #expect(choice.note == "auto: took the OpenCL GPU gpu-1")
  }

  @Test func aGPUThatDoesNotOpenLeavesTheNext() {
    let choice = choice([device(0, .gpu), device(1, .gpu)], broken: [0])
    #expect(choice.device == .opencl(platform: 0, device: 1))
    #expect(
      choice.note == "auto: the GPU gpu-0 does not open (The driver is out of order); took the OpenCL GPU gpu-1")
  }

  @Test func aGPUThatDoesNotOpenIsNamed() {
    let choice = choice([device(0, .gpu), device(1, .cpu)], broken: [0])
    #expect(choice.device == .cpu)
    #expect(choice.note == "auto: the GPU gpu-0 does not open (The driver is out of order); took cpu")
  }

  /// A driver may open and fail at its first kernel, or add up wrongly.
  @Test func aGPUThatFailsIsPassedOver() {
    let gpus = [device(0, .gpu), device(1, .gpu)]
    let wrong = choice(gpus, faults: [0: .wrongValue])
    #expect(wrong.device == .opencl(platform: 0, device: 1))
    #expect(
      wrong.note
        == "auto: the GPU gpu-0 fails a check (Sums of small numbers come out wrong: update its driver); took the "
        + "OpenCL GPU gpu-1")
    let none = choice(gpus, broken: [1], faults: [0: .refusal])
    #expect(
      none.device == .cpu && none.note.hasPrefix("auto: the GPU gpu-0 fails a check (sabotage); the GPU gpu-1 does"))
    #expect(choice(gpus, faults: [0: .notANumber]).device == .opencl(platform: 0, device: 1))
    let processors = choice([device(0, .cpu), device(1, .accelerator)], faults: [0: .poison], hasCPU: false)
    #expect(processors.device == .opencl(platform: 0, device: 1))
  }

  /// It leaves nothing for who times kernels, and takes what every training does.
  @Test(arguments: KernelFamily.allCases) func theCheckIsPassedHere(family: KernelFamily) throws {
    let backend = try OpenCLBackend(platform: 0, device: 0, family: family, profiling: true)
    try AutomaticDevice.check(backend)
    #expect(backend.launchesToTake == 0 && backend.programs.count == 1)
    try AutomaticDevice.check(CPUBackend())
  }

  /// `opencl` takes the first all the same.
  @Test func autoPrefersMemoryOfItsOwnAndVendorsDrivers() {
    let gpus = [
      device(0, .gpu, platform: "Intel(R) OpenCL Graphics", isUnified: true), device(1, .gpu, platform: "rusticl"),
      device(2, .gpu, platform: "Portable Computing Language"), device(3, .gpu, platform: "NVIDIA CUDA"),
      device(4, .gpu, platform: "rusticl", isUnified: true), device(5, .gpu, platform: "NVIDIA CUDA"), device(6, .cpu),
    ]
    #expect(gpus.gpus.map(\.device) == [3, 5, 1, 2, 0, 4])
    #expect(choice(gpus).device == .opencl(platform: 0, device: 3) && gpus.ranked.first?.device == 0)
  }

  /// By a rule and not by a race: no clock decides.
  @Test func theProcessorIsTakenByTheCPUDevice() {
    for _ in 0..<3 { #expect(choice([device(0, .cpu), device(1, .accelerator)]).note == "auto: no GPU; took cpu") }
  }

  /// A rasteriser is a device, but none that anybody is given without asking.
  @Test func aRasteriserIsNeverTaken() {
    let software = OpenCLDevice(
      platform: 0, device: 0, name: "llvmpipe (LLVM 15.0.6, 256 bits)", vendor: "", platformName: "rusticl", driver: "",
      version: "", kind: .cpu, computeUnits: 8, globalMemory: 1, largestBuffer: 1)
    #expect([software, device(1, .cpu)].ranked.map(\.device) == [1, 0])
    #expect(choice([software], hasCPU: false).device == .reference)
    #expect(choice([software, device(1, .cpu)], hasCPU: false).device == .opencl(platform: 0, device: 1))
    #expect(software.families == [.gpu] && device(1, .cpu).families == KernelFamily.allCases)
    #expect(device(1, .gpu).families == [.gpu] && device(1, .accelerator).families == [.gpu])
  }

  @Test func everyOtherDeviceIsTried() {
    let choice = choice([device(0, .cpu), device(1, .accelerator)], broken: [0], hasCPU: false)
    #expect(choice.device == .opencl(platform: 0, device: 1))
    #expect(choice.note.hasPrefix("auto: no GPU; cpu does not open (The driver is out of order); opencl:0:0 does not"))
    #expect(choice.note.hasSuffix("took opencl, accelerator-1"))
  }

  @Test func whatIsMissingIsSaid() {
    #expect(choice([]).note == "auto: no OpenCL device found; took cpu")
    let opencl = choice([device(0, .cpu)], hasCPU: false)
    #expect(opencl.note == "auto: no GPU; cpu does not open (The driver is out of order); took opencl, cpu-0")
    let nothing = choice([device(0, .gpu)], broken: [0], hasCPU: false)
    #expect(nothing.device == .reference)
    #expect(nothing.note.contains("the GPU gpu-0 does not open") && nothing.note.contains("slow reference device"))
  }

  @Test func autoChoosesOnce() async throws {
    let first = try Device.automatic.open()
    let others = try await withThrowingTaskGroup(of: (String, String?).self) { group in
      for _ in 0..<4 {
        group.addTask {
          let opened = try Device.automatic.open()
          return (opened.backend.info.identifier, opened.note)
        }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    for other in others {
      #expect(other.0 == first.backend.info.identifier)
      #expect(other.1 == first.note)
    }
  }

  @Test(arguments: [
    (BackendError.unavailable("No device."), Int32(69)), (.device("It failed."), 69), (.outOfMemory("It is full."), 69),
    (.invalidArgument("It does not fit."), 64),
  ])
  func errorsOfDevicesKeepTheirKind(error: BackendError, status: Int32) {
    let worded = CinchError(error)
    #expect(worded.exitCode == status)
    if case .outOfMemory = error { #expect(worded.description == "It is full. Use a smaller batch or model.") }
  }
}
