import CinchBackend

/// How the values of an image are ordered. The library's own order is channels first.
public enum ImageLayout: String, Sendable, Codable, CaseIterable {
  /// Channels, height, width: PyTorch's order.
  case nchw
  /// Height, width, channels: TensorFlow's order, and that of image files.
  case nhwc

  /// Whether samples that are read with channels first look as if they came last: grey, RGB or RGBA behind two longer axes.
  package static func looksChannelsLast(_ sample: Shape) -> Bool {
    let extents = sample.dimensions
    return extents.count == 3 && [1, 3, 4].contains(extents[2]) && min(extents[0], extents[1]) > extents[2]
  }
}

extension Dataset {
  /// Samples of a file as they are seen here: of the shape asked for, if any. Values stay in the file's order.
  ///
  /// - Parameters:
  ///   - sampleShape: `[channels, height, width]`, `[height, width]` or any other of as many values; nil keeps the
  ///     file's own.
  ///   - layout: the order of the file's values; nil where nobody has said it.
  /// - Throws: `CinchError.badData` where the shapes do not fit, `.usage` where nothing says how large an image is, or
  ///   which of its axes are channels.
  func seen(as sampleShape: Shape?, layout: ImageLayout?) throws -> Dataset {
    if layout == nil, sampleShape == nil, ImageLayout.looksChannelsLast(self.sampleShape) {
      throw CinchError.usage(
        "Samples of '\(name)' are \(self.sampleShape), whose last axis looks like channels: say whether these come last, "
          + "\(.layout, "nhwc"), or first, \(.layout, "nchw").")
    }
    if let sampleShape, sampleShape.count != features {
      throw CinchError.badData(
        "Samples of '\(name)' have \(features) values (\(self.sampleShape)), which do not fill an image of \(sampleShape): "
          + "pass an \(.imageShape) that they fill.")
    }
    guard layout == .nhwc else {
      if let sampleShape { try requireOrder(of: sampleShape) }
      return try sampleShape.map(reshaped) ?? self
    }
    let own = self.sampleShape.dimensions
    let image: ImageShape
    if let sampleShape, let given = ImageShape(sampleShape) {
      image = given
      guard own.count == 1 || image.shape(in: .nhwc).dimensions == own || own.count == 2 && image.channels == 1 else {
        throw CinchError.badData(
          "Samples of '\(name)' are \(self.sampleShape), not \(image.shape(in: .nhwc)) as an image of \(image) has it with "
            + "its channels last: correct \(.imageShape, "CHANNELS,HEIGHT,WIDTH") or \(.layout).")
      }
    } else if own.count == 3 {
      image = ImageShape(channels: own[2], height: own[0], width: own[1])
    } else if own.count == 2 {
      return self
    } else {
      throw CinchError.usage(
        "Samples of '\(name)' are \(own.count == 1 ? "flat" : "\(self.sampleShape)"): with \(.layout, "nhwc") say what they are, "
          + "with \(.imageShape) CHANNELS,HEIGHT,WIDTH.")
    }
    var other = self
    other.sampleShape = image.shape
    other.layout = .nhwc
    other.columnNames = columnNames.map { image.channelsFirst($0) }
    return other
  }

  /// Refuses to see images as others of as many values, which would shuffle their pixels. Flat samples may be any.
  private func requireOrder(of sampleShape: Shape) throws {
    func extents(_ shape: Shape) -> [Int] { Array(shape.dimensions.drop { $0 == 1 }) }
    let own = self.sampleShape
    let areImages = own.dimensions.count > 1 && sampleShape.dimensions.count > 1
    guard areImages, extents(own) != extents(sampleShape) else { return }
    let isLast = ImageShape(sampleShape).map { $0.shape(in: .nhwc) == own } ?? false
    throw CinchError.badData(
      "Samples of '\(name)' are \(own), not \(sampleShape): "
        + (isLast ? "their channels come last, so add \(.layout) nhwc." : "leave \(.imageShape) out, or correct it."))
  }
}
