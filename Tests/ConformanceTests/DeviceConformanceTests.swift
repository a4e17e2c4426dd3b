import CPUBackend
import CinchBackend
import Conformance
import OpenCLBackend
import Testing

/// Every op on every device. A device that is missing is a failure: the table proves nothing where it does not run.
@Suite("Op table", .serialized) @MainActor struct DeviceConformanceTests {
  private static let cpu = Result { try CPUBackend() }
  // Platform 0, device 0, whichever it is: any device can run both families.
  private static let openCL = Result { try OpenCLBackend(platform: 0, device: 0, family: .cpu) }
  private static let openCLForGPUs = Result { try OpenCLBackend(platform: 0, device: 0, family: .gpu) }

  @Test("cpu", arguments: Conformance.ops)
  func cpu(op: String) throws { try check(op, on: Self.cpu.get()) }

  @Test("opencl, kernels for CPUs", arguments: Conformance.ops)
  func openCL(op: String) throws { try check(op, on: Self.openCL.get()) }

  @Test("opencl, kernels for GPUs", arguments: Conformance.ops)
  func openCLForGPUs(op: String) throws { try check(op, on: Self.openCLForGPUs.get()) }

  private func check<B: Backend>(_ op: String, on backend: B) throws {
    let report = try #require(Conformance.run(backend, ops: [op]).first)
    // One fault fails many cases alike; a few sentences tell as much as all.
    let examples = report.failures.prefix(10).joined(separator: "\n")
    #expect(report.failed == 0, "\(report.failed) of \(report.cases) cases on \(backend.info.name):\n\(examples)")
  }
}
