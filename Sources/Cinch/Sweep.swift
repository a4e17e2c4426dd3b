import CinchBackend
import CinchCore
import CinchData
import Synchronization

/// Runs of the same samples that differ in settings, in one folder: those of a grid, say. A sweep can be stopped at any time
/// and resumed, as each of its runs can.
///
/// ```swift
/// let entries = [0.001, 0.003].map { rate in
///   var recipe = Recipe.sparse(layers: [784, 196])
///   recipe.optimizer.learningRate = rate
///   return Sweep.Entry(settings: [.init("lr", "\(rate)")], recipe: recipe)
/// }
/// let sweep = try Sweep.create(entries, data: DataSource("fashion-mnist"), in: "runs/rates")
/// try sweep.train()
/// for result in try sweep.results.ranked { print(result.entry.name, result.score) }
/// ```
///
/// The folder holds `sweep.json`, a run's folder for each entry, and `sweep.csv`, a row for each run that has ended.
public final class Sweep: Sendable {
  /// One of the runs.
  public struct Entry: Sendable, Hashable {
    /// A setting as it was written, by which runs are told apart.
    public struct Setting: Sendable, Hashable, Codable {
      public var name: String
      public var value: String

      public init(_ name: String, _ value: String) { (self.name, self.value) = (name, value) }
    }

    /// What it has of its own.
    public var settings: [Setting]
    public var recipe: Recipe
    public var scaling: Scaling.Kind
    /// Why its training came to no end, as where the loss stopped being a number; nil where it did not.
    public internal(set) var failure: String?

    public init(settings: [Setting], recipe: Recipe, scaling: Scaling.Kind = .none) {
      (self.settings, self.recipe, self.scaling) = (settings, recipe, scaling)
    }

    /// `lr=0.001 code=16`
    public var name: String { settings.map { "\($0.name)=\($0.value)" }.joined(separator: " ") }
  }

  /// What an entry has come to.
  public struct Result: Sendable {
    public let entry: Entry
    /// Its folder.
    public let path: String
    public let state: State
    /// The epoch whose weights it has: its last, or where it was stopped early its best; nil before the first.
    public let epoch: Epoch?

    public enum State: String, Sendable { case waiting, stopped, ended, failed }

    /// What early stopping goes by, of the held-out samples or else of the training samples: less is better. Nil of a run
    /// that has not ended, or has had no epoch.
    public var score: Double? {
      // A stack's last epoch is of one layer alone.
      guard state == .ended, let epoch, epoch.layer == nil else { return nil }
      return entry.recipe.monitored(epoch.validationMetrics ?? epoch.metrics)
    }
  }

  public let folder: RunFolder
  /// Where the runs train; each keeps its own.
  public let device: Device
  let plan: Mutex<Plan>
  let samples: Mutex<Samples>
  /// Results that will not change.
  private let settled = Mutex<[Int: Result]>([:])
  private let lock: FolderLock

  struct Samples {
    var data: LoadedSamples?
    var validation: LoadedSamples?
    /// Whether they are those that the sweep was begun with.
    var isKnown = false
    /// Whether they are said to lie elsewhere than the folder has it.
    var isMoved = false
  }

  /// The most runs of one sweep.
  public static let most = 1000

