import CinchBackend
import Foundation
import Testing

/// A published answer of Philox4x32-10.
struct KnownAnswer: Sendable, CustomTestStringConvertible {
  let name: String
  let counter: SIMD4<UInt32>
  let key: SIMD2<UInt32>
  let block: SIMD4<UInt32>

  var testDescription: String { name }

  /// From `kat_vectors` of the Random123 distribution.
  static let all = [
    KnownAnswer(
      name: "zeros", counter: SIMD4(repeating: 0), key: SIMD2(repeating: 0),
      block: SIMD4(0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8)),
    KnownAnswer(
      name: "ones", counter: SIMD4(repeating: .max), key: SIMD2(repeating: .max),
      block: SIMD4(0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD)),
    KnownAnswer(
      name: "digits of π", counter: SIMD4(0x243F_6A88, 0x85A3_08D3, 0x1319_8A2E, 0x0370_7344),
      key: SIMD2(0xA409_3822, 0x299F_31D0), block: SIMD4(0xD16C_FE09, 0x94FD_CCEB, 0x5001_E420, 0x2412_6EA1)),
  ]
}

/// Bounds are six standard deviations of the statistic under the right distribution; draws are keyed, so a test
/// that passes once passes always.
@Suite("Philox") struct PhiloxTests {
  let philox = Philox(seed: 2026, stream: .test)

  @Test("Known answers", arguments: KnownAnswer.all)
  func knownAnswers(_ answer: KnownAnswer) {
    #expect(Philox(key: answer.key).block(answer.counter) == answer.block)
  }

  @Test("An element is a word of its block, and the step fills the next two counter words")
  func layout() {
    let step: UInt64 = 0x0123_4567_89AB_CDEF
    let block = philox.block(SIMD4(5, 0x89AB_CDEF, 0x0123_4567, 0))
    for lane in 0..<4 { #expect(philox.word(element: 20 + lane, step: step) == block[lane]) }
  }

  @Test("Every stream and seed has a key of its own")
  func streams() {
    var keys = Set<SIMD2<UInt32>>()
    let seeds: [UInt64] = [0, 1, 2, .max]
    for seed in seeds {
      for stream in Philox.Stream.allCases { keys.insert(Philox(seed: seed, stream: stream).key) }
    }
    #expect(keys.count == seeds.count * Philox.Stream.allCases.count)
  }

  @Test("Site 0 has the key of the stream alone, as runs on record drew; every other site one of its own")
  func sites() {
    #expect(Philox(seed: 0, stream: .initialisation).key == SIMD2(0x7B1D_CDAF, 0xE220_A839))
    #expect(Philox(seed: 2026, stream: .corruption).key == SIMD2(0xCDE2_B88E, 0xAAD7_1E75))
    #expect(Philox(seed: 7, stream: .sampling, site: 0).key == SIMD2(0xCBBE_AA11, 0x3FDA_BE86))
    #expect(Philox(seed: .max, stream: .test, site: 0).key == SIMD2(0x0208_3FA5, 0xF14F_2CF8))
    // Written down once and for all: checkpoints do not hold draws, so a resumed run must make the same.
    #expect(Philox(seed: 2026, stream: .corruption, site: 1).key == SIMD2(0xA299_6614, 0x02FF_43E7))
    let streams = Philox.Stream.allCases, sites = -1...100
    let keys = Set(streams.flatMap { stream in sites.map { Philox(seed: 3, stream: stream, site: $0).key } })
    #expect(keys.count == streams.count * sites.count)
  }

  @Test("Uniforms lie in [0, 1) with the moments of the uniform distribution")
  func uniforms() {
    #expect(Philox.uniform(0) == 0)
    #expect(Philox.uniform(.max) == 1 - 0x1p-24)
    let count = 100_000
    var mean = 0.0
    var variance = 0.0
    for e in 0..<count {
      let centred = Double(Philox.uniform(philox.word(element: e, step: 1))) - 0.5
      mean += centred / Double(count)
      variance += centred * centred / Double(count)
    }
    #expect(abs(mean) < 6 * (1 / 12.0 / Double(count)).squareRoot())
    // The variance of (u − ½)² is 1/80 − 1/144 = 1/180.
    #expect(abs(variance - 1 / 12.0) < 6 * (1 / 180.0 / Double(count)).squareRoot())
  }

  @Test("Box–Muller has the first four moments of the normal distribution")
  func gaussians() {
    let count = 100_000
    var moments = [Double](repeating: 0, count: 5)
    for e in 0..<count {
      let z = philox.gaussian(element: e, step: 2)
      for power in 1...4 { moments[power] += pow(z, Double(power)) / Double(count) }
    }
    // The variances of z, z², z³ and z⁴ are 1, 2, 15 and 96.
    for (power, expected, variance) in [(1, 0.0, 1.0), (2, 1, 2), (3, 0, 15), (4, 3, 96)] {
      #expect(abs(moments[power] - expected) < 6 * (variance / Double(count)).squareRoot(), "moment \(power)")
    }
  }

  @Test("The two numbers of a Box–Muller pair are uncorrelated")
  func gaussianPairs() {
    let pairs = 50_000
    var product = 0.0
    for pair in 0..<pairs {
      product += philox.gaussian(element: 2 * pair, step: 3) * philox.gaussian(element: 2 * pair + 1, step: 3)
    }
    #expect(abs(product / Double(pairs)) < 6 / Double(pairs).squareRoot())
  }

  @Test("Thresholds cover no word at 0 and every word at 1")
  func thresholds() {
    #expect(Philox.threshold(0) == 0)
    #expect(Philox.threshold(-1) == 0)
    #expect(Philox.threshold(0.25) == 1 << 30)
    #expect(Philox.threshold(1) == 1 << 32)
    #expect(Philox.threshold(2) == 1 << 32)
    #expect(Philox.threshold(.nan) == 0 && Philox.threshold(.infinity) == 1 << 32)
  }

  @Test("Elements below 0 are words of the blocks before")
  func negativeElements() {
    let block = philox.block(index: -1, step: 3)
    for lane in 0..<4 {
      #expect(philox.word(element: lane - 4, step: 3) == block[lane])
      #expect(philox.gaussian(element: lane - 4, step: 3).isFinite)
    }
    #expect([Int.min, .max].allSatisfy { philox.gaussian(element: $0, step: 3).isFinite })
  }
}

@Suite("Permutation") struct PermutationTests {
  let philox = Philox(seed: 7, stream: .shuffle)

