import CinchBackend
import Testing

@testable import OpenCLBackend

@Suite struct OpenCLMemoryTests {
  /// Every number of samples makes a plan with a table in device memory.
  @Test func plansOfConvolutionsAreForgotten() throws {
    let backend = try OpenCLBackend(platform: 0, device: 0, family: .cpu)
    let geometry = ConvolutionGeometry(
      height: 5, width: 5, channels: 1, outputHeight: 5, outputWidth: 5, outputChannels: 2, kernel: (3, 3), top: 1,
      left: 1)
    var largest = 0
    for samples in 1...2 * ConvolutionState.mostPlans + 1 {
      _ = try backend.convolutionPlan(ConvolutionKey(mode: .convolve, geometry: geometry, samples: samples))
      largest = max(largest, backend.convolutions.plans.count)
    }
    #expect(largest == ConvolutionState.mostPlans)
    // What is left is the table of the last plan.
    let table = try backend.convolutionPlan(
      ConvolutionKey(mode: .convolve, geometry: geometry, samples: 2 * ConvolutionState.mostPlans + 1)
    ).table
    #expect(backend.convolutions.plans.count == 1)
    #expect(backend.account.bytes == table.count * MemoryLayout<Float>.stride)
  }
}
