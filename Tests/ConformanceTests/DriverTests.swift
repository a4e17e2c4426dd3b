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
}
