import CinchBackend
import CinchCore

extension Conformance {
  /// The calls of training steps on Fashion-MNIST: 256 samples of dense networks, 128 of convolutional ones.
  static func timedCases() throws -> [TimedCase] {
    try timedProducts + timedPasses + timedRandomOps + timedUpdates + timedConvolutions() + timedTapSums + timedPoolings
  }

  private static let batch = 256

  private static var timedProducts: [TimedCase] {
    let sigmoid = GradientTerms(activation: .sigmoid, column: false, l1: 0, curvature: false)
    let sparse = GradientTerms(activation: .sigmoid, column: true, l1: 0, curvature: false)
    let products = [
      MatmulCase(m: batch, n: 1024, k: 784, transposeB: true, kind: .forward(.sigmoid, bias: true)),
      MatmulCase(m: batch, n: 784, k: 1024, transposeB: true, kind: .loss(.bce, .sigmoid, bias: true)),
      MatmulCase(m: batch, n: 1024, k: 784, kind: .backward(sigmoid)),
      MatmulCase(m: batch, n: 196, k: 784, transposeB: true, kind: .forward(.sigmoid, bias: true)),
      MatmulCase(m: batch, n: 784, k: 196, transposeB: true, kind: .loss(.sse, .sigmoid, bias: true)),
      MatmulCase(m: batch, n: 196, k: 784, kind: .backward(sparse)),
      MatmulCase(m: batch, n: 30, k: 250, transposeB: true, kind: .forward(.linear, bias: true)),
      MatmulCase(m: 1024, n: 1024, k: 1024), MatmulCase(m: 4096, n: 4096, k: 4096),
    ]
    let gradients = [
      DenseGradientCase(samples: batch, inputs: 784, outputs: 1024, accumulate: false, pull: false),
      DenseGradientCase(samples: batch, inputs: 1024, outputs: 784, accumulate: false, pull: false),
      DenseGradientCase(samples: batch, inputs: 784, outputs: 196, accumulate: true, pull: false),
      DenseGradientCase(samples: batch, inputs: 784, outputs: 256, accumulate: false, pull: true),
    ]
    return products.map { TimedCase($0) } + gradients.map { TimedCase($0) }
  }

  private static var timedPasses: [TimedCase] {
    let wide: Shape = [batch, 1024], code: Shape = [batch, 256], output: Shape = [batch, 784]
    let every = GradientTerms(activation: .sigmoid, column: true, l1: 0.01, curvature: true)
    return [
      TimedCase(ActivateCase(shape: wide, activation: .sigmoid, bias: true)),
      TimedCase(ActivateCase(shape: wide, activation: .relu, bias: true)),
      TimedCase(
        ActivationGradientCase(
          shape: wide, terms: GradientTerms(activation: .relu, column: false, l1: 0, curvature: false))),
      TimedCase(ActivationGradientCase(shape: wide, terms: every)),
      TimedCase(MatrixSumCase(kind: .columnSums(scale: 1), shape: wide)),
      // The gradient of an image's biases.
      TimedCase(MatrixSumCase(kind: .columnSums(scale: 1), shape: [128 * 14 * 14, 16])),
      TimedCase(MatrixSumCase(kind: .rowSquares, shape: [256, 784])),
      TimedCase(PartialSumCase(kind: .sumOfSquares, count: 2 * 784 * 1024)),
      TimedCase(PartialSumCase(kind: .sumOfMagnitudes, count: code.count)),
      TimedCase(TotalCase(counts: [1000, 196, 64], room: 3)),
      TimedCase(ReconstructionLossCase(loss: .bce, activation: .sigmoid, shape: output, bias: true)),
      TimedCase(ReconstructionLossCase(loss: .sse, activation: .sigmoid, shape: output, bias: true)),
      TimedCase(SampleLossesCase(loss: .bce, activation: .sigmoid, shape: output)),
      TimedCase(LogVarianceGradientCase(partials: 1024)),
      TimedCase(SoftmaxLossCase(shape: [batch, 10])),
      TimedCase(MixedOutputCase(rows: batch, columns: MixedLossCase.table(120))),
      TimedCase(MixedLossCase(rows: batch, columns: MixedLossCase.table(120), weighted: true)),
      TimedCase(KLSparsityCase(shape: [batch, 196], settings: KLSettings(rho: 0.05, beta: 3))),
      TimedCase(ContractiveCase(shape: code, activation: .sigmoid)),
    ]
  }

  private static var timedRandomOps: [TimedCase] {
    let source: Shape = [4096, 784], output: Shape = [batch, 784]
    func drawn(_ corruption: Corruption?) -> TimedCase {
      TimedCase(
        GatherCase(source: source, rows: batch, start: 0, permuted: source.rows, corruption: corruption))
    }
    let bytes = [nil, Corruption.masking(0.3)].map {
      TimedCase(GatherBytesCase(rows: batch, columns: 784, isPermuted: true, corruption: $0))
    }
    return bytes + [drawn(nil), drawn(.masking(0.3)), drawn(.gaussian(0.3))]
      + [Corruption.masking(0.3), .maskingExact(0.3), .gaussian(0.3), .saltPepper(0.3)].map {
        TimedCase(CorruptCase(shape: output, corruption: $0))
      } + [
        TimedCase(CorruptCase(shape: [batch, 28, 28, 1], corruption: .block(0.25))),
        TimedCase(BernoulliCase(shape: [batch, 1024])),
      ] + timedSampling
  }

