import CinchBackend
import CinchData

/// The gradient of −log p(v) of a restricted Boltzmann machine, estimated by Gibbs sampling:
///
///     p(h|v) = σ(v Wᵀ + c)     p(v|h) = σ(h W + b), or N(h W + b, 1)
///     ∂/∂W ≈ (1/n) Σ (h_kᵀ v_k − h_0ᵀ v_0)     ∂/∂c ≈ (1/n) Σ (h_k − h_0)     ∂/∂b ≈ (1/n) Σ (v_k − v_0)
///
/// h_0 and h_k are probabilities, all in between is drawn (Hinton, "A practical guide to training restricted Boltzmann
/// machines", 2010). `SparsityTarget` may add to h_0. The network is that of a tied autoencoder, which evaluates, encodes and reconstructs.
final class ContrastiveDivergence<B: Backend>: Learner {
  private let network: Network<B>
  private let backend: B
  private let settings: ChainSettings
  private let memory: Memory<B>
  private let evaluation: Backpropagation<B>
  private let energy: FreeEnergy<B>
  private let sparsity: SparsityTarget<B>?
  private let hidden: LayerParameter<B.Buffer>
  private let hiddenBias: LayerParameter<B.Buffer>
  private let visibleBias: LayerParameter<B.Buffer>
  private let visible: Activation
  /// The chains' hidden units after the last update, where they go on: as many as its largest part of a batch has samples.
  private var chains: Tensor<B.Buffer>?
  /// Where they are after this one, and how many of them have moved.
  private var next: Tensor<B.Buffer>?
  private var moved = 0
  private var room: Room?
  private let reconstruction = Column("reconstruction")

  var statistics: [Tensor<B.Buffer>] { sparsity.map { [$0.sums] } ?? [] }

  /// Of the largest batch.
  private struct Room {
    /// Probabilities given the samples; the chain's probabilities, then draws.
    let first, last, drawn: Tensor<B.Buffer>
    let visible, noisy: Tensor<B.Buffer>
    let losses: Tensor<B.Buffer>

    func prefix(_ rows: Int) -> Room {
      Room(
        first: first.prefix(rows: rows), last: last.prefix(rows: rows), drawn: drawn.prefix(rows: rows),
        visible: visible.prefix(rows: rows), noisy: noisy.prefix(rows: rows), losses: losses.prefix(rows: rows))
    }
  }

  init(_ network: Network<B>, _ settings: ChainSettings, memory: Memory<B>) throws {
    let (encoder, decoder) = try network.boltzmannLayers()
    self.network = network
    self.settings = settings
    self.memory = memory
    backend = network.backend
    energy = try FreeEnergy(network, memory: memory)
    sparsity = try network.recipe.penalties.kl.map {
      try SparsityTarget($0, units: encoder.bias.value.count, memory: memory)
    }
    evaluation = try Backpropagation(network, memory: memory, penalties: [], reports: [energy])
    hidden = encoder.weight
    hiddenBias = encoder.bias
    visibleBias = decoder.bias
    visible = decoder.resolved.spec.activation
  }

  func columns(_ mode: Pass.Mode) -> [Column] {
    mode == .training
      ? [reconstruction, energy.column] + (sparsity.map { [$0.column] } ?? []) : evaluation.columns(mode)
  }

  func reserve(rows: Int, _ mode: Pass.Mode) throws {
    guard mode == .training else { return try evaluation.reserve(rows: rows, mode) }
    try energy.reserve(rows: rows)
    guard rows > room?.losses.count ?? 0 else { return }
    let (units, features) = (hiddenBias.value.count, visibleBias.value.count)
    if settings.persistent {
      chains = try memory.kept("chains", [rows, units])
      next = try memory.scratch([rows, units])
    }
    func rowsOf(_ count: Int) throws -> Tensor<B.Buffer> { try backend.tensor([rows, count]) }
    room = Room(
      first: try rowsOf(units), last: try rowsOf(units), drawn: try rowsOf(units), visible: try rowsOf(features),
      noisy: try rowsOf(visible == .linear ? features : 1), losses: try backend.tensor([rows]))
  }

  private func room(_ part: Batch<B.Buffer>) throws -> Room {
    guard let room, room.losses.count >= part.rows else {
      throw BackendError.invalidArgument("There is no room for a batch of \(part.rows) samples: reserve it first.")
    }
    return room.prefix(part.rows)
  }

