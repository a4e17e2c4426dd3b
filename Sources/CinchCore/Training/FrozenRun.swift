import CinchBackend
import CinchData

/// Trains what lies above some frozen layers: a run of the upper network on the frozen outputs of the lower one.
final class FrozenRun<B: Backend>: TrainingRun {
  private let network: Network<B>
  private let backend: B
  private let training: Dataset
  private let validation: Dataset?
  private let options: TrainingOptions
  private let frozen: Int
  private let upper: Network<B>
  private let names: [String: String]
  /// Made when it is first needed: a run that is resumed has its weights by then.
  private var own: GradientRun<B>?

  init(_ network: Network<B>, training: Dataset, validation: Dataset?, options: TrainingOptions) throws {
    let recipe = network.recipe
    try recipe.requireHeldOut(validation != nil)
    for data in [training, validation].compactMap({ $0 }) { try recipe.validate(data) }
    self.network = network
    backend = network.backend
    self.training = training
    self.validation = validation
    self.options = options
    frozen = recipe.training.frozenLayers ?? 0
    upper = try Network(try recipe.aboveFrozenLayers(), on: backend)
    names = recipe.namesAboveFrozenLayers(upper.layout.uses.map(\.name))
  }

  private func run() throws -> GradientRun<B> {
    if let own { return own }
    let limit = options.memoryLimit(backend)
    func outputs(_ data: Dataset, memoryLimit: Int) throws -> FeedSource<B> {
      // Each sample passes once, so none of them stays on the device.
      let feed = try Feed(
        .samples(data), on: backend, as: network.input, batchSize: 1, corruption: nil, objective: nil,
        memoryLimit: 0)
      return try network.outputs(of: 0..<frozen, from: feed, memoryLimit: memoryLimit)
    }
    let training = try outputs(training, memoryLimit: limit)
    let validation = try validation.map { try outputs($0, memoryLimit: max(limit - training.residentBytes, 0)) }
    let whole = try backend.read(network.parameters)
    var parameters = try backend.read(upper.parameters)
    let back = Dictionary(uniqueKeysWithValues: names.map { ($1, $0) })
    network.layout.copy(whole, to: &parameters, of: upper.layout, names: back)
    try backend.write(parameters, to: upper.parameters)
    let run = try GradientRun(upper, training: training, validation: validation, options: options)
    own = run
    return run
  }

  var state: TrainingState { own?.state ?? TrainingState() }
  var stepLosses: [Double] { own?.stepLosses ?? [] }
  var isStreamed: Bool { own?.isStreamed ?? false }

  func advance(epochs: Int, _ observer: (TrainingProgress) -> Bool) throws -> EpochOutcome {
    let outcome = try run().advance(epochs: epochs, observer)
    if case .interrupted = outcome { return outcome }
    try keepUpper()
    return outcome
  }

  /// What has been learned so far goes into the whole network.
  private func keepUpper() throws {
    var whole = try backend.read(network.parameters)
    upper.layout.copy(try backend.read(upper.parameters), to: &whole, of: network.layout, names: names)
    try backend.write(whole, to: network.parameters)
  }

  func evaluate(heldOut: Bool) throws -> Evaluation { try run().evaluate(heldOut: heldOut) }

  func checkpoint() throws -> (state: TrainingState, arenas: [String: [B.Scalar]]) {
    let (state, own) = try run().checkpoint()
    try keepUpper()
    var arenas = own.nested(in: "upper")
    let whole = try backend.read(network.parameters)
    arenas["parameters"] = whole
    if let best = own["best"] {
      var values = whole
      upper.layout.copy(best, to: &values, of: network.layout, names: names)
      arenas["best"] = values
    }
    return (state, arenas)
  }

  func restore(_ state: TrainingState, _ arenas: [String: [B.Scalar]]) throws {
    guard let whole = arenas["parameters"], whole.count == network.parameters.count else {
      throw CinchError.badData(
        "The checkpoint does not fit this model: resume with the recipe that the run was started with.")
    }
    try backend.write(whole, to: network.parameters)
    own = nil
    try run().restore(state, arenas.nest("upper"))
  }
}

extension Recipe {
  /// The network above the frozen layers, whose samples are their outputs.
  func aboveFrozenLayers() throws -> Recipe {
    guard let frozen = training.frozenLayers, var classifier else { return self }
    let input = try resolved().shapes[frozen]
    classifier.encoder.removeFirst(frozen)
    // The code itself, where nothing but the softmax layer is trained.
    if classifier.encoder.isEmpty { classifier.encoder = [.dropout(0)] }
    classifier.input = input.count
    classifier.image = input.image
    var recipe = self
    recipe.training.frozenLayers = nil
    recipe.architecture = .classifier(classifier)
    return recipe
  }

  /// How the parameters above the frozen layers are called in the whole network.
  fileprivate func namesAboveFrozenLayers(_ names: [String]) -> [String: String] {
    let frozen = training.frozenLayers ?? 0
    return Dictionary(
      uniqueKeysWithValues: names.map { name in
        var parts = name.split(separator: ".").map(String.init)
        if parts.count > 2, parts[0] == "encoder", let index = Int(parts[1]) { parts[1] = "\(index + frozen)" }
        return (name, parts.joined(separator: "."))
      })
  }

  /// - Throws: `CinchError.usage` where other layers are frozen than a classifier has, or nothing is left to act on.
  func validateFrozenLayers() throws {
    guard let frozen = training.frozenLayers else { return }
    guard let classifier else {
      throw CinchError.usage("Only a classifier's layers are frozen: leave \(.frozenLayers) out.")
    }
    guard (1...classifier.encoder.count).contains(frozen) else {
      throw CinchError.usage(
        "\(.frozenLayers) must lie between 1 and the \(classifier.encoder.count) layers below the softmax layer, not "
          + "\(frozen).")
    }
    guard corruption == nil else {
      throw CinchError.usage("What frozen layers see is computed once: leave the corruption out, or \(.frozenLayers).")
    }
    let learned = classifier.encoder[frozen...].firstIndex(where: \.hasParameters) ?? classifier.encoder.count
    guard !penalties.act(onFirst: learned, encoderCount: classifier.encoder.count) else {
      throw CinchError.usage(
        "Penalties act on the code, which \(.frozenLayers) keeps as it is: freeze fewer layers, or leave them out.")
    }
    try aboveFrozenLayers().validate()
  }
}
