import CinchBackend
import CinchData

/// A layer whose shapes are known.
struct ResolvedLayer: Sendable {
  enum Kind: Sendable {
    case dense
    /// The geometry relates the layer's input (large) to its output (small).
    case convolution(ConvolutionGeometry)
    /// The geometry relates the layer's output (large) to its input (small).
    case transposedConvolution(ConvolutionGeometry)
    case maxPool(PoolingGeometry)
    case averagePool(PoolingGeometry)
    /// By the switches of the max-pool at that place in the network.
    case unpool(PoolingGeometry, switchesOf: Int)
    case upsample(PoolingGeometry)
  }

  var spec: LayerSpec
  /// `encoder.0`, `decoder.2`: what files and messages call it.
  var name: String
  var input: FeatureShape
  var output: FeatureShape
  var kind: Kind
}

/// Follows a sample through a network, layer by layer.
struct NetworkShape: Sendable {
  private(set) var layers: [ResolvedLayer] = []
  private var unmatchedPools: [Int] = []

  /// - Throws: `CinchError.usage` naming the first layer that cannot be, the shapes and the setting to change.
  init(input: FeatureShape, encoder: [LayerSpec], decoder: [LayerSpec]) throws {
    var shape = input
    for (index, spec) in (encoder + decoder).enumerated() {
      let name = index < encoder.count ? "encoder.\(index)" : "decoder.\(index - encoder.count)"
      let layer = try resolve(spec, name: name, input: shape)
      layers.append(layer)
      shape = layer.output
    }
  }

  private mutating func resolve(_ spec: LayerSpec, name: String, input: FeatureShape) throws -> ResolvedLayer {
    var layer = ResolvedLayer(spec: spec, name: name, input: input, output: input, kind: .dense)
    switch spec {
    case .dense(let units, _):
      guard units > 0 else { throw CinchError.usage("Layer \(name) has \(units) units: give it 1 or more.") }
      guard case .flat = input else {
        throw CinchError.usage(
          "Layer \(name) is dense, but its input is an image of \(input): a network of images is made of convolutions "
            + "and pooling; leave the image shape out for dense layers.")
      }
      layer.output = .flat(units)
    case .convolution(let settings):
      let geometry = try convolution(settings, name, image(input, name))
      layer.kind = .convolution(geometry)
      layer.output = .image(
        channels: settings.filters, height: geometry.outputHeight, width: geometry.outputWidth)
    case .transposedConvolution(let settings):
      let geometry = try transposed(settings, name, image(input, name))
      layer.kind = .transposedConvolution(geometry)
      layer.output = .image(channels: settings.filters, height: geometry.height, width: geometry.width)
    case .maxPool(let settings), .averagePool(let settings):
      let geometry = try pool(settings, name, image(input, name))
      if case .maxPool = spec {
        layer.kind = .maxPool(geometry)
        unmatchedPools.append(layers.count)
      } else {
        layer.kind = .averagePool(geometry)
      }
      layer.output = .image(
        channels: geometry.channels, height: geometry.outputHeight, width: geometry.outputWidth)
    case .unpool:
      let geometry = try unpool(&layer, name, image(input, name))
      layer.output = .image(channels: geometry.channels, height: geometry.height, width: geometry.width)
    case .upsample(let factor):
      let small = try image(input, name)
      guard factor.height > 0, factor.width > 0, factor.height <= 65_536 / small.height,
        factor.width <= 65_536 / small.width
      else {
        throw CinchError.usage("Layer \(name) upsamples by \(factor): use 1 or more, up to an image of 65536.")
      }
      let geometry = PoolingGeometry(
        height: small.height * factor.height, width: small.width * factor.width, channels: small.channels,
        outputHeight: small.height, outputWidth: small.width, kernel: factor.pair, stride: factor.pair)
      layer.kind = .upsample(geometry)
      layer.output = .image(channels: small.channels, height: geometry.height, width: geometry.width)
    }
    return layer
  }

  private typealias Image = (channels: Int, height: Int, width: Int)

  private func image(_ shape: FeatureShape, _ name: String) throws -> Image {
    guard case .image(let channels, let height, let width) = shape else {
      throw CinchError.usage(
        "Layer \(name) works on images, but its input is a vector of \(shape): say what the samples are with "
          + "\(.imageShape, "CHANNELS,HEIGHT,WIDTH"), and put dense layers elsewhere.")
    }
    return (channels, height, width)
  }

  private func checkSettings(_ settings: ConvolutionSpec, _ name: String) throws {
    guard (1...65_536).contains(settings.filters) else {
      throw CinchError.usage("Layer \(name) has \(settings.filters) filters: give it 1 to 65536.")
    }
    for (what, extent, least) in [
      ("kernel", settings.kernel, 1), ("stride", settings.stride, 1), ("dilation", settings.dilation, 1),
      ("output padding", settings.outputPadding, 0),
    ] where extent.height < least || extent.width < least || extent.height > 4096 || extent.width > 4096 {
      throw CinchError.usage("Layer \(name) has a \(what) of \(extent): use \(least) to 4096.")
    }
    if case .explicit(let top, let bottom, let left, let right) = settings.padding,
      [top, bottom, left, right].contains(where: { $0 < 0 || $0 > 4096 })
    {
      throw CinchError.usage("Layer \(name) has \(settings.padding): use 0 to 4096 on each side.")
    }
  }

