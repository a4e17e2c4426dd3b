import CPUBackend
import CinchBackend
import Conformance
import OpenCLBackend
import Testing

/// Every op on every device. A device that is missing is a failure: the table proves nothing where it does not run.
private func check<B: Backend>(_ op: String, on backend: B) throws {
  let report = try #require(Conformance.run(backend, ops: [op]).first)
  // One fault fails many cases alike; a few sentences tell as much as all.
  let examples = report.failures.prefix(10).joined(separator: "\n")
  #expect(report.failed == 0, "\(report.failed) of \(report.cases) cases on \(backend.info.name):\n\(examples)")
}

// A suite for each device, so that they run side by side. Its tests run one after the other, and nobody else has its device.

@Suite("Op table, cpu", .serialized) struct CPUConformanceTests {
  private nonisolated(unsafe) static let backend = Result { try CPUBackend() }

  @Test("cpu", arguments: Conformance.ops)
  func cpu(op: String) throws { try check(op, on: Self.backend.get()) }
}

// What another processor would take. Where this one has no AVX-512, AVX2 is tried twice.
@Suite("Op table, cpu, narrower vectors", .serialized) struct NarrowCPUConformanceTests {
  private nonisolated(unsafe) static let avx2 = Result { try CPUBackend(instructions: "avx2") }
  private nonisolated(unsafe) static let baseline = Result { try CPUBackend(instructions: "baseline") }

  @Test("cpu, AVX2", arguments: Conformance.ops)
  func avx2(op: String) throws { try check(op, on: Self.avx2.get()) }

  @Test("cpu, baseline", arguments: Conformance.ops)
  func baseline(op: String) throws { try check(op, on: Self.baseline.get()) }
}

// Platform 0, device 0, whichever it is: any device can run both families.
@Suite("Op table, opencl, kernels for CPUs", .serialized) struct OpenCLConformanceTests {
  private nonisolated(unsafe) static let backend = Result { try OpenCLBackend(platform: 0, device: 0, family: .cpu) }

  @Test("opencl, kernels for CPUs", arguments: Conformance.ops)
  func openCL(op: String) throws { try check(op, on: Self.backend.get()) }
}

@Suite("Op table, opencl, kernels for GPUs", .serialized) struct OpenCLForGPUsConformanceTests {
  private nonisolated(unsafe) static let backend = Result { try OpenCLBackend(platform: 0, device: 0, family: .gpu) }

  @Test("opencl, kernels for GPUs", arguments: Conformance.ops)
  func openCLForGPUs(op: String) throws { try check(op, on: Self.backend.get()) }
}
