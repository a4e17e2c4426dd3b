import CinchBackend
import CinchCore
import CinchData

/// Codes of samples, quantised and entropy-coded: what a file of compressed samples holds.
///
/// Each unit u of the code is quantised uniformly over the range that it has in these samples, with B bits:
///
///     q = round((z − lowᵤ) / stepᵤ),  stepᵤ = (highᵤ − lowᵤ) / (2ᴮ − 1),  ẑ = lowᵤ + q · stepᵤ
///
/// so abs(ẑ − z) ≤ stepᵤ/2, and the rounding of a Float. Where the code is an image, a unit is a channel. Then q is coded by
/// `RANS` (Duda 2013) with a table of frequencies for each unit, in blocks of 1024 samples.
///
/// Coding is whole numbers alone, so a file gives the same codes on every device.
public struct CodeStream: Sendable {
  /// How many samples there are.
  public let samples: Int
  /// Of a quantised value: 1 ... 16.
  public let bits: Int
  /// One code's shape: `[units]`, or `[channels, height, width]`.
  public let codeShape: Shape
  /// The shape of a sample that the model decodes.
  public let sampleShape: Shape
  /// The file, whole.
  public let bytes: [UInt8]
  /// The file's name, for errors.
  let name: String
  let origin: Origin
  let units: [Unit]
  /// Where the blocks begin in `bytes`.
  let start: Int

  /// Samples of a block, of which the last may have fewer.
  public static let blockSamples = 1024

  /// The model that made the codes, each in 16 hexadecimal digits.
  struct Origin: Sendable, Equatable {
    /// Nil of a model that was not loaded from a run.
    var run: String?
    var architecture: String
    var weights: String
  }

  /// How the values of one unit are quantised and coded.
  struct Unit: Sendable, Equatable {
    var quantizer: UniformQuantizer
    /// Nil where all values are the same, and nothing is coded.
    var model: SymbolModel?
  }

  /// The width of each unit's quantisation interval, 0 where all its values are the same. No value of a code is off by more
  /// than half of it.
  public var steps: [Float] { units.map(\.quantizer.step) }

  /// - Parameters:
  ///   - codes: as `Autoencoder.encode` gives them.
  ///   - bits: of a quantised value.
  ///   - sampleShape: of what the codes stand for.
  ///   - origin: whose codes they are.
  /// - Throws: `CinchError.usage` where `bits` are not 1 ... 16, `.badData` where codes are too many or too large.
  init(quantising codes: Dataset, bits: Int, sampleShape: Shape, origin: Origin) throws {
    try Self.require(bits: bits)
    let units = Self.units(codes.sampleShape)
    let pixels = codes.features / units
    let values = codes.values
    let models = try (0..<units).map { unit in
      try Self.unit(unit, of: units, pixels: pixels, values: values, bits: bits)
    }
    let header = try Self.header(
      samples: codes.count, bits: bits, codeShape: codes.sampleShape, sampleShape: sampleShape, origin: origin,
      units: models)
    var bytes = header
    for (index, first) in stride(from: 0, to: codes.count, by: Self.blockSamples).enumerated() {
      let end = min(first + Self.blockSamples, codes.count)
      let block = Self.block(values[first * codes.features..<end * codes.features], models, pixels: pixels)
      try Self.append(block, index: index, header: header, to: &bytes)
    }
    samples = codes.count
    self.bits = bits
    codeShape = codes.sampleShape
    self.sampleShape = sampleShape
    self.bytes = bytes
    name = codes.name
    self.origin = origin
    self.units = models
    start = header.count
  }

  /// Of a file that has been read.
  init(
    samples: Int, bits: Int, codeShape: Shape, sampleShape: Shape, bytes: [UInt8], name: String, origin: Origin,
    units: [Unit], start: Int
  ) {
    self.samples = samples
    self.bits = bits
    self.codeShape = codeShape
    self.sampleShape = sampleShape
    self.bytes = bytes
    self.name = name
    self.origin = origin
    self.units = units
    self.start = start
  }

  /// - Throws: `CinchError.usage`.
  package static func require(bits: Int) throws {
    guard (1...16).contains(bits) else {
      throw CinchError.usage("Codes cannot be quantised to \(bits) bits: choose 1 to 16.")
    }
  }