  private func convolution(_ settings: ConvolutionSpec, _ name: String, _ input: Image) throws -> ConvolutionGeometry {
    try checkSettings(settings, name)
    func axis(_ size: Int, _ kernel: Int, _ stride: Int, _ dilation: Int, vertical: Bool) throws -> (Int, before: Int) {
      let padding = settings.padding.amounts(
        size: size, kernel: kernel, stride: stride, dilation: dilation, vertical: vertical)
      let reach = dilation * (kernel - 1) + 1
      let padded = size + padding.before + padding.after
      guard reach <= padded else {
        throw CinchError.usage(
          "Layer \(name) has a kernel of \(settings.kernel) with dilation \(settings.dilation), which spans \(reach) "
            + "\(vertical ? "rows" : "columns"), but its image of \(input.height)×\(input.width) has \(padded) with "
            + "padding: use a smaller kernel\(name == "encoder.0" ? " or" : ", fewer strides before it, or") pad with "
            + "'same'.")
      }
      return ((padded - reach) / stride + 1, padding.before)
    }
    let (rows, top) = try axis(
      input.height, settings.kernel.height, settings.stride.height, settings.dilation.height, vertical: true)
    let (columns, left) = try axis(
      input.width, settings.kernel.width, settings.stride.width, settings.dilation.width, vertical: false)
    return ConvolutionGeometry(
      height: input.height, width: input.width, channels: input.channels, outputHeight: rows, outputWidth: columns,
      outputChannels: settings.filters, kernel: settings.kernel.pair, stride: settings.stride.pair,
      dilation: settings.dilation.pair, top: top, left: left)
  }

  private func transposed(_ settings: ConvolutionSpec, _ name: String, _ input: Image) throws -> ConvolutionGeometry {
    try checkSettings(settings, name)
    guard settings.outputPadding == Extent(0) || (settings.outputSize == nil && settings.padding != .same) else {
      throw CinchError.usage(
        "Layer \(name) has an output padding beside \(settings.padding == .same ? "'same'" : "an output size"), which "
          + "fixes its size already: leave one of them out.")
    }
    func size(_ small: Int, _ kernel: Int, _ stride: Int, _ dilation: Int, _ extra: Int, vertical: Bool) -> Int {
      let reach = dilation * (kernel - 1) + 1
      return switch settings.padding {
      case .valid: (small - 1) * stride + reach + extra
      case .same: small * stride
      case .explicit(let top, let bottom, let left, let right):
        (small - 1) * stride + reach + extra - (vertical ? top + bottom : left + right)
      }
    }
    let (k, s, d, e) = (settings.kernel, settings.stride, settings.dilation, settings.outputPadding)
    let output =
      settings.outputSize
      ?? Extent(
        size(input.height, k.height, s.height, d.height, e.height, vertical: true),
        size(input.width, k.width, s.width, d.width, e.width, vertical: false))
    guard (1...65_536).contains(output.height), (1...65_536).contains(output.width) else {
      throw CinchError.usage(
        "Layer \(name) would give an image of \(output) from \(input.height)×\(input.width): use less padding "
          + "or a larger kernel for an empty one.")
    }
    // The convolution it is the adjoint of must lead from that output back to this input.
    var forward = settings
    forward.filters = input.channels
    let geometry = try convolution(forward, name, (settings.filters, output.height, output.width))
    guard geometry.outputHeight == input.height, geometry.outputWidth == input.width else {
      throw CinchError.usage(
        "Layer \(name) cannot make \(output) of \(input.height)×\(input.width): a convolution with kernel \(k), stride "
          + "\(s) and \(settings.padding) leads from \(output) to \(geometry.outputHeight)×\(geometry.outputWidth). "
          + "Keep the output padding below the stride, or change the output size.")
    }
    return geometry
  }

  private func pool(_ settings: PoolSpec, _ name: String, _ input: Image) throws -> PoolingGeometry {
    let (size, stride) = (settings.size, settings.stride)
    for (what, extent) in [("windows", size), ("a stride", stride)]
    where !(1...65_536).contains(extent.height) || !(1...65_536).contains(extent.width) {
      throw CinchError.usage("Layer \(name) pools with \(what) of \(extent): use 1 to 65536.")
    }
    guard size.height <= input.height, size.width <= input.width else {
      throw CinchError.usage(
        "Layer \(name) pools windows of \(size), but its image is only \(input.height)×\(input.width): use smaller "
          + "windows or fewer pooling layers.")
    }
    return PoolingGeometry(
      height: input.height, width: input.width, channels: input.channels,
      outputHeight: (input.height - size.height) / stride.height + 1,
      outputWidth: (input.width - size.width) / stride.width + 1, kernel: size.pair, stride: stride.pair)
  }

  private mutating func unpool(_ layer: inout ResolvedLayer, _ name: String, _ input: Image) throws -> PoolingGeometry {
    guard let index = unmatchedPools.popLast(), case .maxPool(let geometry) = layers[index].kind else {
      throw CinchError.usage("Layer \(name) unpools, but no max-pool before it is left to take the places from.")
    }
    guard geometry.channels == input.channels, geometry.outputHeight == input.height,
      geometry.outputWidth == input.width
    else {
      throw CinchError.usage(
        "Layer \(name) unpools \(layer.input), but the max-pool \(layers[index].name) gave \(layers[index].output): "
          + "mirror the encoder's filters and sizes.")
    }
    layer.kind = .unpool(geometry, switchesOf: index)
    return geometry
  }
}
