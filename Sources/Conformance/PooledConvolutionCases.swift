import CinchBackend

extension Conformance {
  static var pooledConvolutionCases: [any ConformanceCase] {
    PooledConvolutionCase.all + PooledGradientCase.all + ImageRejection.pooledRows
  }

  /// Convolutions with poolings of their images: rows and columns left over, and windows that reach past the end.
  static let pooledConvolutions: [PooledImage] = convolutions.enumerated().compactMap { i, image in
    let g = image.geometry, windows = [(2, 2), (3, 2), (2, 4), (1, 2)][i % 4], reachesOut = i % 3 == 0
    func count(_ extent: Int, _ window: Int) -> Int { reachesOut ? (extent + window - 1) / window : extent / window }
    let (down, across) = (count(g.outputHeight, windows.0), count(g.outputWidth, windows.1))
    guard down > 0, across > 0 else { return nil }
    return PooledImage(
      convolution: image,
      pooling: PoolingGeometry(
        height: g.outputHeight, width: g.outputWidth, channels: g.outputChannels, outputHeight: down,
        outputWidth: across, kernel: windows, stride: windows))
  }

  /// The first layer of `conv-pool`, in batches of which a CPU takes several samples at once, and photographs, in bands: of
  /// few channels, and of vectors of them, with a row and a column left over.
  static let pooledTraining = pooledHalves([(28, 1, 16, 9), (200, 3, 8, 1), (61, 3, 32, 2)])

  /// Squares that a CPU pools as their sums are made: whole vectors of one sample's channels, or channels of two samples, of
  /// which the last may be alone; sums of few numbers and of many.
  static let pooledSquares = pooledHalves([
    (28, 1, 16, 2), (12, 3, 32, 2), (10, 17, 16, 2), (12, 1, 8, 3), (14, 16, 8, 2), (12, 3, 5, 5), (6, 1, 1, 3),
  ])

  private static func pooledHalves(
    _ sizes: [(size: Int, channels: Int, filters: Int, samples: Int)]
  ) -> [PooledImage] {
    sizes.map { size, channels, filters, samples in
      let convolution = ConvolutionGeometry(
        height: size, width: size, channels: channels, outputHeight: size, outputWidth: size, outputChannels: filters,
        kernel: (3, 3), top: 1, left: 1)
      let half = size / 2
      return PooledImage(
        convolution: ImageGeometry(geometry: convolution, samples: samples),
        pooling: PoolingGeometry(
          height: size, width: size, channels: filters, outputHeight: half, outputWidth: half, kernel: (2, 2),
          stride: (2, 2)))
    }
  }
}

/// A convolution and the pooling behind it.
struct PooledImage: Sendable {
  let convolution: ImageGeometry<ConvolutionGeometry>
  let pooling: PoolingGeometry

  var geometry: ConvolutionGeometry { convolution.geometry }
  var samples: Int { convolution.samples }
  var small: Shape { pooling.small(samples) }
  var name: String {
    "\(convolution.name), pooled by \(pooling.kernelHeight) × \(pooling.kernelWidth) to \(pooling.outputHeight) × "
      + "\(pooling.outputWidth)"
  }
}

/// The largest of each window of a convolution's image, and where it lies. Sums are multiples of a power of two, small
/// enough to be exact in any order: so no rounding moves a switch.
struct PooledConvolutionCase: OpCase {
  let image: PooledImage
  let activation: Activation
  let bias: Bool
  var blemish: (argument: String, index: Int)?

  let op = "convolvePooled"
  var name: String {
    "\(image.name), \(activation)" + (bias ? " with bias" : "")
      + (blemish.map { ", NaN in \($0.argument)[\($0.index)]" } ?? "")
  }
  var expectsNaN: Bool { blemish != nil }

  func arguments<B: Backend>(for backend: B) -> [Argument] {
    let g = image.geometry, weight = g.weightShape
    // So that no sum lies beyond ±4, where activations are flat.
    var unit: Float = 4
    while unit * Float(weight.count / g.outputChannels + 1) > 4 { unit /= 2 }
    func input(_ argument: String, _ shape: Shape, _ unit: Float) -> Argument {
      let values = CaseData.uniform(shape, -1.5...1.5, name + argument).map { $0.rounded() * unit }
      guard let blemish, blemish.argument == argument else { return .input(argument, shape, values) }
      return .input(argument, shape, CaseData.withNaN(values, at: blemish.index))
    }
    return [input("x", g.large(image.samples), 1), input("weight", weight, unit)]
      + (bias ? [input("bias", [g.outputChannels], unit)] : [])
      + [.output("y", image.small), .output("switches", image.small)]
  }

  func call<B: Backend>(_ backend: B, _ t: Tensors<B.Buffer>) throws {
    try backend.convolvePooled(
      t["x"], t["weight"], image.geometry, bias: t.optional("bias"), activation: activation, image.pooling,
      into: t["y"], switches: t["switches"])
  }

