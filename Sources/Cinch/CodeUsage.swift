import CinchCore
import CinchData

/// What a code's units do: one that gives the same for every sample tells nothing of it, and in training its weights may
/// never move again.
public struct CodeUsage: Sendable, Hashable, Codable {
  /// Units, or channels of a code that is an image.
  public var units: Int
  /// Units that give 0 for every sample, as ReLU does once its input is always negative.
  public var dead: Int
  /// Units that give the same value for every sample, dead ones included.
  public var constant: Int
  /// Samples that were looked at.
  public var samples: Int

  /// The most samples that are looked at, and values of their codes.
  static let mostSamples = 4096
  static let mostValues = 1 << 22

  /// Relative to a unit's largest value: what is called the same.
  private static let tolerance: Float = 1e-6

  /// - Parameter codes: rows of `units · pixels` values, channels first.
  init(_ codes: Dataset, units: Int) {
    let pixels = codes.features / units
    var low = [Float](repeating: .infinity, count: units)
    var high = [Float](repeating: -.infinity, count: units)
    codes.values.withUnsafeBufferPointer { values in
      for start in stride(from: 0, to: values.count, by: pixels) {
        let unit = start / pixels % units
        for place in start..<start + pixels {
          low[unit] = min(low[unit], values[place])
          high[unit] = max(high[unit], values[place])
        }
      }
    }
    self.units = units
    samples = codes.count
    dead = zip(low, high).count { $0 == 0 && $1 == 0 }
    constant = codes.count < 2 ? dead : zip(low, high).count { $1 - $0 <= Self.tolerance * max(abs($0), abs($1)) }
  }
}

extension Autoencoder {
  /// How many units of the code are dead or constant, over the first few thousand samples.
  /// - Throws: `CinchError.badData` where the features do not fit.
  public func codeUsage(_ data: Dataset) throws -> CodeUsage {
    CodeUsage(try someCodes(of: data), units: network.codeShape.units)
  }

  /// Codes of the first few thousand samples.
  func someCodes(of data: Dataset) throws -> Dataset {
    let most = min(CodeUsage.mostSamples, max(2, CodeUsage.mostValues / network.codeShape.count))
    return try encode(try data.prefix(most))
  }

  /// The mean of each unit, or channel, of codes.
  func unitMeans(of codes: Dataset) -> [Float] {
    let units = network.codeShape.units
    let pixels = codes.features / units
    var sums = [Double](repeating: 0, count: units)
    codes.values.withUnsafeBufferPointer { values in
      for place in values.indices { sums[place / pixels % units] += Double(values[place]) }
    }
    return sums.map { Float($0 / Double(codes.count * pixels)) }
  }
}
