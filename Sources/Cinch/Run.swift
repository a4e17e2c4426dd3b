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
    /// Told of every op of the run; nil for none. It takes some time of its own, and runs that train together cannot share
    /// one.
    public var profiler: Profiler?
    /// Epochs between two sets of pictures of the model, which go into the folder's `pictures`; nil draws them at the end
    /// alone.
    public var pictureInterval: Int?
    /// Whether a file of events goes into the folder, which TensorBoard shows: every epoch's figures, and with its pictures
    /// (or each epoch's, where `pictureInterval` is nil) histograms of parameters and codes.
    public var tensorBoard = false
    /// The command line that the folder keeps, as ``Provenance`` has it; nil keeps none.
    public var commandLine: [String]?

    public init() {}

    /// - Throws: `CinchError.usage`.
    func validate() throws {
      guard pictureInterval ?? 1 > 0 else {
        throw CinchError.usage("There cannot be \(pictureInterval ?? 0) epochs between two pictures: give 1 or more.")
      }
    }

    /// This process, which goes on after so many updates.
    func provenance(after step: Int, on device: DeviceInfo) -> Provenance {
      Provenance(after: step, on: device, commandLine: commandLine)
    }
  }

  public let folder: RunFolder
  public let trainer: Trainer
  /// What `config.json` holds; `isFinal` only where the run has ended.
  public let config: RunConfig
  /// The samples as the model takes them: scaled, without those held out.
  public let training: Dataset
  /// The held-out samples, scaled as `training`; nil where none are.
  public let validation: Dataset?
  /// Labelled samples, scaled as `training`, that are looked at once, when training has ended; nil where there are none.
  public let test: Dataset?
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
  ///   - zcaEpsilon: ε of `zca` as a fraction of the mean eigenvalue.
  ///   - path: nil takes `runs/YYYY-MM-DD-RECIPE`.
  ///   - device: where it trains.
  ///   - settings: how the folder is kept in step.
  /// - Throws: `CinchError.usage` where the recipe makes no model or the folder holds a run, `.badData` where samples
  ///   do not fit the model, `.unavailable` where there is no such device or somebody else has the folder,
  ///   `.inputOutput` where files cannot be read or written.
  public static func create(
    _ recipe: Recipe, data: any RunSamples, validation: (any RunSamples)? = nil, scaling kind: Scaling.Kind = .none,
    zcaEpsilon: Double = Whitening.usualEpsilon, in path: String? = nil, on device: Device = .automatic,
    settings: Settings = Settings()
  ) throws -> Run {
    try recipe.validate()
    try settings.validate()
    if let path { try RunFolder(path).requireNoRun() }
    var start = Start(data: try data.loaded())
    start.validation = try validation?.loaded(as: start.data.samples.schema)
    start.classes = recipe.classNames(of: start.data.samples)
    return try begin(recipe, start, in: path, on: device, settings: settings) {
      try recipe.scaling(kind, epsilon: zcaEpsilon, of: $0, validation: $1)
    }
  }

  /// What a new run is made of, beside its recipe.
  struct Start {
    var data: LoadedSamples
    var validation: LoadedSamples?
    var test: LoadedSamples?
    var classes: [String]?
    /// The run whose weights it begins with.
    var origin: (run: RunConfig.Origin, parameters: [NamedParameter])?
  }

  /// What a new run trains on.
  /// - Throws: where samples do not go with the recipe.
  private static func checked(
    _ recipe: Recipe, _ start: Start, scaling: (_ data: Dataset, _ validation: Dataset?) throws -> Scaling
  ) throws -> (Scaling, RunParts) {
    let (data, heldOut) = (start.data.samples, start.validation?.samples)
    try heldOut?.requireFeatures(of: data)
    let scaling = try scaling(data, heldOut)
    return (
      scaling,
      try recipe.checkedParts(of: data, validation: heldOut, test: start.test?.samples, scaling, start.classes)
    )
  }

  /// Goes as far as a new run would without a folder.
  /// - Throws: as `create`.
  static func rehearse(
    _ recipe: Recipe, data: LoadedSamples, validation: LoadedSamples?, scaling kind: Scaling.Kind, zcaEpsilon: Double,
    on device: Device
  ) throws {
    let start = Start(data: data, validation: validation, classes: recipe.classNames(of: data.samples))
    let (_, parts) = try checked(recipe, start) {
      try recipe.scaling(kind, epsilon: zcaEpsilon, of: $0, validation: $1)
    }
    _ = try open(recipe, parts, on: device, Settings())
  }

  /// - Parameter scaling: of the training samples.
  static func begin(
    _ recipe: Recipe, _ start: Start, in path: String?, on device: Device, settings: Settings,
    scaling: (_ data: Dataset, _ validation: Dataset?) throws -> Scaling
  ) throws -> Run {
    let (data, heldOut) = (start.data, start.validation)
    let (scaling, parts) = try checked(recipe, start, scaling: scaling)
    let (trainer, number) = try open(recipe, parts, on: device, settings, first: start.origin?.parameters)
    let fingerprint = recipe.fingerprint(of: data.samples, validation: heldOut?.samples)
    let missing = RunFolder.missing(path ?? "runs")
    let folder = try RunFolder.create(at: path, name: recipe.name)
    let made = (path == nil ? [folder.path] : []) + missing
    do {
      return try begin(
        recipe, start, in: folder, isNew: !made.isEmpty, trainer, number, parts, scaling, fingerprint, settings)
    } catch {
      // Whoever holds the lock has let it go by now.
      RunFolder.removeEmpty(made)
      throw error
    }
  }

  /// - Parameter isNew: whether all that is in the folder is this run's.
  private static func begin(
    _ recipe: Recipe, _ start: Start, in folder: RunFolder, isNew: Bool, _ trainer: Trainer, _ number: Int,
    _ parts: RunParts, _ scaling: Scaling, _ fingerprint: String, _ settings: Settings
  ) throws -> Run {
    let (data, heldOut) = (start.data, start.validation)
    let lock = try folder.lock()
    // While these samples were read another process may have made a run here.
    try folder.requireNoRun()
    var config = RunConfig(
      recipe: recipe, data: data.source, validation: heldOut?.source, scaling: scaling,
      sampleShape: data.samples.sampleShape, device: trainer.device,
      identity: try RunIdentity(
        recipe, fingerprint: fingerprint, scaling: scaling, first: start.origin?.parameters),
      samples: parts.counted(
        isGiven: heldOut != nil, fingerprint: fingerprint,
        // A program's own cannot be loaded again.
        test: start.test.flatMap { $0.source == nil ? nil : recipe.fingerprint(of: $0.samples) }),
      isFinal: false)
    config.provenance = [settings.provenance(after: 0, on: trainer.device)]
    config.classes = start.classes
    config.origin = start.origin?.run
    config.test = start.test?.source
    let run = Run(folder, trainer, number, config, parts, settings, resumedFrom: nil)
    run.hold(lock)
    do {
      // The configuration makes the folder a run: it comes when there is something to resume.
      try run.checkpoint()
      try run.folder.write(run.config)
      try run.folder.write(history: [], of: recipe, identity: run.config.identity)
    } catch {
      if isNew { try? folder.remove([.config, .scaling, .checkpoint, .history]) }
      throw error
    }
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
  ///   - moved: where its data lie now, which the folder keeps.
  ///   - settings: how the folder is kept in step.
  /// - Throws: `CinchError.inputOutput` where there is no run, no checkpoint or no file of its data, `.badData` where its files are damaged or
  ///   of different runs, or its data not what they were, `.usage` where `epochs` are fewer or the run names its own
  ///   data, `.unavailable` where there is no such device or somebody else has the folder.
  public static func resume(
    _ path: String, epochs: Int? = nil, on device: Device? = nil, data: Dataset? = nil, validation: Dataset? = nil,
    changedData: Bool = false, moved: MovedFiles = MovedFiles(), settings: Settings = Settings()
  ) throws -> Run {
    try settings.validate()
    let folder = RunFolder(path)
    _ = try folder.config()
    let lock = try folder.lock()
    var config = try folder.config()
    (config.data, config.validation) = try moved.sources(config.data, config.validation, of: path)
    let checkpoint = try folder.checkpoint(of: config)
    var recipe = config.recipe
    if let epochs {
      guard epochs >= recipe.epochs else {
        throw CinchError.usage(
          "\(.epochs, epochs) is fewer than the \(recipe.epochs) that '\(path)' was started with: it can only grow.")
      }
      guard epochs == recipe.epochs || recipe.training.pretraining == nil else {
        throw CinchError.usage(
          "The layers of '\(path)' have epochs of their own, \(recipe.epochs) in all: resume it without \(.epochs).")
      }
      recipe.epochs = epochs
    }
    guard data == nil || config.data == nil, validation == nil || config.validation == nil else {
      throw CinchError.usage("'\(path)' names its own data and loads them itself: resume it without data.")
    }
    let device = try device ?? asBadData(path) { try config.device.device }
    let scaling = config.scaling ?? .identity
    try Self.MovedFiles.requireFiles(config.data, config.validation, of: path)
    let (parts, samples) = try asBadData(path) { [recipe] in
      let heldOut = try config.validation?.load() ?? validation
      let data = try config.samples(given: data)
      let test = try config.test?.load()
      let parts = try recipe.checkedParts(of: data, validation: heldOut, test: test, scaling, config.classes)
      let fingerprint = recipe.fingerprint(of: data, validation: heldOut)
      let counted = parts.counted(
        isGiven: heldOut != nil, fingerprint: fingerprint, test: test.map { recipe.fingerprint(of: $0) })
      return (parts, counted)
    }
    try config.requireSamples(samples, in: path, after: checkpoint.state, canHaveChanged: changedData)
    let (trainer, number) = try asBadData(path) { [recipe] in
      let (trainer, number) = try open(recipe, parts, on: device, settings)
      try trainer.model.withSession { try $0.restore(checkpoint) }
      return (trainer, number)
    }
    var own = RunConfig(
      recipe: recipe, data: config.data, validation: config.validation, scaling: scaling, sampleShape: config.shape,
      device: trainer.device, identity: config.identity, samples: samples, isFinal: false)
    own.provenance = config.provenance
    // A run that has ended is only looked at.
    if checkpoint.state.ended == nil || recipe.epochs > config.recipe.epochs {
      own.provenance =
        (config.provenance ?? []) + [settings.provenance(after: checkpoint.state.step, on: trainer.device)]
    }
    own.classes = config.classes
    own.origin = config.origin
    own.test = config.test
    let run = Run(folder, trainer, number, own, parts, settings, resumedFrom: checkpoint.state)
    run.hold(lock)
    folder.removeLeftovers()
    try folder.write(run.config)
    return run
  }

  private init(
    _ folder: RunFolder, _ trainer: Trainer, _ number: Int, _ config: RunConfig, _ parts: RunParts,
    _ settings: Settings, resumedFrom state: TrainingState?
  ) {
    self.folder = folder
    self.trainer = trainer
    self.number = number
    self.config = config
    training = parts.training
    validation = parts.validation
    test = parts.test
    self.settings = settings
    resumedFrom = state
  }

  /// - Parameter first: the weights to begin with; nil draws them.
  private static func open(
    _ recipe: Recipe, _ parts: RunParts, on device: Device, _ settings: Settings, first: [NamedParameter]? = nil
  ) throws -> (Trainer, Int) {
    let trainer = try Trainer(recipe, on: device, profiler: settings.profiler)
    if let first { try trainer.model.setParameters(try trainer.model.parameters().replaced(by: first)) }
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

/// The samples of a run, as its model takes them.
struct RunParts {
  var training: Dataset
  var validation: Dataset?
  var test: Dataset?

  func counted(isGiven: Bool, fingerprint: String, test: String?) -> RunConfig.Samples {
    RunConfig.Samples(
      training: training.count, validation: validation?.count ?? 0, isGiven: isGiven, fingerprint: fingerprint,
      testFingerprint: test)
  }
}

extension Recipe {
  /// The scaling of a run on these samples, fitted to those that it trains on. The range that `minmax` takes to [0, 1] is
  /// that of all of them: what is split off would leave it otherwise.
  ///
  /// - Parameter validation: what it holds out, where it is given.
  func scaling(
    _ kind: Scaling.Kind, epsilon: Double, of data: Dataset, validation: Dataset?
  ) throws -> Scaling {
    guard kind != .none else { return data.scaling ?? .identity }
    let isWhole = kind == .minmax || validation != nil || validationSplit == 0
    let samples = isWhole ? data : try data.split(validation: validationSplit, seed: seed).training
    return try Scaling.fit(kind, to: samples, epsilon: epsilon)
  }
}

extension Dataset {
  /// - Throws: `CinchError.badData` where these held-out samples are no such samples.
  func requireFeatures(of training: Dataset) throws {
    guard features != training.features else { return }
    throw CinchError.badData(
      "'\(name)' has \(featuresText) per sample, but the training data have \(training.features): "
        + "pass held-out samples of as many.")
  }
}

extension Recipe {
  /// Samples as the model takes them, all that can be refused of them refused.
  func checkedParts(
    of data: Dataset, validation: Dataset?, test: Dataset?, _ scaling: Scaling, _ classes: [String]?
  ) throws -> RunParts {
    try validate()
    func prepared(_ data: Dataset) throws -> Dataset {
      try scaling.apply(to: try classes.map { try data.labelled(by: $0) } ?? data)
    }
    if let classes, 2 * classes.count > max(data.count, 8) {
      throw CinchError.badData(
        "'\(data.name)' has \(classes.count) different labels for \(data.count) samples, which are no classes: name other "
          + "labels with \(.labelColumn) or \(.labels).")
    }
    let parts = try parts(of: try prepared(data), validation: try validation.map(prepared))
    let test = try test.map(prepared)
    for data in [parts.training, parts.validation, test].compactMap({ $0 }) { try validate(data) }
    try requireHeldOut(parts.validation != nil)
    return RunParts(training: parts.training, validation: parts.validation, test: test)
  }

  /// What a classifier's classes are called in the data; nil where they are 0 ..< classes there, too.
  func classNames(of data: Dataset) -> [String]? {
    guard let classifier, let labels = data.classLabels else { return nil }
    guard labels.names != nil || !labels.values.allSatisfy((0..<classifier.classes).contains) else { return nil }
    return data.classNames
  }
}

extension Recipe {
  /// Of all samples that a run is made of, before they are scaled and split; test samples have one of their own.
  fileprivate func fingerprint(of data: Dataset, validation: Dataset? = nil) -> String {
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
        "'\(data?.source ?? samples.name)' has \(samples.featuresText) per sample now, but the run was started with "
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
    // Runs that were made before kept none of these.
    guard samples.testFingerprint == nil || samples.testFingerprint == now.testFingerprint || canHaveChanged else {
      throw CinchError.badData(
        "'\(path)' was started with other test samples than there are now: bring the old ones back, start a new run, or go "
          + "on with those that there are by \(.changedData).")
    }
  }
}
