/// Philox4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw, "Parallel random numbers:
/// as easy as 1, 2, 3" (SC 2011).
///
/// A block of four 32-bit words is a pure function of a 64-bit key and a 128-bit counter, so every device,
/// thread count and resumption draws the same numbers. Cinch keys by (seed, stream, site) and counts by
/// (element block, step): element `e` of step `t` is word `e % 4` of the block with counter
/// `(e / 4, t low, t high, 0)`.
public struct Philox: Sendable, Hashable {
  /// What a sequence of draws is for. Each purpose has a stream of its own, so one never shifts another.
  public enum Stream: UInt32, Sendable, CaseIterable {
    case initialisation = 1
    case shuffle, corruption, validationSplit, bernoulli, sampling, test, patches, imputation
  }

  public let key: SIMD2<UInt32>

  /// The generator of `stream` under `seed`. SplitMix64 spreads both over the key.
  ///
  /// - Parameter site: which of several places that draw from one stream in one step: a layer, or a round of a chain.
  public init(seed: UInt64, stream: Stream, site: Int = 0) {
    var z = seed &+ UInt64(stream.rawValue) &* 0x9E37_79B9_7F4A_7C15
    z = z &+ UInt64(bitPattern: Int64(site)) &* 0xD1B5_4A32_D192_ED03
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    z ^= z >> 31
    key = SIMD2(UInt32(truncatingIfNeeded: z), UInt32(truncatingIfNeeded: z >> 32))
  }

  public init(key: SIMD2<UInt32>) { self.key = key }

  /// The block at a counter: ten rounds.
  @inlinable
  public func block(_ counter: SIMD4<UInt32>) -> SIMD4<UInt32> {
    var c = counter
    var k = key
    for _ in 0..<10 {
      let p0 = UInt64(c.x) &* 0xD251_1F53
      let p1 = UInt64(c.z) &* 0xCD9E_8D57
      c = SIMD4(
        UInt32(truncatingIfNeeded: p1 >> 32) ^ c.y ^ k.x, UInt32(truncatingIfNeeded: p1),
        UInt32(truncatingIfNeeded: p0 >> 32) ^ c.w ^ k.y, UInt32(truncatingIfNeeded: p0))
      k = k &+ SIMD2(0x9E37_79B9, 0xBB67_AE85)
    }
    return c
  }

  /// The block of four words that holds elements `4·index ..< 4·index+4` of `step`.
  @inlinable
  public func block(index: Int, step: UInt64) -> SIMD4<UInt32> {
    block(
      SIMD4(
        UInt32(truncatingIfNeeded: index), UInt32(truncatingIfNeeded: step), UInt32(truncatingIfNeeded: step >> 32), 0))
  }

  /// The 32-bit word of `element` in `step`.
  @inlinable
  public func word(element: Int, step: UInt64) -> UInt32 { block(index: element >> 2, step: step)[element & 3] }

  /// A word as a float in [0, 1): its top 24 bits, so the value is exact.
  @inlinable
  public static func uniform(_ word: UInt32) -> Float { Float(word >> 8) * 0x1p-24 }

  /// The integer below which a word falls with `probability`, never where that is NaN: comparing integers keeps draws
  /// bit-identical.
  public static func threshold(_ probability: Double) -> UInt64 {
    guard probability > 0 else { return 0 }
    return UInt64((min(probability, 1) * 0x1p32).rounded())
  }
}

/// A keyed pseudo-random permutation of `0 ..< count`, computed element by element without a table.
///
/// An eight-round balanced Feistel network over the smallest even number of bits that covers `count`,
/// with cycle walking (Black & Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002): a value
/// outside the range is sent through again until it falls inside. Round `r` replaces
/// `(left, right)` by `(right, left ^ F(right ^ (key[r % 4] + r·0x9E3779B9)))` where `F` is Murmur3's 32-bit
/// finaliser, masked to half the bits.
public struct Permutation: Sendable, Hashable {
  /// The most elements one can have.
  public static let largestCount = 1 << 30

  public let count: Int
  public let key: SIMD4<UInt32>
  /// Half the width of the network, in bits.
  public let halfBits: UInt32

  /// The permutation that `philox` gives for a step: its key is one block, so it costs nothing to remake.
  ///
  /// - Parameter count: of elements; one outside 1 ... `largestCount` is taken for the nearer of these.
  public init(count: Int, philox: Philox, index: Int = 0, step: UInt64) {
    self.init(count: count, key: philox.block(index: index, step: step))
  }

  public init(count: Int, key: SIMD4<UInt32>) {
    let count = min(max(count, 1), Self.largestCount)
    self.count = count
    self.key = key
    var bits: UInt32 = 2
    while 1 << Int(bits) < count { bits += 2 }
    halfBits = bits / 2
  }

  /// π(index), and `index` itself outside `0 ..< count`.
  public func callAsFunction(_ index: Int) -> Int {
    guard index >= 0, index < count else { return index }
    let mask = (UInt32(1) << halfBits) &- 1
    var value = UInt32(index)
    repeat {
      var left = value >> halfBits
      var right = value & mask
      for round in UInt32(0)..<8 {
        var f = right ^ (key[Int(round % 4)] &+ round &* 0x9E37_79B9)
        f = (f ^ (f >> 16)) &* 0x85EB_CA6B
        f = (f ^ (f >> 13)) &* 0xC2B2_AE35
        f = (f ^ (f >> 16)) & mask
        (left, right) = (right, left ^ f)
      }
      value = left << halfBits | right
    } while value >= UInt32(count)
    return Int(value)
  }
}
