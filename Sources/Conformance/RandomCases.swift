import CinchBackend

extension Conformance {
  static var randomCases: [any ConformanceCase] {
    GatherCase.all + GatherBytesCase.all + CorruptCase.all + BernoulliCase.all
      + [
        Rejection("gather", "rows past the end", .gather([5, 4], SampleOrder(start: 3), [3, 4])),
        Rejection("gather", "a start past all numbers", .gather([5, 4], SampleOrder(start: .max), [3, 4])),
        Rejection("gather", "a batch over its source", .gatherOverSource([5, 4], [3, 4])),
        Rejection("gather", "a batch of another width", .gather([5, 4], SampleOrder(start: 0), [3, 5])),
        Rejection("gatherBytes", "fewer bytes than rows have", .gatherBytes(rows: 3, columns: 16, packed: 5)),
        Rejection("gatherBytes", "rows beyond all numbers", .gatherBytes(rows: .max, columns: 16, packed: 5)),
        Rejection("corrupt", "a copy over a part of what it is made of", .corruptOverImage([5, 4])),
        Rejection("corrupt", "a copy of another shape", .corrupt([5, 4], .masking(0.5), [4, 5])),
        Rejection(
          "corrupt", "a first row that begins within a block", .corrupt([5, 3], .masking(0.5), [5, 3], firstRow: 2)),
        Rejection("corrupt", "a negative first row", .corrupt([5, 4], .gaussian(1), [5, 4], firstRow: -1)),
        Rejection("corrupt", "blocks of what are no images", .corrupt([5, 4], .block(0.5), [5, 4])),
        Rejection("corrupt", "a block larger than the image", .corrupt([1, 4, 4, 1], .block(1.5), [1, 4, 4, 1])),
        Rejection("bernoulli", "samples over a part of their probabilities", .bernoulliOverProbabilities([5, 4])),
        Rejection("bernoulli", "a first row that begins within a block", .bernoulli([5, 2], firstRow: 3)),
        Rejection("bernoulli", "a first row past the last block", .bernoulli([5, 4], firstRow: .max)),
      ]
  }

  /// Steps that need both counter words, and seeds at both ends.
  static let draws: [(seed: UInt64, step: UInt64)] = [
    (0, 0), (1, 1), (.max, 7), (2026, 1 << 32), (0x8000_0000_0000_0000, 1 << 32 + 12_345), (42, .max),
  ]
}

/// Rows of a data set into a batch, with a corrupted copy or without.
struct GatherCase: OpCase {
  let source: Shape
  /// One image of the batch, where it holds images: height, width, channels.
  var image: [Int]?
  let rows: Int
  let start: Int
  /// The seed of a permutation of the first `permuted` rows.
  var permuted: Int?
  var corruption: Corruption?
  var draw = Conformance.draws[1]
  var firstRow = 0
  var blemish: Int?

  let op = "gather"
  var name: String {
    "\(rows) rows from \(start) of \(source)" + (permuted.map { ", \($0) permuted" } ?? "")
      + (corruption.map { ", \($0), seed \(draw.seed), step \(draw.step)" } ?? "")
      + (firstRow > 0 ? ", batch from row \(firstRow)" : "")
      + (blemish.map { ", NaN at \($0)" } ?? "")
  }
  var expectsNaN: Bool { blemish != nil }

  func arguments<B: Backend>(for backend: B) -> [Argument] {
    var values = CaseData.uniform(source, 0.1...1, name)
    if let blemish { values[blemish] = .nan }
    let batch = Shape([rows] + (image ?? [source.columns]))
    return [.input("source", source, values), .output("batch", batch)]
      + (corruption == nil ? [] : [.output("corrupted", batch)])
  }

  func call<B: Backend>(_ backend: B, _ t: Tensors<B.Buffer>) throws {
    let order = SampleOrder(
      start: start,
      permutation: permuted.map {
        Permutation(count: $0, philox: Philox(seed: draw.seed, stream: .shuffle), step: draw.step)
      })
    guard let corruption else { return try backend.gather(t["source"], order, into: t["batch"]) }
    try backend.gather(
      t["source"], order, into: t["batch"], corruption,
      Draws(Philox(seed: draw.seed, stream: .corruption), step: draw.step, firstRow: firstRow),
      corrupted: t["corrupted"])
  }

