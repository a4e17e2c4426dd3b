import CinchBackend
import CinchCore
import CinchData

/// What training would take on a device, without training.
///
/// ```swift
/// let plan = try TrainingPlan(.deep(layers: [784, 128, 32]), data: try Dataset.fashionMNIST(), on: .cpu)
/// print(plan.totalMemory, plan.epoch.seconds ?? .nan)
/// ```
///
/// The session, the learner, the feed and the updater of a real run ask a `PlanningBackend` for memory and ops, which
/// allocates and computes nothing; so what a plan adds up is what a run asks for. Then some updates of the run are
/// tried on the device for about a second, on a few of its samples, with weights that are thrown away: what they take
/// gives the time, and what the device keeps for itself meanwhile its scratch memory. A trial takes the model's own memory,
/// up to 64 MB of samples and about 256 MB for what passes between the layers. Of a batch that needs more, two smaller
/// ones are tried, and their time and scratch memory taken to be linear in the rows.
///
/// Not in the time are what comes before the first update and behind the last epoch: loading, compiling kernels, files.
public struct TrainingPlan: Sendable {
  public let device: DeviceInfo
  public let recipe: Recipe
  /// Samples that are trained on.
  public let samples: Int
  /// Samples that are held out; 0 for none.
  public let heldOut: Int
  /// Numbers that are learned.
  public let parameters: Int
  /// Samples of an update; the last one of an epoch may have fewer.
  public let rowsPerUpdate: Int
  /// Whether batches are read from the host, as the device has no room for the data set.
  public let isStreamed: Bool
  /// Bytes on the device by what they are for. The host's copy of the samples is not among them.
  public let memory: [Use: Int]
  /// Of an update that takes `rowsPerUpdate`.
  public let update: Work
  /// Of an epoch, with the look at the held-out samples at its end.
  public let epoch: Work

  /// What device memory is for.
  public enum Use: String, Sendable, Hashable, CaseIterable {
    case dataSet = "data set"
    case parameters = "parameters, gradients, moments"
    case activations
    /// What an update needs besides, and what the device keeps for its own work.
    case scratch
    /// Held-out samples, their evaluation, the best weights and, at the end of a run, its pictures; not touched by an update.
    case evaluation
  }

  /// Ops, and what they come to.
  public struct Work: Sendable, Hashable {
    /// Ops that a device is asked for; one may be several kernels.
    public var launches = 0
    /// Floating-point operations of products and convolutions, 2 for a multiply-add.
    public var operations = 0.0
    /// Bytes that pass between memory and the device at least: operands that are read, once, and results.
    public var bytes = 0.0
    /// From a trial; nil where nothing was tried.
    public var seconds: Double?

    /// - Parameter factor: how often the other is done.
    mutating func add(_ other: Work, times factor: Double = 1) {
      launches += Int((Double(other.launches) * factor).rounded(.up))
      operations += other.operations * factor
      bytes += other.bytes * factor
    }
  }

  /// Updates of an epoch.
  public var updatesPerEpoch: Int { (samples + rowsPerUpdate - 1) / rowsPerUpdate }

  /// Bytes on the device in all, at most.
  public var totalMemory: Int { memory.values.reduce(0, +) }

  /// Throughput between the first and the last update of an epoch; nil where nothing was tried.
  public var samplesPerSecond: Double? { update.seconds.map { Double(rowsPerUpdate) / max($0, 1e-12) } }

  /// Plans a run as `Run.create` would begin it.
  ///
  /// - Parameters:
  ///   - recipe: what would be trained; not one that is solved in closed form or trained layer by layer.
  ///   - data: what it would be trained on, neither scaled nor split.
  ///   - validation: held-out samples, not scaled; nil splits off the recipe's `validationSplit`.
  ///   - count: how many samples there would be in place of those of `data`, which they are taken to be like.
  ///   - kind: of the scaling, which is fitted to `data`.
  ///   - zcaEpsilon: ε of `zca` as a fraction of the mean eigenvalue.
  ///   - device: where it would be trained. Nothing else should run on it.
  /// - Throws: as `Run.create`; `CinchError.usage` where the recipe has no updates that could be planned, or `count` is
  ///   less than 1.
  public init(
    _ recipe: Recipe, data: Dataset, validation: Dataset? = nil, samples count: Int? = nil,
    scaling kind: Scaling.Kind = .none, zcaEpsilon: Double = Whitening.usualEpsilon, on device: Device = .automatic
  ) throws {
    let parts = try recipe.planned(data, validation, kind, epsilon: zcaEpsilon)
    let counts = try recipe.planned(count, of: data, parts)
    do {
      self = try Self.plan(recipe, parts, counts, on: try device.open().backend)
    } catch let error as BackendError { throw CinchError(error) }
  }

  private static func plan<B: Backend>(
    _ recipe: Recipe, _ parts: RunParts, _ counts: (training: Int, heldOut: Int), on backend: B
  ) throws -> TrainingPlan {
    try TrainingPlan(recipe, parts, training: counts.training, heldOut: counts.heldOut, on: backend, tried: 1)
  }