  @Test("Every index is hit once", arguments: [1, 2, 3, 4, 5, 16, 17, 784, 60_000])
  func bijection(count: Int) {
    let permutation = Permutation(count: count, philox: philox, step: 1)
    var hit = [Bool](repeating: false, count: count)
    for i in 0..<count {
      let image = permutation(i)
      #expect((0..<count).contains(image) && !hit[image])
      hit[image] = true
    }
  }

  @Test("Counts are kept to what there can be, and indices outside stay where they are")
  func extremes() {
    for count in [0, -1, Int.min] { #expect(Permutation(count: count, philox: philox, step: 1).count == 1) }
    for count in [Permutation.largestCount + 1, 1 << 31, Int.max] {
      #expect(Permutation(count: count, philox: philox, step: 1).count == Permutation.largestCount)
    }
    let permutation = Permutation(count: 5, philox: philox, step: 1)
    for index in [-1, 5, 1 << 31, Int.min, .max] { #expect(permutation(index) == index) }
  }

  @Test("Steps and indices give other orders")
  func keys() {
    let orders = [(0, 1), (0, 2), (1, 1)].map { index, step in
      let permutation = Permutation(count: 100, philox: philox, index: index, step: UInt64(step))
      return (0..<100).map { permutation($0) }
    }
    #expect(Set(orders).count == 3)
  }

  @Test("Exact masking zeroes as many of every sample, and each component as often", arguments: [7, 50, 100])
  func exactMasking(columns: Int) throws {
    let rows = 4000, level = 0.3
    let backend = ReferenceBackend()
    let ones = [Double](repeating: 1, count: rows * columns)
    let x = try backend.tensor([rows, columns], ones), corrupted = try backend.tensor([rows, columns])
    try backend.corrupt(x, .maskingExact(level), Draws(philox, step: 5), into: corrupted)
    let values = try backend.read(corrupted)
    let masked = Int((level * Double(columns)).rounded())
    var counts = [Int](repeating: 0, count: columns)
    for row in 0..<rows {
      let zeros = (0..<columns).filter { values[row * columns + $0] == 0 }
      #expect(zeros.count == masked)
      for column in zeros { counts[column] += 1 }
    }
    // Over samples, a component's count is binomial.
    let p = Double(masked) / Double(columns)
    let bound = 6 * (Double(rows) * p * (1 - p)).squareRoot()
    for count in counts { #expect(abs(Double(count) - Double(rows) * p) < bound) }
    // The sum of squared standardised counts is chi-squared with d − 1 degrees, scaled by d/(d−1).
    let squares = counts.map { pow(Double($0) - Double(rows) * p, 2) / (Double(rows) * p * (1 - p)) }
    let freedom = Double(columns - 1)
    let statistic = squares.reduce(0, +) * freedom / Double(columns)
    #expect(abs(statistic - freedom) < 6 * (2 * freedom).squareRoot())
  }
}

/// Parts of a batch draw what the whole draws, whatever the op.
@Suite("Draws") struct DrawsTests {
  private let backend = ReferenceBackend()
  private let philox = Philox(seed: 9, stream: .corruption, site: 4)

  @Test(
    "The second part of a batch draws what it would in the whole",
    arguments: [Corruption.masking(0.5), .maskingExact(0.5), .gaussian(1), .saltPepper(0.5)])
  func corruption(_ corruption: Corruption) throws {
    let columns = 6, values = numbers(10 * columns, step: 1)
    let whole = try corrupted(values, columns, corruption, firstRow: 0)
    let second = try corrupted(Array(values[(4 * columns)...]), columns, corruption, firstRow: 4)
    #expect(Array(whole[(4 * columns)...]) == second)
    // The draws of its own first rows are others.
    #expect(try corrupted(Array(values[(4 * columns)...]), columns, corruption, firstRow: 0) != second)
  }

  /// A block zeroes a rectangle of its size and nothing else, and begins at each place as often as at any other.
  @Test("Blocks are rectangles, drawn uniformly, also from the middle of a batch on")
  func blocks() throws {
    let (count, height, width, channels) = (2000, 5, 4, 2)
    let shape: Shape = [count, height, width, channels]
    // round(√0.3 · 5) = 3 rows of round(√0.3 · 4) = 2 pixels.
    let x = try backend.tensor(shape, [Double](repeating: 1, count: shape.count)), result = try backend.tensor(shape)
    try backend.corrupt(x, .block(0.3), Draws(philox, step: 3), into: result)
    let values = try backend.read(result)
    var places = [Int](repeating: 0, count: 9)
    for sample in 0..<count {
      let image = Array(values[sample * 40..<(sample + 1) * 40])
      let first = try #require(image.firstIndex(of: 0)) / channels
      let (top, left) = (first / width, first % width)
      places[top * 3 + left] += 1
      for place in 0..<40 {
        let (row, column) = (place / channels / width, place / channels % width)
        let isInside = (top..<top + 3).contains(row) && (left..<left + 2).contains(column)
        #expect(image[place] == (isInside ? 0 : 1))
      }
    }
    // Five standard deviations of a binomial count: √(2000 · 1/9 · 8/9) = 14.1.
    #expect(places.allSatisfy { abs(Double($0) - 2000.0 / 9) < 5 * 14.1 }, "\(places)")
    let part = try backend.tensor([count - 4, height, width, channels])
    try backend.corrupt(
      x.prefix(rows: count - 4), .block(0.3), Draws(philox, step: 3, firstRow: 4), into: part)
    #expect(try backend.read(part) == Array(values.dropFirst(4 * 40)))
  }

  @Test("Blocks of the largest images have sides and places")
  func largestBlocks() throws {
    let block = try #require(CorruptionBlock(share: 1, of: [1, .max, 1, 1]))
    #expect(block.rows == .max && block.columns == 1 && block.origin(0, philox, step: 0).row == 0)
    let none = try #require(CorruptionBlock(share: 0, of: [1, .max, 1, 1]))
    #expect(none.rows == 0 && none.origin(0, philox, step: 0).row >= 0)
    let negative = try #require(CorruptionBlock(share: 0.5, of: [1, .min, -3, 1]))
    let origin = negative.origin(0, philox, step: 0)
    #expect(origin.row == 0 && origin.column == 0)
  }

  private func corrupted(
    _ values: [Double], _ columns: Int, _ corruption: Corruption, firstRow: Int
  ) throws -> [Double] {
    let shape: Shape = [values.count / columns, columns]
    let x = try backend.tensor(shape, values), result = try backend.tensor(shape)
    try backend.corrupt(x, corruption, Draws(philox, step: 3, firstRow: firstRow), into: result)
    return try backend.read(result)
  }

  @Test("Bernoulli samples too")
  func bernoulli() throws {
    let p = try backend.tensor([8, 5], [Double](repeating: 0.5, count: 40)), whole = try backend.tensor([8, 5])
    let part = try backend.tensor([4, 5])
    try backend.bernoulli(p, Draws(philox, step: 3), into: whole)
    try backend.bernoulli(p.prefix(rows: 4), Draws(philox, step: 3, firstRow: 4), into: part)
    #expect(Array(try backend.read(whole)[20...]) == (try backend.read(part)))
  }
}
