import CPUBackend
import CinchBackend
import OpenCLBackend
import Testing

/// Numbers below the smallest normal one, which cost a processor a hundred cycles or more each.
@Suite struct SubnormalTests {
  private func moment<B: Backend>(on backend: B) throws -> [B.Scalar] {
    let count = 100
    let tensors = try [0.5, 0, 2e-38].map { value in
      let tensor = Tensor(try backend.allocate(count), shape: [count])
      try backend.fill(tensor, with: B.Scalar(value))
      return tensor
    }
    let step = OptimizerStep(.momentum(0.25), learningRate: 0.1)
    try backend.optimizerStep(
      step, parameters: tensors[0], gradients: tensors[1], first: tensors[2], second: nil, gradientScale: nil)
    return try backend.read(tensors[2])
  }

  /// What decays comes to 0, where it would stay at the least number for good.
  @Test func momentsComeToNothing() throws {
    #expect(try moment(on: CPUBackend()).allSatisfy { $0 == 0 })
    let openCL = try OpenCLBackend(platform: 0, device: 0, family: .cpu)
    #expect(try moment(on: openCL).allSatisfy { $0 == 0 })
  }

  private func filled(_ backend: CPUBackend, _ shape: Shape, _ value: Float) throws -> Tensor<CPUBuffer> {
    let tensor = try backend.tensor(shape)
    try backend.fill(tensor, with: value)
    return tensor
  }

  /// What is too small for a second thread runs on the caller's, which computes like the others while it does.
  @Test func smallOpsComeToNothing() throws {
    let backend = try CPUBackend()
    let (a, c) = (try filled(backend, [3, 3], 1e-20), try filled(backend, [3, 3], 1))
    try backend.matmul(a, transposeA: false, a, transposeB: false, into: c, epilogue: .none)
    #expect(try backend.read(c).allSatisfy { $0 == 0 })
    // Four of them are a normal number.
    let (weight, sum) = (
      try filled(backend, [2, 2, 1, 1], 0.4 * Float.leastNormalMagnitude), try filled(backend, [1, 1, 1, 1], 1)
    )
    try backend.tapSums(weight, box: (2, 2), turned: false, into: sum)
    #expect(try backend.read(sum) == [0])
    let half = 0.5 * Float(min(CommandLine.arguments.count, 1))
    #expect(Float.leastNormalMagnitude * half > 0)
  }

  /// How a thread computes is its owner's matter.
  @Test func theCallersThreadKeepsThem() throws {
    _ = try moment(on: CPUBackend())
    // At run time, and not by the compiler.
    let half = 0.5 * Float(min(CommandLine.arguments.count, 1))
    #expect(Float.leastNormalMagnitude * half > 0)
  }
}
