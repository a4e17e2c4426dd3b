import CinchBackend

/// What a batch leaves between the layers: outputs and δs, which share memory where the schedule lets them.
struct Activations<B: Backend> {
  let rows: Int
  /// Of the hidden layers, by their number; of the output layer a pass needs δ alone.
  let outputs: [Tensor<B.Buffer>?]
  /// The gradient at each layer's pre-activation.
  let deltas: [Tensor<B.Buffer>?]
  /// What adds up to the loss, and to what else is reported of the output.
  let lossPartials: Tensor<B.Buffer>

  init(_ network: Network<B>, _ schedule: StepSchedule, _ loss: any OutputLoss<B>, rows: Int) throws {
    self.rows = rows
    let planned = schedule.planned(network.layers.map(\.resolved.output), rows: rows)
    let tensors = try network.backend.tensors(planned)
    var outputs = [Tensor<B.Buffer>?](repeating: nil, count: network.layers.count)
    var deltas = outputs
    for (place, tensor) in zip(schedule.lives.map(\.place), tensors) {
      switch place {
      case .output(let layer): outputs[layer] = tensor
      case .delta(let layer): deltas[layer] = tensor
      }
    }
    self.outputs = outputs
    self.deltas = deltas
    lossPartials = try network.backend.tensor([loss.partialCount(rows: rows)])
  }

  private init(
    rows: Int, outputs: [Tensor<B.Buffer>?], deltas: [Tensor<B.Buffer>?], lossPartials: Tensor<B.Buffer>
  ) {
    self.rows = rows
    self.outputs = outputs
    self.deltas = deltas
    self.lossPartials = lossPartials
  }

  /// The first rows, for a batch of fewer samples.
  func prefix(rows: Int, of network: Network<B>, _ loss: any OutputLoss<B>) throws -> Activations {
    Activations(
      rows: rows, outputs: outputs.map { $0?.prefix(rows: rows) }, deltas: deltas.map { $0?.prefix(rows: rows) },
      lossPartials: try network.backend.tensor([loss.partialCount(rows: rows)]))
  }
}

/// The activations of one mode of a learner: of its largest batch, and of the smaller ones that were met last, which are
/// parts of that.
final class PassMemory<B: Backend> {
  private let network: Network<B>
  private let schedule: StepSchedule
  private let loss: any OutputLoss<B>
  private var full: Activations<B>?
  private var partials: [Activations<B>] = []

  init(_ network: Network<B>, _ schedule: StepSchedule, _ loss: any OutputLoss<B>) {
    self.network = network
    self.schedule = schedule
    self.loss = loss
  }

  /// Makes room for batches of so many rows, in the layers too, so that no pass allocates.
  func reserve(rows: Int) throws {
    if let full, rows <= full.rows {
      _ = try activations(rows: rows)
      return
    }
    try network.reserve(rows: rows)
    full = try Activations(network, schedule, loss, rows: rows)
    partials = []
  }

  /// - Throws: `BackendError.invalidArgument` where there is no room for so many rows.
  func activations(rows: Int) throws -> Activations<B> {
    guard let full, rows <= full.rows else {
      throw BackendError.invalidArgument("There is no room for a batch of \(rows) samples: reserve it first.")
    }
    if rows == full.rows { return full }
    if let partial = partials.first(where: { $0.rows == rows }) { return partial }
    let partial = try full.prefix(rows: rows, of: network, loss)
    if partials.count == 4 { partials.removeFirst() }
    partials.append(partial)
    return partial
  }
}

/// A pass as a term of the objective sees it.
struct PassView<B: Backend> {
  let network: Network<B>
  let batch: Batch<B.Buffer>
  let activations: Activations<B>

  var pass: Pass { batch.pass }
  /// The samples of the whole batch, as a divisor.
  var samples: Double { Double(batch.pass.batchRows) }

  /// The part's share of the whole batch's samples.
  var share: Double { Double(batch.rows) / samples }

  /// The output of a hidden layer, one row per unit that shares statistics: a sample of a vector, a pixel of an image.
  /// - Throws: `BackendError.invalidArgument` where the pass keeps none there.
  func output(of layer: Int) throws -> Tensor<B.Buffer> {
    try self.tensor(activations.outputs[layer], layer).unitRows(network.layers[layer].resolved.output)
  }

  /// What a layer reads.
  func input(of layer: Int) throws -> Tensor<B.Buffer> {
    layer == 0 ? batch.input : try tensor(activations.outputs[layer - 1], layer - 1)
  }

  /// The gradient at a layer's pre-activation.
  func delta(of layer: Int) throws -> Tensor<B.Buffer> { try tensor(activations.deltas[layer], layer) }

  private func tensor(_ tensor: Tensor<B.Buffer>?, _ layer: Int) throws -> Tensor<B.Buffer> {
    guard let tensor else {
      throw BackendError.invalidArgument(
        "This pass keeps nothing of layer \(layer): name it in the term's sites; of the output layer there is only δ.")
    }
    return tensor
  }
}

extension FeatureShape {
  /// Of a batch as a device holds it: channels last.
  func shape(rows: Int) -> Shape {
    switch self {
    case .flat(let count): [rows, count]
    case .image(let image): [rows, image.height, image.width, image.channels]
    }
  }
}

extension Tensor {
  /// One row per unit that shares statistics: a sample of a vector, a pixel of an image.
  func unitRows(_ shape: FeatureShape) -> Tensor { reshaped([count / shape.units, shape.units]) }
}