  func forward(_ part: Batch<B.Buffer>) throws {
    guard part.pass.mode == .training else { return try evaluation.forward(part) }
    let room = try room(part)
    // One product gives both the free energy and the probabilities.
    try backend.matmul(
      part.input, transposeA: false, hidden.value, transposeB: true, into: room.first,
      epilogue: .forward(bias: hiddenBias.value, activation: .linear))
    try energy.measure(part.input, preactivations: room.first)
    try backend.activate(room.first, bias: nil, .sigmoid, into: room.first)
    try sparsity?.measure(room.first, part.pass)
  }

  private func hiddenUnits(of v: Tensor<B.Buffer>, into h: Tensor<B.Buffer>) throws {
    try backend.matmul(
      v, transposeA: false, hidden.value, transposeB: true, into: h,
      epilogue: .forward(bias: hiddenBias.value, activation: .sigmoid))
  }

  /// Means of the visible units.
  private func visibleUnits(of h: Tensor<B.Buffer>, into v: Tensor<B.Buffer>) throws {
    try backend.matmul(
      h, transposeA: false, hidden.value, transposeB: false, into: v,
      epilogue: .forward(bias: visibleBias.value, activation: visible))
  }

  func backward(_ part: Batch<B.Buffer>, into sink: GradientSink) throws {
    let (room, pass) = (try room(part), part.pass)
    func draws(_ site: Int) -> Draws { pass.draws(.bernoulli, site: site) }
    try backend.bernoulli(room.first, draws(0), into: room.drawn)
    // What one step makes of the samples is the reconstruction, wherever the chain begins.
    try visibleUnits(of: room.drawn, into: room.visible)
    try backend.sampleLosses(
      room.visible, LossTerms(.sse, activation: .linear, target: part.input), into: room.losses)
    if let chains, pass.step > 0 {
      try backend.copy(chains.prefix(rows: part.rows), to: room.drawn)
      try visibleUnits(of: room.drawn, into: room.visible)
    }
    var v = room.visible
    for step in 0..<settings.steps {
      if step > 0 { try visibleUnits(of: room.drawn, into: room.visible) }
      if visible == .linear {
        let noise = pass.draws(.sampling, site: step)
        try backend.corrupt(room.visible, .gaussian(1), noise, into: room.noisy)
        v = room.noisy
      } else {
        try backend.bernoulli(room.visible, draws(2 * step + 1), into: room.visible)
      }
      try hiddenUnits(of: v, into: room.last)
      if step < settings.steps - 1 { try backend.bernoulli(room.last, draws(2 * step + 2), into: room.drawn) }
    }
    if let next {
      try backend.bernoulli(room.last, draws(2 * settings.steps), into: next.prefix(rows: part.rows))
      moved = part.rows
    }
    // Nothing is drawn from them any more.
    try sparsity?.apply(to: room.first, pass)
    try gradients(part, v, room)
  }

  private func gradients(_ part: Batch<B.Buffer>, _ v: Tensor<B.Buffer>, _ room: Room) throws {
    let scale = 1 / Double(part.pass.batchRows)
    try backend.denseGradient(
      delta: room.last, input: v, weightGradient: hidden.gradient, biasGradient: hiddenBias.gradient, scale: scale,
      accumulate: false, accumulateBias: false, rowPull: nil)
    try backend.denseGradient(
      delta: room.first, input: part.input, weightGradient: hidden.gradient, biasGradient: hiddenBias.gradient,
      scale: -scale, accumulate: true, accumulateBias: true, rowPull: nil)
    try backend.columnSums(v, scale: scale, into: visibleBias.gradient)
    try backend.columnSums(part.input, scale: -scale, accumulate: true, into: visibleBias.gradient)
  }

  func endUpdate() throws {
    try sparsity?.endUpdate()
    guard let chains, let next, moved > 0 else { return }
    try backend.copy(next.prefix(rows: moved), to: chains.prefix(rows: moved))
  }

  func record(_ part: Batch<B.Buffer>, into row: Tensor<B.Buffer>) throws {
    guard part.pass.mode == .training else { return try evaluation.record(part, into: row) }
    let scale = 1 / Double(part.pass.batchRows)
    let pull = sparsity.map { [$0.value(share: Double(part.rows) * scale)] } ?? []
    try backend.total(
      [SumTerm(try room(part).losses, scale: scale), energy.value(scale: scale)] + pull, into: row)
  }