  func errors(_ v: CaseValues) throws -> [String: [Double]] {
    guard case .gaussian(let sigma) = corruption else { return [:] }
    return ["corrupted": v.wanted("corrupted").map { CorruptCase.gaussianError(sigma, result: $0) }]
  }

  static var all: [GatherCase] {
    let shapes: [Shape] = [[2, 1], [5, 3], [17, 784], [300, 33], [257, 1], [1000, 12], [63, 64]]
    let plain = shapes.enumerated().flatMap { i, source in
      let draw = Conformance.draws[i % Conformance.draws.count]
      return [nil, source.rows].flatMap { permuted in
        [(0, source.rows), (source.rows / 2, (source.rows + 1) / 2)].map { start, rows in
          GatherCase(source: source, rows: rows, start: start, permuted: permuted, draw: draw)
        }
      }
    }
    let part = GatherCase(source: [300, 5], rows: 17, start: 100, permuted: 200)
    let one = GatherCase(source: [1, 1], rows: 1, start: 0, permuted: 1)
    let corrupted = CorruptCase.kinds.enumerated().map { i, corruption in
      GatherCase(
        source: [65, 33], rows: 31, start: 16, permuted: 65, corruption: corruption,
        draw: Conformance.draws[i % Conformance.draws.count])
    }
    let continued = [Corruption.masking(0.3), .maskingExact(0.3), .gaussian(0.5), .saltPepper(0.5)].map {
      GatherCase(source: [65, 33], rows: 31, start: 16, permuted: 65, corruption: $0, firstRow: 12)
    }
    let blocks = [0, 12].map {
      GatherCase(
        source: [65, 60], image: [5, 4, 3], rows: 31, start: 16, permuted: 65, corruption: .block(0.3), firstRow: $0)
    }
    let ragged = CaseData.ragged.enumerated().map { i, source in
      GatherCase(
        source: source, rows: source.rows, start: 0, permuted: source.rows,
        corruption: i % 3 == 2 ? nil : CorruptCase.kinds[i % CorruptCase.kinds.count])
    }
    return plain + [part, one] + corrupted + continued + blocks + ragged
      + [GatherCase(source: [9, 7], rows: 9, start: 0, permuted: 9, corruption: .masking(0.4), blemish: 30)]
  }
}

/// Rows of bytes into a batch of floats, with a corrupted copy or without: to the last bit.
struct GatherBytesCase: OpCase {
  let rows: Int
  let columns: Int
  /// As `GatherCase` has it.
  var image: [Int]?
  var divisor: Float = 255
  var isPermuted = false
  var corruption: Corruption?

  let op = "gatherBytes"
  var name: String {
    "\(rows) × \(columns) bytes / \(divisor)" + (isPermuted ? ", permuted" : "")
      + (corruption.map { ", \($0)" } ?? "")
  }

  func arguments<B: Backend>(for backend: B) -> [Argument] {
    // Each byte occurs, but where it would make the scalar that it lies in infinite or not a number.
    let bytes = (0..<rows * columns).map { place in
      let byte = UInt8(truncatingIfNeeded: place &* 37 &+ place / 251)
      return place % 4 == 3 && byte & 0x7F >= 0x70 ? 0x2A : byte
    }
    let batch = Shape([rows] + (image ?? [columns]))
    return [.bytes("source", bytes, for: backend), .output("batch", batch)]
      + (corruption == nil ? [] : [.output("corrupted", batch)])
  }

  func call<B: Backend>(_ backend: B, _ t: Tensors<B.Buffer>) throws {
    let philox = Philox(seed: 11, stream: .shuffle)
    let order = SampleOrder(
      start: 0, permutation: isPermuted ? Permutation(count: rows, philox: philox, step: 3) : nil)
    let source = ByteRows(t["source"], rows: rows, columns: columns, divisor: divisor)
    guard let corruption else { return try backend.gatherBytes(source, order, into: t["batch"]) }
    try backend.gatherBytes(
      source, order, into: t["batch"], corruption, Draws(Philox(seed: 11, stream: .corruption), step: 3),
      corrupted: t["corrupted"])
  }

