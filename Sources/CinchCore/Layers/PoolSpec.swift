import CinchBackend
import CinchData

/// The settings of a pooling layer; windows stay inside the image.
public struct PoolSpec: Sendable, Hashable {
  public var size: Extent
  public var stride: Extent

  public init(_ size: Extent, stride: Extent? = nil) {
    self.size = size
    self.stride = stride ?? size
  }
}

/// `"size": 2, "stride": 2` in files; the stride is the size unless said.
extension PoolSpec: Codable {
  enum CodingKeys: String, CodingKey, CaseIterable { case size, stride }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      try container.decode(Extent.self, forKey: .size),
      stride: try container.decodeIfPresent(Extent.self, forKey: .stride))
  }
}

extension PoolSpec {
  /// `SIZE [sS]` on the command line.
  init(_ words: ArraySlice<String>, name: String) throws {
    let number = try LayerText.first(words, of: name)
    guard let size = LayerText.extent(number) else { throw LayerText.Refusal("'\(number)' is no window size") }
    self.init(size)
    for word in words.dropFirst() {
      guard word.hasPrefix("s"), let stride = LayerText.extent(word.dropFirst()) else {
        throw LayerText.Refusal("'\(word)' is no stride")
      }
      self.stride = stride
    }
  }

  /// - Parameter keepsPlaces: whether the layer keeps where in its windows the largest values were.
  /// - Throws: `CinchError.usage` naming the layer.
  func geometry(_ name: String, input: ImageShape, keepsPlaces: Bool = false) throws -> PoolingGeometry {
    for (what, extent) in [("windows", size), ("a stride", stride)]
    where !(1...65_536).contains(extent.height) || !(1...65_536).contains(extent.width) {
      throw CinchError.usage("Layer \(name) pools with \(what) of \(extent): use 1 to 65536.")
    }
    guard size.height <= input.height, size.width <= input.width else {
      throw CinchError.usage(
        "Layer \(name) pools windows of \(size), but its image is only \(input.height)×\(input.width): use smaller "
          + "windows or fewer pooling layers.")
    }
    guard !keepsPlaces || size.height <= PoolingGeometry.mostPlaces / size.width else {
      throw CinchError.usage(
        "Layer \(name) pools windows of \(size), whose places are more than the 2²⁴ that floats tell apart: pool in two "
          + "layers.")
    }
    return PoolingGeometry(
      height: input.height, width: input.width, channels: input.channels,
      outputHeight: (input.height - size.height) / stride.height + 1,
      outputWidth: (input.width - size.width) / stride.width + 1, kernel: size.pair, stride: stride.pair)
  }

  /// The upsampling that leads back from what a layer pools.
  /// - Throws: `CinchError.usage` where it leads to another size.
  func upsampling(_ layer: ResolvedLayer) throws -> LayerSpec {
    guard let large = layer.input.image, let small = layer.output.image, large.height % stride.height == 0,
      large.height / stride.height == small.height, large.width % stride.width == 0,
      large.width / stride.width == small.width
    else {
      throw CinchError.usage(
        "Layer \(layer.name) pools \(layer.input) to \(layer.output), and upsampling by \(stride) does not lead back: "
          + "use pooling that divides the image evenly, or the recipe conv-unpool.")
    }
    return .upsample(stride)
  }
}

extension PoolingGeometry {
  /// The image of few values.
  var pooled: FeatureShape { .image(channels: channels, height: outputHeight, width: outputWidth) }

  /// The image of many values.
  var whole: FeatureShape { .image(channels: channels, height: height, width: width) }

  /// As ONNX has them.
  var attributes: GraphBuilder.Attributes {
    ["kernel_shape": .integers([kernelHeight, kernelWidth]), "strides": .integers([strideHeight, strideWidth])]
  }

  /// As PyTorch has them.
  var arguments: String { "(\(kernelHeight), \(kernelWidth)), stride=(\(strideHeight), \(strideWidth))" }

  /// What the last windows do not reach; nil where that is nothing.
  var leftOut: String? {
    let rows = height - (outputHeight - 1) * strideHeight - kernelHeight
    let columns = width - (outputWidth - 1) * strideWidth - kernelWidth
    guard rows > 0 || columns > 0 else { return nil }
    return rows > 0 ? "\(rows) row\(rows == 1 ? "" : "s")" : "\(columns) column\(columns == 1 ? "" : "s")"
  }
}

extension ActivationGradient {
  /// Nil where nothing is left to do, at a linear layer without penalties: pooling ops then skip a pass.
  var unlessPlain: ActivationGradient? { isPlain ? nil : self }
}
