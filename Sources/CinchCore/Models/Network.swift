import CinchBackend

/// An autoencoder's layers and parameters on a device.
///
/// Every parameter lies in one arena, all weights first and then all biases, so that one launch of the
/// optimiser updates the model and weight decay is a prefix. Gradients lie in an arena of the same layout.
final class Network<B: Backend> {
  let recipe: Recipe
  let backend: B
  let layers: [DenseLayer<B>]
  /// How many of `layers` make the encoder.
  let encoderCount: Int
  let parameters: Tensor<B.Buffer>
  let gradients: Tensor<B.Buffer>
  /// Weights at the front of the arena.
  let weightCount: Int

  init(_ recipe: Recipe, on backend: B) throws {
    try recipe.validate()
    self.recipe = recipe
    self.backend = backend
    encoderCount = recipe.encoder.count
    let layout = ParameterLayout(recipe)
    weightCount = layout.weightCount
    parameters = try backend.tensor([layout.count])
    gradients = try backend.tensor([layout.count])
    layers = layout.layers.map { [parameters, gradients] layer in
      DenseLayer<B>(
        activation: layer.activation, inputs: layer.inputs, units: layer.units,
        weight: parameters.slice(at: layer.weight, shape: layer.weightShape),
        weightGradient: gradients.slice(at: layer.weight, shape: layer.weightShape),
        bias: parameters.slice(at: layer.bias, shape: [layer.units]),
        biasGradient: gradients.slice(at: layer.bias, shape: [layer.units]),
        isTied: layer.isTied, accumulates: recipe.tied && !layer.isTied)
    }
    try backend.write(layout.initialValues(seed: recipe.seed).map { B.Scalar($0) }, to: parameters)
  }

  var code: DenseLayer<B> { layers[encoderCount - 1] }
}

/// Where each layer's weight and bias lie in the arena, and under which names files keep them.
struct ParameterLayout {
  struct Layer {
    var name: String
    var inputs: Int
    var units: Int
    var activation: Activation
    var isOutput: Bool
    var isTied: Bool
    /// Offsets into the arena; a tied layer shares its mirror's weight.
    var weight: Int
    var bias: Int

    var weightShape: Shape { isTied ? [inputs, units] : [units, inputs] }
  }

  private(set) var layers: [Layer] = []
  let weightCount: Int
  let count: Int

  init(_ recipe: Recipe) {
    let widths = recipe.widths
    let encoderCount = recipe.encoder.count
    var offset = 0
    for (index, spec) in (recipe.encoder + recipe.decoder).enumerated() {
      let inDecoder = index >= encoderCount
      let isTied = recipe.tied && inDecoder
      layers.append(
        Layer(
          name: inDecoder ? "decoder.\(index - encoderCount)" : "encoder.\(index)", inputs: widths[index],
          units: spec.units, activation: spec.activation, isOutput: index == widths.count - 2, isTied: isTied,
          weight: isTied ? layers[2 * encoderCount - 1 - index].weight : offset, bias: 0))
      if !isTied { offset += widths[index] * spec.units }
    }
    weightCount = offset
    for index in layers.indices {
      layers[index].bias = offset
      offset += layers[index].units
    }
    count = offset
  }

  /// The first parameters; see `Initialization`.
  func initialValues(seed: UInt64) -> [Float] {
    var values = [Float](repeating: 0, count: count)
    for (index, layer) in layers.enumerated() where !layer.isTied {
      let limit = Initialization.limit(
        inputs: layer.inputs, outputs: layer.units, activation: layer.activation, isOutput: layer.isOutput)
      values.replaceSubrange(
        layer.weight..<layer.weight + layer.inputs * layer.units,
        with: Initialization.uniform(count: layer.inputs * layer.units, limit: limit, seed: seed, index: index))
    }
    return values
  }
}
