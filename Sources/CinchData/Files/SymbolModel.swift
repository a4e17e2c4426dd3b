import Glibc

/// How often which symbol occurs, for `RANS`: the high bits of a symbol have a table of frequencies, and what bits are left
/// below are coded as they are. So few samples are not made to carry a table that is larger than what it saves.
package struct SymbolModel: Sendable, Equatable {
  /// Of a symbol: 1 ... 16.
  package let bits: Int
  /// High bits that have a table of 2^`tableBits` frequencies: at most `mostTableBits`.
  package let tableBits: Int
  /// The first slot of every symbol of the table, and M at the end.
  private let starts: [UInt32]

  /// Each of the symbols of a table may need a slot of its own.
  package static let mostTableBits = 12

  package var plainBits: Int { bits - tableBits }

  /// - Parameter frequencies: 2^`tableBits` of them, which add up to M.
  private init(bits: Int, tableBits: Int, frequencies: [UInt32]) {
    self.bits = bits
    self.tableBits = tableBits
    var starts: [UInt32] = [0]
    starts.reserveCapacity(frequencies.count + 1)
    var sum: UInt32 = 0
    for frequency in frequencies {
      sum += frequency
      starts.append(sum)
    }
    self.starts = starts
  }

  private var frequencies: [UInt32] { zip(starts.dropFirst(), starts).map { $0 - $1 } }

  /// The model that codes symbols in the fewest bytes, its own table counted.
  ///
  /// - Parameter counts: of each of the 2^`bits` symbols.
  package init(counts: [Int], bits: Int) {
    var counts = counts
    var best: (cost: Double, model: SymbolModel)?
    for tableBits in (0...bits).reversed() {
      if tableBits <= Self.mostTableBits {
        let frequencies = Self.normalised(counts)
        let model = SymbolModel(bits: bits, tableBits: tableBits, frequencies: frequencies)
        let cost =
          zip(counts, frequencies).reduce(8 * Double(model.bytes.count)) { cost, entry in
            let (count, frequency) = entry
            return count == 0
              ? cost
              : cost + Double(count) * (Double(RANS.scaleBits - tableBits + bits) - log2(Double(frequency)))
          }
        if best.map({ cost < $0.cost }) ?? true { best = (cost, model) }
      }
      if tableBits > 0 {
        counts = stride(from: 0, to: counts.count, by: 2).map { counts[$0] + counts[$0 + 1] }
      }
    }
    self = best?.model ?? SymbolModel(bits: bits, tableBits: 0, frequencies: [UInt32(RANS.scale)])
  }

  /// Frequencies that add up to M, in proportion to counts and at least 1 where there is a count.
  static func normalised(_ counts: [Int]) -> [UInt32] {
    let total = counts.reduce(0, +)
    guard total > 0 else { return [UInt32(RANS.scale)] + [UInt32](repeating: 0, count: counts.count - 1) }
    let shares = counts.map { $0.multipliedFullWidth(by: RANS.scale) }.map { total.dividingFullWidth($0) }
    var frequencies = zip(counts, shares).map { $0 == 0 ? 0 : max(1, UInt32($1.quotient)) }
    var left = RANS.scale - frequencies.reduce(0) { $0 + Int($1) }
    let used = counts.indices.filter { counts[$0] > 0 }
    if left > 0 {
      // Less than one is missing for each: the largest remainders come first.
      let order = used.sorted { (-shares[$0].remainder, $0) < (-shares[$1].remainder, $1) }
      for symbol in order.prefix(left) { frequencies[symbol] += 1 }
    }
    // Rare symbols have taken more than their share: the frequent ones feel it least.
    let order = left < 0 ? used.sorted { (-Int(frequencies[$0]), $0) < (-Int(frequencies[$1]), $1) } : []
    while left < 0 {
      for symbol in order where left < 0 && frequencies[symbol] > 1 {
        frequencies[symbol] -= 1
        left += 1
      }
    }
    return frequencies
  }

  /// - Parameter symbol: one that was counted.
  package func encode(_ symbol: UInt32, into encoder: inout RANSEncoder) {
    let high = Int(symbol >> UInt32(plainBits))
    encoder.put(bits: symbol & (1 << UInt32(plainBits) - 1), count: plainBits)
    encoder.put(start: starts[high], frequency: starts[high + 1] - starts[high])
  }

  package func decode(from decoder: inout RANSDecoder) -> UInt32 {
    let slot = decoder.slot
    // The last symbol that starts at or before the slot: those without frequency start where the next does.
    var (low, high) = (0, starts.count - 1)
    while high - low > 1 {
      let middle = (low + high) / 2
      if starts[middle] <= slot { low = middle } else { high = middle }
    }
    decoder.take(start: starts[low], frequency: starts[low + 1] - starts[low])
    return UInt32(low) << UInt32(plainBits) | decoder.bits(plainBits)
  }
}

// In files: `tableBits`; where that is not 0, the order of the Exp-Golomb codes of frequencies; and these, filled up with
// zeros to a whole byte.
extension SymbolModel {
  private static let mostOrder = RANS.scaleBits

  package var bytes: [UInt8] {
    guard tableBits > 0 else { return [0] }
    let frequencies = frequencies
    func bits(order: Int) -> Int { frequencies.reduce(0) { $0 + BitWriter.golombBits($1, order: order) } }
    let order = (0..<Self.mostOrder).min { bits(order: $0) < bits(order: $1) } ?? 0
    var writer = BitWriter()
    for frequency in frequencies { writer.putGolomb(frequency, order: order) }
    return [UInt8(tableBits), UInt8(order)] + writer.bytes
  }

  /// Nil where they are no model of symbols of so many bits.
  package init?(from reader: inout ByteReader, bits: Int) {
    guard let tableBits = reader.byte().map(Int.init), tableBits <= min(bits, Self.mostTableBits) else { return nil }
    guard tableBits > 0 else {
      self.init(bits: bits, tableBits: 0, frequencies: [UInt32(RANS.scale)])
      return
    }
    guard let order = reader.byte().map(Int.init), order < Self.mostOrder else { return nil }
    var code = BitReader(reader)
    var frequencies: [UInt32] = []
    var sum = 0
    for _ in 0..<1 << tableBits {
      guard let frequency = code.golomb(order: order) else { return nil }
      sum += Int(frequency)
      guard sum <= RANS.scale else { return nil }
      frequencies.append(frequency)
    }
    guard sum == RANS.scale, let rest = code.end() else { return nil }
    reader = rest
    self.init(bits: bits, tableBits: tableBits, frequencies: frequencies)
  }
}
