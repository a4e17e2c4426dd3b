import CinchBackend
import CinchData

/// A model's layers and parameters on a device.
///
/// Every parameter lies in one arena, all weights first, then all biases and what is kept but not learned, so that one
/// launch of the optimiser updates the model and weight decay is a prefix. Gradients lie in an arena of the same layout.
final class Network<B: Backend> {
  let recipe: Recipe
  /// What follows from the recipe.
  let resolved: ResolvedNetwork
  let backend: B
  let layers: [any Layer<B>]
  /// What lies where in `parameters`.
  let layout: ParameterList
  /// How many of `layers` make the encoder.
  let encoderCount: Int
  let parameters: Tensor<B.Buffer>
  let gradients: Tensor<B.Buffer>

  /// - Throws: `CinchError.usage` where the recipe makes no model.
  convenience init(_ recipe: Recipe, on backend: B) throws {
    try self.init(recipe, try recipe.validated(), on: backend)
  }

  init(_ recipe: Recipe, _ network: ResolvedNetwork, on backend: B) throws {
    self.recipe = recipe
    resolved = network
    self.backend = backend
    encoderCount = network.encoderCount
    let layout = network.parameters
    self.layout = layout
    let parameters = try backend.tensor([layout.count])
    let gradients = try backend.tensor([layout.count])
    self.parameters = parameters
    self.gradients = gradients
    var layers: [any Layer<B>] = []
    for (index, layer) in network.layers.enumerated() {
      let views = Self.views(layout, index, parameters, gradients)
      let site = LayerSite(backend: backend, index: index, parameters: views, layers: layers)
      layers.append(try layer.kind.make(layer, at: site))
    }
    self.layers = layers
    try backend.write(Scalars.scalars(layout.initialValues(seed: recipe.seed)), to: parameters)
  }

  /// A layer's parameters in the arenas.
  private static func views(
    _ layout: ParameterList, _ index: Int, _ parameters: Tensor<B.Buffer>, _ gradients: Tensor<B.Buffer>
  ) -> [LayerParameter<B.Buffer>] {
    layout.uses(at: index).map { use in
      let (start, shape) = (layout.range(use.parameter).lowerBound, layout.spec(use.parameter).shape)
      return LayerParameter(
        value: parameters.slice(at: start, shape: shape), gradient: gradients.slice(at: start, shape: shape),
        isShared: use.isShared, accumulates: layout.accumulates(use))
    }
  }

  /// Where what computes some layers is made, at the last one's place, with the parameters of the one that has some.
  func site(of range: Range<Int>) -> LayerSite<B> {
    let last = range.upperBound - 1
    let owner = range.last { !layout.uses(at: $0).isEmpty } ?? last
    return LayerSite(
      backend: backend, index: last, parameters: Self.views(layout, owner, parameters, gradients),
      layers: Array(layers[...last]))
  }

  /// The layers of a restricted Boltzmann machine: from visible to hidden units, and back by the same weight.
  /// - Throws: `CinchError.usage` where the recipe is none.
  func boltzmannLayers() throws -> (hidden: DenseLayer<B>, visible: DenseLayer<B>) {
    guard recipe.objective.chain != nil, let hidden = layers[0] as? DenseLayer<B>,
      let visible = layers[1] as? DenseLayer<B>
    else {
      throw CinchError.usage("This needs a Boltzmann machine, which '\(recipe.name)' is not: train rbm.")
    }
    return (hidden, visible)
  }

  /// What the loss or a penalty learns or keeps, by its name in files; without a gradient where it is not learned.
  func parameter(_ name: String) -> (value: Tensor<B.Buffer>, gradient: Tensor<B.Buffer>?)? {
    layout.use(named: name).map { use in
      let (start, spec) = (layout.range(use.parameter).lowerBound, layout.spec(use.parameter))
      return (
        parameters.slice(at: start, shape: spec.shape),
        spec.role == .buffer ? nil : gradients.slice(at: start, shape: spec.shape)
      )
    }
  }

  /// Makes room for batches of so many samples.
  func reserve(rows: Int) throws {
    for layer in layers { try layer.reserve(rows: rows) }
  }

  /// Weights at the front of the arena.
  var weightCount: Int { layout.weightCount }
  var input: FeatureShape { layers[0].resolved.input }
  var code: any Layer<B> { layers[encoderCount - 1] }
  var last: any Layer<B> { layers[layers.count - 1] }

  /// What the optimiser moves, and the gradients of it: all but the buffers at the end.
  var trained: Tensor<B.Buffer> { parameters.slice(at: 0, shape: [layout.trainedCount]) }
  var trainedGradients: Tensor<B.Buffer> { gradients.slice(at: 0, shape: [layout.trainedCount]) }

  /// Every weight of the network, without biases.
  var weights: Tensor<B.Buffer> { parameters.slice(at: 0, shape: [weightCount]) }

  /// The weight of a one-layer encoder, `[units, inputs]`.
  var codeWeight: Tensor<B.Buffer> {
    let weight = layout.uses(at: encoderCount - 1).first { layout.spec($0.parameter).role == .weight }
    return parameters.slice(
      at: weight.map { layout.range($0.parameter).lowerBound } ?? 0,
      shape: weight.map { layout.spec($0.parameter).shape } ?? [0])
  }
}
