import CinchBackend

extension Conformance {
  static var poolingCases: [any ConformanceCase] {
    MaxPoolCase.all + PoolingCase.all + ImageRejection.poolingRows
  }
}

/// The largest of each window, and where it lies. Both are exact.
struct MaxPoolCase: OpCase {
  enum Values: String, Sendable {
    case random
    /// A zero that pads must not win.
    case negative
    /// The first of several largest counts.
    case ties
    case equal
    case infinite = "−∞"
    case notNumbers = "NaN"
    case twoNaNs = "several NaNs a window"
  }

  let image: ImageGeometry<PoolingGeometry>
  var values = Values.random

  let op = "maxPool"
  var name: String { "\(image.name), \(values.rawValue)" }
  var expectsNaN: Bool { [.notNumbers, .twoNaNs, .infinite].contains(values) }

  func arguments<B: Backend>(for backend: B) -> [Argument] {
    let shape = image.geometry.large(image.samples), random = CaseData.uniform(shape, -1...1, name)
    let x: [Float] =
      switch values {
      case .random: random
      case .negative: random.map { $0 - 2 }
      case .ties: random.map { ($0 * 2).rounded() }
      case .equal: random.map { _ in -1 }
      case .infinite: random.map { $0 < 0.5 ? -.infinity : $0 }
      case .notNumbers: random.enumerated().map { $0.offset % 11 == 3 ? .nan : $0.element }
      case .twoNaNs: random.map { $0 < 0 ? .nan : $0 }
      }
    let small = image.geometry.small(image.samples)
    return [.input("x", shape, x), .output("y", small), .output("switches", small)]
  }

  func call<B: Backend>(_ backend: B, _ t: Tensors<B.Buffer>) throws {
    try backend.maxPool(t["x"], image.geometry, into: t["y"], switches: t["switches"])
  }

  static var all: [MaxPoolCase] {
    Conformance.poolings.flatMap { image in
      [Values.random, .negative, .ties].map { MaxPoolCase(image: image, values: $0) }
    }
      + Conformance.poolings.enumerated().map { i, image in
        MaxPoolCase(image: image, values: [.equal, .notNumbers, .infinite, .twoNaNs][i % 4])
      }
  }
}

/// Every op that hands values up or down along windows, with the gradient of the layer below where asked.
struct PoolingCase: OpCase {
  enum Kind: Sendable { case unpool, pickSwitches, poolSum(mean: Bool), poolSpread(mean: Bool) }

  let kind: Kind
  let image: ImageGeometry<PoolingGeometry>
  var below: GradientTerms?
  var blemish: (argument: String, index: Int)?

  var op: String {
    switch kind {
    case .unpool: "unpool"
    case .pickSwitches: "pickSwitches"
    case .poolSum: "poolSum"
    case .poolSpread: "poolSpread"
    }
  }
  var name: String {
    let mean =
      switch kind {
      case .poolSum(let mean), .poolSpread(let mean): mean ? ", mean" : ", sum"
      default: ""
      }
    return "\(image.name)\(mean)" + (below.map { ", below \($0.name)" } ?? "")
      + (blemish.map { ", NaN in \($0.argument)[\($0.index)]" } ?? "")
  }
  var expectsNaN: Bool { blemish != nil }

  private var usesSwitches: Bool {
    switch kind {
    case .unpool, .pickSwitches: true
    case .poolSum, .poolSpread: false
    }
  }
  private var isUpward: Bool {
    switch kind {
    case .pickSwitches, .poolSum: true
    case .unpool, .poolSpread: false
    }
  }
  private var large: Shape { image.geometry.large(image.samples) }
  private var small: Shape { image.geometry.small(image.samples) }

  func arguments<B: Backend>(for backend: B) -> [Argument] {
    func values(_ argument: String, _ values: [Float]) -> [Float] {
      guard let blemish, blemish.argument == argument else { return values }
      return CaseData.withNaN(values, at: blemish.index)
    }
    let (from, to) = isUpward ? (large, small) : (small, large)
    var result = [
      Argument.input("from", from, values("from", CaseData.uniform(from, -2...2, name))), .output("to", to),
    ]
    if usesSwitches { result.append(.input("switches", small, image.switches(name))) }
    if let below { result += below.arguments(image: to, name, map: values) }
    return result
  }

  func call<B: Backend>(_ backend: B, _ t: Tensors<B.Buffer>) throws {
    try call(backend, t["from"], t.optional("switches"), into: t["to"], below: below?.bind(t))
  }

