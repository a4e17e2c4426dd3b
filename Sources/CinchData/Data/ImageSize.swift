/// Rows of pixels in an image, and pixels in a row.
public struct ImageSize: Sendable, Hashable, CustomStringConvertible {
  public var height: Int
  public var width: Int

  public init(height: Int, width: Int) {
    self.height = height
    self.width = width
  }

  /// `48x32`: height and width, as options take them.
  public var description: String { "\(height)x\(width)" }

  /// Whether images can be brought to this size.
  package var isPossible: Bool { [height, width].allSatisfy((1...65_536).contains) && height * width <= 1 << 28 }
}

/// `[48, 32]`.
extension ImageSize: Codable {
  /// - Throws: `DecodingError` where it is no size.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    guard let extents = try? container.decode([Int].self), extents.count == 2 else {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "Expected [height, width] of an image")
    }
    self.init(height: extents[0], width: extents[1])
    guard isPossible else {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "Expected [height, width] of an image")
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode([height, width])
  }
}

/// Whether images are grey or in colour.
public enum ImageColour: String, Sendable, Codable, CaseIterable {
  /// One channel: luma, 0.299 R + 0.587 G + 0.114 B.
  case grey
  /// Red, green and blue; of a grey image all alike.
  case colour
}
