import CinchBackend

/// Nearest-neighbour upsampling by s and the convolution of stride 1 behind it, computed as one transposed convolution of
/// stride s on the small image, with s − 1 taps more a side: for s = 2 and 3×3 taps 16 products where there were 36.
///
/// Every pixel of a block of s × s sees the same value, so the taps that meet a block add up. With h the upsampled x:
///
///     Σ_u W[u] h[i + u − p] = Σ_m W′[i − s·m + k − 1 − p] x[m]     W′[k − 1 + s − 1 − t] = Σ_{a < s} W[t + a − (s − 1)]
///
/// and a transposed convolution likewise, its taps as they are. W stays what is learned, decayed and saved; see `tapSums`.
struct UpsampledConvolutionKind: ResolvedKind {
  /// Of the transposed convolution.
  let geometry: ConvolutionGeometry
  /// The layer below.
  let upsampling: UpsampleKind
  /// Of the layer behind the upsampling.
  let convolution: ConvolutionKind
  let size: (height: Int, width: Int)

  /// Nil where the layer strides or leaves taps out, where one transposed convolution is no less work, or where blocks are
  /// larger than the kernel, whose taps would be many and most of them alike.
  init?(_ upsampling: UpsampleKind, _ layer: ConvolutionKind) {
    let (up, g) = (upsampling.geometry, layer.geometry)
    let (tall, wide) = (up.strideHeight, up.strideWidth)
    // The taps of a convolution meet the image the other way round.
    let (top, left) =
      layer.isTransposed ? (g.top, g.left) : (g.kernelHeight - 1 - g.top, g.kernelWidth - 1 - g.left)
    guard (g.strideHeight, g.strideWidth) == (1, 1), (g.dilationHeight, g.dilationWidth) == (1, 1), top >= 0, left >= 0,
      tall <= g.kernelHeight, wide <= g.kernelWidth
    else { return nil }
    geometry = ConvolutionGeometry(
      height: layer.isTransposed ? g.height : g.outputHeight, width: layer.isTransposed ? g.width : g.outputWidth,
      channels: layer.isTransposed ? g.channels : g.outputChannels, outputHeight: up.outputHeight,
      outputWidth: up.outputWidth, outputChannels: up.channels,
      kernel: (g.kernelHeight + tall - 1, g.kernelWidth + wide - 1), stride: (tall, wide), top: top, left: left)
    guard geometry.flops < g.flops else { return nil }
    self.upsampling = upsampling
    convolution = layer
    size = (tall, wide)
  }

  func flops(of layer: ResolvedLayer) -> Double { geometry.flops }
  var keptCount: Int { 2 * geometry.weightShape.count }

  func operators(of layer: ResolvedLayer, on x: String, in graph: inout GraphBuilder) throws -> String {
    try convolution.operators(of: layer, on: upsampling.operators(of: layer, on: x, in: &graph), in: &graph)
  }

  func modules(of layer: ResolvedLayer) throws -> [TorchModule] {
    try upsampling.modules(of: layer) + convolution.modules(of: layer)
  }

  func make<B: Backend>(_ layer: ResolvedLayer, at site: LayerSite<B>) throws -> any Layer<B> {
    let weight = site.parameters[0]
    let sums = try (0..<2).map { _ in try site.backend.tensor(geometry.weightShape) }
    return UpsampledConvolutionLayer(
      resolved: layer, weight: weight, box: size, turned: !convolution.isTransposed,
      transposed: ConvolutionLayer(
        resolved: layer, activation: layer.spec.activation, geometry: geometry, isTransposed: true,
        weight: LayerParameter(value: sums[0], gradient: sums[1], isShared: false, accumulates: false),
        bias: site.parameters[1], backend: site.backend), backend: site.backend)
  }
}

/// The transposed convolution that an upsampling and the convolution behind it are. Its weight is made anew in each forward
/// pass, so that it is never another than the parameters'.
struct UpsampledConvolutionLayer<B: Backend>: Layer {
  let resolved: ResolvedLayer
  /// What is learned: the convolution's.
  let weight: LayerParameter<B.Buffer>
  let box: (height: Int, width: Int)
  let turned: Bool
  let transposed: ConvolutionLayer<B>
  let backend: B

  private func prepare() throws {
    try backend.tapSums(weight.value, box: box, turned: turned, into: transposed.weight.value)
  }

  func forward(_ x: Tensor<B.Buffer>, into h: Tensor<B.Buffer>, _ pass: Pass) throws {
    try prepare()
    try transposed.forward(x, into: h, pass)
  }

  func forward(_ x: Tensor<B.Buffer>, loss: FusedLoss<B.Buffer>, delta: Tensor<B.Buffer>) throws {
    try prepare()
    try transposed.forward(x, loss: loss, delta: delta)
  }

  func lossPartialCount(samples: Int) -> Int { transposed.lossPartialCount(samples: samples) }

  func gradients(delta: Tensor<B.Buffer>, input: Tensor<B.Buffer>, rowPull: RowPull<B.Buffer>?) throws {
    try transposed.gradients(delta: delta, input: input, rowPull: rowPull)
    try backend.tapSums(transposed.weight.gradient, box: box, turned: turned, into: weight.gradient)
  }

  func inputGradient(
    delta: Tensor<B.Buffer>, below: ActivationGradient<B.Buffer>, into result: Tensor<B.Buffer>,
    _ pass: Pass
  ) throws {
    try transposed.inputGradient(delta: delta, below: below, into: result, pass)
  }
}