  /// - Parameters:
  ///   - samples: how many of them are trained on, whatever `parts` hold.
  ///   - heldOut: how many are held out.
  ///   - seconds: how long updates are tried on the device, which must be new; nil tries none.
  init<B: Backend>(
    _ recipe: Recipe, _ parts: RunParts, training samples: Int, heldOut: Int, on backend: B, tried seconds: Double?
  ) throws {
    let updateRows = recipe.updateRows(of: samples, try recipe.validated(), passBytes: backend.info.passBytes)
    let perUpdate = updateRows.whole
    // Of a line search, that takes the whole set, parts are tried.
    let rows = recipe.optimizer.isFullBatch ? updateRows.pass : perUpdate
    // Full batches, one that is not, as the last of an epoch, and as many samples as an evaluation has pass at a time.
    let full = max(2, (Rehearsal.mostEvaluated + rows - 1) / rows)
    let count = recipe.optimizer.isFullBatch ? samples : min(samples, full * rows + samples % rows)
    let training = try parts.training.repeated(count)
    let validation = heldOut > 0 ? try parts.validation?.repeated(heldOut) : nil
    // What is left for the samples that a rehearsal does without.
    let absent = (samples - count) * parts.training.bytesPerSample(as: B.Scalar.self)
    let limit = max(TrainingOptions().memoryLimit(backend) - absent, 0)
    let whole = try Rehearsal(recipe, training, validation, residentBytes: limit, on: backend)
    // An epoch of a single update ends with all that an epoch ends with.
    let single =
      count <= perUpdate
      ? whole
      : try Rehearsal(recipe, try training.prefix(perUpdate), validation, residentBytes: limit, on: backend)
    device = backend.info
    self.recipe = recipe
    self.samples = samples
    self.heldOut = heldOut
    rowsPerUpdate = perUpdate
    parameters = whole.parameters
    isStreamed = whole.isStreamed
    var (memory, update, epoch) = (whole.memory, whole.update, single.end)
    if let bytes = memory[.dataSet] { memory[.dataSet] = Int(Double(bytes) * Double(samples) / Double(count)) }
    // The last batch may be smaller.
    epoch.add(update, times: Double(samples) / Double(perUpdate))
    if let seconds {
      let passing = (memory[.activations] ?? 0) + (memory[.scratch] ?? 0)
      let trial = try Trial(
        recipe, parts, rows: rows, rowBytes: Double(passing) / Double(updateRows.pass), heldOut: heldOut,
        isStreamed: isStreamed, seconds: seconds, on: backend)
      update.seconds = trial.sampleSeconds * Double(perUpdate) + trial.fixedSeconds
      epoch.seconds = trial.sampleSeconds * Double(samples) + trial.fixedSeconds + trial.endSeconds
      memory[.scratch, default: 0] += trial.scratch
    }
    self.memory = memory
    self.update = update
    self.epoch = epoch
  }
}

extension Recipe {
  /// The samples of a run as its model takes them, where it is one that can be planned.
  func planned(
    _ data: Dataset, _ validation: Dataset?, _ kind: Scaling.Kind, epsilon: Double
  ) throws -> RunParts {
    guard closedForm == nil else {
      throw CinchError.usage(
        "'\(name)' is solved in closed form, without updates that could be planned: plan another recipe, such as linear."
      )
    }
    guard training.pretraining == nil else {
      throw CinchError.usage(
        "'\(name)' is trained layer by layer: plan its layers one by one, as recipes of one layer.")
    }
    try validate()
    try validation?.requireFeatures(of: data)
    let scaling = try scaling(kind, epsilon: epsilon, of: data, validation: validation)
    return try checkedParts(of: data, validation: validation, test: nil, scaling, classNames(of: data))
  }

  /// How many samples are trained on and held out where there are so many; nil for those that there are.
  fileprivate func planned(_ count: Int?, of data: Dataset, _ parts: RunParts) throws -> (training: Int, heldOut: Int) {
    let present = (parts.training.count, parts.validation?.count ?? 0)
    guard let count else { return present }
    guard (1...Permutation.largestCount).contains(count) else {
      throw CinchError.usage("\(count) samples cannot be planned: choose 1 to \(Permutation.largestCount).")
    }
    // Held-out samples of their own stay as many as they are.
    guard validationSplit > 0, parts.training.count < data.count else { return (count, present.1) }
    let held = Int((validationSplit * Double(count)).rounded())
    guard held >= 1, held < count else {
      throw CinchError.usage(
        "\(.validationSplit) \(validationSplit) leaves one part of \(count) samples empty: choose another share or more samples."
      )
    }
    return (count - held, held)
  }
}

extension Dataset {
  /// So many samples: the first ones, or all of them again and again.
  /// - Throws: `CinchError.unavailable` where there is no room to count them.
  func repeated(_ count: Int) throws -> Dataset {
    let own = self.count
    if count == own { return self }
    try HostMemory.require(count * MemoryLayout<Int>.size, for: "a plan for \(count) samples that pass at once")
    return gather((0..<count).map { $0 % own }[...])
  }

  /// Bytes of a sample on a device.
  func bytesPerSample<Scalar>(as scalar: Scalar.Type) -> Int {
    features * (rows.areBytes ? 1 : MemoryLayout<Scalar>.stride)
  }
}
