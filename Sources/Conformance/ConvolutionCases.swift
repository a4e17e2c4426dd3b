import CinchBackend

extension Conformance {
  static var convolutionCases: [any ConformanceCase] {
    ConvolutionCase.plain + ConvolutionCase.epilogues + ConvolutionCase.notNumbers + ConvolutionGradientCase.all
      + TapSumsCase.all + ImageRejection.convolutionRows
  }
}

/// One convolution, or transposed convolution, with one epilogue.
struct ConvolutionCase: OpCase {
  typealias Kind = MatmulCase.Kind

  /// Where the result lies: `small` for a convolution, `large` for a transposed one.
  let side: ConvolutionSide
  let image: ImageGeometry<ConvolutionGeometry>
  var kind = Kind.none
  /// The input comes as a matrix of one row per sample.
  var flat = false
  var alike = false
  var blemish: (argument: String, index: Int)?

  var op: String { side == .small ? "convolve" : "convolveTransposed" }
  var name: String {
    "\(image.name), \(kind.name)" + (flat ? ", from a flat image" : "")
      + (alike ? ", alike" : "") + (blemish.map { ", NaN in \($0.argument)[\($0.index)]" } ?? "")
  }
  var expectsNaN: Bool { blemish != nil }

  private var geometry: ConvolutionGeometry { image.geometry }
  private var from: Shape { side == .small ? geometry.large(image.samples) : geometry.small(image.samples) }
  private var to: Shape { side == .small ? geometry.small(image.samples) : geometry.large(image.samples) }
  private var channels: Int { side == .small ? geometry.outputChannels : geometry.channels }

  func arguments<B: Backend>(for backend: B) -> [Argument] {
    let (from, to, weight) = (from, to, geometry.weightShape)
    // Sums stay of the order of one, where activations bend.
    let bound = 1.5 / Float(weight.count / channels).squareRoot()
    let seen: Shape = flat ? [from.rows, from.columns] : from
    func numbers(_ argument: String, _ shape: Shape, _ range: ClosedRange<Float>) -> [Float] {
      let seed = name + argument
      return values(argument, alike ? CaseData.alike(shape, seed) : CaseData.uniform(shape, range, seed))
    }
    var result = [
      Argument.input("from", seen, numbers("from", from, -1...1)),
      .input("weight", weight, numbers("weight", weight, -bound...bound)),
    ]
    switch kind {
    case .none: result.append(.output("to", to))
    case .accumulate: result.append(.update("to", to, values("to", CaseData.uniform(to, -1...1, name + "to"))))
    case .forward(_, let bias):
      result.append(.output("to", to))
      if bias { result.append(vector("bias")) }
    case .backward(let terms):
      result.append(.output("to", to))
      result += terms.arguments(image: to, name, map: values)
    case .loss(let loss, _, let bias, let weighted):
      result.append(.output("to", to))
      if bias { result.append(vector("bias")) }
      let target = numbers("target", to, 0...1)
      result += LossData(loss: loss, weighted: weighted).arguments(to, name, target: target)
      let count = backend.lossPartialCount(geometry, samples: image.samples, result: side)
      result.append(.output("partials", [count], comparedBy: .sum))
    }
    return result
  }

  private func vector(_ argument: String) -> Argument {
    .input(argument, [channels], values(argument, CaseData.uniform([channels], -1...1, name + argument)))
  }

  private func values(_ argument: String, _ values: [Float]) -> [Float] {
    guard let blemish, blemish.argument == argument else { return values }
    return CaseData.withNaN(values, at: blemish.index)
  }

  func call<B: Backend>(_ backend: B, _ t: Tensors<B.Buffer>) throws {
    let epilogue: Epilogue<B.Buffer> =
      switch kind {
      case .none: .none
      case .accumulate: .accumulate
      case .forward(let activation, _): .forward(bias: t.optional("bias"), activation: activation)
      case .backward(let terms): .backward(terms.bind(t))
      case .loss(let loss, let activation, _, let weighted):
        .loss(LossData(loss: loss, weighted: weighted).fused(activation, t, scale: Self.scale))
      }
    switch side {
    case .small: try backend.convolve(t["from"], t["weight"], geometry, into: t["to"], epilogue: epilogue)
    case .large: try backend.convolveTransposed(t["from"], t["weight"], geometry, into: t["to"], epilogue: epilogue)
    }
  }

