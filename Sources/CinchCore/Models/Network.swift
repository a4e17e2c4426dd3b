import CinchBackend
import CinchData

/// An autoencoder's layers and parameters on a device.
///
/// Every parameter lies in one arena, all weights first and then all biases, so that one launch of the
/// optimiser updates the model and weight decay is a prefix. Gradients lie in an arena of the same layout.
final class Network<B: Backend> {
  let recipe: Recipe
  let backend: B
  let layers: [any Layer<B>]
  private let switches: [PoolSwitches<B>]
  let layout: ParameterLayout
  /// How many of `layers` make the encoder.
  let encoderCount: Int
  let parameters: Tensor<B.Buffer>
  let gradients: Tensor<B.Buffer>

  /// - Throws: `CinchError.usage` where the recipe makes no model.
  init(_ recipe: Recipe, on backend: B) throws {
    try recipe.validate()
    self.recipe = recipe
    self.backend = backend
    encoderCount = recipe.encoder.count
    let layout = ParameterLayout(try recipe.shape(), tied: recipe.tied, encoderCount: recipe.encoder.count)
    self.layout = layout
    parameters = try backend.tensor([layout.count])
    gradients = try backend.tensor([layout.count])
    var factory = LayerFactory(
      backend: backend, layout: layout, parameters: parameters, gradients: gradients, tied: recipe.tied)
    layers = try factory.layers()
    switches = Array(factory.switches.values)
    try backend.write(layout.initialValues(seed: recipe.seed).map { B.Scalar($0) }, to: parameters)
  }

  /// Makes room for batches of so many samples.
  func reserve(rows: Int) throws {
    for places in switches { try places.reserve(rows: rows) }
  }

  /// Weights at the front of the arena.
  var weightCount: Int { layout.weightCount }
  var input: FeatureShape { layers[0].resolved.input }
  var code: any Layer<B> { layers[encoderCount - 1] }

  /// The weight of a one-layer encoder, `[units, inputs]`.
  var codeWeight: Tensor<B.Buffer> {
    let slot = layout.slots[encoderCount - 1]
    return parameters.slice(at: slot?.weight ?? 0, shape: slot?.weightShape ?? [0])
  }
}

/// Makes the layers of a network on a backend.
private struct LayerFactory<B: Backend> {
  let backend: B
  let layout: ParameterLayout
  let parameters: Tensor<B.Buffer>
  let gradients: Tensor<B.Buffer>
  let tied: Bool
  /// Of the max-pools, by their places in the network.
  private(set) var switches: [Int: PoolSwitches<B>] = [:]

  init(
    backend: B, layout: ParameterLayout, parameters: Tensor<B.Buffer>, gradients: Tensor<B.Buffer>, tied: Bool
  ) {
    self.backend = backend
    self.layout = layout
    self.parameters = parameters
    self.gradients = gradients
    self.tied = tied
  }

  mutating func layers() throws -> [any Layer<B>] {
    try layout.layers.enumerated().map { index, layer -> any Layer<B> in
      func pooling(_ geometry: PoolingGeometry, _ kind: PoolingLayer<B>.Kind) -> any Layer<B> {
        PoolingLayer(resolved: layer, geometry: geometry, kind: kind, backend: backend)
      }
      switch layer.kind {
      case .dense:
        return DenseLayer(resolved: layer, parameters: try views(index), backend: backend)
      case .convolution(let geometry):
        return ConvolutionLayer(
          resolved: layer, geometry: geometry, isTransposed: false, parameters: try views(index), backend: backend)
      case .transposedConvolution(let geometry):
        return ConvolutionLayer(
          resolved: layer, geometry: geometry, isTransposed: true, parameters: try views(index), backend: backend)
      case .maxPool(let geometry):
        let places = PoolSwitches(geometry, on: backend)
        switches[index] = places
        return pooling(geometry, .maxPool(switches: places))
      case .unpool(let geometry, let pool):
        guard let places = switches[pool] else { throw CinchError.usage("Layer \(layer.name) has no max-pool.") }
        return pooling(geometry, .unpool(switches: places))
      case .averagePool(let geometry): return pooling(geometry, .average)
      case .upsample(let geometry): return pooling(geometry, .upsample)
      }
    }
  }

  private func views(_ index: Int) throws -> LayerParameters<B.Buffer> {
    guard let slot = layout.slots[index] else {
      throw CinchError.usage("Layer \(layout.layers[index].name) has no parameters.")
    }
    return LayerParameters(
      weight: parameters.slice(at: slot.weight, shape: slot.weightShape),
      weightGradient: gradients.slice(at: slot.weight, shape: slot.weightShape),
      bias: parameters.slice(at: slot.bias, shape: [slot.biasCount]),
      biasGradient: gradients.slice(at: slot.bias, shape: [slot.biasCount]),
      isTied: slot.isTied, accumulates: tied && !slot.isTied)
  }
}
