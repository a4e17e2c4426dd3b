import Foundation
import TestSupport
import Testing

@testable import CinchData

@Suite struct RANSTests {
  /// How symbols of so many bits are drawn.
  enum Source: String, CaseIterable {
    case uniform, skewed, bell, constant, rare

    func draw(_ bits: Int, _ generator: inout FixedGenerator) -> UInt32 {
      let last = UInt32(1 << bits - 1)
      return switch self {
      case .uniform: UInt32.random(in: 0...last, using: &generator)
      case .skewed: min(last, UInt32(generator.next().leadingZeroBitCount))
      case .bell: (0..<8).reduce(0) { sum, _ in sum + UInt32.random(in: 0...last, using: &generator) } / 8
      case .constant: last
      // Once in a thousand, so that its share of slots is far less than one.
      case .rare: Int.random(in: 0..<1000, using: &generator) == 0 ? UInt32.random(in: 0...last, using: &generator) : 0
      }
    }
  }

  static func counts(_ symbols: [UInt32], _ bits: Int) -> [Int] {
    var counts = [Int](repeating: 0, count: 1 << bits)
    for symbol in symbols { counts[Int(symbol)] += 1 }
    return counts
  }

  static func encoded(_ symbols: [UInt32], _ model: SymbolModel) -> [UInt8] {
    var encoder = RANSEncoder()
    for symbol in symbols.reversed() { model.encode(symbol, into: &encoder) }
    return encoder.finish()
  }

  static func decoded(_ bytes: [UInt8], _ model: SymbolModel, count: Int) -> (symbols: [UInt32], isComplete: Bool) {
    bytes.withUnsafeBytes { bytes in
      var decoder = RANSDecoder(bytes)
      let symbols = (0..<count).map { _ in model.decode(from: &decoder) }
      return (symbols, decoder.isComplete)
    }
  }

  /// Bits a symbol.
  static func entropy(_ counts: [Int]) -> Double {
    let total = Double(counts.reduce(0, +))
    return counts.filter { $0 > 0 }.reduce(0) { $0 - Double($1) / total * log2(Double($1) / total) }
  }

  @Test(arguments: Source.allCases, [1, 2, 5, 8, 9, 12, 13, 16])
  func whatGoesInComesOut(_ source: Source, bits: Int) throws {
    for count in [1, 2, 37, 3000] {
      var generator = FixedGenerator(state: UInt64(bits * count))
      let symbols = (0..<count).map { _ in source.draw(bits, &generator) }
      let model = SymbolModel(counts: Self.counts(symbols, bits), bits: bits)
      let (result, isComplete) = Self.decoded(Self.encoded(symbols, model), model, count: count)
      #expect(result == symbols && isComplete, "\(count) symbols")
      var reader = ByteReader(model.bytes[...])
      #expect(SymbolModel(from: &reader, bits: bits) == model && reader.count == 0)
    }
  }

  /// Within 1 % of the empirical entropy, but for the table, which no other of the tables that it might have had undercuts,
  /// and the state. A table of all symbols is one that the model might have chosen.
  @Test(arguments: [Source.uniform, .skewed, .bell, .rare], [4, 8, 10])
  func sizeIsTheEntropy(_ source: Source, bits: Int) throws {
    var generator = FixedGenerator(state: 9)
    let symbols = (0..<40_000).map { _ in source.draw(bits, &generator) }
    let counts = Self.counts(symbols, bits)
    let model = SymbolModel(counts: counts, bits: bits)
    let entropy = Self.entropy(counts) * Double(symbols.count) / 8
    let size = Self.encoded(symbols, model).count
    // Exp-Golomb codes of order 0 take at most 2·log₂(f + 1) + 1 bits; the frequencies add up to M.
    let used = Double(counts.count { $0 > 0 })
    let table = 2 + (2 * used * log2(Double(RANS.scale) / used + 1) + Double(counts.count)) / 8
    #expect(Double(size + model.bytes.count) <= 1.01 * entropy + table + Double(RANS.stateBytes) + 1)
    // A symbol whose share is less than a slot is given a whole one, at the cost of the others.
    let rare = counts.count { 0 < $0 && $0 * RANS.scale < symbols.count }
    let taken = -log2(1 - Double(rare) / Double(RANS.scale)) * Double(symbols.count) / 8
    let bound = 1.01 * entropy + taken + Double(RANS.stateBytes) + 1
    #expect(model.tableBits < bits || Double(size) <= bound, "\(size), \(entropy), \(taken)")
  }

