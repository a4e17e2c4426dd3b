import CinchBackend
import Testing

@testable import CPUBackend
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

  /// Where windows begin before the image is counted in 32 bits.
  @Test(arguments: [4096, .max]) func paddingBeyondAllElementsIsRefused(top: Int) throws {
    let backend = try OpenCLBackend(platform: 0, device: 0, family: .gpu)
    let geometry = ConvolutionGeometry(
      height: 1, width: 1 << 19, channels: 1, outputHeight: 1, outputWidth: 1 << 19, outputChannels: 1, kernel: (3, 1),
      dilation: (4096, 1), top: top)
    let image = try backend.tensor([1, 1, 1 << 19, 1]), weight = try backend.tensor([3, 1, 1, 1])
    #expect(throws: BackendError.self) {
      try backend.convolutionGradient(
        x: image, y: backend.tensor([1, 1, 1 << 19, 1]), geometry, weightGradient: weight,
        biasGradient: backend.tensor([1]), delta: .small, accumulate: false)
    }
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

@Suite struct CPUMemoryTests {
  /// What the system grants is touched later, and then it is too late to say so.
  @Test func workAreasAreAskedFor() throws {
    let backend = try CPUBackend(threads: 1)
    let geometry = ConvolutionGeometry(
      height: 1, width: 1, channels: 512, outputHeight: 1, outputWidth: 1, outputChannels: 512, kernel: (1, 1))
    let image = try backend.tensor([1, 1, 1, 512]), result = try backend.tensor([1, 1, 1, 512])
    let weight = try backend.tensor([1, 1, 512, 512])
    func convolve() throws {
      try backend.convolve(image, weight, geometry, into: result, epilogue: .none)
      try backend.synchronize()
    }
    backend.askForScratch { $0 < 1 << 20 }
    #expect(throws: BackendError.self) { try convolve() }
    #expect(backend.memory.scratch == 0)
    backend.askForScratch { _ in true }
    try convolve()
    // What is there is not asked for again.
    backend.askForScratch { _ in false }
    try convolve()
  }

  @Test func instructionsHaveAnyCase() throws {
    #expect(try CPUBackend(threads: 1, instructions: "Baseline").info.detail.contains("baseline"))
  }
}
