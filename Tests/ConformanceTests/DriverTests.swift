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
}