  /// A sweep in a folder of its own. Nothing is trained yet.
  ///
  /// - Parameters:
  ///   - entries: its runs, each with other settings.
  ///   - data: what all are trained on, neither scaled nor split.
  ///   - validation: held-out samples, not scaled; nil splits off each recipe's `validationSplit`.
  ///   - zcaEpsilon: ε of `zca` as a fraction of the mean eigenvalue.
  ///   - path: nil takes `runs/YYYY-MM-DD-RECIPE-sweep`.
  ///   - device: where they train.
  /// - Throws: `CinchError.usage` where there are no entries, more than `most`, or two of the same settings, where a recipe
  ///   makes no model, or a stack, or the folder holds something already; `.badData` where held-out samples have other features;
  ///   `.inputOutput`; and what `Run.create` throws, where none of the runs can be trained, or the first for want of the
  ///   device or its memory. Whether samples go with the settings of a later run shows when it begins.
  public static func create(
    _ entries: [Entry], data: any RunSamples, validation: (any RunSamples)? = nil,
    zcaEpsilon: Double = Whitening.usualEpsilon, in path: String? = nil, on device: Device = .automatic
  ) throws -> Sweep {
    guard (1...most).contains(entries.count) else {
      throw CinchError.usage("A sweep has 1 to \(most) runs, not \(entries.count): give a grid of fewer settings.")
    }
    guard Set(entries.map(\.settings)).count == entries.count else {
      throw CinchError.usage("Two runs of a sweep have the same settings: give each others.")
    }
    let data = try data.loaded()
    let heldOut = try validation?.loaded(as: data.samples.schema)
    try heldOut?.samples.requireFeatures(of: data.samples)
    for entry in entries {
      guard entry.recipe.training.pretraining == nil else {
        throw CinchError.usage(
          "Runs of '\(entry.recipe.name)' do not compare, for its layers are trained one by one and each has a loss of its "
            + "own: sweep a recipe whose layers are trained together, and train each stack by itself.")
      }
      do {
        try entry.recipe.validate()
        try entry.recipe.requireHeldOut(heldOut != nil || entry.recipe.validationSplit > 0)
      } catch CinchError.usage(let why) {
        throw CinchError.usage("The run '\(entry.name)' cannot be trained (\(why.clause)): give it other settings.")
      }
    }
    if let path { try RunFolder(path).requireNoSweep() }
    try rehearse(entries, data, heldOut, zcaEpsilon, on: device)
    let folder = try RunFolder.create(at: path, name: (entries.first?.recipe.name ?? "") + "-sweep")
    let lock = try folder.lock()
    try folder.requireNoSweep()
    let plan = Plan(
      data: data.source, validation: heldOut?.source, hasValidation: heldOut != nil,
      fingerprint: fingerprint(of: data, heldOut, entries), zcaEpsilon: zcaEpsilon, device: device, entries: entries)
    try folder.write(plan)
    return Sweep(folder, device, plan, Samples(data: data, validation: heldOut, isKnown: true), lock)
  }

  /// - Throws: what the first run is refused for, where all are.
  private static func rehearse(
    _ entries: [Entry], _ data: LoadedSamples, _ validation: LoadedSamples?, _ zcaEpsilon: Double, on device: Device
  ) throws {
    var refusal: CinchError?
    for entry in entries {
      do {
        return try Run.rehearse(
          entry.recipe, data: data, validation: validation, scaling: entry.scaling, zcaEpsilon: zcaEpsilon, on: device)
      } catch let error as CinchError where isItsOwn(error, isNew: true) {
        refusal = refusal ?? error
      }
    }
    if let refusal { throw refusal }
  }

  /// Of what all runs train on.
  static func fingerprint(of data: LoadedSamples, _ validation: LoadedSamples?, _ entries: [Entry]) -> String {
    [data, validation].compactMap { samples in
      samples?.samples.fingerprint(withLabels: entries.contains { $0.recipe.classifier != nil })
    }.joined(separator: "-")
  }

  /// A sweep that was begun.
  ///
  /// - Parameters:
  ///   - path: its folder.
  ///   - device: nil takes the sweep's own; runs that have begun keep theirs.
  ///   - data: the samples that it was created with, where they were a `Dataset`.
  ///   - validation: the held-out ones, likewise.
  ///   - moved: where its data lie now, which its folder and its runs' keep from `train` on.
  /// - Throws: `CinchError.inputOutput` where there is no sweep, `.badData` where its file is damaged, `.usage` where its
  ///   samples are needed or are its own, or it has no such files, `.unavailable` where somebody else has the folder.
  public static func resume(
    _ path: String, on device: Device? = nil, data: (any RunSamples)? = nil, validation: (any RunSamples)? = nil,
    moved: Run.MovedFiles = Run.MovedFiles()
  ) throws -> Sweep {
    let folder = RunFolder(path)
    _ = try folder.sweepPlan()
    let lock = try folder.lock()
    var plan = try folder.sweepPlan()
    (plan.data, plan.validation) = try moved.sources(plan.data, plan.validation, of: path)
    guard data == nil || plan.data == nil, validation == nil || plan.validation == nil else {
      throw CinchError.usage("'\(path)' names its own data and loads them itself: resume it without data.")
    }
    let heldOut = try validation?.loaded()
    let samples = Samples(data: try data?.loaded(), validation: heldOut, isMoved: moved != Run.MovedFiles())
    return Sweep(folder, device ?? plan.device, plan, samples, lock)
  }