  /// A symbol that always comes takes no bits.
  @Test func oneSymbolTakesNothing() {
    let symbols = [UInt32](repeating: 3, count: 10_000)
    let model = SymbolModel(counts: Self.counts(symbols, 4), bits: 4)
    #expect(Self.encoded(symbols, model).count == RANS.stateBytes)
  }

  /// By hand: of 16384 slots, 3/4 and 1/4; and what occurs once in a million keeps one.
  @Test func frequenciesAddUp() {
    #expect(SymbolModel.normalised([3, 0, 1, 0]) == [12288, 0, 4096, 0])
    #expect(SymbolModel.normalised([999_999, 1]) == [16383, 1])
    #expect(SymbolModel.normalised([1, 1, 1]) == [5462, 5461, 5461])
    let many = [Int](repeating: 1, count: 4095) + [1 << 40]
    let frequencies = SymbolModel.normalised(many)
    #expect(frequencies.reduce(0, +) == 16384 && frequencies.dropLast().allSatisfy { $0 == 1 })
  }

  /// Few samples do not pay for a table of 65536 symbols.
  @Test func tablesAreNoLargerThanTheyAreWorth() {
    var generator = FixedGenerator(state: 2)
    let symbols = (0..<200).map { _ in Source.bell.draw(16, &generator) }
    let model = SymbolModel(counts: Self.counts(symbols, 16), bits: 16)
    #expect(model.bytes.count + Self.encoded(symbols, model).count <= 2 * 200 + 1 + RANS.stateBytes)
  }

  @Test func aCutOrLongerStreamIsNoticed() {
    var generator = FixedGenerator(state: 3)
    let symbols = (0..<500).map { _ in Source.bell.draw(8, &generator) }
    let model = SymbolModel(counts: Self.counts(symbols, 8), bits: 8)
    let bytes = Self.encoded(symbols, model)
    for count in 0..<bytes.count { #expect(!Self.decoded(Array(bytes.prefix(count)), model, count: 500).isComplete) }
    #expect(!Self.decoded(bytes + [0], model, count: 500).isComplete)
    #expect(!Self.decoded(bytes, model, count: 499).isComplete)
  }

  /// Tables of any bytes are read, or refused: none of them adds up to anything but M.
  @Test func damagedTablesAreRefused() throws {
    var generator = FixedGenerator(state: 4)
    let symbols = (0..<2000).map { _ in Source.bell.draw(6, &generator) }
    let bytes = SymbolModel(counts: Self.counts(symbols, 6), bits: 6).bytes
    var read = 0
    for _ in 0..<4000 {
      let damaged = FuzzTests().damage(bytes, &generator)
      var reader = ByteReader(damaged[...])
      guard let model = SymbolModel(from: &reader, bits: 6) else { continue }
      read += 1
      let rest = Self.decoded((0..<64).map { UInt8($0) }, model, count: 100)
      #expect(rest.symbols.allSatisfy { $0 < 64 })
    }
    #expect(read < 2000)
    for count in 0..<bytes.count {
      var reader = ByteReader(bytes.prefix(count))
      #expect(SymbolModel(from: &reader, bits: 6) == nil)
    }
  }

  /// "123456789", the check value of CRC-32 that its definitions give.
  @Test func checksumsAreThoseOfZlib() {
    let digits = Array("123456789".utf8)
    #expect(CRC32.of(digits) == 0xCBF4_3926)
    #expect(CRC32.of(digits[4...], after: CRC32.of(digits[..<4])) == 0xCBF4_3926)
    #expect(CRC32.of(digits) == crc32(digits))
  }
}
