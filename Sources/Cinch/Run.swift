import CinchBackend
import CinchCore
import CinchData
import Synchronization

/// A training run in a folder: it can be stopped between any two updates, by request or by force, and
/// resumed to the same bits.
///
/// ```swift
/// let run = try Run.create(.sparse(layers: [784, 196]), data: DataSource("fashion-mnist"), in: "runs/sparse")
/// try run.train { event in
///   if case .epoch(let epoch) = event { print(epoch.number, epoch.reconstruction.perElement) }
///   return !isTimeUp
/// }
/// // In another process, perhaps:
/// try Run.resume("runs/sparse", epochs: 40).train()
/// ```
///
/// Safe to share between tasks. Between two events the model can be used: for codes, losses or its weights so far.
public final class Run: Sendable {
  /// How the folder is kept in step with the training.
  public struct Settings: Sendable, Hashable {
    /// The least time between two checkpoints at the ends of epochs: to write a large model after every short epoch
    /// would cost more than the epoch.
    public var checkpointInterval = Duration.seconds(5)
    /// The most time without a checkpoint inside an epoch, so that a crash in a long one loses no more.
    public var longestInterval = Duration.seconds(60)
    public var training = TrainingOptions()

    public init() {}
  }

  public let folder: RunFolder
  public let trainer: Trainer
  /// What `config.json` holds; `isFinal` only where the run has ended.
  public let config: RunConfig
  /// The samples as the model takes them: scaled, without those held out.
  public let training: Dataset
  /// The held-out samples, scaled as `training`; nil where none are.
  public let validation: Dataset?
  public let settings: Settings
  /// Where the run stood when it was resumed; nil for a new one.
  public let resumedFrom: TrainingState?
  /// The model's count of runs when this one was prepared.
  private let number: Int
  let progress = Mutex(Progress())

  public var model: Autoencoder { trainer.model }
  public var recipe: Recipe { trainer.recipe }
  /// Finished epochs, position and history.
  public var state: TrainingState { get throws { try inRun { $0.state } } }

  /// A new run in a folder of its own, with `config.json`, `history.csv` and `checkpoint.safetensors` written.
  ///
  /// The folder is made last: what is refused leaves nothing behind.
  ///
  /// - Parameters:
  ///   - recipe: what is trained, and how.
  ///   - data: what is trained on, neither scaled nor split.
  ///   - validation: held-out samples, not scaled; nil splits off the recipe's `validationSplit`.
  ///   - kind: of the scaling, which is fitted to `data` and done to both; `none` leaves them as they are.
  ///   - path: nil takes `runs/YYYY-MM-DD-RECIPE`.
  ///   - device: where it trains.
  ///   - settings: how the folder is kept in step.
  /// - Throws: `CinchError.usage` where the recipe makes no model or the folder holds a run, `.badData` where samples
  ///   do not fit the model, `.unavailable` where there is no such device or somebody else has the folder,
  ///   `.inputOutput` where files cannot be read or written.
  public static func create(
    _ recipe: Recipe, data: any RunSamples, validation: (any RunSamples)? = nil, scaling kind: Scaling.Kind = .none,
    in path: String? = nil, on device: Device = .automatic, settings: Settings = Settings()
  ) throws -> Run {
    try recipe.validate()
    if let path { try RunFolder(path).requireNoRun() }
    let (data, heldOut) = (try data.loaded(), try validation?.loaded())
    if let heldOut = heldOut?.samples, heldOut.features != data.samples.features {
      throw CinchError.badData(
        "'\(heldOut.name)' has \(heldOut.features) features per sample, but the training data have "
          + "\(data.samples.features): "
          + "pass held-out samples of as many.")
    }
    let scaling = kind == .none ? data.samples.scaling ?? .identity : try Scaling.fit(kind, to: data.samples)
    let parts = try recipe.checkedParts(of: data.samples, validation: heldOut?.samples, scaling: scaling)
    let (trainer, number) = try open(recipe, parts, on: device, settings)
    let fingerprint = recipe.fingerprint(of: data.samples, validation: heldOut?.samples)
    let folder = try RunFolder.create(at: path, name: recipe.name)
    let lock = try folder.lock()
    // While these samples were read another process may have made a run here.
    try folder.requireNoRun()
    let run = Run(
      folder, trainer, number,
      RunConfig(
        recipe: recipe, data: data.source, validation: heldOut?.source, scaling: scaling,
        sampleShape: data.samples.sampleShape, device: trainer.device,
        identity: try RunIdentity(recipe, fingerprint: fingerprint, scaling: scaling),
        samples: RunConfig.Samples(parts, isGiven: heldOut != nil, fingerprint: fingerprint), isFinal: false),
      parts, settings, resumedFrom: nil)
    run.hold(lock)
    // The configuration makes the folder a run: it comes when there is something to resume.
    try run.checkpoint()
    try run.folder.write(run.config)
    try run.writeHistory()
    return run
  }