  private static let scale = 0.3

  func errors(_ v: CaseValues) throws -> [String: [Double]] {
    let sums = try Bounds.convolution(v["from"], v["weight"], geometry, samples: image.samples, result: side)
    let channels = channels, features = to.columns, bias = v.optional("bias")
    func biased(_ i: Int) -> Estimate { bias.map { sums[i] + .exact($0[i % channels]) } ?? sums[i] }
    switch kind {
    case .none: return ["to": sums.map(\.error)]
    case .accumulate: return ["to": zip(sums, v["to"]).map { ($0 + .exact($1)).error }]
    case .forward(let activation, _): return ["to": sums.indices.map { activation.estimate(biased($0)).error }]
    case .backward(let terms):
      return ["to": sums.indices.map { terms.estimate(sums[$0], index: $0, column: $0 % channels, v).error }]
    case .loss(let loss, let activation, _, let weighted):
      // The loss per sample: mse is divided by all of a sample's features, not by its channels.
      let elements = LossData(loss: loss, weighted: weighted).estimates(
        sums.indices.map(biased), activation, columns: features, v)
      return [
        "to": elements.map { ($0.gradient * .rounded(Self.scale)).error },
        "partials": [Estimate.sum(elements.map(\.loss)).error],
      ]
    }
  }
}

extension ConvolutionCase {
  private static let sides = [ConvolutionSide.small, .large]

  /// Every geometry, both ways.
  static var plain: [ConvolutionCase] {
    Conformance.convolutions.enumerated().flatMap { i, image in
      sides.map { ConvolutionCase(side: $0, image: image, flat: i % 5 == 4) }
    }
  }

  /// Every epilogue with every optional term present and absent, both ways, on geometries that differ.
  static var epilogues: [ConvolutionCase] {
    let images = Conformance.convolutions.filter { $0.work <= 30_000 }
    return Kind.all.enumerated().flatMap { i, kind in
      sides.enumerated().map { j, side in
        ConvolutionCase(side: side, image: images[(5 * i + 3 * j) % images.count], kind: kind)
      }
    } + training + long
  }

  /// Losses of very many pixels, in one image and in many.
  private static var long: [ConvolutionCase] {
    [(256, 1), (2, 15_000)].map { size, samples in
      let geometry = ConvolutionGeometry(
        height: size, width: size, channels: 1, outputHeight: size, outputWidth: size, outputChannels: 1,
        kernel: (1, 1))
      return ConvolutionCase(
        side: .large, image: ImageGeometry(geometry: geometry, samples: samples),
        kind: .loss(.bce, .sigmoid, bias: false), alike: true)
    }
  }

  /// The layers of the convolutional workload, forward, loss and backward.
  private static var training: [ConvolutionCase] {
    let layers = Conformance.convolutions.filter { $0.geometry.kernelHeight == 3 && $0.geometry.top == 1 }
    let first = layers.first { $0.geometry.height == 28 && $0.geometry.outputHeight == 14 }
    let second = layers.first { $0.geometry.height == 14 && $0.geometry.outputHeight == 7 }
    guard let first, let second else { preconditionFailure("the table lacks its models") }
    let terms = GradientTerms(activation: .relu, column: false, l1: 0.01, curvature: false)
    let gate = GradientTerms(activation: .relu, column: false, l1: 0, curvature: false)
    return [
      ConvolutionCase(side: .small, image: first, kind: .forward(.relu, bias: true)),
      ConvolutionCase(side: .small, image: second, kind: .forward(.relu, bias: true)),
      ConvolutionCase(side: .large, image: second, kind: .forward(.relu, bias: true)),
      ConvolutionCase(side: .large, image: first, kind: .loss(.bce, .sigmoid, bias: true)),
      ConvolutionCase(side: .small, image: first, kind: .backward(terms)),
      ConvolutionCase(side: .large, image: second, kind: .backward(terms)),
    ]
      + layers.filter { $0.geometry.height == 35 }.flatMap { last in
        [.forward(.relu, bias: true), .loss(.bce, .sigmoid, bias: true), .backward(gate), .accumulate].map {
          ConvolutionCase(side: .large, image: last, kind: $0)
        }
      }
  }