  func errors(_ v: CaseValues) throws -> [String: [Double]] {
    let backend = ReferenceBackend(), g = image.geometry
    let sums = try backend.tensor(image.small)
    try backend.convolvePooled(
      backend.tensor(g.large(image.samples), v["x"]), backend.tensor(g.weightShape, v["weight"]), g,
      bias: v.optional("bias").map { try backend.tensor([g.outputChannels], $0) }, activation: .linear, image.pooling,
      into: sums, switches: backend.tensor(image.small))
    return ["y": try backend.read(sums).map { activation.estimate(.exact($0)).error }]
  }

  func work<B: Backend>(for backend: B) -> Work { .operations(image.geometry.flops * Double(image.samples)) }

  static var all: [PooledConvolutionCase] {
    let activations = Activation.allCases
    let images = Conformance.pooledConvolutions + Conformance.pooledTraining
    let plain = images.enumerated().map { i, image in
      PooledConvolutionCase(image: image, activation: activations[i % activations.count], bias: i % 5 != 1)
    }
    let small = images.first { $0.geometry.outputHeight > 3 && $0.geometry.channels > 1 }
    let squares = Conformance.pooledSquares.flatMap { image in
      [
        PooledConvolutionCase(image: image, activation: .relu, bias: true),
        PooledConvolutionCase(image: image, activation: .linear, bias: false),
        PooledConvolutionCase(image: image, activation: .relu, bias: true, blemish: ("x", 20)),
      ]
    }
    return plain + squares
      + (small.map { small in
        [("x", 0), ("bias", 0)].map {
          PooledConvolutionCase(image: small, activation: .relu, bias: true, blemish: $0)
        }
      } ?? [])
  }
}

/// The gradients of a convolution whose image is pooled, from δ of what was picked.
struct PooledGradientCase: OpCase {
  let image: PooledImage
  let accumulate: Bool
  var blemish: (argument: String, index: Int)?

  let op = "pooledConvolutionGradient"
  var name: String {
    image.name + (accumulate ? ", accumulate" : "") + (blemish.map { ", NaN in \($0.argument)[\($0.index)]" } ?? "")
  }
  var expectsNaN: Bool { blemish != nil }

  private var pooling: ImageGeometry<PoolingGeometry> {
    ImageGeometry(geometry: image.pooling, samples: image.samples)
  }

  func arguments<B: Backend>(for backend: B) -> [Argument] {
    let g = image.geometry, weight = g.weightShape
    func input(_ argument: String, _ shape: Shape) -> Argument {
      let values = CaseData.uniform(shape, -1...1, name + argument)
      guard let blemish, blemish.argument == argument else { return .input(argument, shape, values) }
      return .input(argument, shape, CaseData.withNaN(values, at: blemish.index))
    }
    return [
      input("x", g.large(image.samples)), input("delta", image.small),
      .input("switches", image.small, pooling.switches(name)),
      accumulate ? .update("dW", weight, CaseData.uniform(weight, -1...1, name + "dW")) : .output("dW", weight),
      .output("db", [g.outputChannels]),
    ]
  }

  func call<B: Backend>(_ backend: B, _ t: Tensors<B.Buffer>) throws {
    try backend.pooledConvolutionGradient(
      x: t["x"], delta: t["delta"], switches: t["switches"], image.geometry, image.pooling, weightGradient: t["dW"],
      biasGradient: t["db"], accumulate: accumulate)
  }

  func errors(_ v: CaseValues) throws -> [String: [Double]] {
    let backend = ReferenceBackend(), g = image.geometry
    let unpooled = try backend.tensor(g.small(image.samples))
    try backend.unpool(
      backend.tensor(image.small, v["delta"]), switches: backend.tensor(image.small, v["switches"]), image.pooling,
      into: unpooled, below: nil)
    let y = try backend.read(unpooled)
    var weights = try Bounds.convolutionGradient(x: v["x"], y: y, g, samples: image.samples)
    if accumulate { weights = zip(weights, v["dW"]).map { $0 + .exact($1) } }
    let biases = (0..<g.outputChannels).map { c in
      Estimate.sum(stride(from: c, to: y.count, by: g.outputChannels).map { .exact(y[$0]) }).error
    }
    return ["dW": weights.map(\.error), "db": biases]
  }

  func work<B: Backend>(for backend: B) -> Work { .operations(image.geometry.flops * Double(image.samples)) }

  static var all: [PooledGradientCase] {
    let images = Conformance.pooledConvolutions + Conformance.pooledTraining + Conformance.pooledSquares
    let plain = images.enumerated().map { i, image in PooledGradientCase(image: image, accumulate: i % 2 == 1) }
    // Without padding: see `ConvolutionCase.notNumbers`.
    let bare = images.first { $0.geometry.top == 0 && $0.geometry.left == 0 && $0.geometry.outputHeight > 3 }
    return plain
      + (bare.map { [PooledGradientCase(image: $0, accumulate: false, blemish: ("delta", 3))] } ?? [])
  }
}