  private func call<B: Backend>(
    _ backend: B, _ from: Tensor<B.Buffer>, _ switches: Tensor<B.Buffer>?, into to: Tensor<B.Buffer>,
    below: ActivationGradient<B.Buffer>?
  ) throws {
    let geometry = image.geometry
    switch kind {
    case .unpool: try backend.unpool(from, switches: switches ?? from, geometry, into: to, below: below)
    case .pickSwitches: try backend.pickSwitches(from, switches: switches ?? from, geometry, into: to, below: below)
    case .poolSum(let mean): try backend.poolSum(from, geometry, mean: mean, into: to, below: below)
    case .poolSpread(let mean): try backend.poolSpread(from, geometry, mean: mean, into: to, below: below)
    }
  }

  func errors(_ v: CaseValues) throws -> [String: [Double]] {
    let backend = ReferenceBackend()
    let switches = try v.optional("switches").map { try backend.tensor(small, $0) }
    func run(_ values: [Double]) throws -> [Double] {
      let from = try backend.tensor(isUpward ? large : small, values)
      let to = try backend.tensor(isUpward ? small : large)
      try call(backend, from, switches, into: to, below: nil)
      return try backend.read(to)
    }
    let from = v["from"], values = try run(from), magnitudes = try run(from.map(abs))
    let terms = try PoolingCase(kind: kind.sum, image: image).count(run: backend, switches)
    let estimates = values.indices.map { i -> Estimate in
      // One value handed on is exact; a mean divides once, before or after it sums.
      let summed = terms[i] > 1 ? Bounds.summation(terms[i], magnitude: magnitudes[i]) : 0
      return Estimate(values[i], error: summed + (kind.isMean ? 3 * magnitudes[i] : 0))
    }
    guard let below else { return ["to": estimates.map(\.error)] }
    let channels = image.geometry.channels
    return [
      "to": estimates.indices.map { below.estimate(estimates[$0], index: $0, column: $0 % channels, v).error }
    ]
  }

  /// How many values each element of the result sums.
  private func count(run backend: ReferenceBackend, _ switches: Tensor<ReferenceBuffer>?) throws -> [Int] {
    let from = isUpward ? large : small
    let ones = try backend.tensor(from, [Double](repeating: 1, count: from.count))
    let counts = try backend.tensor(isUpward ? small : large)
    try call(backend, ones, switches, into: counts, below: nil)
    return try backend.read(counts).map { Int($0) }
  }

  private static let kinds: [Kind] = [
    .unpool, .pickSwitches, .poolSum(mean: false), .poolSum(mean: true), .poolSpread(mean: false),
    .poolSpread(mean: true),
  ]

  static var all: [PoolingCase] {
    let images = Conformance.poolings
    let plain = kinds.flatMap { kind in images.map { PoolingCase(kind: kind, image: $0) } }
    let allTerms = Activation.allCases.flatMap(GradientTerms.all)
    let below = kinds.enumerated().flatMap { i, kind in
      allTerms.enumerated().map { j, terms in
        PoolingCase(kind: kind, image: images[(7 * i + j) % images.count], below: terms)
      }
    }
    let smooth = GradientTerms(activation: .sigmoid, column: true, l1: 0, curvature: true)
    // Windows of 3 × 3, 2 apart, of 7 × 7 × 3: each NaN reaches several.
    let overlapping = Conformance.pooling(7, 7, 3, kernel: (3, 3), stride: (2, 2), before: (1, 1), samples: 2)
    let notNumbers = kinds.flatMap { kind in
      [("from", 7), ("from", 40), ("output", 50), ("column", 1), ("norms", 2)].map {
        PoolingCase(kind: kind, image: overlapping, below: smooth, blemish: $0)
      } + [PoolingCase(kind: kind, image: overlapping, blemish: ("from", 20))]
    }
    return plain + below + notNumbers
  }
}

extension PoolingCase.Kind {
  var isMean: Bool {
    switch self {
    case .poolSum(let mean), .poolSpread(let mean): mean
    case .unpool, .pickSwitches: false
    }
  }
  /// The same without the division.
  var sum: PoolingCase.Kind {
    switch self {
    case .poolSum: .poolSum(mean: false)
    case .poolSpread: .poolSpread(mean: false)
    case .unpool, .pickSwitches: self
    }
  }
}

extension ImageGeometry<PoolingGeometry> {
  package var name: String {
    let g = geometry
    return
      "\(samples) × \(g.height) × \(g.width) × \(g.channels), \(g.outputHeight) × \(g.outputWidth) windows of "
      + "\(g.kernelHeight) × \(g.kernelWidth), strides \(g.strideHeight) \(g.strideWidth), from \(-g.top) \(-g.left)"
  }

