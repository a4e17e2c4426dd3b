/// Range asymmetric numeral systems, an entropy coder that comes within thousandths of the entropy: J. Duda, "Asymmetric
/// numeral systems: entropy coding combining speed of Huffman coding with compression rate of arithmetic coding", 2013;
/// with a state of 32 bits that is renormalised by bytes, as in F. Giesen, "Interleaved entropy coders", 2014.
///
/// A symbol that owns the slots start ..< start + f of M = 2¹⁴ takes the state from x to
///
///     ⌊x/f⌋ · M + start + x mod f
///
/// which adds log₂(M/f) bits. All of it is whole numbers, so that every machine reads the same symbols.
package enum RANS {
  package static let scaleBits = 14
  /// M: the sum of a table's frequencies.
  package static let scale = 1 << scaleBits
  /// States lie in lowest ..< 256 · lowest. It is much larger than M, so little is lost by rounding.
  fileprivate static let lowest: UInt32 = 1 << 23
  /// Bytes that a stream begins with: the state to start at.
  package static let stateBytes = 4
}

/// Takes symbols in the reverse of the order in which `RANSDecoder` gives them.
package struct RANSEncoder {
  private var state = RANS.lowest
  /// The last byte first.
  private var reversed: [UInt8] = []

  package init() {}

  /// - Parameters:
  ///   - start: the first of the symbol's slots.
  ///   - frequency: how many of the M slots it has, at least 1.
  package mutating func put(start: UInt32, frequency: UInt32) {
    let limit = (RANS.lowest >> UInt32(RANS.scaleBits)) << 8 * frequency
    while state >= limit {
      reversed.append(UInt8(truncatingIfNeeded: state))
      state >>= 8
    }
    let (quotient, rest) = state.quotientAndRemainder(dividingBy: frequency)
    state = quotient << UInt32(RANS.scaleBits) + start + rest
  }

  /// Bits as they are, at most 16.
  package mutating func put(bits: UInt32, count: Int) {
    if count > 8 {
      putUniform(bits & 0xFF, count: 8)
      putUniform(bits >> 8, count: count - 8)
    } else {
      putUniform(bits, count: count)
    }
  }

  private mutating func putUniform(_ bits: UInt32, count: Int) {
    let shift = UInt32(RANS.scaleBits - count)
    put(start: bits << shift, frequency: 1 << shift)
  }

  /// The stream, to be read from its beginning.
  package consuming func finish() -> [UInt8] {
    for shift in stride(from: UInt32(0), to: 32, by: 8) { reversed.append(UInt8(truncatingIfNeeded: state >> shift)) }
    return reversed.reversed()
  }
}

/// Reads a stream of `RANSEncoder`. One that is damaged gives some symbols or other, and `isComplete` says so in the end.
package struct RANSDecoder {
  private var state: UInt32 = 0
  private var place = 0
  /// Whether more was read than there is.
  package private(set) var isDamaged = false
  private let bytes: UnsafeRawBufferPointer

  /// - Parameter bytes: must outlive the decoder.
  package init(_ bytes: UnsafeRawBufferPointer) {
    self.bytes = bytes
    for _ in 0..<RANS.stateBytes { state = state << 8 | next() }
    if !(RANS.lowest..<RANS.lowest << 8).contains(state) {
      isDamaged = true
      state = RANS.lowest
    }
  }

  private mutating func next() -> UInt32 {
    guard place < bytes.count else {
      isDamaged = true
      return 0
    }
    defer { place += 1 }
    return UInt32(bytes[place])
  }

  /// Which of the M slots is next; `take` must follow with the symbol that owns it.
  package var slot: UInt32 { state & UInt32(RANS.scale - 1) }

  package mutating func take(start: UInt32, frequency: UInt32) {
    state = frequency * (state >> UInt32(RANS.scaleBits)) + slot - start
    while state < RANS.lowest { state = state << 8 | next() }
  }

  package mutating func bits(_ count: Int) -> UInt32 {
    guard count > 8 else { return uniform(count) }
    let high = uniform(count - 8)
    return high << 8 | uniform(8)
  }

  private mutating func uniform(_ count: Int) -> UInt32 {
    let shift = UInt32(RANS.scaleBits - count)
    let bits = slot >> shift
    take(start: bits << shift, frequency: 1 << shift)
    return bits
  }

  /// Whether the stream was read to its end, and ended as an encoder begins.
  package var isComplete: Bool { !isDamaged && place == bytes.count && state == RANS.lowest }
}
