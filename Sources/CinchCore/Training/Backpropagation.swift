import CinchBackend

/// Gradients by the chain rule through a chain of layers: forward, loss, backward, as its schedule says. It queues ops and
/// returns; nothing in it waits for the device.
final class Backpropagation<B: Backend>: Learner {
  private let network: Network<B>
  private let stages: [Stage<B>]
  private let loss: any OutputLoss<B>
  private let training: Side
  private let evaluation: Side
  /// By layer: what the ops that make its δ and its gradients add on the way.
  private let places: [Place]
  let statistics: [Tensor<B.Buffer>]
  /// Room for the partial sums of `squaredError`, which no update asks for.
  private var squares: Tensor<B.Buffer>?

  /// One mode: its terms, its schedule and its memory.
  private final class Side {
    let terms: [any Term<B>]
    /// By layer, whether some term adds to its δ.
    let addsToDelta: [Bool]
    let addsToGradients: Bool
    let schedule: StepSchedule
    let columns: [Column]
    let memory: PassMemory<B>

    init(
      _ terms: [any Term<B>], _ network: Network<B>, _ stages: [Stage<B>], _ loss: any OutputLoss<B>, _ mode: Pass.Mode
    ) {
      self.terms = terms
      addsToDelta = network.layers.indices.map { layer in
        terms.contains { $0.addsToDelta && $0.sites.contains(layer) }
      }
      addsToGradients = terms.contains { $0.addsToGradients }
      schedule = StepSchedule(stages: stages.map(\.layers), sites: terms.map(\.sites), mode: mode)
      columns = loss.columns + terms.map(\.column)
      memory = PassMemory(network, schedule, loss)
    }
  }

  /// Of one layer, found once: a step asks for it many times.
  private struct Place {
    /// The activation whose slope is a part of the layer's δ.
    let slopes: Activation
    let column: Tensor<B.Buffer>?
    let l1: Double
    let curvature: (norms: Tensor<B.Buffer>, factor: Double)?
    let rowPull: RowPull<B.Buffer>?
  }

  /// - Parameters:
  ///   - penalties: nil takes the recipe's.
  ///   - others: terms that evaluation reports beside those of the penalties.
  init(
    _ network: Network<B>, memory: Memory<B>, penalties: [any Penalty]? = nil, reports others: [any Term<B>] = []
  ) throws {
    self.network = network
    let count = network.layers.count
    let penalties = penalties ?? network.recipe.penalties.active
    let terms = try penalties.flatMap { try $0.terms(on: network, memory: memory) }
    let reports =
      try [try CodeActivation(network, memory: memory)]
      + penalties.flatMap { try $0.reports(on: network, memory: memory) } + others
    let sites = Set(terms.flatMap(\.sites))
    stages = try network.stages(keeping: sites.union(reports.flatMap(\.sites)))
    loss = try network.outputLoss(of: stages[stages.count - 1])
    training = Side(terms, network, stages, loss, .training)
    evaluation = Side(reports, network, stages, loss, .evaluation)
    var slots = network.layers.enumerated().map { ActivationSlots($1, isOutput: $0 == count - 1) }
    for term in terms {
      for site in term.sites { try term.claim(&slots[site], at: site) }
    }
    let slopes = Self.slopes(network, sites)
    places = zip(slots, slopes).map { slots, slopes in
      Place(
        slopes: slopes, column: slots.column, l1: slots.l1, curvature: slots.curvature, rowPull: slots.rowPull)
    }
    statistics = terms.flatMap { $0.statistics }
  }

  private func side(_ mode: Pass.Mode) -> Side { mode == .training ? training : evaluation }

  func columns(_ mode: Pass.Mode) -> [Column] { side(mode).columns }
  func monitored(_ metrics: Metrics) -> Double { network.recipe.monitored(metrics) }

  func reserve(rows: Int, _ mode: Pass.Mode) throws {
    try side(mode).memory.reserve(rows: rows)
  }

  private func view(_ part: Batch<B.Buffer>) throws -> PassView<B> {
    PassView(network: network, batch: part, activations: try side(part.pass.mode).memory.activations(rows: part.rows))
  }

  func forward(_ part: Batch<B.Buffer>) throws {
    let (side, view) = (side(part.pass.mode), try view(part))
    for step in side.schedule.forward { try run(step, view, side) }
  }

  func backward(_ part: Batch<B.Buffer>, into sink: GradientSink) throws {
    let view = try view(part)
    try loss.gradients(view)
    for step in training.schedule.backward { try run(step, view, training) }
  }

  func endUpdate() throws { for term in training.terms { try term.endUpdate() } }

