import CinchBackend
import CinchCore
import CinchData

/// A run on a backend that does nothing: one update of it op by op, the end of the epoch where that is its only update,
/// and the memory of it all, with what a run looks at when it has ended.
struct Rehearsal {
  let update: TrainingPlan.Work
  let end: TrainingPlan.Work
  let memory: [TrainingPlan.Use: Int]
  let parameters: Int
  let isStreamed: Bool

  /// Samples that pass at a time where nothing is trained, at most.
  static let mostEvaluated = ResolvedNetwork.mostEvaluated

  /// - Parameter residentBytes: what the data set may take on the device.
  init<B: Backend>(
    _ recipe: Recipe, _ training: Dataset, _ validation: Dataset?, residentBytes: Int, on backend: B
  ) throws {
    let planning = PlanningBackend(backend)
    let record = Record(isQuasiNewton: recipe.optimizer.rule == .lbfgs)
    let session = try openSession(recipe, on: TracingBackend(planning) { record.add($0) })
    try session.prepare(
      training: training, validation: validation, options: TrainingOptions(residentBytes: residentBytes))
    record.phase = .update
    // The first chunk is one update.
    _ = try session.trainEpoch(epochs: 1) { _ in
      record.phase = .end
      return false
    }
    record.phase = .nothing
    try Self.finish(session, heldOut: validation != nil, try (validation ?? training).prefix(Self.mostEvaluated))
    (update, end) = (record.update, record.end)
    parameters = session.resolved.parameterCount
    isStreamed = session.isStreamed
    var memory = record.memory
    memory[.evaluation] = planning.memory.most - memory.values.reduce(0, +)
    self.memory = memory
  }

  /// What a run asks of its model at the end, of as many samples as pass at a time.
  static func finish(_ session: any Session, heldOut: Bool, _ samples: Dataset) throws {
    if session.resolved.input.image != nil {
      _ = try session.featureMaps(samples.prefix(RunFolder.featureSamples(samples)))
    }
    _ = try session.encode(samples)
    if session.recipe.classifier == nil { _ = try session.reconstruct(samples.prefix(1), in: .nchw) }
    _ = try session.evaluateRun(heldOut: heldOut, on: samples)
    if session.recipe.classifier != nil { _ = try session.evaluate(samples) }
  }

  private final class Record {
    enum Phase { case update, end, nothing }

    let isQuasiNewton: Bool
    var phase = Phase.nothing
    var update = TrainingPlan.Work()
    var end = TrainingPlan.Work()
    private var uses: [ObjectIdentifier: (use: TrainingPlan.Use, bytes: Int)] = [:]

    init(isQuasiNewton: Bool) { self.isQuasiNewton = isQuasiNewton }

    /// Of the buffers of an update.
    var memory: [TrainingPlan.Use: Int] {
      uses.values.reduce(into: [:]) { $0[$1.use, default: 0] += $1.bytes }
    }

    func add(_ op: TracedOp<PlannedBuffer>) {
      guard phase != .nothing, op.name != "read", op.name != "synchronize" else { return }
      let work = TrainingPlan.Work(launches: 1, operations: op.operations, bytes: op.bytes)
      guard phase == .update else { return end.add(work) }
      update.add(work)
      for operand in op.operands { note(use(of: operand.role, in: op.name), operand.tensor.buffer) }
    }

    /// What a buffer is for follows from what an update does with it; the most telling use counts.
    private func note(_ use: TrainingPlan.Use, _ buffer: PlannedBuffer) {
      let key = ObjectIdentifier(buffer)
      if let known = uses[key]?.use, known.rank <= use.rank { return }
      uses[key] = (use, buffer.bytes)
    }

    private func use(of role: String, in op: String) -> TrainingPlan.Use {
      switch (op, role) {
      case ("optimizerStep", "gradientScale"): .scratch
      case ("optimizerStep", _): .parameters
      // Its updates have no op of their own; what it copies are parameters, gradients and their differences.
      case ("copy", _) where isQuasiNewton: .parameters
      case ("gather", "source"), ("gatherBytes", "source"): .dataSet
      case ("gather", _), ("gatherBytes", _), ("write", _): .activations
      case ("matmul", "a"), ("matmul", "c"), ("convolve", "x"), ("convolve", "y"), ("convolveTransposed", "x"),
        ("convolveTransposed", "y"):
        .activations
      default: .scratch
      }
    }
  }
}

extension TrainingPlan.Use {
  /// Parameters are read by products, too: whatever is first here is what a buffer is for.
  fileprivate var rank: Int {
    switch self {
    case .parameters: 0
    case .dataSet: 1
    case .activations: 2
    case .scratch: 3
    case .evaluation: 4
    }
  }
}
