import CinchBackend

/// What one sample of an image data set is: `[channels, height, width]` in files.
public struct ImageShape: Sendable, Hashable, Codable, CustomStringConvertible {
  public var channels: Int
  public var height: Int
  public var width: Int

  public init(channels: Int, height: Int, width: Int) {
    self.channels = channels
    self.height = height
    self.width = width
  }

  /// A grey image of 28×28, as in MNIST and Fashion-MNIST.
  public static let fashion = ImageShape(channels: 1, height: 28, width: 28)

  /// Values in all: 0 where an extent is not positive, and `Int.max` where their number does not fit an Int.
  public var count: Int {
    guard channels > 0, height > 0, width > 0 else { return 0 }
    let (pixels, tooMany) = height.multipliedReportingOverflow(by: width)
    let (count, overflow) = channels.multipliedReportingOverflow(by: pixels)
    return tooMany || overflow ? .max : count
  }

  private static let possibleExtents = 1...65_536
  /// Whether files may hold it: whether each extent is 1 to 65536.
  package var isPossible: Bool { [channels, height, width].allSatisfy(Self.possibleExtents.contains) }

  /// Its rows and columns.
  package var size: ImageSize { ImageSize(height: height, width: width) }

  public var description: String { "\(channels)×\(height)×\(width)" }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    guard let extents = try? container.decode([Int].self), extents.count == 3,
      extents.allSatisfy(Self.possibleExtents.contains)
    else {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "Expected [channels, height, width], each 1 to 65536")
    }
    self.init(channels: extents[0], height: extents[1], width: extents[2])
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode([channels, height, width])
  }
}

extension ImageShape {
  /// What samples of `[height, width]` or `[channels, height, width]` are; nil for any other shape.
  public init?(_ sample: Shape) {
    let extents = sample.dimensions
    switch extents.count {
    case 2: self.init(channels: 1, height: extents[0], width: extents[1])
    case 3: self.init(channels: extents[0], height: extents[1], width: extents[2])
    default: return nil
    }
  }

  /// `[channels, height, width]`.
  public var shape: Shape { [channels, height, width] }

  /// A sample's shape in a file of this layout.
  public func shape(in layout: ImageLayout) -> Shape { layout == .nchw ? shape : [height, width, channels] }

  /// Samples with channels first, as a file of `layout` orders them. Values that do not fill images of this shape stay as
  /// they are.
  public func ordered(_ values: [Float], as layout: ImageLayout) -> [Float] {
    layout == .nchw ? values : channelsLast(values)
  }
}

// The order of an image's values. With one channel the two are the same.
extension ImageShape {
  /// `[samples, channels, height, width]` to `[samples, height, width, channels]`, where values fill images.
  package func channelsLast<Value>(_ values: [Value]) -> [Value] { reordered(values, toLast: true) }

  /// `[samples, height, width, channels]` to `[samples, channels, height, width]`, where values fill images.
  package func channelsFirst<Value>(_ values: [Value]) -> [Value] { reordered(values, toLast: false) }

  private func reordered<Value>(_ values: [Value], toLast: Bool) -> [Value] {
    guard channels > 1, count > channels, !values.isEmpty, values.count.isMultiple(of: count) else { return values }
    let pixels = height * width
    return [Value](unsafeUninitializedCapacity: values.count) { result, initialised in
      for start in stride(from: 0, to: values.count, by: channels * pixels) {
        for channel in 0..<channels {
          for pixel in 0..<pixels {
            let first = start + channel * pixels + pixel
            let last = start + pixel * channels + channel
            let (target, source) = toLast ? (last, first) : (first, last)
            result.initializeElement(at: target, to: values[source])
          }
        }
      }
      initialised = values.count
    }
  }
}
