import CinchBackend

/// A call on images that do not fit: it must throw `BackendError.invalidArgument` with the sentence that every
/// backend says, and queue nothing.
struct ImageRejection: ConformanceCase {
  enum Call: Sendable {
    case convolve(Shape, weight: Shape, Shape, Terms = .none)
    case convolveOverImage(Shape, weight: Shape, Shape)
    case convolveTransposed(Shape, weight: Shape, Shape)
    case gradient(Shape, Shape, weight: Shape, bias: Shape)
    case gradientOverImage(Shape, Shape, weight: Shape, bias: Shape)
    case tapSums(Shape, box: Int, turned: Bool, Shape)
    case maxPool(Shape, Shape, switches: Shape)
    case maxPoolOverImage(Shape, Shape)
    case unpool(Shape, switches: Shape, Shape)
    case poolSum(Shape, Shape, below: Shape)
    case poolSpread(Shape, Shape)
    case convolvePooled(Shape, weight: Shape, Shape, switches: Shape)
    case pooledGradient(Shape, delta: Shape, weight: Shape, bias: Shape)
  }
  enum Terms: Sendable { case none, bias(Shape), output(Shape), target(Shape) }

  let name: String
  let call: Call
  var convolution = Self.convolution
  var pooling = Self.pooling

  var op: String {
    switch call {
    case .convolve, .convolveOverImage: "convolve"
    case .convolveTransposed: "convolveTransposed"
    case .gradient, .gradientOverImage: "convolutionGradient"
    case .tapSums: "tapSums"
    case .maxPool, .maxPoolOverImage: "maxPool"
    case .unpool: "unpool"
    case .poolSum: "poolSum"
    case .poolSpread: "poolSpread"
    case .convolvePooled: "convolvePooled"
    case .pooledGradient: "pooledConvolutionGradient"
    }
  }

  /// A call that is refused reads no element.
  var elements: Int { 0 }

  func run<B: Backend>(on backend: B, against reference: ReferenceBackend) throws -> CaseOutcome {
    var outcome = CaseOutcome()
    let wanted = refusal(of: reference)
    let before = backend.counters.launches
    let got = refusal(of: backend)
    if got != wanted { outcome.failures.append("said \(got ?? "nothing"), not \(wanted ?? "nothing").") }
    if wanted == nil { outcome.failures.append("the case is broken: the reference accepts it.") }
    if backend.counters.launches != before { outcome.failures.append("queued work nonetheless.") }
    return outcome
  }

  /// The sentence of an invalid argument, or what else came of the call.
  private func refusal<B: Backend>(of backend: B) -> String? {
    do {
      try run(on: backend)
      return nil
    } catch BackendError.invalidArgument(let sentence) {
      return sentence
    } catch {
      return "the error \(error)"
    }
  }

  private func run<B: Backend>(on backend: B) throws {
    func t(_ shape: Shape) throws -> Tensor<B.Buffer> { try backend.tensor(shape) }
    switch call {
    case .convolve(let x, let weight, let y, let terms):
      let epilogue: Epilogue<B.Buffer> =
        switch terms {
        case .none: .none
        case .bias(let bias): .forward(bias: try t(bias), activation: .relu)
        case .output(let output): .backward(ActivationGradient(.relu, output: try t(output)))
        case .target(let target):
          .loss(
            FusedLoss(
              .sse, activation: .linear, bias: nil, target: try t(target), gradientScale: 1,
              partials: try t([backend.lossPartialCount(convolution, samples: x.rows, result: .small)])))
        }
      try backend.convolve(t(x), t(weight), convolution, into: t(y), epilogue: epilogue)
    case .convolveOverImage(let x, let weight, let y):
      let (source, result) = try backend.overlapping(x, y)
      try backend.convolve(source, t(weight), convolution, into: result, epilogue: .none)
    case .convolveTransposed(let y, let weight, let x):
      try backend.convolveTransposed(t(y), t(weight), convolution, into: t(x), epilogue: .none)
    case .gradient(let x, let y, let weight, let bias):
      try backend.convolutionGradient(
        x: t(x), y: t(y), convolution, weightGradient: t(weight), biasGradient: t(bias), delta: .small,
        accumulate: false)
    case .gradientOverImage(let x, let y, let weight, let bias):
      let (source, result) = try backend.overlapping(x, weight)
      try backend.convolutionGradient(
        x: source, y: t(y), convolution, weightGradient: result, biasGradient: t(bias), delta: .small, accumulate: false
      )
    case .tapSums(let weight, let box, let turned, let result):
      try backend.tapSums(t(weight), box: (box, box), turned: turned, into: t(result))
    case .maxPool(let x, let y, let switches): try backend.maxPool(t(x), pooling, into: t(y), switches: t(switches))
    case .maxPoolOverImage(let x, let y):
      let (source, result) = try backend.overlapping(x, y)
      try backend.maxPool(source, pooling, into: result, switches: t(y))
    case .unpool(let y, let switches, let x):
      try backend.unpool(t(y), switches: t(switches), pooling, into: t(x), below: nil)
    case .poolSum(let x, let y, let below):
      try backend.poolSum(
        t(x), pooling, mean: true, into: t(y), below: ActivationGradient(.tanh, output: t(below)))
    case .poolSpread(let y, let x): try backend.poolSpread(t(y), pooling, mean: false, into: t(x), below: nil)
    case .convolvePooled(let x, let weight, let y, let switches):
      try backend.convolvePooled(
        t(x), t(weight), convolution, bias: nil, activation: .relu, pooling, into: t(y), switches: t(switches))
    case .pooledGradient(let x, let delta, let weight, let bias):
      try backend.pooledConvolutionGradient(
        x: t(x), delta: t(delta), switches: t(delta), convolution, pooling, weightGradient: t(weight),
        biasGradient: t(bias), accumulate: false)
    }
  }