  func errors(_ v: CaseValues) throws -> [String: [Double]] {
    guard case .gaussian(let sigma) = corruption else { return [:] }
    return ["corrupted": v.wanted("corrupted").map { CorruptCase.gaussianError(sigma, result: $0) }]
  }

  static var all: [GatherBytesCase] {
    let sizes = [(1, 1), (5, 3), (17, 784), (300, 33), (257, 1), (64, 64)]
    return sizes.flatMap { rows, columns in
      [false, true].flatMap { isPermuted in
        [1, 255].map { GatherBytesCase(rows: rows, columns: columns, divisor: $0, isPermuted: isPermuted) }
      }
    } + CorruptCase.kinds.map { GatherBytesCase(rows: 31, columns: 33, isPermuted: true, corruption: $0) }
      + CaseData.ragged.enumerated().map { i, shape in
        GatherBytesCase(
          rows: shape.rows, columns: shape.columns, isPermuted: true,
          corruption: i % 3 == 2 ? nil : CorruptCase.kinds[i % CorruptCase.kinds.count])
      }
      + [GatherBytesCase(rows: 31, columns: 60, image: [4, 5, 3], isPermuted: true, corruption: .block(0.5))]
  }
}

/// C(x̃|x).
struct CorruptCase: OpCase {
  let shape: Shape
  let corruption: Corruption
  var draw = Conformance.draws[1]
  var firstRow = 0
  var blemish = false

  let op = "corrupt"
  var name: String {
    "\(corruption), \(shape), seed \(draw.seed), step \(draw.step)"
      + (firstRow > 0 ? ", batch from row \(firstRow)" : "") + (blemish ? ", all NaN" : "")
  }
  var expectsNaN: Bool { blemish }

  func arguments<B: Backend>(for backend: B) -> [Argument] {
    let values = blemish ? [Float](repeating: .nan, count: shape.count) : CaseData.uniform(shape, 0.1...0.9, name)
    return [.input("x", shape, values), .output("corrupted", shape)]
  }

  func call<B: Backend>(_ backend: B, _ t: Tensors<B.Buffer>) throws {
    let draws = Draws(Philox(seed: draw.seed, stream: .corruption), step: draw.step, firstRow: firstRow)
    try backend.corrupt(t["x"], corruption, draws, into: t["corrupted"])
  }

  func errors(_ v: CaseValues) throws -> [String: [Double]] {
    guard case .gaussian(let sigma) = corruption else { return [:] }
    return ["corrupted": v.wanted("corrupted").map { Self.gaussianError(sigma, result: $0) }]
  }

  /// Box–Muller's radius errs by 5 ulp (half of log's 3, √'s 3, roundings) and is at most √(48 ln 2) < 5.8; the
  /// angle 2πv rounds to within 2π·ε/2 and its cosine errs by 4 ulp: 8ε. Adding to x rounds once more.
  static func gaussianError(_ sigma: Double, result: Double) -> Double { (5 + 8 + 2) * 5.8 * sigma + abs(result) }

  static let kinds: [Corruption] = [
    .masking(0), .masking(0.25), .masking(1), .maskingExact(0), .maskingExact(0.3), .maskingExact(1), .gaussian(0.5),
    .gaussian(0), .saltPepper(0.5), .saltPepper(0), .saltPepper(1),
  ]

