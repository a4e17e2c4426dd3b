import CinchBackend
import CinchData

/// Rows and columns of a window, a stride or an image. In files `[rows, columns]`, or one number for both.
public struct Extent: Sendable, Hashable, Codable, CustomStringConvertible {
  public var height: Int
  public var width: Int

  public init(_ height: Int, _ width: Int) {
    self.height = height
    self.width = width
  }

  public init(_ both: Int) { self.init(both, both) }

  var pair: (height: Int, width: Int) { (height, width) }
  public var description: String { "\(height)×\(width)" }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let both = try? container.decode(Int.self) {
      self.init(both)
      return
    }
    guard let pair = try? container.decode([Int].self), pair.count == 2 else {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "Expected a whole number, or [rows, columns]")
    }
    self.init(pair[0], pair[1])
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode([height, width])
  }
}

/// What one sample looks like between two layers.
public enum FeatureShape: Sendable, Hashable, CustomStringConvertible {
  case flat(Int)
  case image(ImageShape)

  public static func image(channels: Int, height: Int, width: Int) -> FeatureShape {
    .image(ImageShape(channels: channels, height: height, width: width))
  }

  /// Nil for a vector.
  public var image: ImageShape? {
    if case .image(let image) = self { image } else { nil }
  }

  /// Values in all; `Int.max` where their number does not fit an Int.
  public var count: Int {
    switch self {
    case .flat(let count): count
    case .image(let image): image.count
    }
  }

  /// The units that share weights and statistics: channels of an image, features of a vector.
  public var units: Int {
    switch self {
    case .flat(let count): count
    case .image(let image): image.channels
    }
  }

  /// One sample's extents in files: `[count]`, or `[channels, height, width]`.
  package var extents: [Int] {
    switch self {
    case .flat(let count): [count]
    case .image(let image): [image.channels, image.height, image.width]
    }
  }

  /// `extents` of a shape that a network has.
  package var sampleShape: Shape { Shape(extents) }

  public var description: String {
    switch self {
    case .flat(let count): "\(count)"
    case .image(let image): "\(image)"
    }
  }
}

/// How far a convolution looks past the edge of its image.
public enum Padding: Sendable, Hashable {
  /// Not at all.
  case valid
  /// TensorFlow's rule: the output has ⌈size / stride⌉ rows, and of the padding this needs the smaller half comes
  /// first.
  case same
  /// So many zeros on each side.
  case explicit(top: Int, bottom: Int, left: Int, right: Int)

  /// So many zeros on every side.
  public static func all(_ amount: Int) -> Padding {
    .explicit(top: amount, bottom: amount, left: amount, right: amount)
  }

  /// The zeros before and after an axis of `size`.
  func amounts(size: Int, kernel: Int, stride: Int, dilation: Int, vertical: Bool) -> (before: Int, after: Int) {
    switch self {
    case .valid: return (0, 0)
    case .same:
      let outputs = (size + stride - 1) / stride
      let total = max((outputs - 1) * stride + dilation * (kernel - 1) + 1 - size, 0)
      return (total / 2, total - total / 2)
    case .explicit(let top, let bottom, let left, let right):
      return vertical ? (top, bottom) : (left, right)
    }
  }
}

extension Padding: Codable, CustomStringConvertible {
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let sides = try? container.decode([Int].self), sides.count == 4 {
      self = .explicit(top: sides[0], bottom: sides[1], left: sides[2], right: sides[3])
      return
    }
    if let all = try? container.decode(Int.self) {
      self = .explicit(top: all, bottom: all, left: all, right: all)
      return
    }
    switch try? container.decode(String.self) {
    case "valid": self = .valid
    case "same": self = .same
    default:
      throw DecodingError.dataCorruptedError(
        in: container,
        debugDescription: "Expected \"valid\", \"same\", a whole number, or [top, bottom, left, right]")
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .valid: try container.encode("valid")
    case .same: try container.encode("same")
    case .explicit(let top, let bottom, let left, let right): try container.encode([top, bottom, left, right])
    }
  }

  public var description: String {
    switch self {
    case .valid: "valid padding"
    case .same: "same padding"
    case .explicit(let top, let bottom, let left, let right): "padding \(top), \(bottom), \(left), \(right)"
    }
  }
}