  private static let convolution = ConvolutionGeometry(
    height: 4, width: 5, channels: 2, outputHeight: 2, outputWidth: 3, outputChannels: 3, kernel: (3, 3))
  private static let pooling = PoolingGeometry(
    height: 4, width: 6, channels: 2, outputHeight: 2, outputWidth: 3, kernel: (2, 2), stride: (2, 2))

  private static func convolution(
    _ name: String, _ change: (inout ConvolutionGeometry) -> Void
  ) -> ImageRejection {
    var row = ImageRejection(name: name, call: .convolve([2, 4, 5, 2], weight: [3, 3, 2, 3], [2, 2, 3, 3]))
    change(&row.convolution)
    return row
  }

  private static func pooling(_ name: String, _ change: (inout PoolingGeometry) -> Void) -> ImageRejection {
    var row = ImageRejection(name: name, call: .poolSpread([2, 2, 3, 2], [2, 4, 6, 2]))
    change(&row.pooling)
    return row
  }

  static var convolutionRows: [ImageRejection] {
    let (x, w, y): (Shape, Shape, Shape) = ([2, 4, 5, 2], [3, 3, 2, 3], [2, 2, 3, 3])
    return [
      ImageRejection(name: "rejects channels first", call: .convolve([2, 2, 4, 5], weight: w, y)),
      ImageRejection(name: "rejects PyTorch's weights", call: .convolve(x, weight: [3, 2, 3, 3], y)),
      ImageRejection(name: "rejects another batch", call: .convolve(x, weight: w, [3, 2, 3, 3])),
      ImageRejection(name: "rejects a bias per pixel", call: .convolve(x, weight: w, y, .bias([18]))),
      ImageRejection(name: "rejects an output of the wrong side", call: .convolve(x, weight: w, y, .output(x))),
      ImageRejection(name: "rejects a target of the wrong side", call: .convolve(x, weight: w, y, .target(x))),
      ImageRejection(name: "rejects images the wrong way round", call: .convolveTransposed(x, weight: w, y)),
      ImageRejection(name: "rejects a result over the image", call: .convolveOverImage(x, weight: w, y)),
      ImageRejection(name: "rejects a gradient over the image", call: .gradientOverImage(x, y, weight: w, bias: [3])),
      ImageRejection(name: "rejects a flat weight gradient", call: .gradient(x, y, weight: [54], bias: [3])),
      ImageRejection(name: "rejects a bias gradient of the other side", call: .gradient(x, y, weight: w, bias: [2])),
      ImageRejection(name: "rejects a flat weight", call: .tapSums([54], box: 2, turned: false, [4, 4, 2, 3])),
      ImageRejection(name: "rejects a box of 0", call: .tapSums(w, box: 0, turned: false, [2, 2, 2, 3])),
      ImageRejection(
        name: "rejects channels that do not turn", call: .tapSums(w, box: 2, turned: true, [4, 4, 2, 3])),
      ImageRejection(
        name: "rejects another number of taps", call: .tapSums(w, box: 2, turned: false, [3, 3, 2, 3])),
      ImageRejection(
        name: "rejects more rows and fewer columns", call: .tapSums(w, box: 2, turned: false, [4, 2, 2, 3])),
      convolution("rejects a stride of 0") { $0.strideWidth = 0 },
      convolution("rejects a dilation of 0") { $0.dilationHeight = 0 },
      convolution("rejects a negative padding") { $0.top = -1 },
      convolution("rejects a kernel of 0") { $0.kernelWidth = 0 },
      convolution("rejects a stride beyond all numbers") { $0.strideHeight = .max },
      convolution("rejects a dilation beyond all numbers") { $0.dilationWidth = .max },
      convolution("rejects a padding beyond all numbers") { $0.left = .max },
      convolution("rejects an image beyond all numbers") { $0.height = .max },
      convolution("rejects images that cannot be counted") {
        ($0.width, $0.height, $0.channels) = (1 << 30, 1 << 30, 1 << 30)
      },
      convolution("rejects strides that reach beyond what can be counted") {
        ($0.strideHeight, $0.strideWidth) = (1 << 31, 1 << 31)
      },
    ]
  }

