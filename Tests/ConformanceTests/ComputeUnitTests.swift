import CPUBackend
import CinchBackend
import CinchCore
import Testing

@testable import Conformance
@testable import OpenCLBackend

/// A kernel family gives the same bits on few compute units and on many, and the cpu device on any number of threads: they
/// decide how work is dealt out, and never where a sum is cut.
@Suite(.serialized) @MainActor struct ComputeUnitTests {
  @Test(arguments: KernelFamily.allCases)
  func sumsDoNotFollowComputeUnits(_ family: KernelFamily) throws {
    try check(
      [1, 2, 64, 132].map { units in
        let backend = try OpenCLBackend(platform: 0, device: 0, family: family)
        backend.computeUnits = units
        return backend
      })
  }

  @Test func sumsDoNotFollowThreads() throws { try check([1, 2, 5].map { try CPUBackend(threads: $0) }) }

  private func check<B: Backend>(_ backends: [B]) throws {
    for row in try Self.cases {
      var first: [[Double]]?
      for (index, backend) in backends.enumerated() {
        let arguments = row.arguments(for: backend)
        let bench = try Workbench(backend, arguments, expectsNaN: false, salt: 0)
        try row.call(backend, bench.tensors)
        let results = try bench.read()
        let wanted = first ?? results
        first = wanted
        for (argument, (got, want)) in zip(arguments, zip(results, wanted)) {
          let same = got.count == want.count && zip(got, want).allSatisfy { CaseOutcome.same($0, $1) }
          #expect(same, "\(row.op), \(row.name): \(argument.name) differs between backends 0 and \(index)")
        }
      }
    }
  }

  private static var cases: [any OpCase] {
    get throws {
      let backward = GradientTerms(activation: .sigmoid, column: true, l1: 0.01, curvature: true)
      let dense: [any OpCase] = [
        MatmulCase(m: 250, n: 196, k: 84, transposeB: true, kind: .loss(.bce, .sigmoid, bias: true)),
        MatmulCase(m: 33, n: 196, k: 784, kind: .backward(backward)),
        DenseGradientCase(samples: 300, inputs: 84, outputs: 129, accumulate: true, pull: false),
        MatrixSumCase(kind: .columnSums(scale: 0.1), shape: [1000, 33]),
        PartialSumCase(kind: .sumOfSquares, count: 70_001),
        ReconstructionLossCase(loss: .sse, activation: .sigmoid, shape: [300, 100], bias: true),
        SampleLossesCase(loss: .bce, activation: .sigmoid, shape: [5, 784]),
        KLSparsityCase(shape: [250, 96], settings: KLSettings(rho: 0.05, beta: 3)),
        ContractiveCase(shape: [250, 96], activation: .sigmoid),
        ClipScaleCase(
          count: 70_001, maximum: 1, step: OptimizerStep(.sgd, learningRate: 0.1, weightDecay: 1e-2, decayCount: 60_000)
        ),
      ]
      let layers = try Recipe.conv().resolved().convolutions
      let images = layers.flatMap { layer in
        [1, 9].flatMap { samples -> [any OpCase] in
          let image = ImageGeometry(geometry: layer.geometry, samples: samples)
          return [
            ConvolutionCase(side: .small, image: image, kind: .loss(.bce, .sigmoid, bias: true)),
            ConvolutionCase(side: .large, image: image, kind: .loss(.sse, .sigmoid, bias: true)),
            ConvolutionGradientCase(image: image, delta: .large, accumulate: false),
            ConvolutionGradientCase(image: image, delta: .small, accumulate: true),
          ]
        }
      }
      return dense + images
    }
  }
}