  static func units(_ codeShape: Shape) -> Int {
    codeShape.dimensions.count == 3 ? codeShape.dimensions[0] : codeShape.count
  }

  private static func unit(
    _ unit: Int, of units: Int, pixels: Int, values: [Float], bits: Int
  ) throws -> Unit {
    func forEach(_ body: (Float) -> Void) {
      values.withUnsafeBufferPointer { values in
        for first in stride(from: unit * pixels, to: values.count, by: units * pixels) {
          for place in first..<first + pixels { body(values[place]) }
        }
      }
    }
    var (low, high) = (Float.infinity, -Float.infinity)
    forEach { value in
      low = min(low, value)
      high = max(high, value)
    }
    guard let quantizer = UniformQuantizer(low: low, high: high, bits: bits) else {
      throw CinchError.badData(
        "Unit \(unit + 1) of the code lies between \(low) and \(high), too far apart for \(bits) bits: choose more bits."
      )
    }
    guard quantizer.step > 0 else { return Unit(quantizer: quantizer) }
    var counts = [Int](repeating: 0, count: 1 << bits)
    forEach { counts[Int(quantizer.index($0))] += 1 }
    return Unit(quantizer: quantizer, model: SymbolModel(counts: counts, bits: bits))
  }

  /// Last value first, as rANS takes them.
  private static func block(_ values: ArraySlice<Float>, _ units: [Unit], pixels: Int) -> [UInt8] {
    var encoder = RANSEncoder()
    for end in stride(from: values.endIndex, to: values.startIndex, by: -units.count * pixels) {
      for (unit, last) in zip(units.reversed(), stride(from: end, to: values.startIndex, by: -pixels)) {
        guard let model = unit.model else { continue }
        for place in (last - pixels..<last).reversed() {
          model.encode(unit.quantizer.index(values[place]), into: &encoder)
        }
      }
    }
    return encoder.finish()
  }

  /// The codes, as far as quantising left them: `[units]` or `[channels, height, width]` each.
  /// - Throws: `CinchError.badData` where a block holds no codes, `.unavailable` where there is no room for them.
  public func codes() throws -> Dataset {
    let features = codeShape.count
    guard let count = Shape(checking: [samples, features, 4])?.count else { throw tooMany }
    try HostMemory.require(count, for: "the codes in '\(name)'")
    let pixels = features / units.count
    // Grows with what is read, not with what the header says.
    var values: [Float] = []
    try forEachBlock { index, rows, bytes in
      var decoder = RANSDecoder(bytes)
      for _ in 0..<rows {
        for unit in units {
          for _ in 0..<pixels {
            values.append(unit.quantizer.value(unit.model?.decode(from: &decoder) ?? 0))
            guard !decoder.isDamaged else { throw damaged(block: index) }
          }
        }
      }
      guard decoder.isComplete else { throw damaged(block: index) }
    }
    return try Dataset(values: values, count: samples, sampleShape: codeShape, name: "\(name) codes")
  }
}

/// Rounds a range of values to 2^bits of them, which lie at the same distance from one another.
struct UniformQuantizer: Sendable, Equatable {
  /// The smallest of them.
  let low: Float
  /// The distance; 0 where there is one value alone.
  let step: Float
  private let last: Double

  /// Nil where the distance is no finite Float, as with 1 bit that of the two largest Floats is none.
  init?(low: Float, high: Float, bits: Int) {
    let (range, last) = (Double(high) - Double(low), Double(1 << bits - 1))
    var step = Float(range / last)
    // Not rounded down, so that the last interval ends no sooner than the range.
    if Double(step) * last < range { step = step.nextUp }
    self.init(low: low, step: step, bits: bits)
  }

  /// Nil where these are no finite numbers, or the distance is negative.
  init?(low: Float, step: Float, bits: Int) {
    guard low.isFinite, step.isFinite, step >= 0 else { return nil }
    self.low = low
    self.step = step
    last = Double(1 << bits - 1)
  }

  func index(_ value: Float) -> UInt32 {
    guard step > 0 else { return 0 }
    return UInt32(min(max(((Double(value) - Double(low)) / Double(step)).rounded(), 0), last))
  }

  func value(_ index: UInt32) -> Float {
    let largest = Double(Float.greatestFiniteMagnitude)
    return Float(min(Double(low) + Double(index) * Double(step), largest))
  }
}