  func metrics(_ means: [Double], _ mode: Pass.Mode) -> Metrics {
    guard mode == .training else { return evaluation.metrics(means, mode) }
    var metrics = network.recipe.lossMetrics(means[0])
    for (column, mean) in zip(columns(mode), means).dropFirst() { metrics[column.name] = mean }
    return metrics
  }

  func monitored(_ metrics: Metrics) -> Double { evaluation.monitored(metrics) }
}

/// F(v) = −bᵀv − Σ_j softplus(c_j + vᵀW_j), averaged over samples; ½‖v − b‖² in place of −bᵀv where visible units are
/// gaussian.
final class FreeEnergy<B: Backend>: Term {
  let column = Column(Metrics.freeEnergyName, weight: nil)
  private let backend: B
  private let memory: Memory<B>
  private let encoder: DenseLayer<B>
  private let visibleBias: Tensor<B.Buffer>
  private let isGaussian: Bool
  private var units: Tensor<B.Buffer>
  /// Zeros that a squared distance from b begins with, and distances.
  private var zeros: Tensor<B.Buffer>
  private var distances: Tensor<B.Buffer>
  private let unitSums, featureSums: Tensor<B.Buffer>
  /// The hidden and the visible part.
  private let parts: Tensor<B.Buffer>
  private let product: Tensor<B.Buffer>

  init(_ network: Network<B>, memory: Memory<B>) throws {
    let (encoder, decoder) = try network.boltzmannLayers()
    self.memory = memory
    self.encoder = encoder
    backend = network.backend
    visibleBias = decoder.bias.value
    isGaussian = decoder.resolved.spec.activation == .linear
    let (count, features) = (encoder.bias.value.count, visibleBias.count)
    units = try memory.scratch([1, count])
    zeros = try memory.scratch([1, isGaussian ? features : 1])
    distances = try memory.scratch([1])
    unitSums = try memory.scratch([count])
    featureSums = try memory.scratch([features])
    parts = try memory.scratch([2])
    product = try memory.scratch([1, 1])
  }

  func reserve(rows: Int) throws {
    guard rows > units.rows else { return }
    units = try memory.scratch([rows, units.columns])
    if isGaussian {
      zeros = try memory.scratch([rows, visibleBias.count])
      distances = try memory.scratch([rows])
    }
  }

  func measure(_ view: PassView<B>) throws { try measure(view.batch.input) }

  func measure(_ v: Tensor<B.Buffer>) throws {
    try reserve(rows: v.rows)
    let softplus = units.prefix(rows: v.rows)
    try backend.matmul(
      v, transposeA: false, encoder.weight.value, transposeB: true, into: softplus,
      epilogue: .forward(bias: encoder.bias.value, activation: .softplus))
    try sum(v, softplus)
  }

  /// - Parameter preactivations: c_j + vᵀW_j.
  func measure(_ v: Tensor<B.Buffer>, preactivations: Tensor<B.Buffer>) throws {
    try reserve(rows: v.rows)
    let softplus = units.prefix(rows: v.rows)
    try backend.activate(preactivations, bias: nil, .softplus, into: softplus)
    try sum(v, softplus)
  }

  private func sum(_ v: Tensor<B.Buffer>, _ softplus: Tensor<B.Buffer>) throws {
    try backend.columnSums(softplus, scale: 1, into: unitSums)
    var visible: SumTerm<B.Buffer>
    if isGaussian {
      let (losses, zeros) = (distances.prefix(rows: v.rows), zeros.prefix(rows: v.rows))
      try backend.fill(zeros, with: 0)
      try backend.sampleLosses(
        zeros, LossTerms(.sse, activation: .linear, bias: visibleBias, target: v), into: losses)
      visible = SumTerm(losses, scale: 1)
    } else {
      try backend.columnSums(v, scale: 1, into: featureSums)
      let count = featureSums.count
      try backend.matmul(
        featureSums.reshaped([1, count]), transposeA: false, visibleBias.reshaped([count, 1]), transposeB: false,
        into: product, epilogue: .none)
      visible = SumTerm(product.reshaped([1]), scale: -1)
    }
    try backend.total([SumTerm(unitSums, scale: -1), visible], into: parts)
  }

  func value(scale: Double) -> SumTerm<B.Buffer> { SumTerm(parts, scale: scale) }

  func value(_ view: PassView<B>) throws -> SumTerm<B.Buffer> { value(scale: 1 / view.samples) }
}
