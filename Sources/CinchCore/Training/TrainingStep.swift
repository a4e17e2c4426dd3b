import CinchBackend

/// One update of the model from one mini-batch that already lies in the workspace: forward, loss, backward,
/// optimiser, books. It queues ops and returns; nothing in it waits for the device.
struct TrainingStep<B: Backend> {
  let network: Network<B>
  let workspace: Workspace<B>
  let moments: [Tensor<B.Buffer>]

  /// - Parameters:
  ///   - books: receives the reconstruction loss per sample, then each penalty of `Penalties.names`.
  func run(
    _ batch: Workspace<B>.Batch, _ optimizer: OptimizerStep, books: Tensor<B.Buffer>, isFirst: Bool = false
  ) throws {
    try forward(batch)
    try penalties(batch, isFirst: isFirst)
    try outputLayer(batch)
    try backward(batch)
    try tally(batch, books)
    try update(optimizer)
  }

  /// The reconstruction loss of a batch alone, into one row of the books: whether the weights still give numbers.
  func probe(_ batch: Workspace<B>.Batch, books: Tensor<B.Buffer>) throws {
    try forward(batch)
    try outputLayer(batch)
    try backend.total(
      [SumTerm(batch.lossPartials, scale: 1 / Double(batch.rows))], into: books.slice(at: 0, shape: [1]))
  }

  private var backend: B { network.backend }
  private var recipe: Recipe { network.recipe }

  private func input(of layer: Int, _ batch: Workspace<B>.Batch) -> Tensor<B.Buffer> {
    layer == 0 ? batch.input : batch.outputs[layer - 1]
  }

  private func forward(_ batch: Workspace<B>.Batch) throws {
    for index in 0..<network.layers.count - 1 {
      try network.layers[index].forward(input(of: index, batch), into: batch.outputs[index])
    }
  }

  /// What the penalties need of the code before the backward pass reaches it.
  private func penalties(_ batch: Workspace<B>.Batch, isFirst: Bool) throws {
    let layer = network.code.resolved
    let code = batch.outputs[network.encoderCount - 1].unitRows(layer.output)
    if var settings = recipe.penalties.kl, let kl = workspace.kl {
      // A moving average starts from the first batch's mean: from 0 it would take every unit for a silent one.
      if isFirst { settings.momentum = 0 }
      try backend.klSparsity(code, settings, kl)
    }
    if let partials = batch.magnitudePartials {
      try backend.sumOfMagnitudes(code, into: partials)
    }
    if let norms = workspace.norms, let slopes = workspace.slopes, let values = workspace.contractiveValues {
      try backend.rowSquares(network.codeWeight, into: norms)
      try backend.contractive(code, layer.spec.activation, norms: norms, slopes: slopes, values: values)
    }
    if let partials = workspace.decayPartials {
      try backend.sumOfSquares(
        network.parameters.slice(at: 0, shape: [network.weightCount]), into: partials)
    }
  }

  private func outputLayer(_ batch: Workspace<B>.Batch) throws {
    let last = network.layers.count - 1
    let layer = network.layers[last]
    try layer.forward(
      input(of: last, batch),
      loss: FusedLoss(
        recipe.loss, activation: layer.resolved.spec.activation, bias: nil, target: batch.x,
        gradientScale: 1 / Double(batch.rows), partials: batch.lossPartials), delta: batch.deltas[last])
  }

  private func backward(_ batch: Workspace<B>.Batch) throws {
    for index in network.layers.indices.reversed() {
      let layer = network.layers[index]
      let isCode = index == network.encoderCount - 1
      var pull: RowPull<B.Buffer>?
      if isCode, let slopes = workspace.slopes {
        pull = RowPull(scale: slopes, weight: network.codeWeight, factor: 2 * recipe.penalties.contraction)
      }
      try layer.gradients(delta: batch.deltas[index], input: input(of: index, batch), rowPull: pull)
      if index > 0 {
        try layer.inputGradient(
          delta: batch.deltas[index], below: activationGradient(below: index, batch), into: batch.deltas[index - 1])
      }
    }
  }

  /// Whether δ of max-pool layer `index` holds the slope of its input, too: what it picked is that input's value, so
  /// the slope can be taken where there are few. A penalty on the input forbids it.
  private func takesSlopes(_ index: Int) -> Bool {
    network.layers[index].resolved.kind.picksInputs && index > 0 && index != network.encoderCount
  }

  /// The activation whose slope δ of layer `index` holds.
  private func slopes(of index: Int) -> Activation {
    takesSlopes(index) ? slopes(of: index - 1) : network.layers[index].resolved.spec.activation
  }

  private func activationGradient(below index: Int, _ batch: Workspace<B>.Batch) -> ActivationGradient<B.Buffer> {
    var gradient = ActivationGradient(
      takesSlopes(index) ? .linear : slopes(of: index - 1), output: batch.outputs[index - 1])
    guard index == network.encoderCount else { return gradient }
    let samples = Double(batch.rows)
    gradient.column = workspace.kl?.column
    gradient.l1 = recipe.penalties.l1 / samples
    if let norms = workspace.norms {
      gradient.curvature = (norms, 2 * recipe.penalties.contraction / samples)
    }
    return gradient
  }

  private func tally(_ batch: Workspace<B>.Batch, _ books: Tensor<B.Buffer>) throws {
    let samples = Double(batch.rows)
    var terms = [SumTerm(batch.lossPartials, scale: 1 / samples)]
    if let partials = workspace.decayPartials {
      terms.append(SumTerm(partials, scale: recipe.penalties.weightDecay / 2))
    }
    if let kl = workspace.kl { terms.append(SumTerm(kl.values, scale: 1)) }
    if let partials = batch.magnitudePartials {
      terms.append(SumTerm(partials, scale: recipe.penalties.l1 / samples))
    }
    if let values = workspace.contractiveValues {
      terms.append(SumTerm(values, scale: recipe.penalties.contraction))
    }
    for start in stride(from: 0, to: terms.count, by: 4) {
      let some = Array(terms[start..<min(start + 4, terms.count)])
      try backend.total(some, into: books.slice(at: start, shape: [some.count]))
    }
  }

  private func update(_ step: OptimizerStep) throws {
    if let maximum = recipe.gradientClip, let scale = workspace.gradientScale {
      try backend.clipScale(
        maximum: maximum, step, parameters: network.parameters, gradients: network.gradients, into: scale)
    }
    try backend.optimizerStep(
      step, parameters: network.parameters, gradients: network.gradients, first: moments.first,
      second: moments.count > 1 ? moments[1] : nil, gradientScale: workspace.gradientScale)
  }
}