  /// A NaN reaches the pixels it meets, whatever the epilogue, and nothing else: not those where a border or a
  /// stride keeps it out.
  ///
  /// One in a weight is tried only where no tap ever lies in the padding: 0 · NaN there is NaN on a device that
  /// pads, and nothing on one that skips.
  static var notNumbers: [ConvolutionCase] {
    let padded = ImageGeometry(
      geometry: ConvolutionGeometry(
        height: 6, width: 5, channels: 3, outputHeight: 3, outputWidth: 3, outputChannels: 4, kernel: (3, 3),
        stride: (2, 2), top: 1, left: 1), samples: 2)
    let bare = ImageGeometry(
      geometry: ConvolutionGeometry(
        height: 6, width: 5, channels: 3, outputHeight: 2, outputWidth: 2, outputChannels: 4, kernel: (3, 3),
        stride: (3, 2)), samples: 2)
    let kinds: [Kind] =
      [.none, .accumulate] + Activation.allCases.map { .forward($0, bias: true) }
      + [.backward(GradientTerms(activation: .sigmoid, column: true, l1: 0, curvature: true))]
      + [.loss(.sse, .tanh, bias: true), .loss(.mse, .linear, bias: true), .loss(.bce, .sigmoid, bias: true)]
      + [.loss(.gaussian, .linear, bias: true)]
    let met = sides.flatMap { side in
      kinds.flatMap { kind in
        var blemishes = [("from", 0), ("from", 64)]
        switch kind {
        case .none: break
        case .accumulate: blemishes.append(("to", 40))
        case .forward: blemishes.append(("bias", 2))
        case .backward: blemishes += [("column", 1), ("output", 50), ("norms", 2)]
        case .loss: blemishes += [("bias", 0), ("target", 33)]
        }
        return blemishes.map { ConvolutionCase(side: side, image: padded, kind: kind, blemish: $0) }
      }
    }
    // Sums over input channels read whole vectors of pixels.
    let single = ImageGeometry(
      geometry: ConvolutionGeometry(
        height: 5, width: 11, channels: 16, outputHeight: 5, outputWidth: 11, outputChannels: 1, kernel: (3, 3), top: 1,
        left: 1), samples: 2)
    return met + [
      ConvolutionCase(side: .small, image: bare, blemish: ("weight", 50)),
      ConvolutionCase(side: .small, image: single, blemish: ("from", 300)),
      ConvolutionCase(side: .small, image: single, kind: .forward(.relu, bias: true), blemish: ("from", 0)),
    ]
  }
}

/// dW and db of a convolution (δ is the small image) or a transposed one (δ is the large image).
struct ConvolutionGradientCase: OpCase {
  let image: ImageGeometry<ConvolutionGeometry>
  let delta: ConvolutionSide
  let accumulate: Bool
  var accumulateBias = false
  var alike = false
  var blemish: (argument: String, index: Int)?

  let op = "convolutionGradient"
  var name: String {
    "\(image.name), δ \(delta == .small ? "small" : "large")" + (accumulate ? ", accumulate" : "")
      + (accumulateBias ? ", accumulate biases" : "") + (alike ? ", alike" : "")
      + (blemish.map { ", NaN in \($0.argument)[\($0.index)]" } ?? "")
  }
  var expectsNaN: Bool { blemish != nil }

  private var geometry: ConvolutionGeometry { image.geometry }

  func arguments<B: Backend>(for backend: B) -> [Argument] {
    let weight = geometry.weightShape
    let biases: Shape = [delta == .small ? geometry.outputChannels : geometry.channels]
    func input(_ argument: String, _ shape: Shape) -> Argument {
      let values =
        alike ? CaseData.alike(shape, name + argument) : CaseData.uniform(shape, -1...1, name + argument)
      guard let blemish, blemish.argument == argument else { return .input(argument, shape, values) }
      return .input(argument, shape, CaseData.withNaN(values, at: blemish.index))
    }
    return [
      input("x", geometry.large(image.samples)), input("y", geometry.small(image.samples)),
      accumulate ? .update("dW", weight, CaseData.uniform(weight, -1...1, name + "dW")) : .output("dW", weight),
      accumulateBias ? .update("db", biases, CaseData.uniform(biases, -1...1, name + "db")) : .output("db", biases),
    ]
  }