  static var all: [CorruptCase] {
    let shapes: [Shape] = [[1, 1], [3, 5], [33, 17], [5, 784], [129, 2], [64, 64], [7, 63], [1, 257]]
    let every = kinds.enumerated().flatMap { i, kind in
      shapes.enumerated().map { j, shape in
        CorruptCase(shape: shape, corruption: kind, draw: Conformance.draws[(i + j) % Conformance.draws.count])
      }
    }
    // A masked component is zero, whatever it was.
    let notNumbers = [Corruption.masking(0.5), .maskingExact(0.5), .saltPepper(0.5), .gaussian(0.1)].map {
      CorruptCase(shape: [9, 11], corruption: $0, blemish: true)
    }
    // The last begins past 2³² elements.
    let places: [(shape: Shape, firstRow: Int)] = [
      ([33, 17], 4), ([5, 784], 3), ([129, 2], 130), ([64, 64], 1 << 27),
    ]
    let continued = [Corruption.masking(0.25), .maskingExact(0.3), .gaussian(0.5), .saltPepper(0.5)].flatMap { kind in
      places.map { CorruptCase(shape: $0.shape, corruption: kind, firstRow: $0.firstRow) }
    }
    // Of images: none, one pixel, a part, all but the rim, and all; lines that fill no vector.
    let images: [Shape] = [
      [1, 1, 1, 1], [3, 5, 7, 1], [9, 28, 28, 1], [5, 6, 33, 3], [2, 17, 2, 64], [64, 8, 8, 4],
    ]
    let blocks = [0, 1e-6, 0.25, 0.9, 1].enumerated().flatMap { i, share in
      images.enumerated().map { j, shape in
        CorruptCase(
          shape: shape, corruption: .block(share), draw: Conformance.draws[(i + j) % Conformance.draws.count])
      }
    }
    let otherBlocks = [
      CorruptCase(shape: [33, 5, 4, 3], corruption: .block(0.4), firstRow: 4),
      CorruptCase(shape: [9, 4, 4, 1], corruption: .block(0.3), firstRow: 1 << 29),
      CorruptCase(shape: [9, 5, 4, 3], corruption: .block(0.4), blemish: true),
    ]
    let ragged = CaseData.ragged.enumerated().map { i, shape in
      CorruptCase(shape: shape, corruption: kinds[i % kinds.count])
    }
    return every + continued + ragged + notNumbers + blocks + otherBlocks
  }
}

/// Draws of 0 and 1.
struct BernoulliCase: OpCase {
  let shape: Shape
  var draw = Conformance.draws[1]
  var firstRow = 0
  var inPlace = false
  /// The same probability everywhere, or a random one for each element.
  var probability: Float?

  let op = "bernoulli"
  var name: String {
    "\(shape), p \(probability.map { "\($0)" } ?? "random"), seed \(draw.seed), step \(draw.step)"
      + (firstRow > 0 ? ", batch from row \(firstRow)" : "") + (inPlace ? ", in place" : "")
  }

  func arguments<B: Backend>(for backend: B) -> [Argument] {
    let p = probability.map { [Float](repeating: $0, count: shape.count) } ?? CaseData.uniform(shape, 0...1, name)
    return inPlace ? [.update("p", shape, p)] : [.input("p", shape, p), .output("samples", shape)]
  }

  func call<B: Backend>(_ backend: B, _ t: Tensors<B.Buffer>) throws {
    let draws = Draws(Philox(seed: draw.seed, stream: .bernoulli, site: 2), step: draw.step, firstRow: firstRow)
    try backend.bernoulli(t["p"], draws, into: inPlace ? t["p"] : t["samples"])
  }

  static var all: [BernoulliCase] {
    let shapes: [Shape] = [[1, 1], [3, 5], [33, 17], [5, 784], [129, 2], [64, 64]]
    return shapes.enumerated().flatMap { i, shape in
      [false, true].map { inPlace in
        BernoulliCase(shape: shape, draw: Conformance.draws[i % Conformance.draws.count], inPlace: inPlace)
      }
    } + [0, 1, 0.5, 1e-7].map { BernoulliCase(shape: [17, 65], probability: $0) }
      + [(4, [33, 17]), (3, [5, 784]), (130, [129, 2])].map { BernoulliCase(shape: $0.1, firstRow: $0.0) }
      + CaseData.ragged.map { BernoulliCase(shape: $0, firstRow: $0.columns % 3 * 4, inPlace: $0.columns % 2 == 0) }
  }
}
