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
      _ = try backend.correlationPlan(ConvolutionKey(mode: .convolve, geometry: geometry, samples: samples))
      largest = max(largest, backend.convolutions.correlations.count)
    }
    #expect(largest == ConvolutionState.mostPlans)
    // What is left is the table of the last plan.
    let table = try backend.correlationPlan(
      ConvolutionKey(mode: .convolve, geometry: geometry, samples: 2 * ConvolutionState.mostPlans + 1)
    ).table
    #expect(backend.convolutions.correlations.count == 1)
    #expect(backend.account.bytes == table.count * MemoryLayout<Float>.stride)
  }

  /// Each slice of a weight gradient holds as many sums as the weight has: many channels have fewer slices.
  @Test(arguments: [(8, 128), (128, 57), (512, 3)]) func slicesOfWideGradientsAreFew(channels: Int, slices: Int) throws
  {
    let backend = try OpenCLBackend(platform: 0, device: 0, family: .cpu)
    let geometry = ConvolutionGeometry(
      height: 32, width: 32, channels: channels, outputHeight: 32, outputWidth: 32, outputChannels: channels,
      kernel: (3, 3), top: 1, left: 1)
    let plan = try backend.gradientPlan(ConvolutionKey(mode: .gradient, geometry: geometry, samples: 128))
    #expect(plan.slices <= slices && plan.slices > slices / 2)
    #expect(plan.floats <= 2 << 23)
  }
}