  private init(_ folder: RunFolder, _ device: Device, _ plan: Plan, _ samples: Samples, _ lock: FolderLock) {
    self.folder = folder
    self.device = device
    self.plan = Mutex(plan)
    self.samples = Mutex(samples)
    self.lock = lock
  }

  public var entries: [Entry] { plan.withLock { $0.entries } }

  /// The folder of each entry's run, in their order.
  public var paths: [String] {
    let entries = entries
    return entries.indices.map { folder.path + "/" + Self.folderName($0, entries[$0], of: entries.count) }
  }

  /// `03-lr=0.001-code=16`: what is no letter, digit or one of `=.+-` is a hyphen.
  private static func folderName(_ index: Int, _ entry: Entry, of count: Int) -> String {
    let number = String(index + 1)
    let padded = String(repeating: "0", count: String(count).count - number.count) + number
    let name = entry.name.map { $0.isASCII && ($0.isLetter || $0.isNumber || "=.+-".contains($0)) ? $0 : "-" }
    return padded + (name.isEmpty ? "" : "-" + String(name.prefix(80)))
  }

  /// How far each entry is.
  /// - Throws: `CinchError.badData` where a run's files are damaged.
  public var results: [Result] {
    get throws {
      let (entries, paths) = (entries, paths)
      return try entries.indices.map { index in
        if let known = settled.withLock({ $0[index] }) { return known }
        let result = try Self.result(entries[index], paths[index])
        // A checkpoint holds more than its state: it is read once. A run that failed is not tried again.
        if result.state == .ended || result.state == .failed { settled.withLock { $0[index] = result } }
        return result
      }
    }
  }

  private static func result(_ entry: Entry, _ path: String) throws -> Result {
    let folder = RunFolder(path)
    guard folder.has(.config) else {
      return Result(entry: entry, path: path, state: entry.failure == nil ? .waiting : .failed, epoch: nil)
    }
    let config: RunConfig
    let state: TrainingState
    do {
      config = try folder.config()
      state = try folder.checkpoint(of: config).state
    } catch let error as CinchError where error.exitCode != 69 {
      throw CinchError.badData(
        "A run of the sweep cannot be read (\(error.message.clause)): bring its files back, or remove the folder '\(path)' to "
          + "have it trained anew.")
    }
    // Without early stopping a run ends with its last weights, whichever were best.
    let best = entry.recipe.patience == nil ? nil : state.bestEpoch
    return Result(
      entry: entry, path: path, state: entry.failure != nil ? .failed : config.isFinal ? .ended : .stopped,
      epoch: state.history.first { $0.number == best } ?? state.history.last)
  }
}

extension [Sweep.Result] {
  /// Whether the scores of runs that have ended have a common scale: not with other losses, scalings or samples held out, or
  /// training samples that are corrupted otherwise.
  public var areComparable: Bool { Set(lazy.filter { $0.score != nil }.map(\.scale)).count <= 1 }

  /// The runs that have ended, the best first, and those without a score last; in their own order where they are not
  /// comparable.
  public var ranked: [Sweep.Result] {
    let ended = filter { $0.state == .ended }
    guard areComparable else { return ended }
    // Of equal ones the first: sorting alone would not keep their order.
    return ended.enumerated().sorted { ($0.element.order, $0.offset) < ($1.element.order, $1.offset) }.map(\.element)
  }
}

extension Sweep.Result {
  /// What scores that can be compared have in common.
  fileprivate var scale: [String] {
    let recipe = entry.recipe
    // A split is drawn with the run's seed.
    let split = recipe.validationSplit > 0 ? "\(recipe.validationSplit) by \(recipe.seed)" : ""
    // Held-out samples are clean.
    let corruption = epoch?.validationMetrics == nil ? recipe.corruption.map { "\($0.kind) \($0.level)" } : nil
    return [recipe.loss.rawValue, "\(recipe.sigma ?? 0)", entry.scaling.rawValue, split, corruption ?? ""]
  }

  fileprivate var order: Double { score.flatMap { $0.isNaN ? nil : $0 } ?? .infinity }
}