  private static func pooled(_ name: String, _ change: (inout PoolingGeometry) -> Void) -> ImageRejection {
    var row = ImageRejection(
      name: name, call: .convolvePooled([2, 4, 5, 2], weight: [3, 3, 2, 3], [2, 1, 1, 3], switches: [2, 1, 1, 3]),
      pooling: ofConvolution)
    change(&row.pooling)
    return row
  }

  /// Of the convolution's image.
  private static let ofConvolution = PoolingGeometry(
    height: 2, width: 3, channels: 3, outputHeight: 1, outputWidth: 1, kernel: (2, 2), stride: (2, 2))

  static var pooledRows: [ImageRejection] {
    let (x, w, y): (Shape, Shape, Shape) = ([2, 4, 5, 2], [3, 3, 2, 3], [2, 1, 1, 3])
    func row(_ name: String, _ call: Call) -> ImageRejection {
      ImageRejection(name: name, call: call, pooling: ofConvolution)
    }
    return [
      row("rejects an image that is not pooled", .convolvePooled(x, weight: w, [2, 2, 3, 3], switches: y)),
      row("rejects switches of another batch", .convolvePooled(x, weight: w, y, switches: [1, 1, 1, 3])),
      row("rejects PyTorch's weights", .convolvePooled(x, weight: [3, 2, 3, 3], y, switches: y)),
      row("rejects a δ of the image between", .pooledGradient(x, delta: [2, 2, 3, 3], weight: w, bias: [3])),
      row("rejects a flat weight gradient", .pooledGradient(x, delta: y, weight: [54], bias: [3])),
      row("rejects a bias gradient of the other side", .pooledGradient(x, delta: y, weight: w, bias: [2])),
      pooled("rejects windows that overlap") { $0.strideHeight = 1 },
      pooled("rejects a pooling of another image") { $0.width = 2 },
      pooled("rejects windows of 0") { $0.kernelWidth = 0 },
      pooled("rejects images of windows beyond all numbers") { $0.outputHeight = .max },
      pooled("rejects windows beyond all numbers") { ($0.kernelHeight, $0.strideHeight) = (.max, .max) },
      pooled("rejects windows of more places than floats have") {
        ($0.kernelHeight, $0.strideHeight) = (1 << 24, 1 << 24)
      },
    ]
  }

  static var poolingRows: [ImageRejection] {
    let (x, y): (Shape, Shape) = ([2, 4, 6, 2], [2, 2, 3, 2])
    return [
      ImageRejection(name: "rejects another number of windows", call: .maxPool(x, [2, 3, 3, 2], switches: y)),
      ImageRejection(name: "rejects switches of other windows", call: .maxPool(x, y, switches: [2, 2, 3, 1])),
      ImageRejection(name: "rejects a result over the image", call: .maxPoolOverImage(x, y)),
      ImageRejection(name: "rejects images the wrong way round", call: .unpool(x, switches: y, y)),
      ImageRejection(name: "rejects an output of the wrong side", call: .poolSum(x, y, below: x)),
      ImageRejection(
        name: "rejects windows of more places than floats have", call: .maxPool(x, y, switches: y),
        pooling: PoolingGeometry(
          height: 4, width: 6, channels: 2, outputHeight: 2, outputWidth: 3, kernel: (1 << 12, 1 + 1 << 12),
          stride: (2, 2))),
      pooling("rejects windows of 0") { $0.kernelHeight = 0 },
      pooling("rejects windows beyond all numbers") { $0.kernelWidth = .max },
      pooling("rejects a stride beyond all numbers") { $0.strideHeight = .max },
      pooling("rejects a padding beyond all numbers") { ($0.top, $0.kernelHeight) = (Int.max - 1, .max) },
      pooling("rejects a stride of 0") { $0.strideHeight = 0 },
      pooling("rejects a window in the padding alone") { $0.top = 2 },
      pooling("rejects a window past the end") { $0.strideWidth = 3 },
    ]
  }
}
