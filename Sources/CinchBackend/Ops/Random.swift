/// Drawing batches, corruption and Bernoulli samples. The same `Draws` are the same numbers on every device: masks
/// and indices bit for bit, Gaussians to a few ulp.
public protocol RandomOps: MemoryOps {
  /// Copies rows of a data set into a batch.
  ///
  /// - Parameters:
  ///   - source: `[N, d]`.
  ///   - order: which row of `source` row i of the batch is.
  ///   - batch: `[n, d]`.
  func gather(_ source: Tensor<Buffer>, _ order: SampleOrder, into batch: Tensor<Buffer>) throws

  /// `gather` of rows of bytes: each becomes the float nearest to b / divisor.
  func gatherBytes(_ source: ByteRows<Buffer>, _ order: SampleOrder, into batch: Tensor<Buffer>) throws

  /// C(x̃|x): a corrupted copy of `x`, which may lie where `x` does. See `Corruption`.
  func corrupt(_ x: Tensor<Buffer>, _ corruption: Corruption, _ draws: Draws, into corrupted: Tensor<Buffer>) throws

  /// `gather` and `corrupt` in one pass.
  func gather(
    _ source: Tensor<Buffer>, _ order: SampleOrder, into batch: Tensor<Buffer>, _ corruption: Corruption,
    _ draws: Draws, corrupted: Tensor<Buffer>) throws

  /// `gatherBytes` and `corrupt` in one pass.
  func gatherBytes(
    _ source: ByteRows<Buffer>, _ order: SampleOrder, into batch: Tensor<Buffer>, _ corruption: Corruption,
    _ draws: Draws, corrupted: Tensor<Buffer>) throws

  /// 1 with probability `p`, else 0: element e is 1 iff `Philox.uniform(word e) < p_e`. `samples` may be `p`.
  func bernoulli(_ p: Tensor<Buffer>, _ draws: Draws, into samples: Tensor<Buffer>) throws
}

extension RandomOps {
  public func gather(
    _ source: Tensor<Buffer>, _ order: SampleOrder, into batch: Tensor<Buffer>, _ corruption: Corruption,
    _ draws: Draws, corrupted: Tensor<Buffer>
  ) throws {
    try gather(source, order, into: batch)
    try corrupt(batch, corruption, draws, into: corrupted)
  }

  public func gatherBytes(
    _ source: ByteRows<Buffer>, _ order: SampleOrder, into batch: Tensor<Buffer>, _ corruption: Corruption,
    _ draws: Draws, corrupted: Tensor<Buffer>
  ) throws {
    try gatherBytes(source, order, into: batch)
    try corrupt(batch, corruption, draws, into: corrupted)
  }
}

/// Which random numbers an op draws: element e of row r of a batch takes the word of element
/// `(firstRow + r)·columns + e` of the step. So parts of a batch draw what the whole batch would.
public struct Draws: Sendable, Hashable {
  public var philox: Philox
  public var step: UInt64
  /// Where the batch begins in the step's whole one. Words come in blocks of four, so an op refuses a batch whose
  /// `firstRow · columns` is no multiple of 4.
  public var firstRow: Int

  public init(_ philox: Philox, step: UInt64, firstRow: Int = 0) {
    self.philox = philox
    self.step = step
    self.firstRow = firstRow
  }

  /// The first block of a batch of so many columns, as the kernels count.
  package func firstBlock(columns: Int) -> UInt32 { UInt32(truncatingIfNeeded: firstRow * columns / 4) }
}

/// Which rows of a data set make up a batch.
public struct SampleOrder: Sendable, Hashable {
  /// The batch's first position in the order.
  public var start: Int
  /// The order itself: row `permutation(start + i)` becomes row i. Without one, row `start + i` does.
  public var permutation: Permutation?

  public init(start: Int, permutation: Permutation? = nil) {
    self.start = start
    self.permutation = permutation
  }
}

/// How a denoising autoencoder's input is corrupted; the target stays clean (Vincent et al., ICML 2008).
public enum Corruption: Sendable, Hashable {
  /// Each component is zeroed with probability ν: iff its word is below `Philox.threshold(ν)`.
  case masking(Double)
  /// Exactly round(ν·d) components of every sample are zeroed: component i of sample k is iff
  /// π_k(i) < round(ν·d), π_k being the `Permutation` of d with `philox.block(index: firstRow + k, step:)` as its key.
  case maskingExact(Double)
  /// x + N(0, σ²), by Box–Muller: words (w0, w1) of a block give elements 0 and 1, (w2, w3) elements 2 and 3,
  /// as √(−2 ln u)·cos 2πv and √(−2 ln u)·sin 2πv, with u = ((w_a >> 8) + 1)·2⁻²⁴ and v = (w_b >> 8)·2⁻²⁴.
  case gaussian(Double)
  /// With probability ν, 0 or 1 with equal chance: 0 iff the word is below threshold(ν/2), else 1 iff below
  /// threshold(ν).
  case saltPepper(Double)
  /// A rectangle of every image, about a share ν of its pixels, is zeroed in all channels: see `CorruptionBlock`. `x` must be
  /// images, `[n, height, width, channels]`.
  case block(Double)
}

/// The rectangle that `Corruption.block` zeroes of an image of h × w pixels: round(√ν·h) rows of round(√ν·w) pixels, each at
/// least 1 where ν > 0. Of sample k it begins at row ⌊w₀·(h − rows + 1)/2³²⌋ and column ⌊w₁·(w − columns + 1)/2³²⌋, with the
/// first two words of `philox.block(index: firstRow + k, step:)`.
public struct CorruptionBlock: Sendable, Hashable {
  /// Of the image.
  public var height: Int
  public var width: Int
  public var channels: Int
  /// Of the rectangle.
  public var rows: Int
  public var columns: Int

  /// - Parameters:
  ///   - share: ν, of the area.
  ///   - batch: the images' shape, `[n, height, width, channels]`; nil is what any other gives.
  public init?(share: Double, of batch: Shape) {
    let extents = batch.dimensions
    guard extents.count == 4 else { return nil }
    func side(_ extent: Int) -> Int {
      // An extent may be beyond what a Double counts one by one.
      share > 0 ? max(1, Int(exactly: (min(share, 1).squareRoot() * Double(extent)).rounded()) ?? extent) : 0
    }
    (height, width, channels) = (extents[1], extents[2], extents[3])
    (rows, columns) = (side(height), side(width))
  }

  /// A rectangle of a size of its own.
  ///
  /// - Parameters:
  ///   - rows: of pixels, at most `height`.
  ///   - columns: at most `width`.
  ///   - height: of the image.
  ///   - width: of the image.
  package init(rows: Int, columns: Int, height: Int, width: Int) {
    (self.height, self.width, channels, self.rows, self.columns) = (height, width, 1, rows, columns)
  }

  /// Where it begins.
  ///
  /// - Parameters:
  ///   - sample: k, from the beginning of the step's batch.
  ///   - philox: which numbers are drawn.
  ///   - step: which of them.
  public func origin(_ sample: Int, _ philox: Philox, step: UInt64) -> (row: Int, column: Int) {
    let words = philox.block(index: sample, step: step)
    func place(_ word: UInt32, _ extent: Int, _ side: Int) -> Int {
      let places = extent > side ? UInt64(truncatingIfNeeded: extent &- side) &+ 1 : 1
      return Int(truncatingIfNeeded: (UInt64(word) &* places) >> 32)
    }
    return (place(words.x, height, rows), place(words.y, width, columns))
  }
}