  func call<B: Backend>(_ backend: B, _ t: Tensors<B.Buffer>) throws {
    try backend.convolutionGradient(
      x: t["x"], y: t["y"], geometry, weightGradient: t["dW"], biasGradient: t["db"], delta: delta,
      accumulate: accumulate, accumulateBias: accumulateBias)
  }

  func errors(_ v: CaseValues) throws -> [String: [Double]] {
    var weights = try Bounds.convolutionGradient(x: v["x"], y: v["y"], geometry, samples: image.samples)
    if accumulate { weights = zip(weights, v["dW"]).map { $0 + .exact($1) } }
    let channels = delta == .small ? geometry.outputChannels : geometry.channels
    let side = v[delta == .small ? "y" : "x"], held = v["db"]
    let biases = (0..<channels).map { c in
      let sum = Estimate.sum(stride(from: c, to: side.count, by: channels).map { .exact(side[$0]) })
      return (accumulateBias ? sum + .exact(held[c]) : sum).error
    }
    return ["dW": weights.map(\.error), "db": biases]
  }

  static var all: [ConvolutionGradientCase] {
    let plain = Conformance.convolutions.enumerated().flatMap { i, image in
      [ConvolutionSide.small, .large].enumerated().map { j, delta in
        ConvolutionGradientCase(
          image: image, delta: delta, accumulate: (i + j) % 2 == 1, accumulateBias: (i / 2 + j) % 2 == 1)
      }
    }
    // Without padding: see `ConvolutionCase.notNumbers`.
    let bare = ImageGeometry(
      geometry: ConvolutionGeometry(
        height: 6, width: 5, channels: 3, outputHeight: 2, outputWidth: 2, outputChannels: 4, kernel: (3, 3),
        stride: (3, 2)), samples: 2)
    let long = Conformance.longConvolutions.flatMap { image in
      [ConvolutionSide.small, .large].map {
        ConvolutionGradientCase(image: image, delta: $0, accumulate: false, alike: true)
      }
    }
    return plain + long
      + [("x", 20), ("y", 9)].flatMap { blemish in
        [ConvolutionSide.small, .large].map {
          ConvolutionGradientCase(image: bare, delta: $0, accumulate: $0 == .large, blemish: blemish)
        }
      }
  }
}

extension Bounds {
  /// Each element of a convolution's or a transposed convolution's result, with its bound.
  static func convolution(
    _ from: [Double], _ weight: [Double], _ geometry: ConvolutionGeometry, samples: Int, result side: ConvolutionSide
  ) throws -> [Estimate] {
    let backend = ReferenceBackend()
    let large = geometry.large(samples), small = geometry.small(samples)
    func run(_ from: [Double], _ weight: [Double]) throws -> [Double] {
      let w = try backend.tensor(geometry.weightShape, weight)
      let source = try backend.tensor(side == .small ? large : small, from)
      let result = try backend.tensor(side == .small ? small : large)
      switch side {
      case .small: try backend.convolve(source, w, geometry, into: result, epilogue: .none)
      case .large: try backend.convolveTransposed(source, w, geometry, into: result, epilogue: .none)
      }
      return try backend.read(result)
    }
    return try estimates(run, from, weight)
  }

  static func convolutionGradient(
    x: [Double], y: [Double], _ geometry: ConvolutionGeometry, samples: Int
  ) throws -> [Estimate] {
    let backend = ReferenceBackend()
    let unused = try backend.tensor([geometry.outputChannels])
    func run(_ x: [Double], _ y: [Double]) throws -> [Double] {
      let dW = try backend.tensor(geometry.weightShape)
      try backend.convolutionGradient(
        x: backend.tensor(geometry.large(samples), x), y: backend.tensor(geometry.small(samples), y), geometry,
        weightGradient: dW, biasGradient: unused, delta: .small, accumulate: false)
      return try backend.read(dW)
    }
    return try estimates(run, x, y)
  }

  /// An op that sums products gives the terms' magnitudes when run on magnitudes, and their number when run on ones.
  private static func estimates(
    _ run: ([Double], [Double]) throws -> [Double], _ a: [Double], _ b: [Double]
  ) rethrows -> [Estimate] {
    let values = try run(a, b), magnitudes = try run(a.map(abs), b.map(abs))
    let counts = try run(a.map { _ in 1 }, b.map { _ in 1 })
    return values.indices.map {
      Estimate(values[$0], error: summation(Int(counts[$0]), magnitude: magnitudes[$0]))
    }
  }
}
