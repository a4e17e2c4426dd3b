import CinchBackend

/// A model on some device, with the device's type erased: the one place where generic code becomes dynamic.
package protocol Session: AnyObject {
  var recipe: Recipe { get }
  var device: DeviceInfo { get }
  var counters: BackendCounters { get }
  var state: TrainingState { get }
  /// Every update's loss, where `TrainingOptions.keepsStepLosses` asked for it.
  var stepLosses: [Double] { get }
  var isStreamed: Bool { get }

  func encode(_ values: [Float]) throws -> [Float]
  func decode(_ codes: [Float]) throws -> [Float]
  func reconstruct(_ values: [Float]) throws -> [Float]
  func evaluate(_ data: Dataset) throws -> Evaluation
  /// A corrupted copy of samples, as the encoder sees them at `step`.
  func corrupt(_ values: [Float], step: UInt64) throws -> [Float]

  /// Every weight and bias under its file name, in `[out, in]` order.
  func parameters() throws -> [NamedParameter]
  func setParameters(_ parameters: [NamedParameter]) throws

  func prepare(training: Dataset, validation: Dataset?, options: TrainingOptions) throws
  func trainEpoch(epochs: Int, _ observer: (TrainingProgress) -> Bool) throws -> EpochOutcome
  func checkpoint() throws -> Checkpoint
  func restore(_ checkpoint: Checkpoint) throws
}

/// One tensor of a model, by the name it has in `model.safetensors`.
public struct NamedParameter: Sendable, Hashable {
  public var name: String
  public var shape: Shape
  public var values: [Float]

  public init(name: String, shape: Shape, values: [Float]) {
    self.name = name
    self.shape = shape
    self.values = values
  }
}

/// A training run's whole state between two updates, in the device's own precision.
package struct Checkpoint: Sendable {
  package var state: TrainingState
  package var arenas: [String: Arena]

  package enum Arena: Sendable, Hashable {
    case float([Float])
    case double([Double])
  }

  package init(state: TrainingState, arenas: [String: Arena]) {
    self.state = state
    self.arenas = arenas
  }
}

/// Opens a recipe on a backend whose type the caller need not know.
package func openSession<B: Backend>(_ recipe: Recipe, on backend: B) throws -> any Session {
  try ModelSession(recipe, on: backend)
}

final class ModelSession<B: Backend>: Session {
  let recipe: Recipe
  private let backend: B
  private let network: Network<B>
  private let evaluator: Evaluator<B>
  private var run: TrainingRun<B>?

  init(_ recipe: Recipe, on backend: B) throws {
    self.recipe = recipe
    self.backend = backend
    network = try Network(recipe, on: backend)
    evaluator = try Evaluator(network)
  }

  var device: DeviceInfo { backend.info }
  var counters: BackendCounters { backend.counters }
  var state: TrainingState { run?.state ?? TrainingState() }
  var stepLosses: [Double] { run?.stepLosses ?? [] }
  var isStreamed: Bool { run?.isStreamed ?? false }

  func encode(_ values: [Float]) throws -> [Float] { try evaluator.encode(values) }
  func decode(_ codes: [Float]) throws -> [Float] { try evaluator.decode(codes) }
  func reconstruct(_ values: [Float]) throws -> [Float] { try evaluator.reconstruct(values) }
  func evaluate(_ data: Dataset) throws -> Evaluation { try evaluator.evaluate(data) }

  func corrupt(_ values: [Float], step: UInt64) throws -> [Float] {
    guard let corruption = recipe.corruption else { return values }
    let shape: Shape = [values.count / recipe.input, recipe.input]
    let x = try backend.tensor(shape, values.map { B.Scalar($0) })
    let corrupted = try backend.tensor(shape)
    try backend.corrupt(
      x, corruption, Philox(seed: recipe.seed, stream: .corruption), step: step, into: corrupted)
    return try backend.read(corrupted).map { Float($0) }
  }

  func parameters() throws -> [NamedParameter] {
    let arena = try backend.read(network.parameters).map { Float($0) }
    return ParameterLayout(recipe).layers.flatMap { layer -> [NamedParameter] in
      var weight = Array(arena[layer.weight..<layer.weight + layer.inputs * layer.units])
      if layer.isTied { weight = transposed(weight, rows: layer.inputs, columns: layer.units) }
      return [
        NamedParameter(name: layer.name + ".weight", shape: [layer.units, layer.inputs], values: weight),
        NamedParameter(
          name: layer.name + ".bias", shape: [layer.units], values: Array(arena[layer.bias..<layer.bias + layer.units])),
      ]
    }
  }

  private func transposed(_ values: [Float], rows: Int, columns: Int) -> [Float] {
    var result = [Float](repeating: 0, count: values.count)
    for row in 0..<rows {
      for column in 0..<columns { result[column * rows + row] = values[row * columns + column] }
    }
    return result
  }

  func setParameters(_ parameters: [NamedParameter]) throws {
    let named = Dictionary(parameters.map { ($0.name, $0) }) { first, _ in first }
    let layout = ParameterLayout(recipe)
    var arena = [B.Scalar](repeating: 0, count: layout.count)
    func place(_ name: String, _ shape: Shape, at offset: Int) throws {
      guard let parameter = named[name] else {
        throw CinchError.badData("The model file has no '\(name)': it was made by another recipe than this one.")
      }
      guard parameter.shape == shape, parameter.values.count == shape.count else {
        throw CinchError.badData(
          "'\(name)' in the model file is \(parameter.shape), but this recipe needs \(shape): "
            + "it was made by another recipe than this one.")
      }
      for (index, value) in parameter.values.enumerated() { arena[offset + index] = B.Scalar(value) }
    }
    for layer in layout.layers {
      if !layer.isTied { try place(layer.name + ".weight", [layer.units, layer.inputs], at: layer.weight) }
      try place(layer.name + ".bias", [layer.units], at: layer.bias)
    }
    try backend.write(arena, to: network.parameters)
  }

  func prepare(training: Dataset, validation: Dataset?, options: TrainingOptions) throws {
    run = try TrainingRun(
      network, training: training, validation: validation, evaluator: evaluator, options: options)
  }

  private func prepared() throws -> TrainingRun<B> {
    guard let run else { throw CinchError.usage("Training needs data: call fit with a data set first.") }
    return run
  }

  func trainEpoch(epochs: Int, _ observer: (TrainingProgress) -> Bool) throws -> EpochOutcome {
    try prepared().trainEpoch(epochs: epochs, observer)
  }

  func checkpoint() throws -> Checkpoint {
    let (state, arenas) = try prepared().checkpoint()
    return Checkpoint(
      state: state,
      arenas: arenas.mapValues { values in
        if let doubles = values as? [Double] { return .double(doubles) }
        return .float(values.map { Float($0) })
      })
  }

  func restore(_ checkpoint: Checkpoint) throws {
    let arenas = checkpoint.arenas.mapValues { arena -> [B.Scalar] in
      switch arena {
      case .float(let values): values.map { B.Scalar($0) }
      case .double(let values): values.map { B.Scalar($0) }
      }
    }
    try prepared().restore(checkpoint.state, arenas)
  }
}