  /// Goes on with the run in a folder, from its checkpoint, to the bits of a run that was never stopped.
  ///
  /// - Parameters:
  ///   - path: the run's folder.
  ///   - epochs: can only grow; nil keeps the run's.
  ///   - device: nil takes the run's own; another rounds differently.
  ///   - data: the samples that the run was created with, where they were a `Dataset`.
  ///   - validation: the held-out ones, likewise.
  ///   - changedData: whether the samples may have other values, or another order, than those that it was created with.
  ///   - settings: how the folder is kept in step.
  /// - Throws: `CinchError.inputOutput` where there is no run or no checkpoint, `.badData` where its files are damaged or
  ///   of different runs, or its data not what they were, `.usage` where `epochs` are fewer or the run names its own
  ///   data, `.unavailable` where there is no such device or somebody else has the folder.
  public static func resume(
    _ path: String, epochs: Int? = nil, on device: Device? = nil, data: Dataset? = nil, validation: Dataset? = nil,
    changedData: Bool = false, settings: Settings = Settings()
  ) throws -> Run {
    let folder = RunFolder(path)
    _ = try folder.config()
    let lock = try folder.lock()
    let config = try folder.config()
    let checkpoint = try folder.checkpoint(of: config)
    var recipe = config.recipe
    if let epochs {
      guard epochs >= recipe.epochs else {
        throw CinchError.usage(
          "\(.epochs, epochs) is fewer than the \(recipe.epochs) that '\(path)' was started with: it can only grow.")
      }
      recipe.epochs = epochs
    }
    guard data == nil || config.data == nil, validation == nil || config.validation == nil else {
      throw CinchError.usage("'\(path)' names its own data and loads them itself: resume it without data.")
    }
    let device = try device ?? asBadData(path) { try config.device.device }
    let scaling = config.scaling ?? .identity
    let (parts, samples) = try asBadData(path) { [recipe] in
      let heldOut = try config.validation?.load() ?? validation
      let data = try config.samples(given: data)
      let parts = try recipe.checkedParts(of: data, validation: heldOut, scaling: scaling)
      let fingerprint = recipe.fingerprint(of: data, validation: heldOut)
      return (parts, RunConfig.Samples(parts, isGiven: heldOut != nil, fingerprint: fingerprint))
    }
    try config.requireSamples(samples, in: path, after: checkpoint.state, canHaveChanged: changedData)
    let (trainer, number) = try asBadData(path) { [recipe] in
      let (trainer, number) = try open(recipe, parts, on: device, settings)
      try trainer.model.withSession { try $0.restore(checkpoint) }
      return (trainer, number)
    }
    let run = Run(
      folder, trainer, number,
      RunConfig(
        recipe: recipe, data: config.data, validation: config.validation, scaling: scaling, sampleShape: config.shape,
        device: trainer.device, identity: config.identity, samples: samples, isFinal: false),
      parts, settings, resumedFrom: checkpoint.state)
    run.hold(lock)
    folder.removeLeftovers()
    try folder.write(run.config)
    return run
  }

