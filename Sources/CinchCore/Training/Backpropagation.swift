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
  private var slots: [ActivationSlots<B>]
  /// Layers whose output some term reads or whose δ it changes.
  private let sites: Set<Int>
  let statistics: [Tensor<B.Buffer>]

  /// One mode: its terms, its schedule and its memory.
  private final class Side {
    let terms: [any Term<B>]
    let schedule: StepSchedule
    let columns: [Column]
    let memory: PassMemory<B>

    init(
      _ terms: [any Term<B>], _ network: Network<B>, _ stages: [Stage<B>], _ loss: any OutputLoss<B>, _ mode: Pass.Mode
    ) {
      self.terms = terms
      schedule = StepSchedule(stages: stages.map(\.layers), sites: terms.map(\.sites), mode: mode)
      columns = loss.columns + terms.map(\.column)
      memory = PassMemory(network, schedule, loss)
    }
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
    sites = Set(terms.flatMap(\.sites))
    stages = try network.stages(keeping: sites.union(reports.flatMap(\.sites)))
    loss = try network.outputLoss(of: stages[stages.count - 1])
    training = Side(terms, network, stages, loss, .training)
    evaluation = Side(reports, network, stages, loss, .evaluation)
    var slots = network.layers.enumerated().map { ActivationSlots($1, isOutput: $0 == count - 1) }
    for term in terms {
      for site in term.sites { try term.claim(&slots[site], at: site) }
    }
    self.slots = slots
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
      let last = network.layers.count - 1
      for term in side.terms where term.addsToDelta && term.sites.contains(last) {
        try term.add(to: try view.delta(of: last), at: last, view)
      }
    case .inputGradient(let index):
      let stage = stages[index]
      let (last, below) = (stage.layers.upperBound - 1, stage.layers.lowerBound - 1)
      let delta = try view.delta(of: below)
      try stage.layer.inputGradient(
        delta: try view.delta(of: last), below: try activationGradient(at: below, view), into: delta, view.pass)
      for term in side.terms where term.addsToDelta && term.sites.contains(below) {
        try term.add(to: delta, at: below, view)
      }
    case .gradients(let index):
      let stage = stages[index]
      let last = stage.layers.upperBound - 1
      // Its scale is a mean over the part.
      let rowPull = slots[last].rowPull.map {
        RowPull(scale: $0.scale, weight: $0.weight, factor: $0.factor * view.share)
      }
      try stage.layer.gradients(
        delta: try view.delta(of: last), input: try view.input(of: stage.layers.lowerBound), rowPull: rowPull)
      for term in side.terms where term.addsToGradients {
        for layer in stage.layers.reversed() { try term.addGradients(at: layer, view) }
      }
    }
  }

  /// Whether δ of max-pool layer `index` holds the slope of its input, too: what it picked is that input's value, so
  /// the slope can be taken where there are few. A term that acts on the input forbids it.
  private func takesSlopes(_ index: Int) -> Bool {
    index > 0 && network.layers[index].resolved.kind.picksInputs && !sites.contains(index - 1)
  }

  /// The activation whose slope δ of layer `index` holds.
  private func slopes(of index: Int) -> Activation {
    takesSlopes(index) ? slopes(of: index - 1) : network.layers[index].resolved.spec.activation
  }

  /// What makes δ of layer `index` from the gradient at its output.
  private func activationGradient(at index: Int, _ view: PassView<B>) throws -> ActivationGradient<B.Buffer> {
    guard let output = view.activations.outputs[index] else {
      throw BackendError.invalidArgument("The output of layer \(index) is not kept for its gradient.")
    }
    let slots = slots[index]
    return ActivationGradient(
      takesSlopes(index + 1) ? .linear : slopes(of: index), output: output, column: slots.column,
      l1: slots.l1 / view.samples, curvature: slots.curvature.map { ($0.norms, $0.factor / view.samples) })
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

  func metrics(_ means: [Double], _ mode: Pass.Mode) -> Metrics {
    var metrics = network.recipe.lossMetrics(means.first ?? .nan)
    for (column, mean) in zip(side(mode).columns, means).dropFirst() { metrics[column.name] = mean }
    network.recipe.addBound(to: &metrics)
    return metrics
  }
}