  private func run(_ step: StepSchedule.Step, _ view: PassView<B>, _ side: Side) throws {
    switch step {
    case .forward(let index):
      let stage = stages[index]
      guard let output = view.activations.outputs[stage.layers.upperBound - 1] else { return }
      try stage.layer.forward(try view.input(of: stage.layers.lowerBound), into: output, view.pass)
    case .measure(let term): try side.terms[term].measure(view)
    case .output: try loss.run(view)
    case .derive(let term): try side.terms[term].derive(view)
    case .outputDelta:
      try addToDelta(of: side.addsToDelta.count - 1, view, side)
    case .inputGradient(let index):
      let stage = stages[index]
      let (last, below) = (stage.layers.upperBound - 1, stage.layers.lowerBound - 1)
      try stage.layer.inputGradient(
        delta: try view.delta(of: last), below: try activationGradient(at: below, view),
        into: try view.delta(of: below), view.pass)
      try addToDelta(of: below, view, side)
    case .gradients(let index):
      let stage = stages[index]
      let last = stage.layers.upperBound - 1
      // Its scale is a mean over the part.
      var rowPull = places[last].rowPull
      rowPull?.factor *= view.share
      try stage.layer.gradients(
        delta: try view.delta(of: last), input: try view.input(of: stage.layers.lowerBound), rowPull: rowPull)
      guard side.addsToGradients else { return }
      for term in side.terms where term.addsToGradients {
        for layer in stage.layers.reversed() { try term.addGradients(at: layer, view) }
      }
    }
  }

  private func addToDelta(of layer: Int, _ view: PassView<B>, _ side: Side) throws {
    guard side.addsToDelta[layer] else { return }
    for term in side.terms where term.addsToDelta && term.sites.contains(layer) {
      try term.add(to: try view.delta(of: layer), at: layer, view)
    }
  }

  /// By layer: the activation whose slope makes δ of the gradient at the layer's output. δ of a max-pool layer holds the
  /// slope of its input, too: what it picked is that input's value, so the slope can be taken where there are few. A term
  /// that acts on the input forbids it.
  private static func slopes(_ network: Network<B>, _ sites: Set<Int>) -> [Activation] {
    let layers = network.layers.map(\.resolved)
    var slopes = layers.map(\.spec.activation)
    for index in layers.indices.dropFirst() where layers[index].kind.picksInputs && !sites.contains(index - 1) {
      (slopes[index], slopes[index - 1]) = (slopes[index - 1], .linear)
    }
    return slopes
  }

  /// What makes δ of layer `index` from the gradient at its output.
  private func activationGradient(at index: Int, _ view: PassView<B>) throws -> ActivationGradient<B.Buffer> {
    guard let output = view.activations.outputs[index] else {
      throw BackendError.invalidArgument("The output of layer \(index) is not kept for its gradient.")
    }
    let place = places[index]
    var gradient = ActivationGradient(
      place.slopes, output: output, column: place.column, l1: place.l1 / view.samples, curvature: nil)
    if let (norms, factor) = place.curvature { gradient.curvature = (norms, factor / view.samples) }
    return gradient
  }

  func record(_ part: Batch<B.Buffer>, into row: Tensor<B.Buffer>) throws {
    let (side, view) = (side(part.pass.mode), try view(part))
    var terms = loss.values(view)
    for term in side.terms { terms.append(try term.value(view)) }
    // `total` takes four at a time.
    for start in stride(from: 0, to: terms.count, by: 4) {
      let some = Array(terms[start..<min(start + 4, terms.count)])
      try network.backend.total(some, into: row.slice(at: start, shape: [some.count]))
    }
  }

  /// Where no layer draws: means of a distribution reconstruct otherwise than draws from it do.
  func squaredError(_ part: Batch<B.Buffer>, into sum: Tensor<B.Buffer>) throws -> Bool {
    guard loss.leavesDifferences, !network.layers.contains(where: { $0.resolved.kind.draws }) else { return false }
    let view = try view(part), backend = network.backend
    let delta = try view.delta(of: network.layers.count - 1)
    let count = backend.sumPartialCount(delta.count)
    let room = try squares.flatMap { $0.count < count ? nil : $0 } ?? backend.tensor([count])
    squares = room
    let partials = room.slice(at: 0, shape: [count])
    try backend.sumOfSquares(delta, into: partials)
    // δ is a share of the mean already.
    try backend.total([SumTerm(partials, scale: view.samples)], into: sum)
    return true
  }

  func metrics(_ means: [Double], _ mode: Pass.Mode) -> Metrics {
    var metrics = network.recipe.lossMetrics(means.first ?? .nan)
    for (column, mean) in zip(side(mode).columns, means).dropFirst() { metrics[column.name] = mean }
    network.recipe.addBound(to: &metrics)
    return metrics
  }
}
