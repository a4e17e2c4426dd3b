import CPUBackend
import CinchBackend
import CinchCore
import Testing

@testable import Conformance
@testable import OpenCLBackend

/// A kernel family gives the same bits on few compute units and on many, and the cpu device on any number of threads: they
/// decide how work is dealt out, and never where a sum is cut.
@Suite(.serialized) struct ComputeUnitTests {
  @Test(arguments: KernelFamily.allCases)
  func sumsDoNotFollowComputeUnits(_ family: KernelFamily) throws {
    try check(
      [1, 2, 64, 132].map { units in
        let backend = try OpenCLBackend(platform: 0, device: 0, family: family)
        backend.computeUnits = units
        return backend
      })
  }

  /// Whatever tile a device, a measurement or a person chooses for the GPU family, the bits are the same.
  ///
  /// Each tile is a program to compile for each case: those that no device gets by itself have every other one, and
  /// `make selftest` looks at them all.
  @Test func sumsDoNotFollowTiles() throws {
    let shipped = Set(
      GPUChoice.all.flatMap { choice in
        [4, 1].flatMap { width in
          let tiles = choice.choice.tiles(loadWidth: width)
          return tiles.products + [tiles.images]
        }
      })
    let cases = Self.productCases
    try check(try GPUChoice.candidates(.any).map(Self.backend), [cases[1], cases[3], cases[5]])
    try check(
      try GPUChoice.candidates(.emulated).filter(shipped.contains).map(Self.backend), [cases[0], cases[2], cases[4]])
  }

  private static func backend(_ tile: GPUTile) throws -> OpenCLBackend {
    let tiles = [4, 1].map { width in
      let tile = tile.suits(loadWidth: width) ? tile : .middle
      return GPUChoice.Tiles(products: [tile], images: tile, imageGradients: tile.lanes > 0 ? .middle : nil)
    }
    return try OpenCLBackend(
      platform: 0, device: 0, family: .gpu, choice: GPUChoice(aligned: tiles[0], unaligned: tiles[1]))
  }

  /// The choices that are shipped are among the candidates, and so are tested here.
  @Test func everyShippedTileIsACandidate() {
    for (name, choice) in GPUChoice.all + [("emulated", GPUChoice.emulated)] {
      for width in [4, 1] {
        let tiles = choice.tiles(loadWidth: width)
        let all = tiles.products + [tiles.images] + [tiles.narrowImages, tiles.imageGradients].compactMap(\.self)
        #expect(all.allSatisfy(GPUChoice.candidates(.any).contains), "\(name) has \(all)")
        #expect(all.allSatisfy { $0.suits(loadWidth: width) }, "\(name) has \(all) for loads of \(width)")
        #expect(!tiles.products.isEmpty, "\(name) has no tile for products")
      }
    }
  }

  /// Threads take a product's rows as they go, and help with those of others: here where panels are fewer than threads, where
  /// k has several blocks, and where the result is made as its transpose.
  @Test func sumsDoNotFollowThreads() throws {
    let products: [any OpCase] = [
      MatmulCase(m: 1000, n: 20, k: 300, kind: .forward(.sigmoid, bias: true)),
      MatmulCase(m: 600, n: 70, k: 1100, transposeB: true, kind: .loss(.bce, .sigmoid, bias: true)),
      DenseGradientCase(samples: 1030, inputs: 98, outputs: 197, accumulate: true, pull: true),
    ]
    try check([1, 2, 5].map { try CPUBackend(threads: $0) }, Self.cases + products)
  }

  /// Few samples, and epilogues without a loss, take convolution kernels that are there for others.
  @Test func sumsDoNotFollowWhatIsCompiled() throws {
    let shared = try OpenCLBackend(platform: 0, device: 0, family: .cpu)
    let kinds: [ConvolutionCase.Kind] = [
      .loss(.bce, .sigmoid, bias: true), .forward(.relu, bias: true), .accumulate,
    ]
    for (side, channels, outputs) in [(ConvolutionSide.small, 8, 36), (.large, 35, 4), (.large, 4, 3)] {
      for samples in [200, 2] {
        for kind in kinds {
          let image = ImageGeometry(geometry: Self.geometry(channels, outputs), samples: samples)
          let alone = try OpenCLBackend(platform: 0, device: 0, family: .cpu)
          try check([alone, shared], [ConvolutionCase(side: side, image: image, kind: kind)])
        }
      }
    }
  }

  private static func geometry(_ channels: Int, _ outputs: Int) -> ConvolutionGeometry {
    ConvolutionGeometry(
      height: 11, width: 14, channels: channels, outputHeight: 5, outputWidth: 4, outputChannels: outputs,
      kernel: (3, 4), stride: (2, 3), dilation: (1, 2), top: 1, left: 2)
  }

  private func check<B: Backend>(_ backends: [B], _ cases: [any OpCase]? = nil) throws {
    for row in try cases ?? Self.cases {
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

  /// One of each kind of product, few because each is a program to compile for every tile: aligned and not, one longer
  /// than a register sums, in slices, with losses, and with phases of a stride that fill no tile.
  private static var productCases: [any OpCase] {
    let backward = GradientTerms(activation: .sigmoid, column: true, l1: 0.01, curvature: true)
    let image = { (channels: Int, outputs: Int) in
      ImageGeometry(geometry: geometry(channels, outputs), samples: 9)
    }
    return [
      MatmulCase(m: 250, n: 196, k: 84, transposeB: true, kind: .loss(.bce, .sigmoid, bias: true)),
      MatmulCase(m: 33, n: 131, k: 5001, transposeB: true, kind: .loss(.sse, .tanh, bias: true)),
      MatmulCase(m: 33, n: 197, k: 783, kind: .backward(backward)),
      ConvolutionCase(side: .small, image: image(8, 36), kind: .loss(.bce, .sigmoid, bias: true)),
      ConvolutionCase(side: .large, image: image(35, 4), kind: .loss(.sse, .sigmoid, bias: true)),
      ConvolutionGradientCase(image: image(8, 36), delta: .large, accumulate: true),
    ]
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
