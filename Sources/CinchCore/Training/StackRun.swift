import CinchBackend
import CinchData

/// Trains the layers of a stack one after the other, each by a run of its own on the frozen outputs of the last.
///
/// What a layer has learned goes into the network of the whole stack, which can be used at any time. A checkpoint holds that
/// network, the states of the runs so far and the memory of the one that goes on; the outputs of finished layers are
/// computed anew, to the same bits.
final class StackRun<B: Backend>: TrainingRun {
  private let network: Network<B>
  private let recipe: Recipe
  private let backend: B
  private let training: Dataset
  private let validation: Dataset?
  private let options: TrainingOptions
  private let modules: [Recipe]
  /// The layer that is being trained, counted from 0, its network and its run.
  private var layer = 0
  private var module: Network<B>
  private var run: GradientRun<B>
  /// Of the layers below.
  private var finished: [TrainingState] = []
  private var finishedLosses: [Double] = []
  private var ended: EndReason?

  init(_ network: Network<B>, training: Dataset, validation: Dataset?, options: TrainingOptions) throws {
    self.network = network
    recipe = network.recipe
    backend = network.backend
    self.training = training
    self.validation = validation
    self.options = options
    modules = try recipe.encoder.indices.map { [recipe] in try recipe.module($0) }
    module = try Network(modules[0], on: backend)
    run = try GradientRun(
      module, training: .samples(training), validation: validation.map { .samples($0) }, options: options)
    try module.setFirstValues(from: .samples(training))
  }

  var stepLosses: [Double] { finishedLosses + run.stepLosses }
  var isStreamed: Bool { run.isStreamed }

  /// Counters of all layers together; sums and position of the one that is being trained.
  var state: TrainingState {
    let layers = finished + [run.state]
    var state = run.state
    state.layers = layers
    state.epoch = layers.reduce(0) { $0 + $1.epoch }
    state.step = layers.reduce(0) { $0 + $1.step }
    state.history = TrainingState.history(of: layers)
    // Each layer has its own, which are not to be compared.
    state.bestValidation = nil
    state.bestEpoch = nil
    state.ended = ended
    return state
  }

  private var finishedEpochs: Int { finished.reduce(0) { $0 + $1.epoch } }

  func advance(epochs: Int, _ observer: (TrainingProgress) -> Bool) throws -> EpochOutcome {
    guard epochs == recipe.epochs else {
      throw CinchError.usage(
        "A stack is trained for the epochs of its layers, \(recipe.epochs) in all, not for \(epochs): start a new one with "
          + "more for each.")
    }
    while true {
      if let ended { return .complete(ended) }
      let outcome = try run.advance(epochs: modules[layer].epochs) { observer(stacked($0)) }
      switch outcome {
      case .interrupted: return .interrupted
      case .finished(let epoch):
        try keepModule()
        return .finished(epoch.stacked(layer: layer, after: finishedEpochs))
      case .complete:
        try keepModule()
        if layer == modules.count - 1 { ended = .epochs } else { try beginNextLayer() }
      }
    }
  }

  private func stacked(_ progress: TrainingProgress) -> TrainingProgress {
    var progress = progress
    let later = modules[(layer + 1)...].reduce(0) { $0 + $1.epochs }
    progress.secondsLeft += Double(later) * Double(progress.samplesPerEpoch) / max(progress.samplesPerSecond, 1e-9)
    progress.epoch += finishedEpochs
    // Layers that stopped early have left some out.
    progress.epochs += finishedEpochs + later
    progress.layer = layer + 1
    return progress
  }

  /// What the layer has learned so far goes into the whole network.
  private func keepModule() throws {
    var whole = try backend.read(network.parameters)
    module.layout.copy(
      try backend.read(module.parameters), to: &whole, of: network.layout, names: network.names(ofModule: layer))
    try backend.write(whole, to: network.parameters)
  }

  /// From the outputs of the layer that has been trained.
  private func beginNextLayer() throws {
    // Both layers' samples are there until the new ones are complete.
    let limit = options.memoryLimit(backend)
    func outputs(_ feed: Feed<B>, beside other: Int) throws -> FeedSource<B> {
      try network.outputs(of: layer..<layer + 1, from: feed, memoryLimit: max(limit - other, 0))
    }
    let resident = run.feed.residentBytes + (run.validation?.feed.residentBytes ?? 0)
    let training = try outputs(run.feed, beside: resident)
    let validation = try run.validation.map { try outputs($0.feed, beside: resident + training.residentBytes) }
    finished.append(run.state)
    finishedLosses += run.stepLosses
    layer += 1
    module = try Network(modules[layer], on: backend)
    run = try GradientRun(module, training: training, validation: validation, options: options)
    try module.setFirstValues(from: training)
  }

  /// Of the whole network, which reconstructs through all of its layers.
  func evaluate(heldOut: Bool) throws -> Evaluation {
    let data = heldOut ? validation ?? training : training
    let learner = try Backpropagation(network, memory: Memory(backend))
    return try EvaluationPass(learner, network, .samples(data), memoryLimit: 0).run(withSquares: true)
  }

  func checkpoint() throws -> (state: TrainingState, arenas: [String: [B.Scalar]]) {
    try keepModule()
    let (_, own) = try run.checkpoint()
    var arenas = own.nested(in: "layer")
    arenas["parameters"] = try backend.read(network.parameters)
    var state = state
    // The layers' states have it, and whoever reads the file takes it from there.
    state.history = []
    return (state, arenas)
  }

  func restore(_ state: TrainingState, _ arenas: [String: [B.Scalar]]) throws {
    guard let layers = state.layers, (1...modules.count).contains(layers.count),
      layers.dropLast().allSatisfy({ $0.ended != nil }), let last = layers.last,
      state.ended == nil || (layers.count == modules.count && last.ended != nil),
      let parameters = arenas["parameters"], parameters.count == network.parameters.count
    else {
      throw CinchError.badData(
        "The checkpoint does not fit this stack: resume with the recipe that the run was started with.")
    }
    try backend.write(parameters, to: network.parameters)
    for state in layers.dropLast() {
      _ = try run.checked(state)
      try beginNextLayer()
      finished[layer - 1] = state
    }
    try run.restore(last, arenas.nest("layer"))
    ended = state.ended
  }
}