  /// Of a variational autoencoder with 20 units.
  private static var timedSampling: [TimedCase] {
    [
      TimedCase(SampleCase(samples: batch, units: 20, draw: (1, 1))),
      TimedCase(SampleGradientCase(samples: batch, units: 20)),
      TimedCase(PriorDivergenceCase(samples: batch, units: 20)),
    ]
  }

  /// Of `denoise`'s 784-1024-784.
  private static var timedUpdates: [TimedCase] {
    let weights = 2 * 784 * 1024, count = weights + 784 + 1024
    let rules: [OptimizerStep.Rule] = [
      .sgd, .momentum(0.9), .nesterov(0.9), .adam(beta1: 0.9, beta2: 0.999, epsilon: 1e-8, step: 10),
    ]
    func step(_ rule: OptimizerStep.Rule) -> OptimizerStep {
      OptimizerStep(rule, learningRate: 1e-3, weightDecay: 1e-4, decayCount: weights)
    }
    return rules.map { TimedCase(OptimizerCase(count: count, step: step($0))) }
      + [TimedCase(ClipScaleCase(count: count, maximum: 1, step: step(.sgd)))]
      + [TransferCase.Kind.fill, .copy].map { TimedCase(TransferCase(kind: $0, count: count)) }
  }

  /// Each layer of `conv` and `conv-pool`, forward, its input gradient unless it is the first, and its weight gradient.
  private static func timedConvolutions() throws -> [TimedCase] {
    let samples = 128
    return try [Recipe.conv(), .convPool()].flatMap { recipe in
      try recipe.resolved().convolutions.flatMap { layer -> [TimedCase] in
        let image = ImageGeometry(geometry: layer.geometry, samples: samples)
        // A convolution's input gradient is the transposed convolution, and the reverse.
        let (result, other): (ConvolutionSide, ConvolutionSide) =
          layer.isTransposed ? (.large, .small) : (.small, .large)
        let below = GradientTerms(activation: .relu, column: false, l1: 0, curvature: false)
        let forward = ConvolutionCase(side: result, image: image, kind: .forward(layer.activation, bias: true))
        let name = "\(recipe.name) \(layer.name)"
        if let pooling = layer.pooling {
          let pooled = PooledImage(convolution: image, pooling: pooling)
          return [
            TimedCase(
              PooledConvolutionCase(image: pooled, activation: layer.activation, bias: true), "\(name), forward"),
            TimedCase(PooledGradientCase(image: pooled, accumulate: false), "\(name), weight gradient"),
          ]
        }
        return [TimedCase(forward, "\(name), forward")]
          + (layer.name == "encoder.0"
            ? []
            : [
              TimedCase(
                ConvolutionCase(side: other, image: image, kind: .backward(below)), "\(name), input gradient")
            ])
          + [
            TimedCase(
              ConvolutionGradientCase(image: image, delta: result, accumulate: false), "\(name), weight gradient")
          ]
      }
    }
  }

  /// The weight of `conv-pool`'s decoder.2, and its gradient.
  private static var timedTapSums: [TimedCase] {
    [([3, 3, 8, 8], true), ([4, 4, 8, 8], false)].map { (weight: Shape, isUp: Bool) in
      TimedCase(TapSumsCase(weight: weight, box: (2, 2), isUp: isUp, turned: true))
    }
  }

  private static var timedPoolings: [TimedCase] {
    let image = pooling(28, 28, 16, kernel: (2, 2), stride: (2, 2), samples: 128)
    let below = GradientTerms(activation: .relu, column: false, l1: 0, curvature: false)
    return [
      TimedCase(MaxPoolCase(image: image)), TimedCase(PoolingCase(kind: .unpool, image: image)),
      TimedCase(PoolingCase(kind: .unpool, image: image, below: below)),
      TimedCase(PoolingCase(kind: .pickSwitches, image: image)),
      TimedCase(PoolingCase(kind: .poolSum(mean: true), image: image)),
      TimedCase(PoolingCase(kind: .poolSum(mean: false), image: image, below: below)),
      TimedCase(PoolingCase(kind: .poolSpread(mean: false), image: image)),
      TimedCase(PoolingCase(kind: .poolSpread(mean: true), image: image, below: below)),
    ]
  }
}

// What the rates of products and of draws are counted in.
extension MatmulCase {
  func work<B: Backend>(for backend: B) -> Work { .operations(2 * Double(m) * Double(n) * Double(k)) }
}

extension DenseGradientCase {
  func work<B: Backend>(for backend: B) -> Work {
    .operations(2 * Double(samples) * Double(inputs) * Double(outputs))
  }
}

extension ConvolutionCase {
  func work<B: Backend>(for backend: B) -> Work { .operations(image.geometry.flops * Double(image.samples)) }
}

extension ConvolutionGradientCase {
  func work<B: Backend>(for backend: B) -> Work { .operations(image.geometry.flops * Double(image.samples)) }
}

extension GatherCase {
  /// Of the source only the rows that are drawn.
  func work<B: Backend>(for backend: B) -> Work {
    let rows = (corruption == nil ? 2 : 3) * rows * source.columns
    return .bytes(Double(rows * MemoryLayout<B.Scalar>.stride))
  }
}