  private init(
    _ folder: RunFolder, _ trainer: Trainer, _ number: Int, _ config: RunConfig,
    _ parts: (training: Dataset, validation: Dataset?), _ settings: Settings, resumedFrom state: TrainingState?
  ) {
    self.folder = folder
    self.trainer = trainer
    self.number = number
    self.config = config
    (training, validation) = parts
    self.settings = settings
    resumedFrom = state
  }

  private static func open(
    _ recipe: Recipe, _ parts: (training: Dataset, validation: Dataset?), on device: Device, _ settings: Settings
  ) throws -> (Trainer, Int) {
    let trainer = try Trainer(recipe, on: device)
    return (trainer, try trainer.prepare(parts.training, validation: parts.validation, options: settings.training))
  }

  /// What a run's own files ask for is not the caller's mistake.
  private static func asBadData<T>(_ path: String, _ body: () throws -> T) throws -> T {
    do { return try body() } catch CinchError.usage(let text) {
      throw CinchError.badData("'\(path)' cannot be resumed: \(text)")
    }
  }

  /// - Throws: `CinchError.usage` where another run has begun on this model.
  func inRun<T: Sendable>(_ body: (any Session) throws -> T) throws -> T {
    try model.withRun(number, body)
  }
}

extension Recipe {
  /// Samples as the model takes them, all that can be refused of them refused.
  fileprivate func checkedParts(
    of data: Dataset, validation: Dataset?, scaling: Scaling
  ) throws -> (training: Dataset, validation: Dataset?) {
    try validate()
    let parts = try parts(
      of: try scaling.apply(to: data), validation: try validation.map { try scaling.apply(to: $0) })
    try validate(parts.training)
    if let validation = parts.validation { try validate(validation) }
    try requireHeldOut(parts.validation != nil)
    return parts
  }
}

extension Recipe {
  /// Of all samples that a run is made of, before they are scaled and split.
  fileprivate func fingerprint(of data: Dataset, validation: Dataset?) -> String {
    [data, validation].compactMap { $0?.fingerprint(withLabels: classifier != nil) }.joined(separator: "-")
  }
}

extension RunConfig {
  /// The samples of a run that goes on: its own, or those that it was given.
  fileprivate func samples(given: Dataset?) throws -> Dataset {
    guard let samples = try given ?? data?.load() else {
      throw CinchError.usage(
        "The run does not say which data it was trained on: go on with it in the program that has them.")
    }
    guard samples.features == recipe.input else {
      throw CinchError.badData(
        "'\(data?.source ?? samples.name)' has \(samples.features) features per sample now, but the run was started with "
          + "\(recipe.input): bring the old data back, or start a new run.")
    }
    return samples
  }

  /// - Throws: `CinchError.usage` where other samples are held out than were, `.badData` where there are more or fewer.
  fileprivate func requireSamples(
    _ now: Samples, in path: String, after state: TrainingState, canHaveChanged: Bool
  ) throws {
    // Cinch 0.1 kept none.
    let wasGiven = samples?.isGiven ?? (now.validation == 0 && state.history.last?.validation != nil)
    guard now.isGiven || !wasGiven else {
      throw CinchError.usage("'\(path)' was trained with held-out samples of the program's own: pass them again.")
    }
    guard let samples else { return }
    guard samples.isGiven || !now.isGiven else {
      throw CinchError.usage("'\(path)' was trained without held-out samples from outside: resume it without.")
    }
    guard samples.training == now.training, samples.validation == now.validation else {
      throw CinchError.badData(
        "'\(path)' was started with \(samples.training) training and \(samples.validation) held-out samples, and has "
          + "\(now.training) and \(now.validation) now: bring the old data back, or start a new run.")
    }
    guard samples.fingerprint == nil || samples.fingerprint == now.fingerprint || canHaveChanged else {
      throw CinchError.badData(
        "'\(path)' was started with other data than there are now: bring the old data back, start a new run, or go on "
          + "with the changed data by \(.changedData).")
    }
  }
}
