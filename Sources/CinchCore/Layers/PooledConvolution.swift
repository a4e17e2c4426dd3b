import CinchBackend

/// A convolution and the max-pooling behind it, computed in one where the pooling's windows lie side by side: the image
/// between the two is several times what is left of it, and passes four times through memory where it is a tensor.
///
/// Only the network's first layer: the others hand δ down, which needs all of that image's.
struct PooledConvolutionKind: ResolvedKind {
  /// The layer below, and what ends it.
  let convolution: ConvolutionKind
  let activation: Activation
  let pooling: MaxPoolKind

  /// Nil where the layer below is no convolution, or windows overlap or leave gaps.
  init?(_ below: ResolvedLayer, _ pooling: MaxPoolKind) {
    guard let convolution = below.kind as? ConvolutionKind, !convolution.isTransposed, pooling.geometry.tiles else {
      return nil
    }
    self.convolution = convolution
    self.pooling = pooling
    activation = below.spec.activation
  }

  var picksInputs: Bool { true }
  func flops(of layer: ResolvedLayer) -> Double { convolution.geometry.flops }

  func operators(of layer: ResolvedLayer, on x: String, in graph: inout GraphBuilder) throws -> String {
    try pooling.operators(of: layer, on: convolution.operators(of: layer, on: x, in: &graph), in: &graph)
  }

  func modules(of layer: ResolvedLayer) throws -> [TorchModule] {
    try convolution.modules(of: layer) + pooling.modules(of: layer)
  }

  func make<B: Backend>(_ layer: ResolvedLayer, at site: LayerSite<B>) throws -> any Layer<B> {
    guard let pool = site.layers[site.index] as? MaxPoolLayer<B> else {
      throw BackendError.invalidArgument("Layer \(layer.name) is no max-pool.")
    }
    return PooledConvolutionLayer(
      resolved: layer, geometry: convolution.geometry, activation: activation, pool: pool, weight: site.parameters[0],
      bias: site.parameters[1], backend: site.backend)
  }
}

/// The largest values of the windows of f(x ∗ W + b).
struct PooledConvolutionLayer<B: Backend>: Layer {
  let resolved: ResolvedLayer
  let geometry: ConvolutionGeometry
  let activation: Activation
  /// The pooling by itself, whose switches others read.
  let pool: MaxPoolLayer<B>
  let weight: LayerParameter<B.Buffer>
  let bias: LayerParameter<B.Buffer>
  let backend: B

  func forward(_ x: Tensor<B.Buffer>, into h: Tensor<B.Buffer>, _ pass: Pass) throws {
    try backend.convolvePooled(
      x, weight.value, geometry, bias: bias.value, activation: activation, pool.geometry, into: h,
      switches: pool.switches.prefix(rows: h.rows))
  }

  func gradients(delta: Tensor<B.Buffer>, input: Tensor<B.Buffer>, rowPull: RowPull<B.Buffer>?) throws {
    try backend.pooledConvolutionGradient(
      x: input, delta: delta, switches: pool.switches.prefix(rows: delta.rows), geometry, pool.geometry,
      weightGradient: weight.gradient, biasGradient: bias.gradient, accumulate: weight.accumulates)
  }

  func inputGradient(
    delta: Tensor<B.Buffer>, below: ActivationGradient<B.Buffer>, into result: Tensor<B.Buffer>, _ pass: Pass
  ) throws {
    throw BackendError.invalidArgument(
      "Layer \(resolved.name) is computed with the network's first, which hands nothing down.")
  }
}
