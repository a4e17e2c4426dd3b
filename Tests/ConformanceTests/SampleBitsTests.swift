import CPUBackend
import CinchBackend
import Testing

@testable import Conformance

/// What comes out for an image depends on that image alone, though a vector may hold several.
@Suite struct SampleBitsTests {
  private static let samples = 3

  /// Numbers whose sums are not exact.
  private func tensor(_ shape: Shape, _ seed: String, on backend: CPUBackend) throws -> Tensor<CPUBuffer> {
    let tensor = try backend.tensor(shape)
    try backend.write(CaseData.uniform(shape, -1...1, seed), to: tensor)
    return tensor
  }

  /// All samples at once, and the last one by itself. Returns whether its image meets a weight.
  private func compare(
    from: (Int) -> Shape, to: (Int) -> Shape, _ name: String, on backend: CPUBackend,
    _ op: (Tensor<CPUBuffer>, Tensor<CPUBuffer>) throws -> Void
  ) throws -> Bool {
    let x = try tensor(from(Self.samples), name, on: backend)
    let (all, one) = (try backend.tensor(to(Self.samples)), try backend.tensor(to(1)))
    let alone = try backend.tensor(from(1))
    let numbers = try backend.read(x).suffix(alone.count)
    try backend.write(Array(numbers), to: alone)
    try op(x, all)
    try op(alone, one)
    let (last, result) = (Array(try backend.read(all).suffix(one.count)), try backend.read(one))
    #expect(last == result, "\(name)")
    return result.contains { $0 != 0 }
  }

  @Test(arguments: ["native", "avx2", "baseline"])
  func anImageAloneHasTheBitsThatItHasInABatch(_ instructions: String) throws {
    let backend = try instructions == "native" ? CPUBackend() : CPUBackend(instructions: instructions)
    var met: [Bool] = []
    for image in Conformance.convolutions where image.work < 1 << 24 {
      let g = image.geometry
      let weight = try tensor(g.weightShape, "weight", on: backend)
      met.append(
        try compare(from: g.large, to: g.small, image.name, on: backend) {
          try backend.convolve($0, weight, g, into: $1, epilogue: .forward(bias: nil, activation: .linear))
        })
      met.append(
        try compare(from: g.small, to: g.large, "transposed, \(image.name)", on: backend) {
          try backend.convolveTransposed($0, weight, g, into: $1, epilogue: .forward(bias: nil, activation: .linear))
        })
    }
    for image in Conformance.pooledSquares + Conformance.pooledConvolutions where image.convolution.work < 1 << 24 {
      let g = image.geometry
      let weight = try tensor(g.weightShape, "weight", on: backend)
      met.append(
        try compare(from: g.large, to: image.pooling.small, image.name, on: backend) {
          let switches = try backend.tensor($1.shape)
          try backend.convolvePooled(
            $0, weight, g, bias: nil, activation: .linear, image.pooling, into: $1, switches: switches)
        })
    }
    #expect(met.count { $0 } > met.count * 9 / 10)
  }
}