  /// For each window a place inside the image.
  package func switches(_ seed: String) -> [Float] {
    let g = geometry
    let random = CaseData.uniform(g.small(samples), 0...1, seed + "switches")
    return random.enumerated().map { index, random in
      let window = index / g.channels % (g.outputHeight * g.outputWidth)
      let row = window / g.outputWidth * g.strideHeight - g.top
      let column = window % g.outputWidth * g.strideWidth - g.left
      let places = (0..<g.kernelHeight * g.kernelWidth).filter { place in
        (0..<g.height).contains(row + place / g.kernelWidth) && (0..<g.width).contains(column + place % g.kernelWidth)
      }
      return Float(places[Int(random * Float(places.count)) % places.count])
    }
  }
}

extension Conformance {
  /// Every pooling of the table.
  package static let poolings = listedPoolings + raggedPoolings

  private static let listedPoolings: [ImageGeometry<PoolingGeometry>] = [
    pooling(8, 8, 16, kernel: (2, 2), stride: (2, 2), samples: 2),
    pooling(28, 28, 1, kernel: (2, 2), stride: (2, 2), samples: 3),
    pooling(14, 14, 33, kernel: (2, 2), stride: (2, 2), samples: 1),
    pooling(1, 1, 3, kernel: (1, 1), stride: (1, 1), samples: 5),
    pooling(1, 9, 8, kernel: (1, 3), stride: (1, 3), samples: 2),
    pooling(9, 6, 17, kernel: (3, 3), stride: (3, 3), samples: 1),
    pooling(6, 9, 5, kernel: (2, 3), stride: (2, 3), samples: 2),
    pooling(7, 7, 32, kernel: (7, 7), stride: (7, 7), samples: 2),
    // Tiled by windows of channels that fill vectors of every width.
    pooling(6, 10, 32, kernel: (2, 2), stride: (2, 2), samples: 3),
    pooling(9, 6, 4, kernel: (3, 3), stride: (3, 3), samples: 2),
    pooling(8, 12, 2, kernel: (4, 4), stride: (4, 4), samples: 2),
    pooling(4, 6, 8, kernel: (2, 3), stride: (2, 3), samples: 5),
    // Overlapping.
    pooling(9, 8, 3, kernel: (3, 3), stride: (2, 2), samples: 2),
    pooling(6, 6, 17, kernel: (3, 3), stride: (1, 1), samples: 1),
    pooling(7, 5, 8, kernel: (5, 4), stride: (1, 2), samples: 2),
    // Not dividing: pixels at the end that no window covers.
    pooling(7, 9, 3, kernel: (2, 2), stride: (2, 2), samples: 2),
    pooling(11, 10, 8, kernel: (3, 3), stride: (3, 3), samples: 1),
    // Gaps between windows.
    pooling(10, 11, 3, kernel: (2, 1), stride: (3, 2), samples: 2),
    // Padded, and overlapping.
    pooling(8, 8, 8, kernel: (3, 3), stride: (2, 2), before: (1, 1), after: (1, 1), samples: 2),
    pooling(6, 7, 33, kernel: (3, 3), stride: (1, 1), before: (1, 1), after: (1, 1), samples: 1),
    pooling(7, 8, 3, kernel: (5, 5), stride: (3, 3), before: (2, 2), after: (2, 2), samples: 5),
    pooling(1, 1, 17, kernel: (3, 3), stride: (2, 2), before: (1, 1), after: (1, 1), samples: 2),
    // TensorFlow's `same`, and windows that hang over the end.
    pooling(8, 8, 1, kernel: (3, 3), stride: (2, 2), after: (1, 1), samples: 2),
    pooling(7, 5, 8, kernel: (2, 2), stride: (2, 2), after: (1, 1), samples: 2),
    pooling(5, 6, 3, kernel: (4, 2), stride: (3, 2), before: (3, 0), after: (2, 0), samples: 1),
  ]

  /// Tiled and overlapping windows of every remainder of a vector of channels, and of vectors of windows.
  private static let raggedPoolings = CaseData.widths.flatMap { width in
    let channels = 1 + 7 * width % 33
    return [
      pooling(4, 2 * width, channels, kernel: (2, 2), stride: (2, 2), samples: 1),
      pooling(3, width, channels, kernel: (3, 3), stride: (2, 2), before: (1, 1), after: (1, 1), samples: 1),
    ]
  }

  static func pooling(
    _ height: Int, _ width: Int, _ channels: Int, kernel: (Int, Int), stride: (Int, Int), before: (Int, Int) = (0, 0),
    after: (Int, Int) = (0, 0), samples: Int
  ) -> ImageGeometry<PoolingGeometry> {
    ImageGeometry(
      geometry: PoolingGeometry(
        height: height, width: width, channels: channels,
        outputHeight: (height + before.0 + after.0 - kernel.0) / stride.0 + 1,
        outputWidth: (width + before.1 + after.1 - kernel.1) / stride.1 + 1, kernel: kernel, stride: stride,
        top: before.0, left: before.1), samples: samples)
  }
}
